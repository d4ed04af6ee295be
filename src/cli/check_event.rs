//! `turnpike check-event`: what a pasted event would be accepted as, or why it would not.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use turnpike_ingest::{Decoded, IngestSettings};
use turnpike_schemas::Instant;

use super::decoded;
use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output::{self, Cell, Format, Record};

/// Says what an event would be accepted as, or why not
#[derive(Debug, Args)]
#[command(after_help = "Exit code 4 when it would be a dead letter.")]
pub struct CheckEvent {
    /// A file that holds the event; - or nothing: standard input
    file: Option<PathBuf>,
    /// The adapter that shall read it; else the content decides [ingest.adapter]
    #[arg(long, value_name = "NAME")]
    pub system: Option<String>,
    /// Which of several systems of one kind it comes from [ingest.installation]
    #[arg(long, value_name = "NAME")]
    pub installation: Option<String>,
    /// When an event that carries no time was true
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    at: Option<Instant>,
}

/// More than this is no pasted event.
const BYTES_MAX: u64 = 16 << 20;

impl CheckEvent {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let text = match self.file.as_deref().filter(|path| path.as_os_str() != "-") {
            None => read(std::io::stdin().lock()).context("reading standard input")?,
            Some(path) => {
                let file = std::fs::File::open(path);
                let read = file.and_then(read);
                read.with_context(|| format!("reading {}", path.display()))?
            }
        };
        let settings = IngestSettings { at: self.at, ..decoded::settings(app).await? };
        let now = app.clock.now();
        let mut records: Vec<(i64, Record)> = Vec::new();
        let (mut dead, mut table) = (0_u64, decoded::Lines::new(usize::MAX));
        for preview in turnpike_ingest::file::preview_text(&text, &settings, now) {
            for one in &preview.decoded {
                dead += u64::from(matches!(one, Decoded::Dead(_)));
                records.push((preview.position, decoded::in_words(one)));
            }
            table.add(None, &preview);
        }
        if records.is_empty() {
            return Err(fault(Kind::Data, "there is no event: the input is empty"));
        }
        output::print(&match (app.format, &records[..]) {
            (format, [(_, only)]) => only.text(format),
            (Format::Table | Format::Html, many) => {
                let text = |(position, record): &(i64, Record)| {
                    let head = Record::default().with("record", Cell::Integer(*position));
                    format!("{}{}", head.text(app.format), record.text(app.format))
                };
                many.iter().map(text).collect::<Vec<_>>().join("\n")
            }
            (format, _) => table.table().text(format),
        })?;
        match dead {
            0 => Ok(()),
            1 => Err(fault(Kind::Data, "the event would be a dead letter")),
            many => Err(fault(Kind::Data, format!("{many} records would be dead letters"))),
        }
    }
}

fn read(input: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
