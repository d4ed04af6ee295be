//! Mistakes of tariffs, meters and series: each on its line, with what is allowed.

use super::super::*;
use super::tariffs::EVERYTHING;

/// Puts `to` in the place of `from`, the first one after `after`; exactly one mistake is expected,
/// on the line of `on` (after the same place), in which `message` stands.
fn check_on(after: &str, from: &str, to: &str, on: &str, message: &str) {
    let start = EVERYTHING.find(after).unwrap_or_else(|| panic!("no {after:?}"));
    let (head, tail) = EVERYTHING.split_at(start);
    assert!(tail.contains(from), "no {from:?} after {after:?}");
    let text = format!("{head}{}", tail.replacen(from, to, 1));
    let mistakes = read_book(&text).expect_err(to);
    let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let [mistake] = mistakes.as_slice() else { panic!("{to:?} makes {found:#?}") };
    let at = start + text[start..].find(on).unwrap_or_else(|| panic!("no {on:?}"));
    let line = text[..at].matches('\n').count() + 1;
    assert_eq!(mistake.line, line, "{to:?} makes {found:#?}");
    assert!(mistake.message.contains(message), "{message:?} is not in {found:#?}");
    assert!(!mistake.path.is_empty(), "{found:#?}");
}

/// [`check_on`] for a mistake that stands in what was put in.
fn check(after: &str, from: &str, to: &str, message: &str) {
    check_on(after, from, to, to, message);
}

#[test]
fn tiers_have_no_gap_and_all_are_reached() {
    let at = "name = \"Traffic\"";
    let bound = "{ up_to = \"1000.5\", price = \"0.07\" }";
    check(
        at,
        bound,
        "{ up_to = \"100\", price = \"0.07\" }",
        "never reached: `up_to` is not above",
    );
    check(at, bound, "{ up_to = \"99\", price = \"0.07\" }", "never reached: `up_to` is not above");
    let open = "{ price = \"0.07\" },\n    { up_to = \"9999\", price";
    check_on(at, "{ up_to = \"1000.5\", price", open, "{ up_to = \"9999\"", "has no `up_to`");
    let last = "{ up_to = \"2000\", price = \"0.05\" }";
    check(at, "{ price = \"0.05\" }", last, "a gap: units above the last");
    check(at, bound, "{ up_to = \"0\", price = \"0.07\" }", "a size is more than zero");
    check(at, bound, "{ up_to = \"2000\", price = \"-1\" }", "a price is zero or more");
    check(at, bound, "{ up_to = 1000.5, price = \"0.07\" }", "write it as a string, \"1000.5\"");
    check(at, bound, "{ up_to = \"1000.5\" }", "`price` is missing");
    check(at, bound, "{ up_to = \"1000.5\", price = \"1\", upto = \"2\" }", "unknown key `upto`");
    check(at, "\"first-flat\"", "\"flat\"", "allowed are `free`, `first-flat`");
    check(at, "step = \"0.001\"", "step = \"0\"", "a size is more than zero");
    check(at, "to = \"up\"", "to = \"ceil\"", "`up`, `down`, `half-away-from-zero`");
    check("name = \"Volumes\"", "by = \"held\"", "by = \"hold\"", "`total`, `held`");
    check_on(at, "unit = \"GB\"", "by = \"held\"\nunit = \"GB\"", "by =", "is held at an instant");
    let percent = "{ up_to = \"1000\", percent = \"2%\", flat = \"5\" }";
    let at = "name = \"Market, at large\"";
    check(
        at,
        percent,
        "{ up_to = \"1000\", percent = \"2\", flat = \"5\" }",
        "a percentage such as",
    );
    check(at, "{ percent = \"0.5%\" }", "{ up_to = \"2000\", percent = \"1%\" }", "a gap");
    let tiers =
        "tiers = [{ up_to = \"1000\", percent = \"2%\", flat = \"5\" }, { percent = \"0.5%\" }]";
    check(at, tiers, "tiers = []", "holds no tier");
}

#[test]
fn blocks_packages_and_percentages_are_checked() {
    let at = "name = \"Disk operations\"";
    check(at, "size = \"10\"", "size = \"0\"", "a size is more than zero");
    check_on(at, ", blocks_max = 10", "", "tiers =", "never reached: the tier before it");
    check(at, "blocks_max = 10", "blocks_max = 0", "from 1 to");
    check(at, "policy = \"all-tiers\"", "policy = \"all\"", "`all-tiers`, `top-tier`");
    let at = "name = \"Requests\"";
    check(at, "size = \"1000000\"", "size = \"0\"", "a size is more than zero");
    check(at, "free = \"2000000\"", "free = \"-1\"", "zero or more");
    let at = "[[tariff.version.rate]]\nname = \"Requests\"";
    check_on(at, "size = \"1000000\"\n", "", at, "`size` is missing");
}

#[test]
fn models_take_the_keys_of_their_own() {
    let at = "name = \"vCPU\"\n";
    let size = "price = \"0.0416\"\nsize = \"1\"";
    check_on(at, "price = \"0.0416\"", size, "size", "`size` belongs to a `model`");
    check(
        "name = \"Traffic\"",
        "model = \"graduated\"",
        "model = \"tiered\"",
        "`per-unit`, `graduated`",
    );
    let at = "name = \"Market\"";
    check(at, "percent = \"1.3%\"", "percent = \"-1%\"", "0% or more");
    check(at, "maximum = \"12\"", "maximum = \"0.4\"", "less than `minimum`");
    check(at, "free_events = 3", "free_events = -1", "from 0 to");
    check_on(
        at,
        "meter = \"turnover\"",
        "meter = \"snapshot\"\nper = \"hour\"",
        "model =",
        "does not fit meter `snapshot`",
    );
    let at = "name = \"Spare capacity\"";
    check(
        at,
        "series = \"spot\"",
        "series = \"spto\"",
        "no price series `spto`; the book has `spot`",
    );
    let at = "name = \"Disk traffic\"";
    check(at, "multiplier = \"0.01\"", "multiplier = \"-1\"", "zero or more");
    let consumed = "meter = \"disk-io\"\nunit = \"GB\"\nmodel = \"dynamic\"\nattribute = \"price\"\n\
                    basis = \"unit\"";
    let held = "meter = \"snapshot\"\nper = \"hour\"\nmodel = \"dynamic\"\nattribute = \"price\"\n\
                basis = \"total\"";
    check_on(at, consumed, held, "basis =", "no event has its total amount");
    let at = "name = \"Committed bandwidth\"";
    let series = "model = \"series\"\nseries = \"spot\"";
    check_on(at, "price = \"12.50\"", series, "model", "the meter measures the period as a whole");
}

#[test]
fn matrices_are_checked_row_by_row() {
    let at = "name = \"Machine\"";
    check(
        at,
        "[\"m1.small\", \"*\", \"0.010\"]",
        "[\"m1.small\", \"0.010\"]",
        "a value for each of",
    );
    check(
        at,
        "[\"m1.small\", \"*\", \"0.010\"]",
        "[\"m1.small\", \"ber\", \"0.010\"]",
        "no site `ber`",
    );
    check(
        at,
        "[\"m1.small\", \"*\", \"0.010\"]",
        "[\"m1.small\", \"fra\", \"0.010\"]",
        "never reached",
    );
    check(at, "[\"m1.small\", \"*\", \"0.010\"]", "[\"m1.small\", \"*\", 0.010]", "is a float");
    check(
        at,
        "by = [\"flavor\", \"site\"]",
        "by = [\"flavor\", \"flavor\"]",
        "stands there already",
    );
}

#[test]
fn rates_are_reached_and_leave_no_hour_without_a_price() {
    let at = "name = \"vCPU\"\n";
    let more = |text: &str| format!("tax = \"standard\"\n\n[[tariff.version.rate]]\n{text}");
    let tail = "price = \"1\"\nper = \"hour\"\ntax = \"standard\"";
    let second = more(&format!("meter = \"vcpu\"\nwhere = {{ a = \"b\" }}\n{tail}"));
    let on = "[[tariff.version.rate]]";
    check_on(at, "tax = \"standard\"", &second, on, "never reached: the one on line");
    let off = "times = [{ from = \"09:00\", to = \"12:00\" }]";
    let daytime = more(&format!("meter = \"nic\"\n{off}\n{tail}"));
    check_on(at, "tax = \"standard\"", &daytime, on, "a gap: from mon 00:00 on");
    let night =
        format!("{on}\nmeter = \"nic\"\ntimes = [{{ from = \"12:00\", to = \"09:00\" }}]\n{tail}");
    let third = format!("{on}\nmeter = \"nic\"\nsite = \"fra\"\n{tail}");
    let all = format!("{daytime}\n\n{night}\n\n{third}");
    check_on(at, "tax = \"standard\"", &all, &third, "take all its hours");
    let unpriced = "[[tariff.version.rate]]\nname = \"vCPU by night\"";
    check_on(
        unpriced,
        "name = \"vCPU\"\nmeter = \"vcpu\"",
        "meter = \"nic\"",
        unpriced,
        "a gap: from mon 00:00 on",
    );
    let twice = "name = \"Volumes\" # twice";
    check("name = \"Requests\"", "name = \"Requests\"", twice, "is named `Volumes` already");
}

#[test]
fn places_and_times_of_rates_are_checked() {
    let at = "name = \"vCPU in Frankfurt\"";
    check(at, "site = \"fra\"", "site = \"muc\"", "no site `muc`; the book has `fra`, `lyon-1`");
    let at = "name = \"vCPU by night\"";
    let days = "{ days = [\"sat\", \"sun\"] }";
    check(at, days, "{ days = [\"sat\", \"sunday\"] }", "write `mon` to `sun`");
    check(at, days, "{ days = \"sat-sonntag\" }", "`sat-sonntag` is no day");
    check(at, days, "{ days = [] }", "names no day");
    check(at, days, "{ days = 6 }", "of type integer");
    check(at, days, "{ from = \"24:00\", to = \"06:00\" }", "where a day ends");
    check(at, days, "{ from = \"9:00\" }", "a time such as 09:00");
    check(at, days, "{ from = \"25:00\" }", "a time such as 09:00");
    check(at, days, "{ from = \"09:00\", to = \"09:00\" }", "are the same");
    check(
        at,
        days,
        "{ days = \"sat\", until = \"09:00\" }",
        "unknown key `until`; allowed are `days`, `from`, `to`",
    );
    let at = "name = \"Public addresses\"";
    check(at, "window = \"1h\"", "window = \"7m\"", "does not divide a day");
    check(at, "window = \"1h\"", "window = \"2d\"", "does not divide a day");
    check(at, "per = \"hour\"", "per = \"unit\"", "held over time");
    check(
        "name = \"Committed bandwidth\"",
        "price = \"12.50\"",
        "per = \"month\"\nprice = \"1\"",
        "a measure of its own",
    );
    check(
        "name = \"Volumes\"",
        "pool = \"project\"",
        "pool = \"tenant\"",
        "`account`, `project`, `site`",
    );
    let narrow = "[[tariff.version.rate]]\nname = \"Volumes\"";
    check_on(
        narrow,
        "pool = \"project\"",
        "pool = \"resource\"",
        narrow,
        "narrower than the version's",
    );
}

#[test]
fn costs_of_a_hashmap_are_checked() {
    let at = "name = \"Memory\"";
    let cost = "{ cost = \"0.005\" }";
    check(at, cost, "{ cost = \"0.005\", factor = \"1\" }", "either a `cost`");
    check(at, cost, "{ group = \"a\" }", "either a `cost`");
    check(at, cost, "{ factor = \"-1\" }", "zero or more");
    check(at, cost, "{ cost = \"1\", value = \"a\" }", "`value` is that of a `field`");
    check(at, cost, "{ cost = \"1\", field = \"a\" }", "a `field` needs a `value`");
    check(
        at,
        cost,
        "{ cost = \"1\", field = \"a\", value = \"b\", at_least = \"1\" }",
        "write either `value`",
    );
    let service = "{ at_least = \"64\"";
    let again = "{ field = \"vcpus\", at_least = \"8\"";
    check(service, service, again, "stands on line");
    check(at, "valid_to = 2026-03-01", "valid_to = 2026-01-01", "not after `valid_from`");
    let before = "field = \"flavor\", value = \"m1.large\", factor";
    check(at, before, "flavour = \"m1.large\", factor", "unknown key `flavour`");
}

#[test]
fn fees_and_prorations_are_checked() {
    let at = "name = \"Base fee\"";
    check(at, "amount = \"50.00\"", "amount = \"0\"", "an amount is more than zero");
    check(at, "count = \"thirty\"", "count = \"30\"", "`actual`, `thirty`");
    check(at, "decimals = 9", "decimals = 19", "from 0 to 18");
    check_on(at, "decimals = 9, ", "", "proration", "without `decimals`");
    check(at, "by = \"day\"", "by = \"week\"", "`none`, `second`, `day`");
    let at = "name = \"Connection\"";
    check(at, "every = \"once\"", "every = \"year\"", "`month`, `once`");
    check_on(
        at,
        "amount = \"99\"",
        "amount = \"99\"\nproration = \"day\"",
        "proration",
        "due once",
    );
    let at = "name = \"Connection\"";
    check(at, "name = \"Connection\"", "name = \"Base fee\" # 2", "named `Base fee` already");
    let at = "name = \"Capacity\"";
    check(at, "memory = \"64 GiB\"", "memory = \"64 Gib\"", "has no unit `Gib`");
    check(at, "memory = \"64 GiB\"", "memory = \"0 GiB\"", "a size is more than zero");
    check(at, "memory = \"64 GiB\"", "ram = \"64 GiB\"", "no meter `ram`");
    let tier = "{ up_to = { vcpu = \"20\", memory = \"128 GiB\" }, amount = \"20\" }";
    let smaller =
        "{ up_to = { vcpu = \"9\", memory = \"1 GiB\", volume = \"1\" }, amount = \"20\" }";
    check(at, tier, smaller, "never reached");
    check(at, "{ amount = \"30\" }", "{ up_to = { vcpu = \"30\" }, amount = \"30\" }", "a gap");
    check_on(at, "proration = \"none\"", "amount = \"1\"", "tiers", "either an `amount`");
}

#[test]
fn adjustments_are_checked() {
    let free = "[[tariff.version.adjustment]]\nname = \"Prepaid\"\nadjust = \"commitment\"\nmeters = [\"vcpu\"]\namount = \"1000\"\nprepaid = true\nproration = { by = \"second\" }";
    let late = "[[tariff.version.adjustment]]\nname = \"Late\"\nadjust = \"allowance\"\nmeters = [\"egress\"]\nquantity = \"1\"\nunit = \"GB\"";
    check(free, free, late, "list allowances first");
    let at = "name = \"Free traffic\"";
    check(
        at,
        "unit = \"GB\"",
        "unit = \"GiB\"",
        "no rate counts meter `egress` in `GiB`; its rates count in `GB`",
    );
    check(at, "unit = \"GB\"", "unit = \"vCPU\"", "has no unit `vCPU`");
    check(at, "quantity = \"100\"", "quantity = \"0\"", "more than zero");
    check(at, "[\"egress\"]", "[\"egres\"]", "no meter `egres`");
    let table = "[[tariff.version.adjustment]]\nname = \"Free traffic\"";
    check_on(table, "meters = [\"egress\"]\n", "", table, "names the `meters`");
    // What is priced piece by piece counts no units.
    let spot = "meters = [\"cpu-mhz\"]\nquantity = \"100\"\nunit = \"GHz\"";
    check_on(
        at,
        "meters = [\"egress\"]\nquantity = \"100\"\nunit = \"GB\"",
        spot,
        "unit",
        "count in none",
    );
    let at = "name = \"Volume discount\"";
    check(at, "percent = \"12.5%\"", "percent = \"0%\"", "above 0% and up to 100%");
    check(at, "percent = \"12.5%\"", "percent = \"101%\"", "above 0% and up to 100%");
    check(
        at,
        "\"Compute\", \"Base\"",
        "\"Compute\", \"Bass\"",
        "no meter or fee belongs to a service `Bass`",
    );
    check(at, "adjust = \"discount\"", "adjust = \"rebate\"", "`allowance`, `discount`, `credit`");
    check_on(at, "fees = true", "fees = 1", "fees", "`true` or `false`");
    check("name = \"Welcome\"", "amount = \"10\"", "amount = \"0\"", "an amount is more than zero");
    let unit = "amount = \"10\"\nunit = \"GB\"";
    check_on("name = \"Welcome\"", "amount = \"10\"", unit, "unit", "unknown key `unit`");
    let at = "name = \"Hours reserved\"";
    check(at, "[\"Public addresses\"]", "[\"Addresses\"]", "no rate is named `Addresses`");
    check_on(
        at,
        "[\"Public addresses\"]",
        "[\"MIPS\"]",
        "windows",
        "none of its rates has a `window`",
    );
    check(at, "overage = \"1.5\"", "overage = \"-1\"", "zero or more");
    check_on(
        at,
        "true_up = true",
        "true_up = true\nprepaid = true",
        "true_up",
        "leave out `true_up`",
    );
    check(at, "windows = true", "windows = \"some\"", "allowed are `used`");
    check_on(
        at,
        "windows = true\namount = \"0.01\"\noverage = \"1.5\"\ntrue_up = true",
        "windows = \"all\"\namount = \"0.01\"\noverage = \"1.5\"",
        "windows",
        "only matters to a minimum",
    );
}

#[test]
fn meters_are_checked() {
    let at = "id = \"bandwidth-95\"";
    check(at, "percent = 95", "percent = 101", "from 1 to 100");
    let table = "[[meter]]\nid = \"bandwidth-95\"";
    check_on(table, "percent = 95\n", "", table, "`percent` is missing");
    check_on(table, "window = \"5m\"\n", "", table, "`window` is missing");
    check(at, "window = \"5m\"", "window = \"7m\"", "does not divide a day");
    check(at, "measure = \"percentile\"", "measure = \"p95\"", "`total`, `max`, `latest`");
    check(at, "of = \"egress\"", "of = \"egres\"", "no meter `egres`");
    check(at, "of = \"egress\"", "of = \"bandwidth-peak\"", "is derived itself");
    check(at, "of = \"egress\"", "of = \"bandwidth-95\"", "is derived itself");
    let held = "of = \"egress\"\naggregation = \"held\"";
    check_on(at, "of = \"egress\"", held, "aggregation", "is aggregated otherwise");
    let more = "percent = 95\nattribute = \"a\"";
    check_on(at, "percent = 95", more, "attribute", "unknown key `attribute`");
    check("id = \"memory-max\"", "over = \"resource\"", "over = \"month\"", "`account`, `project`");
    let over = "scale = 2\nover = \"site\"";
    check_on("id = \"turnover\"", "scale = 2", over, "over = \"site\"", "over what a `measure`");
    let table = "[[meter]]\nid = \"machines\"";
    check_on(table, "unit = \"machine\"\n", "", table, "`unit` is missing");
    let at = "id = \"compute-mips\"";
    check(at, "\"mips-per-vcpu\"", "\"mips\"", "`mips-per-vcpu`, `mips-per-mhz`");
    let convert = "scale = 2\nconvert = { attribute = \"a\", factor = \"mips-per-mhz\" }";
    check_on("id = \"turnover\"", "scale = 2", convert, "convert", "is that of a meter `of`");
}

#[test]
fn series_host_classes_and_holding_are_checked() {
    let at = "id = \"spot\"";
    let point = "[\"2026-01-01T06:00:00Z\", \"0.0310\"]";
    check(at, point, "[\"2026-01-01\", \"0.0310\"]", "is not after the point before it");
    check(at, point, "[\"2026-01-01T06:00:00Z\", \"-0.0310\"]", "zero or more");
    check(at, point, "[\"2026-01-01T06:00:00Z\", 0.0310]", "is a float");
    check(at, point, "[\"2026-01-01T06:00:00.5Z\", \"0.0310\"]", "whole seconds");
    check(at, point, "[\"2026-01-01T06:00:00Z\"]", "a point is one of pairs");
    check(at, point, "\"2026-01-01T06:00:00Z\"", "write pairs");
    let at = "class = \"gold\"";
    check(at, "mips_per_mhz = \"3.125\"", "mips_per_mhz = \"0\"", "a rating is more than zero");
    check(at, "mips_per_mhz = \"3.125\"", "mips_per_mhz = \"1.1234567\"", "at most 6 decimals");
    let second = "[[host_class]]\nclass = \"gold\"\nmips_per_vcpu = \"14000\"";
    check_on(
        second,
        "valid_from = 2026-07-01",
        "valid_from = 2026-06-30",
        second,
        "overlaps `gold`",
    );
    let third = "[[host_class]]\nclass = \"silver\"";
    check_on(third, "mips_per_vcpu = \"8000.5\"\n", "", third, "or both");
    let at = "[tariff.version.holding]";
    check(at, "vcpu = { minimum", "egress = { minimum", "nothing of it is held");
    check(at, "vcpu = { minimum", "cpus = { minimum", "no meter `cpus`");
    check(at, "volume = { step = \"1h\" }", "volume = {}", "write a `minimum`, a `step`");
    check(at, "volume = { step = \"1h\" }", "volume = { step = \"0s\" }", "a duration such as");
    check(
        "id = \"network.one\"",
        "detail = \"project\"",
        "detail = \"site\"",
        "`resource`, `project`",
    );
}

#[test]
fn bases_and_sellers_tariffs_are_checked() {
    let at = "id = \"lyon\"\nname = \"Lyon list\"";
    check(at, "base = \"network\"", "base = \"net\"", "no tariff `net`");
    check(at, "base = \"network\"", "base = \"lyon\"", "circular: lyon on lyon");
    // Its account is billed in the other currency then, too.
    let francs = at.to_owned() + "\ncurrency = \"CHF\"";
    let text = EVERYTHING.replacen(&format!("{at}\ncurrency = \"EUR\""), &francs, 1);
    let mistakes = read_book(&text).expect_err("is in another currency");
    let [base, account] = &mistakes[..] else { panic!("{mistakes:#?}") };
    assert_eq!(
        (base.path.as_str(), account.path.as_str()),
        ("tariff[1].base", "account[1].currency")
    );
    assert!(base.message.contains("priced in EUR") && account.message.contains("priced in CHF"));
    let at = "id = \"network\"\nname = \"Network list\"";
    let text = EVERYTHING.replacen(at, &format!("{at}\nbase = \"lyon\""), 1);
    let mistakes = read_book(&text).expect_err("is circular");
    let circular = mistakes.iter().filter(|mistake| mistake.message.contains("circular"));
    assert_eq!(circular.count(), 2, "{mistakes:#?}");
    check("id = \"acme\"", "tariff = \"network\"", "tariff = \"net\"", "no tariff `net`");
    check(
        "name = \"Of the network's machines\"",
        "[\"Machine\"]",
        "[\"Machines\"]",
        "no rate is named `Machines`",
    );
}

#[test]
fn limits_that_park_are_said() {
    let check = |from: &str, to: &str, message: &str| {
        let text = EVERYTHING.replacen(from, to, 1);
        let mistakes = read_book(&text).expect_err(to);
        let [mistake] = mistakes.as_slice() else { panic!("{to:?} makes {mistakes:#?}") };
        assert!(mistake.message.contains(message), "{mistake}");
    };
    let open = "{ size = \"100\", price = \"9\" }";
    check(open, "{ size = \"100\", price = \"9\", blocks_max = 5 }", "no price");
    check(
        "id = \"lyon\"\nname = \"Lyon list\"\ncurrency = \"EUR\"\nbase = \"network\"\n\n[[tariff.version]]\nvalid_from = 2026-01-01",
        "id = \"lyon\"\nname = \"Lyon list\"\ncurrency = \"EUR\"\nbase = \"network\"\n\n[[tariff.version]]\nvalid_from = 2025-01-01",
        "no version of the base is in force",
    );
    check(
        "valid_to = 2026-07-01\n\n[[host_class]]",
        "valid_to = 2026-06-01\n\n[[host_class]]",
        "nothing is in force from",
    );
    let sound = |text: &str| {
        assert_eq!(read_book(text).map(|parsed| parsed.warnings), Ok(Vec::new()), "{text}");
    };
    let blocks = "{ size = \"100\", price = \"9\", blocks_max = 5 }";
    let policy = "policy = \"all-tiers\"\n";
    let limited = EVERYTHING.replacen(open, blocks, 1);
    sound(&limited.replacen(policy, &format!("{policy}limited = true\n"), 1));
    let later = "valid_from = 2026-07-01\n";
    let gap = EVERYTHING.replacen(
        "valid_to = 2026-07-01\n\n[[host_class]]",
        "valid_to = 2026-06-01\n\n[[host_class]]",
        1,
    );
    sound(&gap.replacen(later, &format!("{later}gap = true\n"), 1));
    let limited = EVERYTHING.replacen("    { amount = \"30\" },\n]", "]\nlimited = true", 1);
    assert_eq!(read_book(&limited).map(|parsed| parsed.warnings), Ok(Vec::new()));
}
