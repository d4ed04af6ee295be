//! `turnpike book import|check|add-prices|show`.

mod add_prices;
mod cloudkitty;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use turnpike_books::{BookCounts, BookVersion, ImportError, Mistake, edit, read_book};

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
        /// The book as TOML, or what `--from` names
        file: PathBuf,
        #[command(flatten)]
        from: cloudkitty::System,
    },
    /// Reads a book and reports every mistake and warning with its line; changes nothing
    Check {
        /// The book as TOML
        file: PathBuf,
    },
    /// Appends points to price series of the newest book; with one mistake nothing is changed
    AddPrices {
        /// CSV with the columns series, from (an instant or a day) and price
        file: PathBuf,
        /// Prints the book as it would be instead of importing it
        #[arg(long)]
        print: bool,
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
        match self.command {
            Action::Import { file, from } => import(app, &file, &from).await,
            Action::Check { file } => check(app, &file),
            Action::AddPrices { file, print } => add_prices(app, &file, print).await,
            Action::Show { text } => show(app, text).await,
        }
    }
}

async fn import(app: &App, file: &Path, from: &cloudkitty::System) -> anyhow::Result<()> {
    let given = read(file)?;
    let books = app.books().await?;
    let text = if from.is_book() {
        given
    } else {
        let newest = books.newest_book().await.context("reading the book")?;
        let made = from.tariff(&given, newest.as_ref().map(|newest| &newest.book))?;
        if from.print {
            return Ok(output::print(&made.text())?);
        }
        let newest = newest.ok_or_else(no_book)?;
        match from.added(&made, &newest)? {
            Some(text) => text,
            None => return unchanged(app, from, &newest),
        }
    };
    put(app, file, &text).await
}

/// The newest book says the same already.
fn unchanged(app: &App, from: &cloudkitty::System, newest: &BookVersion) -> anyhow::Result<()> {
    let tariff = from.id();
    output::note(&format!("tariff `{tariff}` has these prices already: nothing was imported"));
    let record = counts(Record::default(), &BookCounts::of(&newest.book))
        .with("version", Cell::Integer(newest.version))
        .with("changed", Cell::Flag(false))
        .with("hash", Cell::text(&newest.hash));
    Ok(output::print(&record.text(app.format))?)
}

async fn add_prices(app: &App, file: &Path, print: bool) -> anyhow::Result<()> {
    let csv = std::fs::read_to_string(file)
        .blame(Kind::Data, format!("the prices {} could not be read", file.display()))?;
    let newest = app.books().await?.newest_book().await.context("reading the book")?;
    let newest = newest.ok_or_else(no_book)?;
    let points = add_prices::points(&csv, &newest.book)
        .map_err(|list| mistakes(&file.display().to_string(), &list, "; nothing was imported"))?;
    let text = edit::with_points(&newest.text, &points)
        .map_err(|error| fault(Kind::Data, format!("{error}; nothing was imported")))?;
    if print {
        return Ok(output::print(&text)?);
    }
    put(app, file, &text).await
}

/// Imports a text as the newest version of the book.
async fn put(app: &App, file: &Path, text: &str) -> anyhow::Result<()> {
    let imported = app.books().await?.import(text, app.clock.now(), "cli").await;
    let report = imported.map_err(|error| match error {
        ImportError::Mistakes(list) => {
            mistakes(&file.display().to_string(), &list, "; nothing was imported")
        }
        other => other.into(),
    })?;
    warn(file, &report.warnings);
    let record = counts(Record::default(), &report.counts)
        .with("version", Cell::Integer(report.version))
        .with("changed", Cell::Flag(report.changed))
        .with("hash", Cell::text(&report.hash));
    Ok(output::print(&record.text(app.format))?)
}

/// Needs no database, so it cannot know what was invoiced.
fn check(app: &App, file: &Path) -> anyhow::Result<()> {
    let parsed =
        read_book(&read(file)?).map_err(|list| mistakes(&file.display().to_string(), &list, ""))?;
    warn(file, &parsed.warnings);
    let record = counts(Record::default(), &BookCounts::of(&parsed.book))
        .with("warnings", Cell::count(parsed.warnings.len()))
        .with("hash", Cell::text(parsed.book.hash()));
    Ok(output::print(&record.text(app.format))?)
}

async fn show(app: &App, text: bool) -> anyhow::Result<()> {
    let books = app.books().await?;
    let newest = books.newest_book().await.context("reading the book")?;
    let newest = newest.ok_or_else(no_book)?;
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

fn no_book() -> anyhow::Error {
    let text = "no book has been imported yet: run `turnpike book import FILE.toml`";
    fault(Kind::Data, text)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .blame(Kind::Data, format!("the book {} could not be read", file.display()))
}

fn warn(file: &Path, warnings: &[Mistake]) {
    for warning in warnings {
        output::note(&format!("warning: {}: {warning}", file.display()));
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

/// All mistakes of a book as one error; `so` says what follows from them.
pub fn mistakes(file: &str, list: &[Mistake], so: &str) -> anyhow::Error {
    let lines: Vec<String> = list
        .iter()
        .map(|mistake| format!("  {file}:{}: {}: {}", mistake.line, mistake.path, mistake.message))
        .collect();
    let many =
        if list.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", list.len()) };
    fault(Kind::Data, format!("the book has {many}{so}\n{}", lines.join("\n")))
}
