//! `turnpike dead-letters list|show|replay|discard`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use clap::{Args, Subcommand};
use turnpike_ingest::replay::{self, DeadLetter, Fate, Place, ReplayReport};
use turnpike_lake::{EventFilter, Lake};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output::{self, Cell, Record, Table};
use crate::rows::{Row, rows};

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
        #[command(flatten)]
        which: Which,
        /// At most so many, the newest first
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one with its payload
    Show {
        /// As the list names it: ORIGIN:POSITION, or ORIGIN:POSITION.PART
        id: String,
    },
    /// Reads them again, once each: after an adapter, a meter or a setting was mended
    Replay {
        /// One only, as the list names it: ORIGIN:POSITION, or ORIGIN:POSITION.PART
        #[arg(required_unless_present_any = ["reason", "system", "since"])]
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// The payload to read in place of the stored one
        #[arg(long, value_name = "FILE", requires = "id")]
        payload: Option<PathBuf>,
    },
    /// Gives them up: they are kept, and counted as discarded
    Discard {
        /// One only, as the list names it: ORIGIN:POSITION, or ORIGIN:POSITION.PART
        #[arg(required_unless_present_any = ["reason", "system", "since"])]
        id: Option<String>,
        #[command(flatten)]
        which: Which,
        /// Why; kept with them
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// Which dead letters; all given conditions must hold.
#[derive(Debug, Clone, Default, Args)]
struct Which {
    /// Those of one reason
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Those that one adapter recognised
    #[arg(long, value_name = "ADAPTER")]
    system: Option<String>,
    /// Those ingested at this instant (RFC 3339) or later
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    since: Option<Instant>,
}

impl Which {
    fn to_filter(&self) -> EventFilter {
        EventFilter {
            status: Some(status::DEAD.to_owned()),
            reason: self.reason.clone(),
            system: self.system.clone(),
            since: self.since,
            ..EventFilter::default()
        }
    }
}

const LISTED: [&str; 9] =
    ["ingested_at", "origin", "position", "part", "reason", "error", "system", "attributes", "raw"];
/// Characters of a payload in a list.
const EXCERPT_CHARS: usize = 60;
/// Characters of a file's hash that tell it from others in a list.
const HASH_CHARS: usize = 12;

impl DeadLetters {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let lake = app.lake().await?;
        match self.command {
            Action::List { which, limit } => list(app, &lake, &which, limit).await,
            Action::Show { id } => show(app, &lake, &id).await,
            Action::Replay { id, which, payload } => {
                let mut letters = chosen(&lake, id.as_deref(), &which).await?;
                if let Some(path) = payload {
                    let fixed = std::fs::read(&path);
                    let fixed = fixed.with_context(|| format!("reading {}", path.display()))?;
                    for letter in &mut letters {
                        letter.payload.clone_from(&fixed);
                        letter.is_fixed = true;
                    }
                }
                replayed(app, &lake, letters).await
            }
            Action::Discard { id, which, why } => {
                if why.trim().is_empty() {
                    return Err(fault(Kind::Usage, "say with --why why they are given up"));
                }
                let letters = chosen(&lake, id.as_deref(), &which).await?;
                let found = letters.len() as u64;
                let discarded = replay::discard(&lake, letters, &why, app.clock.now()).await;
                let discarded = discarded.context("discarding dead letters")?;
                let record = Record::default()
                    .with("discarded", Cell::count(discarded))
                    .with("ended_before", Cell::count(found - discarded));
                Ok(output::print(&record.text(app.format))?)
            }
        }
    }
}

async fn list(app: &App, lake: &Lake, which: &Which, limit: usize) -> anyhow::Result<()> {
    let ends = replay::ends(lake).await.context("reading what was replayed")?;
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    // As many more as have ended could stand among them.
    let most = limit.saturating_add(ends.len());
    let batches = snapshot.events(&which.to_filter(), Some(&LISTED), most).await;
    let batches = batches.context("reading dead letters")?;
    let mut table = Table::new(&["id", "ingested_at", "reason", "system", "error", "payload"]);
    let open = rows(&batches).filter(|row| !ends.contains_key(&place_of(row)));
    for row in open.take(limit) {
        table.push(vec![
            Cell::text(id_of(&row)),
            Cell::optional(row.instant("ingested_at")),
            Cell::optional(row.text("reason")),
            Cell::optional(row.text("system")),
            Cell::optional(row.text("error")),
            Cell::text(excerpt(&row)),
        ]);
    }
    Ok(output::print(&table.text(app.format))?)
}

async fn show(app: &App, lake: &Lake, id: &str) -> anyhow::Result<()> {
    let ends = replay::ends(lake).await.context("reading what was replayed")?;
    let (batches, part) = find(lake, id).await?;
    let row = the_part(&batches, part).ok_or_else(|| nothing(id))?;
    let end = match ends.get(&place_of(&row)) {
        None => status::DEAD,
        Some(Fate::Replayed) => status::REPLAYED,
        Some(Fate::Discarded) => status::DISCARDED,
    };
    let record = Record::default()
        .with("id", Cell::text(id_of(&row)))
        .with("origin", Cell::optional(row.text("origin")))
        .with("position", row.long("position").map_or(Cell::None, Cell::Integer))
        .with("part", row.int("part").map_or(Cell::None, |part| Cell::Integer(part.into())))
        .with("status", Cell::text(end))
        .with("ingested_at", Cell::optional(row.instant("ingested_at")))
        .with("system", Cell::optional(row.text("system")))
        .with("reason", Cell::optional(row.text("reason")))
        .with("error", Cell::optional(row.text("error")))
        .with("payload_complete", Cell::Flag(!replay::is_cut(&letter(&row))))
        .with("payload", Cell::text(visible(row.bytes("raw").unwrap_or_default())));
    Ok(output::print(&record.text(app.format))?)
}

async fn replayed(app: &App, lake: &Lake, letters: Vec<DeadLetter>) -> anyhow::Result<()> {
    let books = app.books().await?;
    let settings = app.ingest_settings(&books).await?;
    let report = replay::replay(lake, letters, &settings, app.clock.now()).await;
    let report = report.context("replaying dead letters")?;
    for dead in &report.still_dead {
        output::note(&format!(
            "still dead: {}: {}: {}",
            id(&dead.origin, dead.position, dead.part),
            dead.reason,
            dead.message
        ));
    }
    output::print(&report_record(&report).text(app.format))?;
    match report.still_dead.len() {
        0 => Ok(()),
        1 => Err(fault(Kind::Data, "1 dead letter still cannot be read")),
        many => Err(fault(Kind::Data, format!("{many} dead letters still cannot be read"))),
    }
}

fn report_record(report: &ReplayReport) -> Record {
    Record::default()
        .with("replayed", Cell::count(report.replayed))
        .with("still_dead", Cell::count(report.still_dead.len()))
        .with("ended_before", Cell::count(report.ended))
        .with("rows", Cell::count(report.rows.read))
        .with("accepted", Cell::count(report.rows.accepted))
        .with("unmetered", Cell::count(report.rows.unmetered))
        .with("duplicate", Cell::count(report.rows.duplicate))
        .with("conflict", Cell::count(report.rows.conflict))
}

/// The dead letters that a command is for: one by its id, or all that match and have not ended.
async fn chosen(lake: &Lake, id: Option<&str>, which: &Which) -> anyhow::Result<Vec<DeadLetter>> {
    if let Some(id) = id {
        let (batches, part) = find(lake, id).await?;
        let row = the_part(&batches, part).ok_or_else(|| nothing(id))?;
        return Ok(vec![letter(&row)]);
    }
    let ends = replay::ends(lake).await.context("reading what was replayed")?;
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    let batches = snapshot.events(&which.to_filter(), Some(&LISTED), usize::MAX).await;
    let batches = batches.context("reading dead letters")?;
    let open = rows(&batches).filter(|row| !ends.contains_key(&place_of(row)));
    Ok(open.map(|row| letter(&row)).collect())
}

/// The dead letters of a record and the part that an id names: files that hold none are not opened,
/// and of the others only origin and position are read to find them.
async fn find(lake: &Lake, id: &str) -> anyhow::Result<(Vec<RecordBatch>, i32)> {
    let parts = id.rsplit_once([':', '@']);
    let place = parts.and_then(|(origin, at)| Some((origin, replay::parse_shown(at)?)));
    let (origin, (position, part)) = place.ok_or_else(|| {
        fault(Kind::Usage, format!("`{id}` is not the id of a dead letter: ORIGIN:POSITION"))
    })?;
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    let shortened = origin.strip_prefix("file:").is_some_and(|hash| hash.len() == HASH_CHARS);
    let filter = EventFilter {
        position: Some(position),
        origin: (!shortened).then(|| origin.to_owned()),
        ..Which::default().to_filter()
    };
    let batches = snapshot.events(&filter, Some(&LISTED), usize::MAX).await;
    let mut batches = batches.context("reading the dead letter")?;
    if shortened {
        let named = |row: &Row<'_>| row.text("origin").is_some_and(|full| full.starts_with(origin));
        // The parts of one record have one origin.
        let full: BTreeSet<String> = rows(&batches)
            .filter(named)
            .filter_map(|row| row.text("origin").map(str::to_owned))
            .collect();
        match Vec::from_iter(full).as_slice() {
            [] => batches.clear(),
            [origin] => {
                let filter = EventFilter { origin: Some(origin.clone()), ..filter };
                let found = snapshot.events(&filter, Some(&LISTED), usize::MAX).await;
                batches = found.context("reading the dead letter")?;
            }
            _ => {
                let text = format!("`{id}` is short for several: give the whole origin");
                return Err(fault(Kind::Data, text));
            }
        }
    }
    Ok((batches, part))
}

fn the_part(batches: &[RecordBatch], part: i32) -> Option<Row<'_>> {
    rows(batches).find(|row| place_of(row).2 == part)
}

fn nothing(id: &str) -> anyhow::Error {
    fault(Kind::Data, format!("there is no dead letter `{id}`"))
}

fn letter(row: &Row<'_>) -> DeadLetter {
    let (origin, position, part) = place_of(row);
    DeadLetter {
        origin,
        position,
        part,
        reason: row.text("reason").map(str::to_owned),
        system: row.text("system").map(str::to_owned),
        payload: row.bytes("raw").unwrap_or_default().to_vec(),
        is_fixed: false,
        route: row.text("attributes").map(str::to_owned),
    }
}

fn place_of(row: &Row<'_>) -> Place {
    let origin = row.text("origin").unwrap_or_default().to_owned();
    (origin, row.long("position").unwrap_or_default(), row.int("part").unwrap_or_default())
}

fn id_of(row: &Row<'_>) -> String {
    let (origin, position, part) = place_of(row);
    id(&origin, position, part)
}

/// The id of a dead letter: where it was read, a file's hash shortened.
fn id(origin: &str, position: i64, part: i32) -> String {
    let at = replay::shown(position, part);
    match origin.strip_prefix("file:").and_then(|hash| hash.get(..HASH_CHARS)) {
        Some(hash) => format!("file:{hash}:{at}"),
        None => format!("{origin}:{at}"),
    }
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
