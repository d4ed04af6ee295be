//! [`Counts`]: what a batch holds, counted by what its rows became.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;

use crate::batch::Judged;
use crate::block::{Block, What};
use crate::metrics::RowLabels;
use crate::reason;
use crate::report::IngestReport;

/// What a batch holds, to be reported once it is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub rows: BTreeMap<RowLabels, u64>,
    pub records: u64,
    pub bytes: u64,
    /// The newest time of an event that meters something, by source partition.
    pub newest: BTreeMap<Arc<str>, Instant>,
}

impl Counts {
    pub fn of(blocks: &[Block], rows: &[Judged]) -> Self {
        let mut counts = Self::default();
        let mut same: Option<(Kind, u64)> = None;
        let mut newest: Option<((u32, u32), Instant)> = None;
        for judged in rows {
            let row = judged.row(blocks);
            let (block, system) = (judged.block, row.system);
            let kind = Kind { block, system, status: judged.status(), reason: judged.reason(row) };
            if let (What::Event(event), status::ACCEPTED, None) =
                (&row.what, kind.status, kind.reason)
            {
                let place = (judged.block, row.slot);
                match &mut newest {
                    Some((before, time)) if *before == place => *time = event.time.max(*time),
                    _ => counts.reach(blocks, newest.replace((place, event.time))),
                }
            }
            match &mut same {
                Some((before, count)) if *before == kind => *count += 1,
                _ => counts.add(blocks, same.replace((kind, 1))),
            }
        }
        counts.add(blocks, same);
        counts.reach(blocks, newest);
        counts
    }

    fn reach(&mut self, blocks: &[Block], newest: Option<((u32, u32), Instant)>) {
        let Some(((block, slot), time)) = newest else { return };
        let origin = &blocks[block as usize].slots[slot as usize].origin;
        match self.newest.get_mut(origin) {
            Some(before) => *before = time.max(*before),
            None => {
                self.newest.insert(Arc::clone(origin), time);
            }
        }
    }

    fn add(&mut self, blocks: &[Block], rows: Option<(Kind, u64)>) {
        let Some((Kind { block, system, status, reason }, count)) = rows else { return };
        let system = system.map(|at| blocks[block as usize].systems[at as usize].as_str());
        let system = system.unwrap_or("unknown").to_owned();
        let labels = RowLabels { system, status, reason: reason.unwrap_or_default() };
        *self.rows.entry(labels).or_default() += count;
    }

    /// The counts as the report of one commit.
    pub fn report(&self) -> IngestReport {
        let mut report = IngestReport { commits: 1, bytes: self.bytes, ..Default::default() };
        for (labels, count) in &self.rows {
            report.read += count;
            match labels.status {
                status::ACCEPTED => report.accepted += count,
                status::DUPLICATE => report.duplicate += count,
                status::CONFLICT => report.conflict += count,
                _ => {
                    report.dead += count;
                    *report.dead_by_reason.entry(labels.reason.to_owned()).or_default() += count;
                }
            }
            if labels.reason == reason::UNMETERED {
                report.unmetered += count;
            }
        }
        report
    }
}

/// What rows are counted by. Most are as the row before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    block: u32,
    system: Option<u32>,
    status: &'static str,
    reason: Option<&'static str>,
}
