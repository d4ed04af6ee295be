//! What a new run is compared with.

use anyhow::Context as _;
use turnpike_books::Books;
use turnpike_lake::Lake;
use turnpike_schemas::{RatedLine, RunId, Scope};

use super::lines_of;
use crate::fault::{Kind, fault};

/// The lines of an earlier run of the same period.
pub struct Against {
    /// `None`: the period was never rated before, so everything is new.
    pub run: Option<RunId>,
    pub lines: Vec<RatedLine>,
}

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    Run(RunId),
    /// The newest of the period.
    Latest,
}

impl std::str::FromStr for Earlier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Earlier::Latest),
            run => RunId::new(run).map(Earlier::Run).map_err(|error| error.to_string()),
        }
    }
}

/// Reads the run that a new one of the period is to be compared with.
pub async fn against(
    lake: &Lake,
    books: &Books,
    earlier: &Earlier,
    label: &str,
) -> anyhow::Result<Against> {
    let run = match earlier {
        Earlier::Run(run) => {
            let runs = books.runs(&Scope::Provider, u32::MAX).await.context("listing runs")?;
            let found = runs.into_iter().find(|entry| &entry.record.run == run);
            let record = found
                .map(|entry| entry.record)
                .ok_or_else(|| fault(Kind::Data, format!("there is no run `{run}`")))?;
            if record.label != label {
                let text = format!("run {run} is of {}, not of {label}", record.label);
                return Err(fault(Kind::Data, text));
            }
            Some(record.run)
        }
        Earlier::Latest => {
            let newest = books.latest_run(&Scope::Provider, Some(label)).await;
            newest.context("looking for the run before")?.map(|entry| entry.record.run)
        }
    };
    let lines = match &run {
        Some(run) => lines_of(lake, run).await?,
        None => Vec::new(),
    };
    Ok(Against { run, lines })
}
