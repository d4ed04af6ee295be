//! What holds for any usage: sums do not depend on how it was cut or in which order it came.

use super::*;

/// A small generator: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Adjustments that are counted over the pool: their sums know only the total.
fn pooled(numbers: &mut Numbers) -> World {
    let tiers = [("10", "2", "1"), ("40", "1.5", "0"), ("", "0.7", "3")];
    let mut rate = graduated(&tiers, ZeroUsage::FirstFlat);
    if let (PriceModel::Graduated(tiers), 0) = (&rate.model, numbers.next(2)) {
        rate.model = PriceModel::Volume(tiers.clone());
    }
    if numbers.next(3) == 0 {
        rate = rounded(rate, "7", turnpike_schemas::RoundTo::Up);
    }
    let mut world = World::new().rate(rate).fee("Support", "5", BY_DAY);
    for place in 0..numbers.next(5) {
        let amount = (numbers.next(120) + 1).to_string();
        let kind = match numbers.next(7) {
            0 => allowance(&amount),
            1 => discount("0.125"),
            2 => credit(&amount),
            3 => minimum(&amount, BY_DAY),
            4 => maximum(&amount),
            5 => commitment(&amount, "2", numbers.next(2) == 0, numbers.next(2) == 0),
            _ => commitment(&amount, "0.5", false, false),
        };
        world = world.adjust(&format!("A{place}"), kind);
    }
    world
}

fn used(mut world: World, units: &[u64]) -> World {
    // Usage of nothing is never gathered.
    for units in units.iter().filter(|units| **units > 0) {
        world = world.used(&units.to_string());
    }
    world
}

#[test]
fn cutting_and_order_change_no_total() {
    let mut numbers = Numbers(7);
    for round in 0..400 {
        let seed = numbers.0;
        let units: Vec<u64> = (0..numbers.next(6)).map(|_| numbers.next(40) + 1).collect();
        let after = numbers.0;
        let world = || pooled(&mut Numbers(seed));
        let whole = used(world(), &[units.iter().sum()]).total();
        let parts = used(world(), &units);
        assert_eq!(parts.total(), whole, "round {round}: {units:?} {:#?}", parts.text());
        let mut turned = units.clone();
        turned.reverse();
        assert_eq!(used(world(), &turned).total(), whole, "round {round}: {turned:?}");
        numbers.0 = after;
    }
}

#[test]
fn a_reversal_cancels() {
    let mut numbers = Numbers(11);
    for round in 0..200 {
        let mut world = World::new().per_call("0.7");
        for place in 0..numbers.next(4) {
            let amount = (numbers.next(50) + 1).to_string();
            let kind = match numbers.next(5) {
                0 => allowance(&amount),
                1 => discount("0.1"),
                2 => credit(&amount),
                3 => maximum(&amount),
                _ => commitment(&amount, "2", false, numbers.next(2) == 0),
            };
            world = world.adjust(&format!("A{place}"), kind);
        }
        let mut units: Vec<i64> =
            (0..3).map(|_| i64::try_from(numbers.next(60)).expect("small")).collect();
        units.extend(units.clone().iter().rev().map(|units| -units));
        for units in &units {
            world = world.used(&units.to_string());
        }
        assert!(world.total().is_zero(), "round {round}: {units:?} {:#?}", world.text());
    }
}

#[test]
fn every_month_of_every_kind_of_year_is_one() {
    for zone in [
        chrono_tz::Tz::UTC,
        chrono_tz::Tz::Europe__Paris,
        chrono_tz::Tz::America__Sao_Paulo,
        chrono_tz::Tz::Pacific__Apia,
    ] {
        for month in ["2011-12", "2018-11", "2024-02", "2026-03", "2026-10"] {
            let cut = Period::parse_month(month, zone).expect("month").start();
            let cut = cut.plus_seconds(9 * 86_400 + 5_000).expect("cut").to_string();
            let count = turnpike_schemas::tariff::DayCount::Thirty;
            for proration in [BY_DAY, Proration::Second, Proration::Day { count, ratio: None }] {
                let mut world = World::new().zone(month, zone).fee("Support", "7", proration);
                let old = &mut world.book;
                old.agreements[0].valid_from = at("2000-01-01");
                old.tariffs[0].versions[0].valid_from = at("2000-01-01");
                world.next_version(&cut).costs("7");
            }
        }
    }
}
