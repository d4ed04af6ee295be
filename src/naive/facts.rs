//! Accepted events, read straight from the raw table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context as _;
use turnpike_lake::LakeSnapshot;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{Instant, canonical};

use super::told;
use crate::rows::{Row, rows};

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Change,
    Audit,
    Delta,
    Interval,
}

/// What one measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Held,
    Delta,
    Cumulative,
}

/// A measured quantity.
#[derive(Debug, Clone)]
pub struct Quantity {
    pub meter: String,
    pub quantity: i64,
    pub scale: u32,
    pub flow: Flow,
}

/// An event as the raw table holds it. Times are microseconds.
#[derive(Debug, Clone)]
pub struct Fact {
    pub key: String,
    pub kind: Kind,
    pub rank: i32,
    pub time: i64,
    pub window: Option<(i64, i64)>,
    pub since: Option<i64>,
    pub seconds: Option<i64>,
    pub state: Option<ResourceState>,
    pub terminal: bool,
    pub incarnation: Option<String>,
    pub owner: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub quantities: Vec<Quantity>,
    /// Its place among all that was committed: the first counts where a key stands twice.
    pub place: usize,
}

const COLUMNS: [&str; 16] = [
    "source",
    "event_id",
    "kind",
    "rank",
    "resource",
    "owner",
    "time",
    "window_start",
    "window_end",
    "since",
    "seconds",
    "state",
    "terminal",
    "incarnation",
    "measurements",
    "attributes",
];

/// The events of every resource that any of these owners is named for, by resource and in order.
pub async fn facts(
    snapshot: &LakeSnapshot,
    owners: &BTreeSet<&str>,
    last_month: i32,
) -> anyhow::Result<BTreeMap<String, Vec<Fact>>> {
    let told = told::told(snapshot, owners).await?;
    let mut found: HashMap<String, Vec<Fact>> = HashMap::new();
    told::accepted(snapshot, &COLUMNS, |place, row| {
        let resource = row.text("resource").filter(|name| told.resources.contains(*name));
        let Some(resource) = resource.filter(|_| told.counting.contains(&place)) else {
            return Ok(());
        };
        let fact = fact(row, place).with_context(|| format!("an event of {resource}"))?;
        let known = Instant::from_micros(fact.time).map(|time| time.utc_month());
        if known.is_ok_and(|month| month <= last_month) {
            found.entry(resource.to_owned()).or_default().push(fact);
        }
        Ok(())
    })
    .await?;
    let mut by_resource: BTreeMap<String, Vec<Fact>> = found.into_iter().collect();
    by_resource.values_mut().for_each(settle);
    Ok(by_resource)
}

/// Keeps the first reading of each key, and puts what is left in order.
pub fn settle(facts: &mut Vec<Fact>) {
    facts.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.place.cmp(&b.place)));
    facts.dedup_by(|later, first| later.key == first.key);
    facts.sort_by(|a, b| (a.time, a.rank).cmp(&(b.time, b.rank)).then_with(|| a.key.cmp(&b.key)));
}

fn fact(row: &Row<'_>, place: usize) -> anyhow::Result<Fact> {
    let kind = match row.text("kind").context("no kind")? {
        "transition" | "snapshot" => Kind::Change,
        "audit" => Kind::Audit,
        "delta" => Kind::Delta,
        "interval" => Kind::Interval,
        other => anyhow::bail!("the kind `{other}`"),
    };
    let state = match row.text("state") {
        None => None,
        Some(word) => {
            Some(ResourceState::from_word(word).with_context(|| format!("the state `{word}`"))?)
        }
    };
    let attributes = match row.text("attributes") {
        None => BTreeMap::new(),
        Some(text) => canonical::labels_from_json(text).context("attributes")?,
    };
    Ok(Fact {
        key: told::key_of(row)?,
        kind,
        rank: row.int("rank").context("no rank")?,
        time: row.micros("time").context("no time")?,
        window: row.micros("window_start").zip(row.micros("window_end")),
        since: row.micros("since"),
        seconds: row.long("seconds"),
        state,
        terminal: row.flag("terminal"),
        incarnation: row.text("incarnation").map(str::to_owned),
        owner: row.text("owner").map(str::to_owned),
        attributes,
        quantities: quantities(row)?,
        place,
    })
}

fn quantities(row: &Row<'_>) -> anyhow::Result<Vec<Quantity>> {
    let Some(list) = row.list("measurements") else { return Ok(Vec::new()) };
    let list = [list];
    rows(&list)
        .map(|row| {
            Ok(Quantity {
                meter: row.text("meter").context("a measurement without a meter")?.to_owned(),
                quantity: row.long("quantity").context("a measurement without a quantity")?,
                scale: u32::try_from(row.int("scale").context("no scale")?).context("scale")?,
                flow: match row.text("flow") {
                    Some("held") => Flow::Held,
                    Some("delta") => Flow::Delta,
                    Some("cumulative") => Flow::Cumulative,
                    other => anyhow::bail!("the flow `{other:?}`"),
                },
            })
        })
        .collect()
}
