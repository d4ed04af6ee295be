//! [`Gap`]: records that were gone before they were read, and the time of which usage may be missing.
//!
//! A gap is a dead letter that no replay can mend. What its records said nobody knows; when they were
//! produced is known between two bounds: after the newest event that was read before them, and before
//! the gap was found. A late event of an older time may be among them, which no bound can tell.

use std::fmt;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use serde::{Deserialize, Serialize};
use turnpike_lake::{EventFilter, Lake, LakeSnapshot};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;

use crate::{IngestError, reason, replay};

/// Records that were gone before they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The source partition.
    pub origin: String,
    /// The first offset that is missing.
    pub from: i64,
    /// The first that is there again; `None`: a gap of an earlier version, which did not say.
    pub to: Option<i64>,
    /// The newest event before the gap; `None`: none is known.
    pub since: Option<Instant>,
    /// When the gap was found.
    pub until: Instant,
}

impl Gap {
    /// Usage of `start..end` may be missing.
    pub fn touches(&self, start: Instant, end: Instant) -> bool {
        self.since.is_none_or(|since| since < end) && self.until >= start
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, from, to, since, until } = self;
        write!(f, "{origin}: the records from offset {from}")?;
        if let Some(to) = to {
            write!(f, " up to {to} (not included)")?;
        }
        f.write_str(" were gone before they were read; usage ")?;
        if let Some(since) = since {
            write!(f, "from {since} ")?;
        }
        write!(f, "until {until} may be missing")
    }
}

/// The payload of a gap's row.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    from: i64,
    to: i64,
    since: Option<Instant>,
}

/// What the row of a gap holds as its payload.
pub(crate) fn note(from: i64, to: i64, since: Option<Instant>) -> Vec<u8> {
    serde_json::to_vec(&Note { from, to, since }).unwrap_or_default()
}

/// Rows that are looked through for the newest event before a gap: more than a batch holds.
const NEWEST_ROWS_MAX: usize = 200_000;

/// The time of the newest event that was accepted of a source partition.
pub(crate) async fn newest_event(lake: &Lake, origin: &str) -> Option<Instant> {
    let filter = EventFilter {
        status: Some(status::ACCEPTED.to_owned()),
        origin: Some(origin.to_owned()),
        ..EventFilter::default()
    };
    let snapshot = lake.snapshot().await.ok()?;
    let batches = snapshot.events(&filter, Some(&["time"]), NEWEST_ROWS_MAX).await.ok()?;
    let times = batches.iter().flat_map(|batch| {
        let times = batch.column_by_name("time").map(|times| {
            times.as_primitive_opt::<TimestampMicrosecondType>().into_iter().flatten().flatten()
        });
        times.into_iter().flatten()
    });
    times.max().and_then(|micros| Instant::from_micros(micros).ok())
}

/// The gaps that nobody has given up (`turnpike dead-letters discard`), by origin and offset.
pub async fn gaps(lake: &Lake) -> Result<Vec<Gap>, IngestError> {
    let snapshot = lake.snapshot().await.map_err(failed)?;
    gaps_of(lake, &snapshot).await
}

async fn gaps_of(lake: &Lake, snapshot: &LakeSnapshot) -> Result<Vec<Gap>, IngestError> {
    // Nearly always there is none, which the counts say without a look at any file.
    let counts = snapshot.final_counts().await.map_err(failed)?;
    if counts.by_reason.get(reason::GAP).is_none_or(|count| *count <= 0) {
        return Ok(Vec::new());
    }
    let filter = EventFilter {
        status: Some(status::DEAD.to_owned()),
        reason: Some(reason::GAP.to_owned()),
        ..EventFilter::default()
    };
    let columns = ["origin", "position", "ingested_at", "raw"];
    let batches = snapshot.events(&filter, Some(&columns), usize::MAX).await.map_err(failed)?;
    let mut found: Vec<Gap> = batches.iter().flat_map(gaps_in).collect();
    if !found.is_empty() {
        let ends = replay::ends(lake).await?;
        found.retain(|gap| !ends.contains_key(&(gap.origin.clone(), gap.from, 0)));
    }
    found.sort_by(|a, b| (&a.origin, a.from).cmp(&(&b.origin, b.from)));
    Ok(found)
}

fn gaps_in(batch: &RecordBatch) -> Vec<Gap> {
    let column = |name: &str| batch.column_by_name(name);
    let gap = |row: usize| {
        let origin = column("origin")?.as_string_opt::<i32>()?.value(row).to_owned();
        let from = column("position")?.as_primitive_opt::<Int64Type>()?.value(row);
        let until = column("ingested_at")?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let until = Instant::from_micros(until.value(row)).ok()?;
        let raw = column("raw")?.as_binary_opt::<i32>()?;
        let raw = if raw.is_valid(row) { raw.value(row) } else { &[] };
        let note: Option<Note> = serde_json::from_slice(raw).ok();
        let (to, since) = note.map_or((None, None), |note| (Some(note.to), note.since));
        Some(Gap { origin, from, to, since, until })
    };
    (0..batch.num_rows()).filter_map(gap).collect()
}

fn failed(source: turnpike_lake::LakeError) -> IngestError {
    IngestError::Lake { operation: "look for gaps", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("an instant")
    }

    #[test]
    fn a_gap_touches_what_lies_between_its_bounds() {
        let gap = |since: Option<&str>| Gap {
            origin: "kafka:c:t:0:0".to_owned(),
            from: 3,
            to: Some(9),
            since: since.map(at),
            until: at("2026-11-05T00:00:00Z"),
        };
        let months = [
            ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ];
        let touched = |gap: &Gap| months.map(|(start, end)| gap.touches(at(start), at(end)));
        assert_eq!(touched(&gap(Some("2026-10-03T00:00:00Z"))), [false, true, true, false]);
        assert_eq!(touched(&gap(Some("2026-10-01T00:00:00Z"))), [false, true, true, false]);
        assert_eq!(touched(&gap(None)), [true, true, true, false]);
        let text = gap(Some("2026-10-03T00:00:00Z")).to_string();
        assert!(text.contains("offset 3 up to 9") && text.contains("2026-10-03"), "{text}");
    }
}
