//! `turnpike book import|show`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use turnpike_books::{BookCounts, ImportError, Mistake};

use crate::app::App;
use crate::fault::{Blame as _, Kind, fault};
use crate::output::{self, Cell, Record};

/// The price book: parties, sites, accounts, meters, tariffs, agreements
#[derive(Debug, Args)]
pub struct Book {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Imports a book; every mistake is reported with its line, and then nothing is changed
    Import {
        /// The book as TOML
        file: PathBuf,
    },
    /// Shows what the newest version of the book holds
    Show {
        /// Prints the file as it was imported
        #[arg(long)]
        text: bool,
    },
}

impl Book {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let books = app.books().await?;
        match self.command {
            Action::Import { file } => {
                let text = std::fs::read_to_string(&file)
                    .blame(Kind::Data, format!("the book {} could not be read", file.display()))?;
                let imported = books.import(&text, app.clock.now(), "cli").await;
                let report = imported.map_err(|error| match error {
                    ImportError::Mistakes(list) => mistakes(&file.display().to_string(), &list),
                    other => other.into(),
                })?;
                for warning in &report.warnings {
                    output::note(&format!("warning: {}: {warning}", file.display()));
                }
                let record = counts(Record::default(), &report.counts)
                    .with("version", Cell::Integer(report.version))
                    .with("changed", Cell::Flag(report.changed))
                    .with("hash", Cell::text(&report.hash));
                Ok(output::print(&record.text(app.format))?)
            }
            Action::Show { text } => {
                let newest = books.newest_book().await.context("reading the book")?;
                let newest = newest.ok_or_else(|| {
                    fault(
                        Kind::Data,
                        "no book has been imported yet: run `turnpike book import FILE.toml`",
                    )
                })?;
                if text {
                    return Ok(output::print(&newest.text)?);
                }
                let record = Record::default()
                    .with("version", Cell::Integer(newest.version))
                    .with("imported_at", Cell::text(newest.imported_at))
                    .with("imported_by", Cell::text(&newest.actor))
                    .with("hash", Cell::text(&newest.hash));
                let record = counts(record, &BookCounts::of(&newest.book));
                Ok(output::print(&record.text(app.format))?)
            }
        }
    }
}

fn counts(record: Record, counts: &BookCounts) -> Record {
    record
        .with("parties", Cell::count(counts.parties))
        .with("sites", Cell::count(counts.sites))
        .with("accounts", Cell::count(counts.accounts))
        .with("meters", Cell::count(counts.meters))
        .with("tariffs", Cell::count(counts.tariffs))
        .with("tariff_versions", Cell::count(counts.tariff_versions))
        .with("rates", Cell::count(counts.rates))
        .with("agreements", Cell::count(counts.agreements))
        .with("tax_categories", Cell::count(counts.tax_categories))
}

/// All mistakes of a book as one error.
pub fn mistakes(file: &str, list: &[Mistake]) -> anyhow::Error {
    let lines: Vec<String> = list
        .iter()
        .map(|mistake| format!("  {file}:{}: {}: {}", mistake.line, mistake.path, mistake.message))
        .collect();
    let many =
        if list.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", list.len()) };
    fault(Kind::Data, format!("the book has {many}; nothing was imported\n{}", lines.join("\n")))
}
