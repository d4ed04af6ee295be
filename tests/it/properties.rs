//! Properties: what holds for any amounts, any lives of resources and any order of arrival.

mod calendar;
mod gather;
mod hash;
mod metering;
mod short_way;
mod tiers;

use proptest::prelude::*;
use turnpike_schemas::agreement::PPM;
use turnpike_schemas::{Currency, Money, allocate};

/// Failing inputs are printed, small, by proptest; a file of them would be one more place to look.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: cases.max(400),
        ..ProptestConfig::with_cases(cases)
    }
}

fn minors(parts: &[Money]) -> Vec<i128> {
    parts.iter().map(|part| i128::from(part.minor())).collect()
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["EUR", "JPY", "KWD", "CLF"])
        .prop_map(|code| Currency::new(code).unwrap())
}

/// Weights of parties: parts per million as agreements have them, or anything.
fn weights() -> impl Strategy<Value = Vec<u128>> {
    let split = (0..=PPM).prop_map(|royalty| vec![royalty.into(), (PPM - royalty).into()]);
    let any = prop::collection::vec(
        prop_oneof![Just(0), 1..=10_u128, any::<u32>().prop_map(u128::from)],
        1..12,
    );
    prop_oneof![split, any].prop_filter("some weight", |weights| weights.iter().any(|w| *w > 0))
}

fn total() -> impl Strategy<Value = i64> {
    prop_oneof![-1_000..=1_000_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn shares_sum_to_the_charge(minor in total(), weights in weights(), currency in currency()) {
        let charge = Money::from_minor(minor, currency);
        let parts = allocate(charge, &weights).unwrap();
        prop_assert_eq!(parts.len(), weights.len());
        prop_assert!(parts.iter().all(|part| part.currency() == currency));
        prop_assert_eq!(minors(&parts).iter().sum::<i128>(), i128::from(minor));

        // No party is a whole unit away from its exact part, and none without a weight is given any.
        let sum: u128 = weights.iter().sum();
        for (part, weight) in minors(&parts).iter().zip(&weights) {
            let given = part.unsigned_abs() * sum;
            let exact = u128::from(minor.unsigned_abs()) * weight;
            prop_assert!(given.abs_diff(exact) < sum);
            prop_assert!(*weight > 0 || *part == 0);
            prop_assert!(*part == 0 || (*part < 0) == (minor < 0));
        }
    }

    #[test]
    fn a_reversal_has_the_opposite_shares(minor in total(), weights in weights(), currency in currency()) {
        prop_assume!(minor != i64::MIN);
        let parts = |minor| allocate(Money::from_minor(minor, currency), &weights).unwrap();
        let opposite: Vec<i128> = minors(&parts(-minor)).iter().map(|part| -part).collect();
        prop_assert_eq!(minors(&parts(minor)), opposite);
    }
}
