//! Discounts, credits, minimums, maximums and commitments.

use super::*;

#[test]
fn each_adjustment_sees_what_those_before_it_left() {
    let world = World::new().per_call("1").used("100");
    let world = world.adjust("A", discount("0.1")).adjust("B", discount("0.1"));
    world.costs("81");
    assert_eq!(world.text(), ["usage 100", "adjustment -10 A", "adjustment -9 B"]);
    let world = World::new().per_call("1").used("100");
    world.adjust("A", credit("10")).adjust("B", discount("0.1")).costs("81");
    let world = World::new().per_call("1").used("100");
    world.adjust("B", discount("0.1")).adjust("A", credit("10")).costs("80");
}

#[test]
fn what_is_taken_off_stands_where_the_usage_stands() {
    let site = |key: &mut GatherKey, _: &mut Gathered| {
        key.site = Some("lyon-1".to_owned());
        key.project = Some("p".to_owned());
        key.tax_category = tax("reduced");
        key.agreement = Some("old".parse().expect("id"));
    };
    let world = World::new().per_call("1").used_of("50", site).used("30");
    let world = world.adjust("Cap", maximum("60"));
    let lines = world.lines();
    let found = adjustments(&lines);
    assert_eq!(found.len(), 1);
    let usage = lines.iter().find(|line| line.kind == LineKind::Usage && line.project.is_none());
    let (off, usage) = (found[0], usage.expect("usage"));
    assert_eq!(
        (&off.resource, &off.site, &off.agreement, &off.tax_category, &off.service),
        (&usage.resource, &usage.site, &usage.agreement, &usage.tax_category, &usage.service)
    );
    assert_eq!(off.amount.to_decimal_text(2), "-20");
    let world = World::new().per_call("1").used_of("50", site).adjust("A", discount("0.5"));
    let lines = world.lines();
    let off = adjustments(&lines)[0];
    assert_eq!((off.site.as_deref(), off.project.as_deref()), (Some("lyon-1"), Some("p")));
    assert_eq!((&off.tax_category, off.kind), (&tax("reduced"), LineKind::Adjustment));
}

#[test]
fn a_discount_keeps_to_its_scope() {
    let check = |scope: AdjustmentScope, expect: &str| {
        let rates = [named("voice", rate("calls", "1")), rate("texts", "1")];
        let [voice, texts] = rates;
        let world = World::new().rate(voice).rate(texts).fee("Support", "100", BY_DAY);
        let world = world.adjusted(Adjustment { scope, ..adjustment("Half", discount("0.5")) });
        world.used("10").used_of("1", |key, _| key.rate_index = 1).costs(expect);
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let none = AdjustmentScope::default;
    check(none(), "55.5");
    check(AdjustmentScope { usage_only: true, ..none() }, "105.5");
    check(AdjustmentScope { services: words(&["Calls"]), ..none() }, "106");
    check(AdjustmentScope { rates: words(&["voice"]), ..none() }, "106");
    check(AdjustmentScope { rates: words(&["voice"]), fees: true, ..none() }, "56");
    check(AdjustmentScope { services: words(&["Support"]), fees: true, ..none() }, "61");
    check(AdjustmentScope { services: words(&["Support"]), ..none() }, "111");
    check(AdjustmentScope { services: words(&["Other"]), fees: true, ..none() }, "111");
}

#[test]
fn a_credit_is_at_most_what_the_lines_come_to() {
    let check = |units: &[&str], expect: &str| {
        let world = World::new().per_call("1").adjust("Welcome", credit("50"));
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check(&[], "0");
    check(&["20"], "0");
    check(&["20", "30"], "0");
    check(&["20", "31"], "1");
    check(&["-20"], "-20");
    check(&["80", "-80"], "0");
    check(&["80", "-50"], "0");
}

#[test]
fn a_maximum_takes_the_excess_off_the_last_lines() {
    let tiers = [("5", "0", "100"), ("10", "0", "50"), ("15", "5", "0"), ("", "1", "0")];
    let world = World::new().rate(graduated(&tiers, ZeroUsage::Free)).adjust("Cap", maximum("170"));
    let world = world.used("12").used("10");
    world.costs("170");
    let lines = world.lines();
    let mut off: Vec<String> = adjustments(&lines)
        .iter()
        .map(|line| format!("{} {}", line.amount.to_decimal_text(3), line.detail))
        .collect();
    off.sort_unstable();
    assert_eq!(
        off,
        ["-5 Cap (Tier 3: above 10 up to 15)", "-7 Cap (Tier 4: above 15)"],
        "{:?}",
        world.text()
    );
    let check = |units: &[&str], expect: &str| {
        let world = World::new().per_call("1").adjust("Cap", maximum("10"));
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check(&["10"], "10");
    check(&["10.000001"], "10");
    check(&["-5"], "-5");
    check(&["20", "-5"], "10");
    check(&["20", "-15"], "5");
}

#[test]
fn a_minimum_bills_what_is_missing_once() {
    let check = |units: &[&str], expect: &[&str]| {
        let world = World::new().per_call("1").adjust("Least", minimum("100", BY_DAY));
        let world = units.iter().fold(world, |world, units| world.used(units));
        let lines = world.lines();
        let found = adjustments(&lines);
        let found: Vec<String> = found.iter().map(|line| line.amount.to_decimal_text(6)).collect();
        assert_eq!(found, expect, "{units:?}");
    };
    check(&[], &["100"]);
    check(&["40", "20"], &["40"]);
    check(&["100"], &[]);
    check(&["99.999999"], &["0.000001"]);
    check(&["250"], &[]);
    check(&["-10"], &["110"]);
    let world = World::new().per_call("1").used("30");
    let world = world.adjust("Least", minimum("100", BY_DAY));
    let twice = world.adjust("Least of all", minimum("120", BY_DAY));
    twice.costs("120");
    assert_eq!(
        twice.text(),
        [
            "usage 30",
            "adjustment 20 Least of all: true-up to 120.00 EUR",
            "adjustment 70 Least: true-up to 100.00 EUR"
        ]
    );
}

#[test]
fn minimums_over_the_same_lines_do_not_pay_twice() {
    let both = |name: &str| of_meters(adjustment(name, minimum("100", BY_DAY)), &["calls"]);
    let world = World::new().per_call("1").adjusted(both("A")).adjusted(both("B")).used("10");
    world.costs("100");
    // One over other lines does not see them.
    let other = of_meters(adjustment("B", minimum("100", BY_DAY)), &["texts"]);
    let world = World::new().per_call("1").adjusted(both("A")).adjusted(other).used("10");
    world.costs("200");
}

#[test]
fn a_true_up_says_what_it_belongs_to() {
    let world = World::new().per_call("1").rate(rate("texts", "1"));
    let world = world.adjust("Least", minimum("100", BY_DAY)).used_of("1", |key, _| {
        key.tax_category = tax("reduced");
    });
    let line = |world: &World| adjustments(&world.lines())[0].clone();
    let one = line(&world);
    assert_eq!((one.service.as_str(), one.meter.as_str()), ("Calls", "calls"));
    assert_eq!((one.resource.as_str(), one.tax_category), ("account:a1", tax("reduced")));
    assert_eq!(one.agreement.expect("agreement").as_str(), "old");
    assert_eq!(one.service_period, world.period);
    let two = line(&world.used_of("1", |key, _| key.rate_index = 1));
    assert_eq!((two.service.as_str(), two.meter.as_str()), ("Account", "adjustment"));
    let mut none = World::new().rate(Rate { tax_category: tax("reduced"), ..rate("texts", "1") });
    none.version().rates.push(rate("calls", "1"));
    let least = adjustment("Least", minimum("100", BY_DAY));
    let none = none.adjusted(of_meters(least, &["calls"]));
    let none = line(&none);
    assert_eq!((none.service.as_str(), none.tax_category), ("Calls", tax("standard")));
}

#[test]
fn a_part_of_a_month_has_a_part_of_the_minimum() {
    let check = |from: &str, proration: Proration, cents: i64| {
        let world = World::new().per_call("1").adjust("Least", minimum("31", proration));
        assert_eq!(world.assigned(Some(from), None).cents(), cents, "{from} {proration:?}");
    };
    check("2026-01-30", BY_DAY, 200);
    check("2026-01-30T06:00:00Z", BY_DAY, 200);
    check("2026-01-30T12:00:00Z", Proration::Second, 150);
    check("2026-01-30", Proration::None, 3_100);
    // Two versions: 10 days of 31, then 21 of 62.
    let world = World::new().per_call("1").adjust("Least", minimum("31", BY_DAY));
    let mut world = world.next_version("2026-01-11");
    world.version().adjustments[0].kind = minimum("62", BY_DAY);
    world.costs("52");
}

#[test]
fn projects_have_minimums_of_their_own() {
    let least =
        Adjustment { pool: Pool::Project, ..adjustment("Least", minimum("10", Proration::None)) };
    let of = |project: &'static str| {
        move |key: &mut GatherKey, _: &mut Gathered| key.project = Some(project.to_owned())
    };
    let world = World::new().per_call("1").fee("Support", "1", BY_DAY).adjusted(least);
    let world = world.used_of("4", of("a")).used_of("3", of("a")).used_of("12", of("b"));
    world.costs("23");
    let lines = world.lines();
    let true_up = adjustments(&lines)[0];
    assert_eq!(true_up.resource.as_str(), "project:a");
    assert_eq!(true_up.project.as_deref(), Some("a"));
}

#[test]
fn a_commitment_covers_then_costs_more() {
    let check = |kind: AdjustmentKind, units: &[&str], expect: &str| {
        let world = World::new().per_call("1").adjust("Deal", kind);
        units.iter().fold(world, |world, units| world.used(units)).costs(expect);
    };
    check(commitment("100", "2", false, false), &["40"], "40");
    check(commitment("100", "2", true, false), &["40"], "100");
    check(commitment("100", "2", true, false), &[], "100");
    check(commitment("100", "2", true, false), &["60", "60"], "140");
    check(commitment("100", "0.5", false, false), &["60", "60"], "110");
    check(commitment("100", "1", true, false), &["60", "60"], "120");
    check(commitment("100", "2", true, true), &["60"], "0");
    check(commitment("100", "2", true, true), &["60", "60"], "40");
    check(commitment("100", "2", false, false), &["120", "-50"], "70");
    // What is prepaid is neither billed nor paid back.
    check(commitment("100", "2", false, true), &["-5"], "0");
    check(commitment("100", "2", false, true), &["-5", "120"], "30");
    check(commitment("100", "2", false, false), &["-5"], "-5");
    let world = World::new().per_call("1").adjust("Deal", commitment("100", "2", true, true));
    let world = world.used("60").used("60");
    assert_eq!(
        world.text(),
        [
            "usage 60",
            "usage 60",
            "adjustment -60 Deal: prepaid",
            "adjustment 20 Deal: overage",
            "adjustment -40 Deal: prepaid"
        ]
    );
}

fn in_window(hour: &'static str, rate_index: usize) -> impl FnOnce(&mut GatherKey, &mut Gathered) {
    move |key, sums| {
        let start = at(&format!("2026-01-01T{hour}:00:00Z"));
        key.window = Some(start);
        key.rate_index = rate_index;
        sums.first = start;
        sums.last = start.plus_seconds(1).expect("last");
    }
}

#[test]
fn a_commitment_by_the_window_is_counted_in_each() {
    let deal = |name: &str, kind| Adjustment { windows: true, ..adjustment(name, kind) };
    let world =
        World::new().per_call("2").adjusted(deal("Deal", commitment("10", "2", true, false)));
    let world = world.used_of("2", in_window("00", 0)).used_of("8", in_window("01", 0));
    // 4 is trued up to 10; 16 is 10 and 6 x 2.
    world.costs("32");

    let world = World::new().rate(named("peak", rate("calls", "2")));
    let world = world.rate(named("else", rate("calls", "1")));
    let world = world
        .adjusted(of_rates(deal("Peak", commitment("5", "2", false, false)), &["peak"]))
        .adjusted(of_rates(deal("Else", commitment("10", "2", true, false)), &["else"]));
    let world = world
        .used_of("10", in_window("09", 0))
        .used_of("1", in_window("10", 0))
        .used_of("3", in_window("18", 1));
    world.costs("47");
}

#[test]
fn months_of_a_run_are_counted_apart() {
    let month = |month: &'static str| {
        move |key: &mut GatherKey, sums: &mut Gathered| {
            key.month = Some(at(month));
            sums.first = at(month);
            sums.last = at(month).plus_seconds(1).expect("last");
        }
    };
    let world = World::new().per_call("1").period("2026-01-01", "2026-03-01");
    let world = world
        .adjust("Free", allowance("10"))
        .adjust("Least", minimum("50", BY_DAY))
        .adjust("Cap", maximum("70"));
    let world = world.used_of("30", month("2026-01-01")).used_of("95", month("2026-02-01"));
    // 20 up to 50; 85 down to 70.
    world.costs("120");
}

#[test]
fn versions_without_an_adjustment_are_left_alone() {
    let world = World::new().per_call("1").used("100").next_version("2026-01-20");
    let later = |_: &mut GatherKey, sums: &mut Gathered| {
        sums.first = at("2026-01-21");
        sums.last = at("2026-01-22");
    };
    world.adjust("Late", discount("0.5")).used_of("100", later).costs("150");
}

#[test]
fn a_new_version_can_put_an_adjustment_in_between() {
    let world = World::new().per_call("1").adjust("A", credit("10")).adjust("B", discount("0.5"));
    let mut world = world.next_version("2026-01-02");
    world.version().adjustments.insert(1, adjustment("X", discount("0.1")));
    let later = |_: &mut GatherKey, sums: &mut Gathered| {
        sums.first = at("2026-01-21");
        sums.last = at("2026-01-22");
    };
    // (110 - 10) x 0.9 x 0.5.
    world.used_of("110", later).costs("45");
}

#[test]
fn an_amount_that_does_not_fit_parks_the_account() {
    let mut world = World::new().per_call("1").adjust("Least", minimum("1", BY_DAY));
    world = world.used_of("1", |_, sums| sums.quantity = i128::MAX);
    assert!(world.rated().is_err());
}

#[test]
fn usage_priced_by_a_base_is_adjusted_by_the_version_that_it_was_used_under() {
    let mut world = World::new().per_call("1");
    let base = world.book.tariffs[0].clone();
    let version = |id: &str, from: &str, to: Option<&str>| TariffVersion {
        id: id.parse().expect("id"),
        valid_from: at(from),
        valid_to: to.map(at),
        rates: Vec::new(),
        ..base.versions[0].clone()
    };
    let half = adjustment("Half", discount("0.5"));
    let first = version("own.1", "2020-01-01", Some("2026-01-20"));
    let versions = vec![
        TariffVersion { adjustments: vec![half], ..first },
        version("own.2", "2026-01-20", None),
    ];
    let own = "own".parse().expect("id");
    let base_id = Some(base.id.clone());
    world.book.tariffs.push(turnpike_schemas::Tariff { id: own, base: base_id, versions, ..base });
    world.book.accounts[0].tariffs[0].tariff = "own".parse().expect("id");
    let under = |own: &'static str, day: &'static str| {
        move |key: &mut GatherKey, sums: &mut Gathered| {
            key.chain = [own, "list.1"].iter().map(|id| id.parse().expect("id")).collect();
            sums.first = at(day);
            sums.last = at("2026-01-31");
        }
    };
    let world = world.used_of("100", under("own.1", "2026-01-15"));
    world.used_of("100", under("own.2", "2026-01-15")).costs("150");
}
