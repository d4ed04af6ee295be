//! `[valid_from, valid_to)` of dated entries: reading, overlaps and gaps.

use chrono_tz::Tz;
use turnpike_schemas::Instant;

use super::reader::{At, Log, Place, Table};
use super::value;

/// A half-open stretch of time; an absent end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Option<Instant>,
    pub to: Option<Instant>,
}

impl Span {
    pub fn overlaps(&self, other: &Span) -> bool {
        let before = |end: Option<Instant>, start: Option<Instant>| match (end, start) {
            (Some(end), Some(start)) => end <= start,
            _ => false,
        };
        !before(self.to, other.from) && !before(other.to, self.from)
    }

    pub fn text(&self) -> String {
        let end = |instant: Option<Instant>, open: &str| {
            instant.map_or_else(|| open.to_owned(), |instant| instant.to_string())
        };
        format!("{} to {}", end(self.from, "ever"), end(self.to, "further notice"))
    }
}

/// Reads `valid_from` and `valid_to`; both may be absent.
pub(super) fn read(table: &mut Table<'_, '_>, log: &mut Log, zone: Tz) -> Span {
    let from = value::instant(table, log, "valid_from", zone);
    let to = value::instant(table, log, "valid_to", zone);
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value >= to.value
    {
        let message = format!("`valid_to` is {}, not after `valid_from`, {}", to.value, from.value);
        log.mistake(&to.place, message);
    }
    Span { from: from.map(|at| at.value), to: to.map(|at| at.value) }
}

/// [`read`] where `valid_from` must be there.
pub(super) fn read_dated(table: &mut Table<'_, '_>, log: &mut Log) -> Option<(Instant, Span)> {
    let given = table.has("valid_from");
    let span = read(table, log, Tz::UTC);
    if !given {
        return table.missing(log, "valid_from", "an instant or a day");
    }
    span.from.map(|from| (from, span))
}

/// One dated entry for the check of its neighbours.
pub(super) struct Dated<'a> {
    pub name: &'a str,
    pub span: Span,
    pub place: &'a Place,
}

/// What to say of neighbours in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    Mistake,
    Warning,
}

/// Sorts entries by time and reports each that starts before the one before it has ended.
pub(super) fn check_overlaps(
    log: &mut Log,
    what: &str,
    mut entries: Vec<Dated<'_>>,
    overlap: Overlap,
) {
    entries.sort_by_key(|entry| (entry.span.from, entry.place.line));
    // Against the one that lasts longest so far, since it may reach over several.
    let mut longest: Option<&Dated<'_>> = None;
    for entry in &entries {
        if let Some(last) = longest
            && last.span.overlaps(&entry.span)
        {
            let message = format!(
                "{what} `{}` ({}) overlaps `{}` ({}): end the earlier one with `valid_to`",
                entry.name,
                entry.span.text(),
                last.name,
                last.span.text()
            );
            match overlap {
                Overlap::Mistake => log.mistake(entry.place, message),
                Overlap::Warning => log.warn(entry.place, message),
            }
        }
        let lasts = |entry: &Dated<'_>| entry.span.to.unwrap_or(Instant::MAX);
        if longest.is_none_or(|last| lasts(entry) > lasts(last)) {
            longest = Some(entry);
        }
    }
}

/// Warns of stretches between entries where none is in force.
pub(super) fn warn_gaps(log: &mut Log, what: &str, mut entries: Vec<Dated<'_>>) {
    entries.sort_by_key(|entry| (entry.span.from, entry.place.line));
    for pair in entries.windows(2) {
        if let (Some(end), Some(start)) = (pair[0].span.to, pair[1].span.from)
            && end < start
        {
            let message = format!("{what}: nothing is in force from {end} to {start}");
            log.warn(pair[1].place, message);
        }
    }
}

/// [`At`] without its value.
pub(super) fn place_of<T>(at: &At<T>) -> Place {
    at.place.clone()
}
