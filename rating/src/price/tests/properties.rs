//! What holds for every tariff and every usage.

use proptest::prelude::*;
use turnpike_schemas::tariff::{
    BlockPolicy, BlockTier, Package, PercentTier, Percentage, Tier, TierBasis, ZeroUsage,
};
use turnpike_schemas::{Aggregation, Fraction, Per, PriceModel, Rate, RoundTo};

use super::support::*;
use crate::gather::{Events, Gathered};
use crate::price::events;

/// Prices and flat fees with two decimals.
fn money() -> impl Strategy<Value = i64> {
    (0_i64..2_000).prop_map(|cents| cents * 10_000_000)
}

/// Ascending bounds, of which the last is open.
fn any_tiers() -> impl Strategy<Value = Vec<Tier>> {
    let tier = (1_i64..80, money(), money());
    proptest::collection::vec(tier, 1..5).prop_map(|widths| {
        let count = widths.len();
        let mut bound = 0;
        let numbered = widths.into_iter().enumerate();
        numbered
            .map(|(index, (width, price_nano, flat_nano))| {
                // Quarters, so that bounds fall between units too.
                bound += width * 250_000_000;
                let up_to_nano = (index + 1 < count).then_some(bound);
                Tier { up_to_nano: up_to_nano.map(Into::into), price_nano, flat_nano }
            })
            .collect()
    })
}

fn any_blocks() -> impl Strategy<Value = PriceModel> {
    let tier = (1_i64..40, money(), 1_i64..12);
    (any::<bool>(), proptest::collection::vec(tier, 1..4)).prop_map(|(all, tiers)| {
        let count = tiers.len();
        let tiers = tiers
            .into_iter()
            .enumerate()
            .map(|(index, (quarters, price_nano, most))| BlockTier {
                size_nano: quarters * 250_000_000,
                price_nano,
                blocks_max: (index + 1 < count).then_some(most),
            })
            .collect();
        let policy = if all { BlockPolicy::AllTiers } else { BlockPolicy::TopTier };
        PriceModel::Blocks { policy, tiers }
    })
}

fn any_package() -> impl Strategy<Value = PriceModel> {
    let rounding = prop_oneof![
        Just(RoundTo::Up),
        Just(RoundTo::Down),
        Just(RoundTo::HalfAwayFromZero),
        Just(RoundTo::HalfEven)
    ];
    (1_i64..60, 0_i64..60, rounding).prop_map(|(size, free, rounding)| {
        let (size_nano, free_nano) = (size * 250_000_000, free * 250_000_000);
        PriceModel::Package(Package { size_nano, free_nano, rounding })
    })
}

/// Every model that is counted over a pool, whatever its items are.
fn any_counted() -> impl Strategy<Value = Rate> {
    let percent = |tier: &Tier| PercentTier {
        up_to_nano: tier.up_to_nano,
        rate_nano: tier.price_nano,
        flat_nano: tier.flat_nano,
    };
    let zero_usage = ZeroUsage::Free;
    let model = prop_oneof![
        Just(PriceModel::PerUnit),
        any_tiers().prop_map(|all| PriceModel::Graduated(tiers(all, TierBasis::Total, false))),
        any_tiers().prop_map(|all| PriceModel::Volume(tiers(all, TierBasis::Total, false))),
        any_tiers().prop_map(move |all| PriceModel::GraduatedPercentage {
            tiers: all.iter().map(percent).collect(),
            zero_usage,
        }),
        any_package(),
        any_blocks(),
        (0_i64..90_000_000, 0_i64..90).prop_map(|(rate_nano, free)| {
            let free_nano = Some(free * 1_000_000_000);
            PriceModel::Percentage(Percentage { rate_nano, free_nano, ..Percentage::default() })
        }),
    ];
    (model, money()).prop_map(|(model, price_nano)| {
        let mut rate = rate(model, "0");
        rate.price_nano = price_nano;
        rate
    })
}

/// Thousandths of units, corrections among them.
fn usage() -> impl Strategy<Value = Vec<i128>> {
    let some = (-20_000_i128..60_000).prop_map(|thousandths| thousandths * (ONE / 1_000));
    proptest::collection::vec(some, 1..8)
}

fn negated(quantities: &[i128]) -> Vec<i128> {
    quantities.iter().map(|quantity| -quantity).collect()
}

/// A percentage of which every event is priced alone.
fn any_alone() -> impl Strategy<Value = Percentage> {
    let bound = || proptest::option::of(0_i64..40);
    (0_i64..90_000_000, 0_i64..6, bound(), bound()).prop_map(|(rate_nano, fixed, least, more)| {
        let whole = |units: i64| units * 250_000_000;
        Percentage {
            rate_nano,
            fixed_nano: whole(fixed),
            minimum_nano: least.map(whole),
            maximum_nano: more.map(|more| whole(least.unwrap_or(0) + more)),
            ..Percentage::default()
        }
    })
}

/// The same with its events counted as they come, in place of each.
fn counted_alone(sums: &[Sum], terms: &Percentage, divisor: i128) -> Vec<Sum> {
    let mut counted = sums.to_vec();
    for (_, sums) in &mut counted {
        let steps = std::mem::take(&mut sums.steps);
        let none = Gathered { quantity: 0, intervals: 0, events: None, ..sums.clone() };
        sums.events = Some(Events::default());
        for step in steps {
            let events = events::alone(terms, divisor, step.quantity).expect("counts");
            let next = Gathered { events: Some(events), ..none.clone() };
            sums.add(&next).expect("adds");
        }
    }
    counted
}

proptest! {
    #[test]
    fn events_counted_as_they_come_cost_what_they_cost_one_by_one(
        terms in any_alone(),
        items in any_events(),
    ) {
        let (kept, meter) = (sums_of(&items), meter(Aggregation::Sum));
        let rate = rate(PriceModel::Percentage(terms), "0");
        prop_assume!(terms.is_by_event());
        let whole = pool(&rate, &meter, 1, &kept);
        let counted = counted_alone(&kept, &terms, whole.divisor().expect("divisor"));
        let parts = priced(&whole).expect("priced");
        let alone = priced(&pool(&rate, &meter, 1, &counted)).expect("priced");
        prop_assert_eq!(total(&alone), total(&parts));
        if let [_] = items.as_slice() {
            prop_assert_eq!(alone, parts);
        }
    }

    #[test]
    fn usage_may_be_cut_anyhow(rate in any_counted(), quantities in usage()) {
        let whole = quantities.iter().sum();
        prop_assert_eq!(cost(&rate, &quantities), cost(&rate, &[whole]));
    }

    #[test]
    fn the_order_of_items_does_not_matter(
        rate in any_counted(),
        (quantities, shuffled) in usage().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(cost(&rate, &quantities), cost(&rate, &shuffled));
    }

    #[test]
    fn a_reversal_cancels(rate in any_counted(), quantities in usage()) {
        let reversed = negated(&quantities);
        let both: Vec<i128> = quantities.iter().chain(&reversed).copied().collect();
        prop_assert_eq!(cost(&rate, &both), Fraction::ZERO);
        // In a later month too.
        let sum = cost(&rate, &quantities).checked_add(&cost(&rate, &reversed));
        prop_assert_eq!(sum, Some(Fraction::ZERO));
    }
}

fn any_percentage() -> impl Strategy<Value = Rate> {
    let limit = |most: i64| proptest::option::of(1..most);
    (0_i64..90_000_000, money(), limit(4), limit(90), limit(20), limit(20)).prop_map(
        |(rate_nano, fixed_nano, free_events, free, least, more)| {
            let nano = |units: i64| units * 1_000_000_000;
            let minimum_nano = least.map(nano);
            let maximum_nano = more.map(|more| nano(more + least.unwrap_or(0)));
            let free_nano = free.map(nano);
            let terms = Percentage {
                rate_nano,
                fixed_nano,
                free_events,
                free_nano,
                minimum_nano,
                maximum_nano,
            };
            rate(PriceModel::Percentage(terms), "0")
        },
    )
}

/// Items of events at seconds of a short time, so that some are at the same one.
fn any_events() -> impl Strategy<Value = Vec<Vec<(i64, i128)>>> {
    let event = (0_i64..20, -20_i128..60).prop_map(|(second, units)| (second, units * ONE));
    proptest::collection::vec(proptest::collection::vec(event, 0..5), 1..5)
}

fn event_cost(rate: &Rate, items: &[Vec<(i64, i128)>]) -> Fraction {
    let (sums, meter) = (sums_of(items), meter(Aggregation::Sum));
    total(&priced(&pool(rate, &meter, 1, &sums)).expect("priced"))
}

fn sums_of(items: &[Vec<(i64, i128)>]) -> Vec<Sum> {
    items.iter().enumerate().map(|(index, events)| consumed(index, events)).collect()
}

proptest! {
    #[test]
    fn events_cost_the_same_in_any_items(
        rate in any_percentage(),
        (items, shuffled) in any_events().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let expected = event_cost(&rate, &items);
        prop_assert_eq!(event_cost(&rate, &shuffled), expected);
        let one = [items.concat()];
        prop_assert_eq!(event_cost(&rate, &one), expected);
    }

    #[test]
    fn reversed_events_cancel(rate in any_percentage(), mut items in any_events()) {
        // Nothing takes back an event of nothing.
        items.iter_mut().for_each(|events| events.retain(|(_, units)| *units != 0));
        let mut both = items.clone();
        for events in &items {
            both.push(events.iter().map(|(second, units)| (second + 30, -units)).collect());
        }
        prop_assert_eq!(event_cost(&rate, &both), Fraction::ZERO);
    }
}

const PERIOD: i64 = 60;

/// Items with levels held over a minute.
fn any_levels() -> impl Strategy<Value = Vec<Vec<(i64, i64, i128)>>> {
    let level = (0..PERIOD, 1..PERIOD, 0_i128..80).prop_map(|(from, seconds, quarters)| {
        (from, (from + seconds).min(PERIOD), quarters * ONE / 4)
    });
    proptest::collection::vec(proptest::collection::vec(level, 0..4), 1..5)
}

fn level_cost(rate: &Rate, items: &[Vec<(i64, i64, i128)>]) -> Fraction {
    let sums: Vec<Sum> =
        items.iter().enumerate().map(|(index, levels)| held(index, levels)).collect();
    let meter = meter(Aggregation::Held);
    total(&priced(&pool(rate, &meter, PERIOD, &sums)).expect("priced"))
}

/// Second by second: what the level costs, and the fee of every tier that it ever reached.
fn second_by_second(tiers: &[Tier], items: &[Vec<(i64, i64, i128)>]) -> Fraction {
    let add = |sum: Fraction, value: Fraction| sum.checked_add(&value).expect("sum");
    let mut weighed = Fraction::ZERO;
    let mut highest = 0_i128;
    for second in 0..PERIOD {
        let all = items.iter().flatten();
        let now = all.filter(|(from, to, _)| *from <= second && second < *to);
        let level: i128 = now.map(|(_, _, level)| level).sum();
        highest = highest.max(level);
        let mut low = 0_i128;
        for tier in tiers {
            let end = tier.up_to_nano.map_or(level, i128::from).min(level);
            if end > low {
                let units = Fraction::ratio(end - low, ONE).expect("units");
                let price = Fraction::nano(tier.price_nano);
                weighed = add(weighed, units.checked_mul(&price).expect("price"));
            }
            low = tier.up_to_nano.map_or(i128::MAX, i128::from);
        }
    }
    let mut low = 0_i128;
    let mut fees = Fraction::ZERO;
    for tier in tiers {
        if highest > low {
            fees = add(fees, Fraction::nano(tier.flat_nano));
        }
        low = tier.up_to_nano.map_or(i128::MAX, i128::from);
    }
    let period = Fraction::whole(i128::from(PERIOD));
    add(fees, weighed.checked_div(&period).expect("period"))
}

proptest! {
    #[test]
    fn a_sweep_costs_what_each_second_costs(
        all in any_tiers(),
        (items, shuffled) in any_levels().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        cut in 0..PERIOD,
    ) {
        let expected = second_by_second(&all, &items);
        let mut rate = rate(PriceModel::Graduated(tiers(all, TierBasis::Held, false)), "0");
        rate.per = Per::Month;
        prop_assert_eq!(level_cost(&rate, &items), expected);
        prop_assert_eq!(level_cost(&rate, &shuffled), expected);
        let parts = |levels: &Vec<(i64, i64, i128)>| -> Vec<(i64, i64, i128)> {
            let each = |(from, to, level): &(i64, i64, i128)| {
                let at = cut.clamp(*from, *to);
                [(*from, at, *level), (at, *to, *level)]
            };
            levels.iter().flat_map(each).filter(|(from, to, _)| from < to).collect()
        };
        let pieces: Vec<Vec<(i64, i64, i128)>> = items.iter().map(parts).collect();
        prop_assert_eq!(level_cost(&rate, &pieces), expected);
    }
}
