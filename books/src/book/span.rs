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
    /// It says with `gap = true` that nothing is in force before it.
    pub after_gap: bool,
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

/// Reports stretches between entries where none is in force, unless the later entry says that this
/// is meant; and an entry that says so where there is no gap, unless it may mean another one.
pub(super) fn check_gaps(
    log: &mut Log,
    what: &str,
    mut entries: Vec<Dated<'_>>,
    may_mean_another: bool,
) {
    // What ends before it starts is told already.
    let ends_first = |span: &Span| span.from.zip(span.to).is_some_and(|(from, to)| to <= from);
    if entries.iter().any(|entry| ends_first(&entry.span)) {
        return;
    }
    entries.sort_by_key(|entry| (entry.span.from, entry.place.line));
    // Until when something is in force; `None` before the first and after an open end.
    let mut covered: Option<Instant> = None;
    for (index, entry) in entries.iter().enumerate() {
        let gap = covered.zip(entry.span.from).filter(|(end, start)| end < start);
        match gap {
            Some((end, start)) if !entry.after_gap => {
                let message = format!(
                    "{what}: nothing is in force from {end} to {start}; close the gap, or write \
                     `gap = true` here where usage in it is to park the account"
                );
                log.mistake(entry.place, message);
            }
            None if entry.after_gap && index > 0 && !may_mean_another => {
                log.mistake(entry.place, "`gap = true`, but there is no gap before it");
            }
            _ => {}
        }
        let end = entry.span.to;
        covered = if index == 0 { end } else { covered.zip(end).map(|(a, b)| a.max(b)) };
    }
}

/// [`At`] without its value.
pub(super) fn place_of<T>(at: &At<T>) -> Place {
    at.place.clone()
}
