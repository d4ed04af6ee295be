//! `turnpike book add-prices`: points of price series from CSV, appended to the newest book.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use turnpike_books::Mistake;
use turnpike_books::edit::Points;
use turnpike_schemas::parse::decimal_to_scaled;
use turnpike_schemas::period::parse_day_or_instant;
use turnpike_schemas::{Instant, PriceBook};

const COLUMNS: [&str; 3] = ["series", "from", "price"];

/// The points of a file. Every mistake is reported with its line.
pub fn points(csv: &str, book: &PriceBook) -> Result<Points, Vec<Mistake>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv.as_bytes());
    let mistake = |line: u64, message: String| Mistake {
        line: usize::try_from(line).unwrap_or(usize::MAX),
        path: String::new(),
        message,
    };
    let headers = reader.headers().map_err(|error| vec![mistake(1, error.to_string())])?;
    let places: Vec<Option<usize>> =
        COLUMNS.iter().map(|name| headers.iter().position(|header| header == *name)).collect();
    let [Some(series), Some(from), Some(price)] = places[..] else {
        let message = format!("the first line names the columns: {}", COLUMNS.join(","));
        return Err(vec![mistake(1, message)]);
    };
    // The last point of each series so far, in the book or in the file.
    let mut last: BTreeMap<&str, Option<Instant>> = BTreeMap::new();
    for known in &book.series {
        last.insert(&known.id, known.points.last().map(|(from, _)| *from));
    }
    let (mut found, mut mistakes) = (Points::new(), Vec::new());
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                mistakes.push(mistake(line, error.to_string()));
                continue;
            }
        };
        let line = row.position().map_or(1, csv::Position::line);
        let cell = |at: usize| row.get(at).unwrap_or_default();
        match point(&mut last, cell(series), cell(from), cell(price)) {
            Ok(point) => found.entry(cell(series).to_owned()).or_default().push(point),
            Err(message) => mistakes.push(mistake(line, message)),
        }
    }
    if mistakes.is_empty() && found.is_empty() {
        mistakes.push(mistake(1, "the file holds no price".to_owned()));
    }
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

/// One point, later than all before it.
fn point(
    last: &mut BTreeMap<&str, Option<Instant>>,
    series: &str,
    from: &str,
    price: &str,
) -> Result<(Instant, i64), String> {
    let Some(before) = last.get_mut(series) else {
        let known: Vec<&str> = last.keys().copied().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("the book has no price series `{series}`; it has {known}"));
    };
    let from = parse_day_or_instant(from, Tz::UTC)
        .map_err(|_| format!("`{from}` is neither an instant nor a day"))?;
    let nano = decimal_to_scaled(price, 9).map_err(|error| format!("price `{price}`: {error}"))?;
    if nano < 0 {
        return Err(format!("price `{price}` is below zero"));
    }
    if let Some(before) = before.filter(|before| from <= *before) {
        return Err(format!(
            "{from} is not after {before}, the last point of `{series}` before it: points are \
             appended"
        ));
    }
    *before = Some(from);
    Ok((from, nano))
}

#[cfg(test)]
mod tests {
    use turnpike_schemas::tariff::PriceSeries;

    use super::*;

    fn book() -> PriceBook {
        let mut book = turnpike_books::parse_book("").expect("an empty book");
        let at = Instant::parse("2026-10-01T06:00:00Z").expect("instant");
        book.series = vec![PriceSeries { id: "spot".to_owned(), points: vec![(at, 1)] }];
        book
    }

    #[test]
    fn each_mistake_has_its_line() {
        let csv = "series,from,price\nspot,2026-10-01T06:00:00Z,0.1\nspot,2026-10-02,0.2\n\
                   spot,2026-10-02,0.3\nother,2026-10-03,1\nspot,soon,1\nspot,2026-10-04,-1\n\
                   spot,2026-10-05,0.0000000001\nspot,2026-10-06\n";
        let mistakes = points(csv, &book()).expect_err("mistakes");
        let found: Vec<(usize, &str)> =
            mistakes.iter().map(|mistake| (mistake.line, mistake.message.as_str())).collect();
        let expect = [
            (2, "not after 2026-10-01T06:00:00Z"),
            (4, "not after 2026-10-02T00:00:00Z"),
            (5, "no price series `other`; it has spot"),
            (6, "`soon` is neither"),
            (7, "below zero"),
            (8, "price `0.0000000001`"),
            (9, "2 fields"),
        ];
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for ((line, message), (at, part)) in found.iter().zip(expect) {
            assert_eq!(*line, at, "{message}");
            assert!(message.contains(part), "{message}");
        }
        let named = points("spot,2026-10-02,1\n", &book()).expect_err("no header");
        assert!(named[0].message.contains("series,from,price"), "{named:?}");
        assert!(points("series,from,price\n", &book()).is_err());
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let csv = "price,series,from\n0.2,spot,2026-10-02\n0,spot,2026-10-02T00:00:01Z\n";
        let found = points(csv, &book()).expect("points");
        assert_eq!(
            found["spot"].iter().map(|(_, nano)| *nano).collect::<Vec<_>>(),
            [200_000_000, 0]
        );
    }
}
