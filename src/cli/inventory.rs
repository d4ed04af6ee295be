//! `turnpike inventory import|list|missing`: what resources are and how big, where the events of
//! their system do not say.
//!
//! Owns: the command, and the questions to the stored events that it asks.
//! Does not own: the format of the rows (`turnpike_ingest::inventory`), storage of its own: a row
//! becomes usage events by the way of all records.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use turnpike_ingest::inventory::{self, Import};
use turnpike_lake::{EventFilter, Lake};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::status;
use turnpike_schemas::event::KEY_SEPARATOR;
use turnpike_schemas::parse::scaled_to_short_decimal;

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output::{self, Cell, Table};
use crate::rows::{Row, rows};

/// What resources there are and how big, for systems whose events do not say
#[derive(Debug, Args)]
pub struct Inventory {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads rows of resources: CSV, JSON lines or a JSON list (docs/inventory.md)
    Import {
        file: PathBuf,
        /// The namespace of rows that name none: cloudstack, vsphere, aws, ...
        #[arg(long, value_name = "NAME")]
        system: Option<String>,
        /// When the rows were true; now
        #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
        at: Option<Instant>,
    },
    /// Lists what was imported, as the newest row of each resource says it
    List,
    /// Lists resources that are alive and whose size nobody told: they are billed nothing
    Missing,
}

impl Inventory {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        match self.command {
            Action::Import { file, system, at } => import(app, &file, system, at).await,
            Action::List => list(app).await,
            Action::Missing => missing(app).await,
        }
    }
}

async fn import(
    app: &App,
    file: &Path,
    system: Option<String>,
    at: Option<Instant>,
) -> anyhow::Result<()> {
    if system.as_deref().is_some_and(|name| name.is_empty() || name.contains('/')) {
        return Err(fault(Kind::Usage, "--system is a name without `/`"));
    }
    let lake = app.lake().await?;
    let books = app.books().await?;
    let settings = app.ingest_settings(&books).await?;
    let known = imported(&lake).await?;
    let observed = at.unwrap_or_else(|| app.clock.now());
    let import = Import { system: system.as_deref(), observed };
    let is_known = |resource: &str| known.contains(&inventory::created_key(resource));
    let text =
        inventory::records(file, import, &settings, &is_known).map_err(super::ingest::blamed)?;
    if text.is_empty() {
        return Err(fault(Kind::Data, format!("{} holds no row", file.display())));
    }
    // By the way of all files. The name says that nobody else shall read it.
    let folder = &app.settings.data.dir;
    let path = folder.join(format!(".inventory-{}.jsonl", std::process::id()));
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    let report = super::ingest::from_file(app, &lake, &path, &settings).await;
    std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    let report = report?;
    output::print(&super::ingest::record(&report).text(app.format))?;
    if report.dead > 0 {
        output::note("rows that could not be read: turnpike dead-letters list");
    }
    Ok(())
}

/// Keys of the events that imports made.
async fn imported(lake: &Lake) -> anyhow::Result<HashSet<String>> {
    let filter = EventFilter {
        status: Some(status::ACCEPTED.to_owned()),
        system: Some("inventory".to_owned()),
        ..EventFilter::default()
    };
    let key = |row: &Row<'_>| {
        Some(format!("{}{KEY_SEPARATOR}{}", row.text("source")?, row.text("event_id")?))
    };
    let mut keys = HashSet::new();
    each_row(lake, &filter, &["source", "event_id"], |row| keys.extend(key(row))).await?;
    Ok(keys)
}

/// Calls `each` with the raw rows that match, in the order in which they were committed. A few
/// thousand are in memory at a time.
async fn each_row(
    lake: &Lake,
    filter: &EventFilter,
    columns: &[&str],
    mut each: impl FnMut(&Row<'_>),
) -> anyhow::Result<()> {
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    let stream = snapshot.events_as_committed(filter, Some(columns)).await;
    let mut stream = stream.context("reading the events")?;
    while let Some(batch) = stream.next().await.context("reading the events")? {
        rows(&[batch]).for_each(|row| each(&row));
    }
    Ok(())
}

/// The newest row of a resource.
#[derive(Default)]
struct Newest {
    owner: Option<String>,
    site: Option<String>,
    since: Option<Instant>,
    time: Option<Instant>,
    state: Option<String>,
    sizes: Vec<String>,
    attributes: Option<String>,
}

impl Newest {
    fn add(&mut self, row: &Row<'_>) {
        let time = row.instant("time");
        self.since = self.since.into_iter().chain(time).min();
        if time < self.time {
            return;
        }
        let text = |name: &str| row.text(name).map(str::to_owned);
        let (owner, site, state) = (text("owner"), text("site"), text("state"));
        let (since, sizes, attributes) = (self.since, sizes(row), text("attributes"));
        *self = Self { owner, site, since, time, state, sizes, attributes };
    }
}

async fn list(app: &App) -> anyhow::Result<()> {
    let filter = EventFilter {
        status: Some(status::ACCEPTED.to_owned()),
        system: Some("inventory".to_owned()),
        ..EventFilter::default()
    };
    let columns = ["resource", "owner", "site", "time", "state", "measurements", "attributes"];
    let mut newest: BTreeMap<String, Newest> = BTreeMap::new();
    let add = |row: &Row<'_>| {
        if let Some(resource) = row.text("resource") {
            newest.entry(resource.to_owned()).or_default().add(row);
        }
    };
    each_row(&app.lake().await?, &filter, &columns, add).await?;
    let mut table = Table::new(&[
        "resource",
        "owner",
        "site",
        "since",
        "observed",
        "state",
        "sizes",
        "attributes",
    ]);
    for (resource, row) in newest {
        table.push(vec![
            Cell::text(resource),
            Cell::optional(row.owner),
            Cell::optional(row.site),
            Cell::optional(row.since),
            Cell::optional(row.time),
            Cell::optional(row.state),
            Cell::text(row.sizes.join(", ")),
            Cell::optional(row.attributes),
        ]);
    }
    Ok(output::print(&table.text(app.format))?)
}

fn sizes(row: &Row<'_>) -> Vec<String> {
    let Some(list) = row.list("measurements") else { return Vec::new() };
    let list = [list];
    let size = |row: Row<'_>| {
        let scale = u32::try_from(row.int("scale")?).ok()?;
        let quantity = scaled_to_short_decimal(i128::from(row.long("quantity")?), scale);
        Some(format!("{} {quantity}", row.text("meter")?))
    };
    rows(&list).filter_map(size).collect()
}

/// What the events of a resource say together.
#[derive(Default)]
struct Told {
    kind: String,
    owner: Option<String>,
    systems: BTreeSet<String>,
    events: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    ended: Option<Instant>,
    /// Whether an event, not only a row of an inventory, said that it is in service.
    is_begun: bool,
    meters: BTreeSet<String>,
}

/// A text that is not among the known ones yet.
fn new(text: Option<&str>, known: &BTreeSet<String>) -> Option<String> {
    text.filter(|text| !known.contains(*text)).map(str::to_owned)
}

/// Meters of which each must have been told, by what a resource is.
const NEEDED: [(&str, &[&str]); 6] = [
    ("instance", &["vcpu", "memory"]),
    ("volume", &["volume"]),
    ("snapshot", &["snapshot"]),
    ("backup", &["backup"]),
    ("image", &["image"]),
    ("db-instance", &["db-instance"]),
];

impl Told {
    fn add(&mut self, row: &Row<'_>) {
        self.events += 1;
        let time = row.instant("time");
        self.first = self.first.into_iter().chain(time).min();
        if time >= self.last {
            self.last = time;
            self.owner = row.text("owner").map(str::to_owned).or(self.owner.take());
        }
        if row.flag("terminal") {
            self.ended = self.ended.max(time);
        } else if matches!(row.text("kind"), Some("transition" | "snapshot" | "audit"))
            && row.text("state").is_some_and(|state| state != "unknown")
        {
            self.is_begun = true;
        }
        if let Some(kind) = row.text("resource_kind") {
            kind.clone_into(&mut self.kind);
        }
        self.systems.extend(new(row.text("system"), &self.systems));
        let list: Vec<_> = row.list("measurements").into_iter().collect();
        for row in rows(&list) {
            self.meters.extend(new(row.text("meter"), &self.meters));
        }
    }

    /// What a resource that is alive should have told, and did not.
    fn lacks(&self) -> Vec<&'static str> {
        let is_alive = self.is_begun && self.ended.is_none_or(|ended| self.last > Some(ended));
        let needed = NEEDED.iter().find(|(kind, _)| *kind == self.kind).filter(|_| is_alive);
        let meters = needed.map_or(&[][..], |(_, meters)| meters).iter().copied();
        meters.filter(|meter| !self.meters.contains(*meter)).collect()
    }
}

async fn missing(app: &App) -> anyhow::Result<()> {
    let filter =
        EventFilter { status: Some(status::ACCEPTED.to_owned()), ..EventFilter::default() };
    let columns = [
        "resource",
        "resource_kind",
        "owner",
        "system",
        "time",
        "kind",
        "state",
        "terminal",
        "measurements",
    ];
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let add = |row: &Row<'_>| {
        let Some(resource) = row.text("resource") else { return };
        // Most rows are of a resource that is known: its name is not copied again.
        match told.get_mut(resource) {
            Some(told) => told.add(row),
            None => told.entry(resource.to_owned()).or_default().add(row),
        }
    };
    each_row(&app.lake().await?, &filter, &columns, add).await?;
    let mut table =
        Table::new(&["resource", "owner", "systems", "first", "last", "events", "not_told"]);
    for (resource, told) in &told {
        let lacks = told.lacks();
        if !lacks.is_empty() {
            let systems: Vec<&str> = told.systems.iter().map(String::as_str).collect();
            table.push(vec![
                Cell::text(resource),
                Cell::optional(told.owner.as_ref()),
                Cell::text(systems.join(", ")),
                Cell::optional(told.first),
                Cell::optional(told.last),
                Cell::count(told.events),
                Cell::text(lacks.join(", ")),
            ]);
        }
    }
    Ok(output::print(&table.text(app.format))?)
}
