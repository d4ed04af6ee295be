//! `turnpike compact`.

use anyhow::Context as _;
use clap::Args;
use turnpike_lake::{CompactReport, MergeReport};

use crate::app::App;
use crate::output::{self, Cell, Record};
use crate::progress;

/// Sorts new events into the usage table and settles duplicates and conflicts
#[derive(Debug, Args)]
pub struct Compact {
    /// Deletes files that nobody needs any more, afterwards [lake.vacuum_retention_hours]
    #[arg(long)]
    vacuum: bool,
    /// Merges the runs of each bucket of a month into one, which is rated fastest
    #[arg(long)]
    merge: bool,
}

impl Compact {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let lake = app.lake().await?;
        let bar = progress::open("compacting");
        let settings = app.compact_settings();
        let shown = bar.clone();
        let report = lake
            .compact(&settings, &move |progress| shown.set_position(progress.rows))
            .await
            .context("compacting")?;
        bar.finish_and_clear();
        let mut record = record(&report);
        if self.merge {
            let bar = progress::open("merging");
            let shown = bar.clone();
            let shown = move |report: MergeReport| shown.set_position(report.rows);
            let merged = lake.merge(&settings, i32::MAX, &shown).await.context("merging runs")?;
            bar.finish_and_clear();
            record = record
                .with("runs_replaced", Cell::count(merged.runs_merged))
                .with("runs_left", Cell::count(merged.runs_written));
        }
        if self.vacuum {
            let vacuum = lake.vacuum(app.vacuum_retention()).await.context("vacuuming")?;
            record = record
                .with("files_deleted", Cell::count(vacuum.files))
                .with("bytes_deleted", Cell::count(vacuum.bytes))
                .with("files_kept", Cell::count(vacuum.kept));
        }
        Ok(output::print(&record.text(app.format))?)
    }
}

fn record(report: &CompactReport) -> Record {
    Record::default()
        .with("rows", Cell::count(report.rows))
        .with("events", Cell::count(report.events))
        .with("usage_rows", Cell::count(report.usage_rows))
        .with("duplicates", Cell::count(report.duplicates))
        .with("conflicts", Cell::count(report.conflicts))
        .with("commits", Cell::count(report.commits))
        .with("runs_written", Cell::count(report.runs_written))
        .with("runs_merged", Cell::count(report.runs_merged))
        .with("compacted_to", Cell::count(report.compacted_to))
        .with("fenced", Cell::Flag(report.fenced))
}
