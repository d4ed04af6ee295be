//! Graduated, volume and graduated percentage prices, worked out by hand.

use turnpike_schemas::tariff::TierBasis::Total;
use turnpike_schemas::tariff::ZeroUsage;
use turnpike_schemas::{Aggregation, Currency, Fraction, LineKind, PriceModel, Rate};

use super::support::*;
use super::{decimal, quantity};
use crate::parked::ParkCode;
use crate::price::{flat_of_nothing, flat_of_nothing_text, model_of};

fn graduated() -> Rate {
    let all = vec![tier("10", "10", "2"), tier("20.5", "5", "3"), tier("", "1", "4")];
    rate(PriceModel::Graduated(tiers(all, Total, false)), "0")
}

fn volume() -> Rate {
    let all = vec![tier("100", "2", "10"), tier("200", "1", "0"), tier("", "0.5", "50")];
    rate(PriceModel::Volume(tiers(all, Total, false)), "0")
}

fn percent() -> Rate {
    let all = vec![percent_tier("10", "1", "200"), percent_tier("", "2.5", "300")];
    let model = PriceModel::GraduatedPercentage { tiers: all, zero_usage: ZeroUsage::FirstFlat };
    rate(model, "0")
}

fn check(rate: &Rate, units: &[&str], expect: &str) {
    let quantities: Vec<i128> = units.iter().map(|units| quantity(units)).collect();
    assert_eq!(cost(rate, &quantities), decimal(expect), "{units:?} of {:?}", rate.model);
}

#[test]
fn graduated_units_have_the_price_of_their_tier() {
    check(&graduated(), &["0"], "0");
    // 10 x 1 + 2, and each started tier's fee from its first unit on.
    check(&graduated(), &["1"], "12");
    check(&graduated(), &["0.000000001"], "2.00000001");
    check(&graduated(), &["10"], "102");
    check(&graduated(), &["10.000000001"], "105.000000005");
    check(&graduated(), &["11"], "110");
    // 100 + 2 + 10.5 x 5 + 3, then 1 x 0.5 + 4.
    check(&graduated(), &["20.5"], "157.5");
    check(&graduated(), &["21"], "162");
    // In any parts.
    check(&graduated(), &["4", "6", "0.25", "10.75"], "162");
    check(&graduated(), &["30", "-9"], "162");
    // Below zero the same with the sign.
    check(&graduated(), &["-11"], "-110");
    check(&graduated(), &["-11", "22"], "110");
    check(&graduated(), &["21", "-21"], "0");
}

#[test]
fn each_part_stands_with_the_item_that_brought_it() {
    let sums = [consumed(0, &[(0, 8 * ONE)]), consumed(1, &[(1, 4 * ONE)])];
    let (rate, meter) = (graduated(), meter(Aggregation::Sum));
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    let told: Vec<(usize, LineKind, &str, Fraction)> = parts
        .iter()
        .map(|part| (part.item, part.kind, &*part.detail, part.amount.fraction().expect("amount")))
        .collect();
    let expected = [
        (0, LineKind::Fee, "Tier 1: up to 10, flat fee", decimal("2")),
        (0, LineKind::Usage, "Tier 1: up to 10", decimal("80")),
        (1, LineKind::Usage, "Tier 1: up to 10", decimal("20")),
        (1, LineKind::Fee, "Tier 2: above 10 up to 20.5, flat fee", decimal("3")),
        (1, LineKind::Usage, "Tier 2: above 10 up to 20.5", decimal("10")),
    ];
    assert_eq!(told, expected);
}

#[test]
fn volume_prices_all_units_at_the_tier_reached() {
    check(&volume(), &["0.5"], "11");
    check(&volume(), &["100"], "210");
    // No gap between the bound and the next whole unit.
    check(&volume(), &["100.000000001"], "100.000000001");
    check(&volume(), &["100.5"], "100.5");
    check(&volume(), &["200"], "200");
    check(&volume(), &["201"], "150.5");
    check(&volume(), &["60", "60", "80"], "200");
    check(&volume(), &["300", "-100"], "200");
    check(&volume(), &["-201"], "-150.5");
    check(&volume(), &["50", "-50"], "0");
}

#[test]
fn graduated_percentages_add_their_tiers() {
    // 10 x 1 % + 200 + 2 x 2.5 % + 300.
    check(&percent(), &["12"], "500.15");
    check(&percent(), &["10"], "200.1");
    check(&percent(), &["7", "5"], "500.15");
    let sums = [consumed(0, &[(0, 12 * ONE)])];
    let (rate, meter) = (percent(), meter(Aggregation::Sum));
    let parts = priced(&pool(&rate, &meter, 1, &sums)).expect("priced");
    assert_eq!(parts[3].detail, "Tier 2: above 10, 2.5 % (of 2)");
}

#[test]
fn a_first_flat_is_due_without_usage_where_the_tariff_says_so() {
    let eur = Currency::new("EUR").expect("currency");
    let of = |rate: &Rate| flat_of_nothing(rate, eur).map(|flat| flat.fraction().expect("flat"));
    assert_eq!(of(&graduated()), None);
    assert_eq!(of(&percent()), Some(decimal("200")));
    assert_eq!(flat_of_nothing_text(&percent()), "Tier 1: up to 10, flat fee");
    let flat = vec![tier("100", "2", "10"), tier("", "1", "0")];
    let charged = tiers(flat.clone(), Total, true);
    for model in [PriceModel::Volume(charged.clone()), PriceModel::Graduated(charged)] {
        let rate = rate(model, "0");
        assert_eq!(of(&rate), Some(decimal("10")));
        // Usage that came to nothing is no usage; some usage brings its fee itself.
        check(&rate, &["5", "-5"], "10");
        check(&rate, &["5"], "20");
    }
    let free = rate(PriceModel::Volume(tiers(flat, Total, false)), "0");
    assert_eq!(of(&free), None);
    check(&free, &["5", "-5"], "0");
}

#[test]
fn later_versions_go_on_where_earlier_ones_stopped() {
    let (rate, meter) = (volume(), meter(Aggregation::Sum));
    let before = [consumed(0, &[(0, 60 * ONE)])];
    let own = [consumed(1, &[(5, 30 * ONE)])];
    let mut later = pool(&rate, &meter, 1, &own);
    among(&mut later, &before, &[]);
    for item in &mut later.items {
        item.low = decimal("60");
        item.high = decimal("90");
    }
    later.total = decimal("90");
    // 30 x 2; the flat fee of the period stands with its first item, in the pool before.
    assert_eq!(total(&priced(&later).expect("priced")), decimal("60"));
}

#[test]
fn units_above_a_last_closed_tier_have_no_price() {
    let closed = vec![tier("10", "1", "0"), tier("20", "2", "0")];
    let meter = meter(Aggregation::Sum);
    for model in [
        PriceModel::Graduated(tiers(closed.clone(), Total, false)),
        PriceModel::Volume(tiers(closed, Total, false)),
    ] {
        let rate = rate(model, "0");
        let fits = [consumed(0, &[(0, 20 * ONE)])];
        assert!(priced(&pool(&rate, &meter, 1, &fits)).is_ok());
        let over = [consumed(0, &[(0, 20 * ONE + 1)])];
        let refused = priced(&pool(&rate, &meter, 1, &over)).expect_err("above");
        assert_eq!(refused.code, ParkCode::UnknownPrice);
        assert!(refused.text.contains("20.000000001") && refused.text.contains("`thing`"));
    }
    let none = rate(PriceModel::Graduated(tiers(Vec::new(), Total, false)), "0");
    assert!(model_of(&none).is_err());
}
