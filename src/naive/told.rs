//! Which accepted rows count: not those whose key came before, not those that tell an action again
//! in another form, and not those that a correction took back or replaced.
//!
//! Rows are read in the order of commits, from the first on; there is no index and no state. Kept in
//! memory are only those that can have a say in what counts for the resources that are asked about:
//! rows with the key of one of their events, with the twin key of one of those, and corrections.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Context as _;
use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_schemas::arrow::status;
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::rows::{Row, rows};

/// One accepted row, in the order of commits.
#[derive(Debug, Clone, Default)]
struct Line {
    key: String,
    /// Its number among all accepted rows.
    place: usize,
    time: i64,
    /// Key and form.
    twin: Option<(String, String)>,
    /// What it does to which event.
    correction: Option<(String, Option<String>)>,
    counts: bool,
}

const COLUMNS: [&str; 6] = ["source", "event_id", "time", "twin", "correction", "target"];

/// What some owners were told to hold.
#[derive(Debug, Default)]
pub struct Told {
    /// Every resource that one of them was ever named for.
    pub resources: HashSet<String>,
    /// The rows that count, of those of these resources and some others.
    pub counting: HashSet<usize>,
}

/// Calls `each` with all rows that ingest accepted, in the order of commits, and their numbers.
pub async fn accepted(
    snapshot: &LakeSnapshot,
    columns: &[&str],
    mut each: impl FnMut(usize, &Row<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let filter =
        EventFilter { status: Some(status::ACCEPTED.to_owned()), ..EventFilter::default() };
    let stream = snapshot.events_as_committed(&filter, Some(columns)).await;
    let mut stream = stream.context("reading events")?;
    let mut place = 0;
    while let Some(batch) = stream.next().await.context("reading events")? {
        for row in rows(&[batch]) {
            each(place, &row)?;
            place += 1;
        }
    }
    Ok(())
}

/// The resources of these owners, and which rows of theirs count.
pub async fn told(snapshot: &LakeSnapshot, owners: &BTreeSet<&str>) -> anyhow::Result<Told> {
    let mut wanted = Wanted::default();
    let columns = ["source", "event_id", "resource", "owner", "twin", "correction"];
    accepted(snapshot, &columns, |_, row| wanted.add_resources(row, owners)).await?;
    let columns = ["source", "event_id", "resource", "twin"];
    accepted(snapshot, &columns, |_, row| wanted.add_events(row)).await?;
    if !wanted.twins.is_empty() {
        let columns = ["source", "event_id", "twin"];
        accepted(snapshot, &columns, |_, row| wanted.add_twins(row)).await?;
    }
    let mut lines = Vec::new();
    accepted(snapshot, &COLUMNS, |place, row| {
        lines.extend(wanted.line(place, row)?);
        Ok(())
    })
    .await?;
    Ok(wanted.told(lines))
}

/// What is looked for: more with each reading of the rows.
#[derive(Debug, Default)]
struct Wanted {
    resources: HashSet<String>,
    /// Of events that have a say, and of whatever else came under these keys.
    keys: HashSet<String>,
    twins: HashSet<String>,
}

impl Wanted {
    /// The first reading: who was named for what, and all corrections.
    fn add_resources(&mut self, row: &Row<'_>, owners: &BTreeSet<&str>) -> anyhow::Result<()> {
        let is_theirs = row.text("owner").is_some_and(|owner| owners.contains(owner));
        if let Some(resource) = row.text("resource").filter(|_| is_theirs) {
            self.resources.insert(resource.to_owned());
        }
        match row.text("correction") {
            Some(_) => self.add(row),
            None => Ok(()),
        }
    }

    /// The second: all events of what was named.
    fn add_events(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        match row.text("resource").is_some_and(|name| self.resources.contains(name)) {
            true => self.add(row),
            false => Ok(()),
        }
    }

    /// The third: what tells one of them again.
    fn add_twins(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        if twin_of(row)?.is_some_and(|(key, _)| self.twins.contains(&key)) {
            self.keys.insert(key_of(row)?);
        }
        Ok(())
    }

    fn add(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        self.keys.insert(key_of(row)?);
        self.twins.extend(twin_of(row)?.map(|(key, _)| key));
        Ok(())
    }

    /// The last: every row with one of the keys, whatever it is about.
    fn line(&self, place: usize, row: &Row<'_>) -> anyhow::Result<Option<Line>> {
        let key = key_of(row)?;
        let is_wanted = self.keys.contains(&key);
        is_wanted.then(|| line(place, key, row)).transpose()
    }

    fn told(self, mut lines: Vec<Line>) -> Told {
        settle(&mut lines);
        let counting = lines.iter().filter(|line| line.counts).map(|line| line.place).collect();
        Told { resources: self.resources, counting }
    }
}

pub fn key_of(row: &Row<'_>) -> anyhow::Result<String> {
    let source = row.text("source").context("an event without a source")?;
    let id = row.text("event_id").context("an event without an id")?;
    Ok(format!("{source}{KEY_SEPARATOR}{id}"))
}

/// What an event tells again, and in which form.
fn twin_of(row: &Row<'_>) -> anyhow::Result<Option<(String, String)>> {
    let Some(twin) = row.text("twin") else { return Ok(None) };
    let (key, form) = twin.rsplit_once(KEY_SEPARATOR).context("a twin without a form")?;
    Ok(Some((key.to_owned(), form.to_owned())))
}

fn line(place: usize, key: String, row: &Row<'_>) -> anyhow::Result<Line> {
    let target = row.text("target").map(str::to_owned);
    Ok(Line {
        key,
        place,
        time: row.micros("time").context("an event without a time")?,
        twin: twin_of(row)?,
        correction: row.text("correction").map(|action| (action.to_owned(), target)),
        counts: false,
    })
}

/// Finds out which lines count.
fn settle(lines: &mut [Line]) {
    let mut keys = BTreeSet::new();
    let mut forms: BTreeMap<String, String> = BTreeMap::new();
    for line in lines.iter_mut() {
        line.counts = keys.insert(line.key.clone());
        if let Some((key, form)) = line.twin.as_ref().filter(|_| line.counts) {
            line.counts = forms.entry(key.clone()).or_insert_with(|| form.clone()) == form;
        }
    }
    let book = Corrections::of(lines);
    let gone: Vec<bool> = lines.iter().map(|line| line.counts && book.is_gone(&line.key)).collect();
    for (line, gone) in lines.iter_mut().zip(gone) {
        line.counts &= !gone;
    }
}

/// A correction by its key.
struct Entry {
    action: String,
    target: Option<String>,
    time: i64,
}

struct Corrections {
    by_key: BTreeMap<String, Entry>,
    /// The keys of the corrections that name an event.
    naming: BTreeMap<String, Vec<String>>,
}

impl Corrections {
    fn of(lines: &[Line]) -> Self {
        let mut by_key = BTreeMap::new();
        let mut naming: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.counts) {
            let Some((action, target)) = &line.correction else { continue };
            if let Some(target) = target {
                naming.entry(target.clone()).or_default().push(line.key.clone());
            }
            let (action, target) = (action.clone(), target.clone());
            by_key.insert(line.key.clone(), Entry { action, target, time: line.time });
        }
        Self { by_key, naming }
    }

    fn of_action<'a>(&'a self, key: &str, actions: &'a [&str]) -> impl Iterator<Item = &'a String> {
        let naming = self.naming.get(key).map(Vec::as_slice).unwrap_or_default();
        naming.iter().filter(move |name| actions.contains(&self.by_key[*name].action.as_str()))
    }

    /// Whether no revert in force names it. `asked`: those that are being asked, since reverts may
    /// name each other; what they say of one another touches nothing else.
    fn in_force(&self, key: &str, asked: &mut Vec<String>) -> bool {
        asked.push(key.to_owned());
        let reverts: Vec<String> = self.of_action(key, &["revert"]).cloned().collect();
        let reverted =
            reverts.iter().any(|revert| !asked.contains(revert) && self.in_force(revert, asked));
        asked.pop();
        !reverted
    }

    /// Whether an amend in force replaces, over others, itself.
    fn is_circular(&self, key: &str) -> bool {
        let mut at = key.to_owned();
        let mut passed = BTreeSet::new();
        while let Some(entry) = self.by_key.get(&at) {
            if entry.action != "amend" || !self.in_force(&at, &mut Vec::new()) {
                return false;
            }
            let Some(target) = &entry.target else { return false };
            if target == key {
                return true;
            }
            if !passed.insert(target.clone()) {
                return false;
            }
            at = target.clone();
        }
        false
    }

    /// The correction that has effect on an event.
    fn effective(&self, key: &str) -> Option<&String> {
        self.of_action(key, &["amend", "retract"])
            .filter(|name| name.as_str() != key && self.in_force(name, &mut Vec::new()))
            .filter(|name| !self.is_circular(name))
            .max_by_key(|name| (self.by_key[*name].time, (*name).clone()))
    }

    fn is_gone(&self, key: &str) -> bool {
        self.effective(key).is_some() || !self.stands(key)
    }

    /// Whether the place of an event counts: that of an amend is its target's.
    fn stands(&self, key: &str) -> bool {
        let mut at = key.to_owned();
        loop {
            let Some(entry) = self.by_key.get(&at) else { return true };
            let carries = entry.action == "amend" || entry.action == "backfill";
            if carries && !self.in_force(&at, &mut Vec::new()) {
                return false;
            }
            let target = entry.target.as_ref().filter(|_| entry.action == "amend");
            let Some(target) = target.filter(|_| !self.is_circular(&at)) else { return true };
            if self.effective(target) != Some(&at) {
                return false;
            }
            at = target.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(key: &str, time: i64, twin: Option<&str>, correction: Option<&str>) -> Line {
        let words = |text: &str| text.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        Line {
            key: key.to_owned(),
            time,
            twin: twin.and_then(words),
            correction: correction.and_then(words).map(|(action, target)| (action, Some(target))),
            ..Line::default()
        }
    }

    fn check(mut lines: Vec<Line>, expected: &[&str]) {
        settle(&mut lines);
        let counting: Vec<&str> =
            lines.iter().filter(|line| line.counts).map(|line| line.key.as_str()).collect();
        assert_eq!(counting, expected);
    }

    #[test]
    fn the_first_of_a_key_and_the_first_form_of_a_twin_count() {
        let line = |key, twin| told(key, 0, twin, None);
        check(vec![line("a", None), line("a", None), line("b", None)], &["a", "b"]);
        check(
            vec![
                line("a", Some("t old")),
                line("b", Some("t new")),
                line("c", Some("t old")),
                line("d", Some("u new")),
            ],
            &["a", "c", "d"],
        );
    }

    #[test]
    fn corrections_change_what_counts() {
        let line = |key, time, correction| told(key, time, None, Some(correction));
        let event = |key| told(key, 0, None, None);
        check(vec![event("t"), line("a", 1, "amend t")], &["a"]);
        check(vec![line("b", 2, "amend t"), event("t"), line("a", 1, "amend t")], &["b"]);
        check(vec![event("t"), line("x", 1, "retract t")], &["x"]);
        check(vec![event("t"), line("a", 1, "amend t"), line("r", 2, "revert a")], &["t", "r"]);
        check(
            vec![
                event("t"),
                line("a", 1, "amend t"),
                line("r", 2, "revert a"),
                line("s", 3, "revert r"),
            ],
            &["a", "r", "s"],
        );
        check(
            vec![
                event("t"),
                line("a", 1, "amend t"),
                line("b", 2, "amend a"),
                line("r", 3, "revert a"),
            ],
            &["t", "r"],
        );
        check(vec![line("a", 1, "amend b"), line("b", 2, "amend a")], &["a", "b"]);
    }

    /// What is kept in memory decides the same as all rows would.
    #[test]
    fn a_part_of_the_rows_says_what_all_say() {
        proptest::proptest!(|(given in proptest::collection::vec(any_row(), 1..40))| {
            let batch = batch_of(&given);
            let batches = [batch];
            let all: Vec<Row<'_>> = rows(&batches).collect();
            let owners = BTreeSet::from(["o0"]);
            let mut wanted = Wanted::default();
            all.iter().try_for_each(|row| wanted.add_resources(row, &owners)).expect("reads");
            all.iter().try_for_each(|row| wanted.add_events(row)).expect("reads");
            all.iter().try_for_each(|row| wanted.add_twins(row)).expect("reads");
            let kept = all.iter().enumerate().filter_map(|(place, row)| {
                wanted.line(place, row).expect("reads")
            });
            let kept: Vec<Line> = kept.collect();
            let told = wanted.told(kept);
            let mut lines: Vec<Line> = all
                .iter()
                .enumerate()
                .map(|(place, row)| line(place, key_of(row).expect("key"), row).expect("reads"))
                .collect();
            settle(&mut lines);
            for (line, row) in lines.iter().zip(&all) {
                if row.text("resource").is_some_and(|name| told.resources.contains(name)) {
                    let counts = told.counting.contains(&line.place);
                    proptest::prop_assert_eq!(counts, line.counts, "{:?}", line);
                }
            }
        });
    }

    /// Id, resource, owner, twin with form, action with target.
    type Given = (u8, u8, Option<u8>, Option<(u8, u8)>, Option<(u8, u8)>);

    fn any_row() -> impl proptest::strategy::Strategy<Value = Given> {
        use proptest::option::weighted;
        (
            0..12_u8,
            0..4_u8,
            weighted(0.6, 0..3_u8),
            weighted(0.4, (0..4_u8, 0..2_u8)),
            weighted(0.3, (0..4_u8, 0..12_u8)),
        )
    }

    fn batch_of(given: &[Given]) -> arrow::array::RecordBatch {
        use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
        use std::sync::Arc;
        let text = |of: &dyn Fn(usize, &Given) -> Option<String>| -> ArrayRef {
            let texts = given.iter().enumerate().map(|(place, row)| of(place, row));
            Arc::new(texts.collect::<StringArray>())
        };
        let actions = ["amend", "retract", "revert", "backfill"];
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(
            given
                .iter()
                .enumerate()
                .map(|(place, row)| i64::from(row.0) + i64::try_from(place).expect("small")),
        ));
        arrow::array::RecordBatch::try_from_iter_with_nullable([
            ("source", text(&|_, _| Some("s".to_owned())), true),
            ("event_id", text(&|_, row| Some(row.0.to_string())), true),
            ("time", times, true),
            ("resource", text(&|_, row| Some(format!("r{}", row.1))), true),
            ("owner", text(&|_, row| row.2.map(|owner| format!("o{owner}"))), true),
            (
                "twin",
                text(&|_, row| row.3.map(|(key, form)| format!("t{key}{KEY_SEPARATOR}{form}"))),
                true,
            ),
            (
                "correction",
                text(&|_, row| row.4.map(|(action, _)| actions[usize::from(action)].to_owned())),
                true,
            ),
            ("target", text(&|_, row| row.4.map(|(_, id)| format!("s{KEY_SEPARATOR}{id}"))), true),
        ])
        .expect("a batch")
    }
}
