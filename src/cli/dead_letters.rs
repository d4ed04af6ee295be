//! `turnpike dead-letters list|show`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use turnpike_lake::EventFilter;
use turnpike_schemas::arrow::status;

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output::{self, Cell, Record, Table};
use crate::rows::{Row, place, rows};

/// Records that could not be read
#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists dead letters with their reasons
    List {
        /// Those of one reason only
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one with its payload
    Show {
        /// As the list names it: ORIGIN@POSITION
        id: String,
    },
}

const LISTED: [&str; 7] = ["ingested_at", "origin", "position", "reason", "error", "system", "raw"];
/// Characters of a payload in a list.
const EXCERPT_CHARS: usize = 60;

impl DeadLetters {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let snapshot = app.lake().await?.snapshot().await.context("reading the tables")?;
        let (reason, limit) = match &self.command {
            Action::List { reason, limit } => (reason.clone(), *limit),
            Action::Show { .. } => (None, usize::MAX),
        };
        let filter =
            EventFilter { status: Some(status::DEAD.to_owned()), reason, ..EventFilter::default() };
        let batches =
            snapshot.events(&filter, Some(&LISTED), limit).await.context("reading dead letters")?;
        match self.command {
            Action::List { .. } => {
                let mut table = Table::new(&["id", "ingested_at", "reason", "error", "payload"]);
                for row in rows(&batches) {
                    table.push(vec![
                        Cell::text(id_of(&row)),
                        Cell::optional(row.instant("ingested_at")),
                        Cell::optional(row.text("reason")),
                        Cell::optional(row.text("error")),
                        Cell::text(excerpt(&row)),
                    ]);
                }
                Ok(output::print(&table.text(app.format))?)
            }
            Action::Show { id } => {
                let found = rows(&batches).find(|row| {
                    let full = format!(
                        "{}@{}",
                        row.text("origin").unwrap_or_default(),
                        row.long("position").unwrap_or_default()
                    );
                    full == id || id_of(row) == id
                });
                let row = found
                    .ok_or_else(|| fault(Kind::Data, format!("there is no dead letter `{id}`")))?;
                let raw = row.bytes("raw").unwrap_or_default();
                let record = Record::default()
                    .with("id", Cell::text(id_of(&row)))
                    .with("origin", Cell::optional(row.text("origin")))
                    .with("position", row.long("position").map_or(Cell::None, Cell::Integer))
                    .with("ingested_at", Cell::optional(row.instant("ingested_at")))
                    .with("system", Cell::optional(row.text("system")))
                    .with("reason", Cell::optional(row.text("reason")))
                    .with("error", Cell::optional(row.text("error")))
                    .with("payload", Cell::text(visible(raw)));
                Ok(output::print(&record.text(app.format))?)
            }
        }
    }
}

fn id_of(row: &Row<'_>) -> String {
    place(row.text("origin").unwrap_or_default(), row.long("position").unwrap_or_default())
}

fn excerpt(row: &Row<'_>) -> String {
    let raw = row.bytes("raw").unwrap_or_default();
    let text = visible(&raw[..raw.len().min(4 * EXCERPT_CHARS)]);
    if text.chars().count() <= EXCERPT_CHARS && raw.len() <= 4 * EXCERPT_CHARS {
        return text;
    }
    format!("{}…", text.chars().take(EXCERPT_CHARS).collect::<String>())
}

/// A payload as text that cannot play tricks on a terminal.
pub fn visible(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw)
        .chars()
        .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
        .collect()
}
