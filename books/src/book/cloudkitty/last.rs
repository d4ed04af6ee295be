//! Which of several entries for the same counts: CloudKitty reads them in the order of its list into
//! one place (the service of a group; a value or a level of it), so that of those in force at an
//! instant the last is kept, whether it is flat or a rate. Here the earlier ones end where a later
//! one begins, and go on where that ends.

use turnpike_schemas::Instant;
use turnpike_schemas::period::parse_day_or_instant;

use super::export::Entry;
use super::{CloudKittyError, LEVEL_DECIMALS, exact, refuse};

type Dates = (Option<Instant>, Option<Instant>);

/// The entries as they count, in their order.
pub(super) fn kept(entries: &[Entry]) -> Result<Vec<Entry>, CloudKittyError> {
    let mut kept = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let later: Vec<&Entry> = entries[place + 1..]
            .iter()
            .map(|other| Ok(is_same(entry, other)?.then_some(other)))
            .filter_map(Result::transpose)
            .collect::<Result<_, CloudKittyError>>()?;
        if later.is_empty() {
            kept.push(entry.clone());
            continue;
        }
        let mut left = vec![dates(entry)?];
        for other in later {
            let taken = dates(other)?;
            left = left.into_iter().flat_map(|dates| without(dates, taken)).collect();
        }
        for (start, end) in left {
            let text = |at: Option<Instant>| at.map(|at| at.to_string());
            kept.push(Entry { start: text(start), end: text(end), ..entry.clone() });
        }
    }
    Ok(kept)
}

fn is_same(one: &Entry, other: &Entry) -> Result<bool, CloudKittyError> {
    let level = |entry: &Entry| {
        let level = entry.level.as_ref();
        level.map(|level| exact(entry, "level", level, LEVEL_DECIMALS)).transpose()
    };
    let place = |entry: &Entry| {
        (entry.field.clone(), entry.value.clone(), entry.group.clone(), entry.project.clone())
    };
    Ok(place(one) == place(other) && level(one)? == level(other)?)
}

fn dates(entry: &Entry) -> Result<Dates, CloudKittyError> {
    let read = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match parse_day_or_instant(text, chrono_tz::Tz::UTC) {
            Ok(at) => Ok(Some(at)),
            Err(error) => refuse(format!("service `{}`: {text}: {error}", entry.service)),
        },
    };
    Ok((read(&entry.start)?, read(&entry.end)?))
}

/// What is left of `[start, end)` without another: before it, and after it.
fn without((start, end): Dates, (from, to): Dates) -> Vec<Dates> {
    let start_of = |at: Option<Instant>| at.unwrap_or(Instant::MIN);
    let end_of = |at: Option<Instant>| at.unwrap_or(Instant::MAX);
    let before = (start, if end_of(end) <= start_of(from) { end } else { from });
    let after = (if end_of(to) <= start_of(start) { start } else { to }, end);
    let mut left = Vec::new();
    if from.is_some() && start_of(before.0) < end_of(before.1) {
        left.push(before);
    }
    if to.is_some() && start_of(after.0) < end_of(after.1) {
        left.push(after);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_entry_takes_is_left_out() {
        let at = |day: Option<u32>| {
            day.map(|day| Instant::parse(&format!("2026-10-{day:02}T00:00:00Z")).expect("a day"))
        };
        let check = |own: (Option<u32>, Option<u32>),
                     taken: (Option<u32>, Option<u32>),
                     expect: &[(Option<u32>, Option<u32>)]| {
            let found = without((at(own.0), at(own.1)), (at(taken.0), at(taken.1)));
            let expect: Vec<Dates> = expect.iter().map(|(a, b)| (at(*a), at(*b))).collect();
            assert_eq!(found, expect, "{own:?} without {taken:?}");
        };
        let d = Some;
        check((None, None), (None, None), &[]);
        check((None, None), (d(5), None), &[(None, d(5))]);
        check((None, None), (None, d(5)), &[(d(5), None)]);
        check((None, None), (d(5), d(9)), &[(None, d(5)), (d(9), None)]);
        check((d(5), d(9)), (d(5), d(9)), &[]);
        check((d(5), d(9)), (d(1), d(5)), &[(d(5), d(9))]);
        check((d(5), d(9)), (d(9), None), &[(d(5), d(9))]);
        check((d(5), d(9)), (d(7), None), &[(d(5), d(7))]);
        check((d(5), d(9)), (None, d(7)), &[(d(7), d(9))]);
        check((d(5), d(9)), (None, d(3)), &[(d(5), d(9))]);
    }
}
