//! Series: the price of a unit changes at any second, as the points of a price series say.
//!
//! Usage is worth its units at the price in force, second by second. Instants are floored to the
//! second, points and usage alike, so that the pieces of a holding add up to the whole. Before the
//! first point there is no price, and no price is not a price of zero.

use turnpike_schemas::tariff::PriceSeries;
use turnpike_schemas::{Fraction, Instant, PriceBook, PriceModel};

use super::{Part, Price, PricePool, metered};
use crate::parked::{ParkCode, ParkReason};

pub struct Series;

impl Price for Series {
    fn price(&self, pool: &PricePool<'_>) -> Result<Vec<Part>, ParkReason> {
        let PriceModel::Series { series } = &pool.rate.model else {
            return Ok(Vec::new());
        };
        metered::parts(pool, &format!("Price series {series}"))
    }
}

/// The series of a rate.
pub fn find<'a>(book: &'a PriceBook, id: &str) -> Result<&'a PriceSeries, ParkReason> {
    book.price_series(id).ok_or_else(|| {
        ParkReason::new(ParkCode::UnknownPrice, format!("price series `{id}` is not in the book"))
    })
}

/// The price of a unit at an instant: what is consumed then costs it.
pub fn price_at(series: &PriceSeries, at: Instant) -> Result<Fraction, ParkReason> {
    // Points are floored as instants are: a point inside a second is in force from its start.
    let after = series.points.partition_point(|(from, _)| from.floored() <= at.floored());
    let point = after.checked_sub(1).and_then(|index| series.points.get(index));
    point.map(|(_, nano)| Fraction::nano(*nano)).ok_or_else(|| {
        let text = format!("price series `{}` has no price at {at}", series.id);
        ParkReason::new(ParkCode::UnknownPrice, text)
    })
}

/// Instants strictly inside `(start, end)` at which the price changes.
pub fn cuts(series: &PriceSeries, start: Instant, end: Instant) -> Vec<Instant> {
    let first = series.points.partition_point(|(from, _)| from.floored() <= start);
    let inside = series.points.iter().skip(first).map(|(from, _)| from.floored());
    inside.take_while(|from| *from < end).collect()
}

/// What it costs to hold units over `[start, end)`, at prices per `per_seconds` seconds.
pub fn worth(
    series: &PriceSeries,
    units: &Fraction,
    start: Instant,
    end: Instant,
    per_seconds: i64,
) -> Result<Fraction, ParkReason> {
    let overflow = || {
        let text = format!("the amount of price series `{}` is too large", series.id);
        ParkReason::new(ParkCode::Overflow, text)
    };
    let mut edges = vec![start.floored()];
    edges.extend(cuts(series, start.floored(), end.floored()));
    edges.push(end.floored());
    let mut price_seconds = Fraction::ZERO;
    for pair in edges.windows(2) {
        let seconds = pair[1].floor_seconds() - pair[0].floor_seconds();
        if seconds <= 0 {
            continue;
        }
        let price = price_at(series, pair[0])?;
        let piece = price.checked_mul(&Fraction::whole(i128::from(seconds)));
        price_seconds =
            piece.and_then(|piece| price_seconds.checked_add(&piece)).ok_or_else(overflow)?;
    }
    units
        .checked_mul(&price_seconds)
        .and_then(|value| value.checked_div(&Fraction::whole(i128::from(per_seconds))))
        .ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect(text)
    }

    fn spot() -> PriceSeries {
        PriceSeries {
            id: "spot".to_owned(),
            points: vec![
                (at("2026-10-01T00:00:00Z"), 36_000_000),
                (at("2026-10-01T00:00:01Z"), 72_000_000),
                (at("2026-10-01T01:00:00.7Z"), 0),
            ],
        }
    }

    #[test]
    fn a_price_may_change_at_any_second() {
        let fraction = |n, d| Fraction::ratio(n, d).expect("fraction");
        let check = |start: &str, end: &str, expect: Fraction| {
            let worth = worth(&spot(), &Fraction::whole(2), at(start), at(end), 3_600);
            assert_eq!(worth, Ok(expect), "{start} to {end}");
        };
        // 2 units for one second at 0.036 per hour: 2 x 0.036 / 3600.
        check("2026-10-01T00:00:00Z", "2026-10-01T00:00:01Z", fraction(2, 100_000));
        // One second at 0.036 and two at 0.072: 2 x (0.036 + 0.144) / 3600.
        check("2026-10-01T00:00:00Z", "2026-10-01T00:00:03Z", fraction(1, 10_000));
        // The hour from the second on: 3599 s at 0.072; then nothing, a price of zero.
        check("2026-10-01T00:00:01Z", "2026-10-01T02:00:00Z", fraction(7_198, 50_000));
        // Fractions of seconds are floored on both ends.
        check("2026-10-01T00:00:00.9Z", "2026-10-01T00:00:01.9Z", fraction(2, 100_000));
        check("2026-10-01T00:00:05Z", "2026-10-01T00:00:05Z", Fraction::ZERO);
    }

    #[test]
    fn a_cut_at_any_second_changes_nothing() {
        let (start, end) = (at("2026-10-01T00:00:00Z"), at("2026-10-01T01:00:10Z"));
        let units = Fraction::ratio(7, 3).expect("units");
        let whole = worth(&spot(), &units, start, end, 86_400).expect("whole");
        for seconds in [1, 2, 1_800, 3_599, 3_600, 3_601] {
            let cut = start.plus_seconds(seconds).expect("cut");
            let left = worth(&spot(), &units, start, cut, 86_400).expect("left");
            let right = worth(&spot(), &units, cut, end, 86_400).expect("right");
            assert_eq!(left.checked_add(&right), Some(whole), "cut after {seconds} s");
        }
    }

    #[test]
    fn before_the_first_point_there_is_no_price() {
        let (start, end) = (at("2026-09-30T23:59:59Z"), at("2026-10-01T00:00:01Z"));
        let refused = worth(&spot(), &Fraction::ONE, start, end, 3_600).expect_err("no price");
        assert_eq!(refused.code, ParkCode::UnknownPrice);
        assert!(refused.text.contains("`spot`") && refused.text.contains("2026-09-30"));
        assert_eq!(price_at(&spot(), end), Ok(Fraction::nano(72_000_000)));
        assert_eq!(price_at(&spot(), at("2026-10-01T01:00:00Z")), Ok(Fraction::ZERO));
        let missing = find(&PriceBook::default(), "spot").expect_err("not in the book");
        assert!(missing.text.contains("`spot`"));
    }
}
