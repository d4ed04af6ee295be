//! Merging all runs of a bucket and month into one: a month that is over is read again and again, and
//! one run is read fastest, since nothing has to be merged on the way.
//!
//! A merge takes no part in what counts: it keeps every row. Its commit happens only where all runs
//! that it replaces are still there.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::commit::{Outcome, Plan};
use crate::compact::{Files, Job, run_job};
use crate::log::Table;
use crate::run::{Run, runs_of};
use crate::{CompactSettings, LakeError, MergeReport};

/// Buckets and months that are merged in one commit: what a kill in the middle loses.
const MERGED_AT_ONCE: usize = 16;

/// Merges what has several runs, of months up to `through`.
pub(crate) async fn merge_all(
    usage: &Arc<Table>,
    settings: &CompactSettings,
    through: i32,
    progress: &(dyn Fn(MergeReport) + Send + Sync),
) -> Result<MergeReport, LakeError> {
    let mut report = MergeReport::default();
    let wanted = several(usage, through).await?;
    for some in wanted.chunks(MERGED_AT_ONCE) {
        let jobs: Vec<Job> = some.iter().cloned().map(Job::merge).collect();
        let done: Vec<_> = stream::iter(jobs)
            .map(|job| run_job(usage, job))
            .buffer_unordered(settings.writers.max(1))
            .try_collect()
            .await?;
        let files = Files { merged: done, ..Files::default() };
        let outcome = usage.commit(|state| {
            Ok(match files.are_current(state) {
                true => Plan::Commit { actions: files.actions(), txns: Vec::new() },
                false => Plan::Refuse(()),
            })
        });
        if let Outcome::Refused(()) = outcome.await? {
            for file in files.written() {
                // A file that stays costs space and is named by no commit.
                let _ = tokio::fs::remove_file(usage.path_of(file)).await;
            }
            continue;
        }
        report.runs_merged += files.merged.iter().map(|(old, _)| old.len() as u64).sum::<u64>();
        report.runs_written += files.merged.len() as u64;
        report.rows += files.written().map(|file| file.rows.unsigned_abs()).sum::<u64>();
        progress(report);
    }
    Ok(report)
}

/// The runs of each bucket and month that has more than one.
async fn several(usage: &Table, through: i32) -> Result<Vec<Vec<Run>>, LakeError> {
    let runs = runs_of(&*usage.refreshed().await?)?;
    let groups = runs.chunk_by(|a, b| (a.bucket, a.month) == (b.bucket, b.month));
    let wanted = groups.filter(|group| group.len() > 1 && group[0].month <= through);
    Ok(wanted.map(<[Run]>::to_vec).collect())
}
