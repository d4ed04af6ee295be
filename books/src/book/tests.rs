mod counted;
mod kept;
mod mistakes;
mod tariffs;
mod versions;

use super::*;

const NETWORK: &str = include_str!("../../fixtures/network.toml");

/// A small sound book; the tables below change one line of it.
const SOUND: &str = r#"[[party]]
id = "acme"
name = "Acme"
kind = "franchisor"
series = "ACM"
address = { city = "Lyon", country = "FR" }
[[party]]
id = "lyon"
name = "Lyon"
kind = "franchisee"
series = "LYO"
address = { city = "Lyon", country = "FR" }
[[site]]
id = "lyon-1"
name = "Lyon 1"
party = "lyon"
[[tax_category]]
id = "standard"
code = "S"
rate = "20%"
[[meter]]
id = "gpu"
name = "GPU"
service = "Compute"
unit = "GPU"
scale = 6
aggregation = "held"
hold = "running"
units = { "GPU pair" = 2 }
[[source]]
prefix = "/libvirt/"
open = "audited"
every = "1h"
missed = 3
[[tariff]]
id = "basic"
name = "Basic"
currency = "EUR"
rounding = "half-even"
[[tariff.version]]
valid_from = 2026-01-01
valid_to = 2026-07-01
included = ["ingress"]
[[tariff.version.rate]]
meter = "vcpu"
price = "0.0416"
per = "hour"
unit = "vCPU"
where = { flavor = "small" }
tax = "standard"
[[tariff.version.rate]]
meter = "egress"
price = "0.01"
per = "unit"
unit = "GB"
tax = "standard"
[tariff.version.hold]
gpu = ["active"]
[[tariff.version]]
valid_from = 2026-07-01
[[account]]
id = "a1"
name = "A1"
seller = "lyon"
currency = "EUR"
time_zone = "Europe/Paris"
tariff = "basic"
email = "a@b.example"
address = { city = "Lyon", country = "FR" }
[[account.owner]]
owner = "openstack/1"
valid_from = 2026-01-01
[[agreement]]
id = "lyon-2026"
franchisor = "acme"
franchisee = "lyon"
valid_from = 2026-01-01
valid_to = 2027-01-01
royalty = "33.333%"
[[agreement.term]]
service = "Storage"
royalty = "10%"
"#;

/// The line of the first place where a text stands.
fn line_of(book: &str, part: &str) -> usize {
    let at = book.find(part).unwrap_or_else(|| panic!("no {part:?}"));
    book[..at].matches('\n').count() + 1
}

/// Puts `to` in the place of `from`; exactly one mistake is expected, on the line of `on`.
fn check_on(from: &str, to: &str, on: &str, path: &str, message: &str) {
    assert!(SOUND.contains(from), "the sound book has no {from:?}");
    let text = SOUND.replacen(from, to, 1);
    let mistakes = read_book(&text).expect_err(to);
    let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let [mistake] = mistakes.as_slice() else { panic!("{to:?} makes {found:#?}") };
    assert_eq!((mistake.line, mistake.path.as_str()), (line_of(&text, on), path), "{found:#?}");
    assert!(mistake.message.contains(message), "{message:?} is not in {found:#?}");
}

/// [`check_on`] for a mistake that stands in what was put in.
fn check(from: &str, to: &str, path: &str, message: &str) {
    check_on(from, to, to, path, message);
}

#[test]
fn sound_books_are_read_and_ordered() {
    let small = read_book(SOUND).expect("is sound");
    assert_eq!(small.warnings, []);
    let network = read_book(NETWORK).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(network.warnings, []);
    let book = &network.book;
    let counts = BookCounts::of(book);
    assert_eq!((counts.parties, counts.sites, counts.accounts), (4, 3, 3));
    assert_eq!((counts.tariffs, counts.tariff_versions, counts.agreements), (2, 3, 3));
    let ids: Vec<&str> = book.tariffs.iter().map(|tariff| tariff.id.as_str()).collect();
    assert_eq!(ids, ["japan", "standard"]);
    let versions: Vec<&str> =
        book.tariffs[1].versions.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(versions, ["standard.2026-01", "standard.2026-07"]);
    let vcpu = &book.tariffs[1].versions[1].rates[1];
    assert_eq!((vcpu.price_nano, vcpu.unit.base_units), (41_600_000, 1));
    assert_eq!(book.agreements[0].royalty_ppm, 333_330);
    assert_eq!(book.agreements[2].royalty_ppm, 125_000);
    // A day in an account is that of its time zone, elsewhere of UTC.
    let sato = book.accounts.iter().find(|account| account.id.as_str() == "sato").expect("sato");
    let from = sato.tariffs[0].valid_from.expect("from").to_string();
    assert_eq!(from, "2025-12-31T15:00:00Z");
    assert_eq!(book.tariffs[0].versions[0].valid_from.to_string(), "2026-01-01T00:00:00Z");
    // What is stored reads back as the same book with the same hash.
    let text = turnpike_schemas::canonical::to_json(book);
    let back: PriceBook = serde_json::from_str(&text).expect("reads back");
    assert_eq!(&back, book);
    assert_eq!(back.hash(), book.hash());
}

#[test]
fn mistakes_of_form_are_found_on_their_line() {
    let text = "name = \"Acme\"\nnome = 1";
    check_on("name = \"Acme\"", text, "nome", "party[0].nome", "allowed are `id`, `name`");
    check("name = \"Acme\"", "name = 7", "party[0].name", "of type integer; write a string");
    check("name = \"Acme\"", "name = \" Acme\"", "party[0].name", "white space");
    check("name = \"Acme\"", "name = \"\"", "party[0].name", "is empty");
    check("id = \"lyon-1\"", "id = \"Lyon-1\"", "site[0].id", "site id `Lyon-1` holds 'L'");
    check("kind = \"franchisor\"", "kind = \"boss\"", "party[0].kind", "`franchisor`, `master-");
    check("series = \"ACM\"", "series = \"acm-1\"", "party[0].series", "1 to 12 of A-Z and 0-9");
    check("country = \"FR\"", "country = \"UK\"", "party[0].address.country", "`UK` is not an ISO");
    check("rate = \"20%\"", "rate = \"20\"", "tax_category[0].rate", "a percentage such as");
    check("rate = \"20%\"", "rate = 0.2", "tax_category[0].rate", "of type float");
    check("rate = \"20%\"", "rate = \"1.23456%\"", "tax_category[0].rate", "at most 4 decimals");
    check("code = \"S\"", "code = \"X\"", "tax_category[0].code", "`S`, `Z`, `E`");
    check_on("code = \"S\"", "code = \"Z\"", "rate", "tax_category[0].rate", "a rate of 0%");
    check("scale = 6", "scale = 10", "meter[0].scale", "from 0 to 9");
    check("hold = \"running\"", "hold = \"on\"", "meter[0].hold", "`running`, `allocated`");
    check("every = \"1h\"", "every = \"hourly\"", "source[0].every", "a duration such as");
    check("currency = \"EUR\"", "currency = \"EURO\"", "tariff[0].currency", "`EURO` is not an");
    check("rounding = \"half-even\"", "rounding = \"down\"", "tariff[0].rounding", "`half-even`");
    check("time_zone = \"Europe/Paris\"", "time_zone = \"CET+1\"", "account[0].time_zone", "IANA");
    check("email = \"a@b.example\"", "email = \"a.b\"", "account[0].email", "a@b.example");
}

#[test]
fn mistakes_of_prices_and_times_are_found_on_their_line() {
    let price = "tariff[0].version[0].rate[0].price";
    check("price = \"0.0416\"", "price = 0.0416", price, "write it as a string, \"0.0416\"");
    check("price = \"0.0416\"", "price = \"0.0000000001\"", price, "at most 9 decimals");
    check("price = \"0.0416\"", "price = \"-1\"", price, "zero or more");
    check("price = \"0.0416\"", "price = \"4,16\"", price, "a decimal string such as");
    check(
        "price = \"0.0416\"",
        "price = \"99999999999\"",
        price,
        "a price is at most 9223372036.85",
    );
    check("price = \"0.0416\"", "price = true", price, "of type boolean");
    let from = "tariff[0].version[0].valid_from";
    check("valid_from = 2026-01-01", "valid_from = \"soon\"", from, "an instant such as");
    check("valid_from = 2026-01-01", "valid_from = 2026-01-01T00:00:00", from, "an instant such");
    check("valid_from = 2026-01-01", "valid_from = 2026-01-01T00:00:00.5Z", from, "whole seconds");
    check("valid_from = 2026-01-01", "valid_from = 1969-01-01", from, "1970 to 2999");
    check(
        "valid_to = 2026-07-01",
        "valid_to = 2025-07-01",
        "tariff[0].version[0].valid_to",
        "not after `valid_from`",
    );
}

#[test]
fn unknown_names_are_found_on_their_line() {
    let rates = "tariff[0].version[0].rate";
    let path = |index: usize, key: &str| format!("{rates}[{index}].{key}");
    check("party = \"lyon\"", "party = \"nice\"", "site[0].party", "has `acme`, `lyon`");
    check("seller = \"lyon\"", "seller = \"nice\"", "account[0].seller", "no party `nice`");
    check("tariff = \"basic\"", "tariff = \"gold\"", "account[0].tariff", "the book has `basic`");
    check("meter = \"vcpu\"", "meter = \"cpus\"", &path(0, "meter"), "no meter `cpus`");
    check("unit = \"vCPU\"", "unit = \"core\"", &path(0, "unit"), "it has `vCPU`");
    check("unit = \"GB\"", "unit = \"Gb\"", &path(1, "unit"), "has no unit `Gb`");
    check("tax = \"standard\"", "tax = \"low\"", &path(0, "tax"), "no tax category `low`");
    let included = "tariff[0].version[0].included[0]";
    check("[\"ingress\"]", "[\"ingres\"]", included, "no meter `ingres`");
    let hold = "tariff[0].version[0].hold";
    check("gpu = [\"active\"]", "gpus = [\"active\"]", &format!("{hold}.gpus"), "no meter `gpus`");
    let first = format!("{hold}.gpu[0]");
    check("gpu = [\"active\"]", "gpu = [\"deleted\"]", &first, "not a billable state");
    check("gpu = [\"active\"]", "gpu = []", &format!("{hold}.gpu"), "names no state");
    check("gpu = [\"active\"]", "egress = [\"active\"]", &format!("{hold}.egress"), "is a sum");
    let franchisee = "agreement[0].franchisee";
    check("franchisee = \"lyon\"", "franchisee = \"nice\"", franchisee, "no party `nice`");
    let service = "agreement[0].term[0].service";
    check("service = \"Storage\"", "service = \"Disks\"", service, "`Compute`, `Database`");
}

#[test]
fn contradictions_are_found_on_their_line() {
    let rates = "tariff[0].version[0].rate";
    check(
        "series = \"LYO\"",
        "series = \"ACM\" # too",
        "party[1].series",
        "`acme` already, on line 5",
    );
    let per = format!("{rates}[0].per");
    check("per = \"hour\"", "per = \"unit\"", &per, "`per` is `second`, `hour`");
    check("per = \"unit\"", "per = \"month\"", &format!("{rates}[1].per"), "is a sum: `per` is");
    let (franchisor, franchisee) = ("agreement[0].franchisor", "agreement[0].franchisee");
    check("franchisor = \"acme\"", "franchisor = \"lyon\"", franchisor, "is a franchisee, not");
    check("franchisee = \"lyon\"", "franchisee = \"acme\"", franchisee, "is the franchisor, not");
    let royalty = "agreement[0].royalty";
    check("\"33.333%\"", "\"100.0001%\"", royalty, "from 0% to 100%");
    let included = "tariff[0].version[0].included[0]";
    check("[\"ingress\"]", "[\"egress\"]", included, "priced by a rate too");
}

#[test]
fn what_is_added_is_checked_against_what_is_there() {
    // A second entry of each kind in front of an entry of the sound book.
    let add = |before: &str, added: &str, on: &str, path: &str, message: &str| {
        check_on(before, &format!("{added}{before}"), on, path, message);
    };
    let party = "[[party]]\nid = \"acme\"\nname = \"B\"\nkind = \"franchisee\"\nseries = \"B\" # 2\n\
                 address = { city = \"B\", country = \"FR\" }\n";
    add("[[site]]", party, "id = \"acme\"\nname = \"B\"", "party[2].id", "already, on line 2");
    let site = "[[site]]\nid = \"lyon-1\"\nname = \"B\"\nparty = \"acme\"\n";
    add(
        "[[tax_category]]",
        site,
        "id = \"lyon-1\"\nname = \"B\"",
        "site[1].id",
        "already, on line 14",
    );
    let source = "[[source]]\nprefix = \"/libvirt/kvm\"\nopen = \"until-stop\"\n";
    add("[[tariff]]", source, "prefix = \"/libvirt/kvm\"", "source[1].prefix", "is never reached");
    let version = "[[tariff.version]]\nvalid_from = 2026-06-30\nvalid_to = 2026-07-01 # new\n";
    add("[[account]]", version, version, "tariff[0].version[2]", "overlaps `basic.2026-01`");
    let rate = "[[tariff.version.rate]]\nmeter = \"egress\"\nprice = 1\nper = \"unit\"\n\
                where = { zone = \"a\" }\ntax = \"standard\"\n";
    let path = "tariff[0].version[0].rate[2]";
    add("[tariff.version.hold]", rate, rate, path, "is never reached: the one on line 51");
    let account = "[[account]]\nid = \"a1\"\nname = \"B\"\nseller = \"lyon\"\n\
         currency = \"EUR\"\ntime_zone = \"UTC\"\n";
    add("[[agreement]]", account, "id = \"a1\"\nname = \"B\"", "account[1].id", "already, on line");
    let agreement = "[[agreement]]\nid = \"more\"\nfranchisor = \"acme\"\nfranchisee = \"lyon\"\n\
                     valid_from = 2026-12-31\nroyalty = \"1%\"\n";
    add("[[agreement]]", agreement, "[[agreement]]\nid = \"more\"", "agreement[0]", "overlaps");
    let term = "[[agreement.term]]\nservice = \"Storage\"\nmeter = \"volume\"\nroyalty = \"1%\"\n";
    let end = "royalty = \"10%\"\n";
    let text = format!("{end}{term}");
    check_on(end, &text, term, "agreement[0].term[1]", "is never reached");
    let both = "tariff = \"basic\"\n[[account.tariff_assignment]]\ntariff = \"basic\"\n";
    let mistakes =
        read_book(&SOUND.replace("[[account.owner]]", &format!("{both}[[account.owner]]")));
    assert!(mistakes.is_err(), "a key given twice");
}

#[test]
fn what_is_missing_is_found_on_the_line_of_its_table() {
    let check = |line: &str, on: &str, path: &str| {
        check_on(line, "", on, path, "is missing");
    };
    check("name = \"Acme\"\n", "[[party]]", "party[0].name");
    check("kind = \"franchisor\"\n", "[[party]]", "party[0].kind");
    check("rate = \"20%\"\n", "[[tax_category]]", "tax_category[0].rate");
    check("hold = \"running\"\n", "[[meter]]", "meter[0].hold");
    check("every = \"1h\"\n", "[[source]]", "source[0].every");
    check("missed = 3\n", "[[source]]", "source[0].missed");
    check("valid_from = 2026-01-01\n", "[[tariff.version]]", "tariff[0].version[0].valid_from");
    check("price = \"0.0416\"\n", "[[tariff.version.rate]]", "tariff[0].version[0].rate[0].price");
    check("time_zone = \"Europe/Paris\"\n", "[[account]]", "account[0].time_zone");
    check("franchisor = \"acme\"\n", "[[agreement]]", "agreement[0].franchisor");
}

#[test]
fn all_mistakes_are_reported_at_once_in_order_of_line() {
    let text = SOUND
        .replacen("kind = \"franchisor\"", "kind = \"boss\"", 1)
        .replacen("price = \"0.01\"", "price = 0.01", 1)
        .replacen("name = \"A1\"", "nmae = \"A1\"", 1)
        .replacen("royalty = \"10%\"", "royalty = \"110%\"", 1);
    let mistakes = read_book(&text).expect_err("four mistakes");
    let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "party[0].kind",
            "tariff[0].version[0].rate[1].price",
            "account[0].name",
            "account[0].nmae",
            "agreement[0].term[0].royalty",
        ]
    );
    assert!(mistakes.windows(2).all(|pair| pair[0].line <= pair[1].line));
    let unknown = &mistakes[3].message;
    assert!(
        unknown.starts_with("unknown key `nmae`; allowed are `id`, `name`, `seller`"),
        "{unknown}"
    );
}

#[test]
fn an_entry_with_a_mistake_still_counts_for_the_others() {
    let more = "[[agreement]]\nid = \"more\"\nfranchisor = \"acme\"\nfranchisee = \"lyon\"\n\
                valid_from = 2026-12-31\nroyalty = \"1%\"\n";
    let text = format!("{}{more}", SOUND.replacen("33.333%", "133.333%", 1));
    let mistakes = read_book(&text).expect_err("two mistakes");
    let paths: Vec<&str> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(paths, ["agreement[0].royalty", "agreement[1]"], "{mistakes:#?}");
    // The party is wrong, not those who name it.
    let mistakes = read_book(&SOUND.replacen("kind = \"franchisee\"", "kind = \"shop\"", 1));
    assert_eq!(mistakes.expect_err("one mistake").len(), 1);
}

#[test]
fn text_that_is_not_toml_is_reported_with_its_lines() {
    let mistakes = read_book("id = \"a\nname = x\n").expect_err("is no TOML");
    assert!(mistakes.iter().all(|mistake| mistake.message.starts_with("not TOML: ")));
    let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [1, 2], "{mistakes:#?}");
    let twice = read_book("[meter]\nid = 1\nid = 2\n").expect_err("a key twice");
    assert_eq!(twice[0].line, 3, "{twice:#?}");
    assert!(read_book("party = 3\n").is_err());
    assert!(read_book("").is_ok(), "an empty book is one");
}

#[test]
fn what_rating_will_park_is_a_warning() {
    let check = |from: &str, to: &str, message: &str| {
        let parsed = read_book(&SOUND.replacen(from, to, 1)).expect(to);
        let found: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(message), "{message:?} is not in {found:#?}");
    };
    let none = "currency = \"none\"";
    check("currency = \"EUR\"\ntime_zone", &format!("{none}\ntime_zone"), "bills of the account");
    check("currency = \"EUR\"\nrounding", &format!("{none}\nrounding"), "accounts on the tariff");
    check("tariff = \"basic\"\n", "", "account without a tariff");
    let image = "[[meter]]\nid = \"image\"\nname = \"Image\"\nservice = \"Storage\"\nunit = \"byte\"\n\
                 aggregation = \"held\"\nhold = \"existing\"\n[[source]]";
    check("[[source]]", image, "replaces the built-in");
    let owner = "[[account.owner]]\nowner = \"openstack/1\"\n";
    check("[[account.owner]]", &format!("{owner}[[account.owner]]"), "billed twice");
    check("address = { city = \"Lyon\", country = \"FR\" }\n[[account", "[[account", "an address");
}

#[test]
fn what_nothing_says_is_refused_on_its_line() {
    check_on(
        "currency = \"EUR\"\ntime_zone",
        "time_zone",
        "[[account]]",
        "account[0].currency",
        "`currency` is missing: a code such as \"EUR\", or \"none\"",
    );
    check_on(
        "currency = \"EUR\"\nrounding",
        "rounding",
        "[[tariff]]",
        "tariff[0].currency",
        "`currency` is missing",
    );
    check_on(
        "currency = \"EUR\"\ntime_zone",
        "currency = \"JPY\"\ntime_zone",
        "currency = \"JPY\"",
        "account[0].currency",
        "billed in JPY and its tariff `basic` is priced in EUR",
    );
    let later = "[[tariff.version]]\nvalid_from = 2026-07-01";
    let gap = "nothing is in force from 2026-06-30T00:00:00Z to 2026-07-01T00:00:00Z";
    let early = "valid_to = 2026-06-30";
    check_on("valid_to = 2026-07-01", early, later, "tariff[0].version[1]", gap);
    let assigned = |dates: [&str; 2]| {
        let one =
            |dates: &str| format!("[[account.tariff_assignment]]\ntariff = \"basic\"\n{dates}\n");
        format!("{}{}[[account.owner]]", one(dates[0]), one(dates[1]))
    };
    let sound = SOUND.replacen("tariff = \"basic\"\nemail", "email", 1);
    let check = |dates: [&str; 2], message: Option<&str>| {
        let text = sound.replacen("[[account.owner]]", &assigned(dates), 1);
        let found = match read_book(&text) {
            Ok(parsed) => parsed.warnings,
            Err(mistakes) => mistakes,
        };
        let second = line_of(&text, "[[account.tariff_assignment]]") + 3;
        match (found.as_slice(), message) {
            ([], None) => {}
            ([one], Some(message)) => {
                assert!(read_book(&text).is_err(), "{one}");
                assert!(one.message.contains(message), "{message:?} is not in {one}");
                assert_eq!(one.line, second, "{one}");
            }
            _ => panic!("{dates:?} makes {found:#?}"),
        }
    };
    let day = |key: &str, day: u32| format!("{key} = 2026-07-{day:02}");
    let (to, from) = (day("valid_to", 10), day("valid_from", 10));
    check([&to, &from], None);
    check([&to, &day("valid_from", 11)], Some("nothing is in force from 2026-07-09T22:00:00Z"));
    check([&to, &day("valid_from", 9)], Some("overlaps"));
    check([&to, &format!("{}\ngap = true", day("valid_from", 11))], None);
    check([&to, &format!("{from}\ngap = true")], Some("there is no gap before it"));
}

#[test]
fn a_gap_that_is_meant_is_said() {
    let text = SOUND.replacen("valid_to = 2026-07-01", "valid_to = 2026-06-30", 1);
    let later = "valid_from = 2026-07-01\n";
    let meant = text.replacen(later, &format!("{later}gap = true\n"), 1);
    assert_eq!(read_book(&meant).map(|parsed| parsed.warnings), Ok(Vec::new()));
    let none = SOUND.replacen(later, &format!("{later}gap = true\n"), 1);
    let mistakes = read_book(&none).expect_err("there is no gap");
    assert!(mistakes[0].message.contains("there is no gap"), "{mistakes:#?}");
}

#[test]
fn no_cut_of_a_book_makes_the_reader_panic() {
    for (at, _) in NETWORK.char_indices().filter(|(at, _)| at % 7 == 0) {
        drop(read_book(&NETWORK[..at]));
    }
    let lines: Vec<&str> = SOUND.lines().collect();
    for left_out in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        drop(read_book(&kept.map(|(_, line)| format!("{line}\n")).collect::<String>()));
    }
}
