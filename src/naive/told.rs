//! Which accepted rows count: not those whose key came before, not those that tell an action again
//! in another form, and not those that a correction took back or replaced.
//!
//! Everything is compared in memory, in the order of commits; there is no index and no state.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use turnpike_lake::{EventFilter, LakeSnapshot};
use turnpike_schemas::arrow::status;
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::rows::{Row, rows};

/// One accepted row, in the order of commits.
#[derive(Debug, Clone, Default)]
pub struct Line {
    pub key: String,
    pub resource: Option<String>,
    pub owner: Option<String>,
    time: i64,
    /// Key and form.
    twin: Option<(String, String)>,
    /// What it does to which event.
    correction: Option<(String, Option<String>)>,
    pub counts: bool,
}

const COLUMNS: [&str; 8] =
    ["source", "event_id", "time", "resource", "owner", "twin", "correction", "target"];

/// What ingest accepted.
pub fn accepted() -> EventFilter {
    EventFilter { status: Some(status::ACCEPTED.to_owned()), ..EventFilter::default() }
}

/// All accepted rows with what became of each.
pub async fn told(snapshot: &LakeSnapshot) -> anyhow::Result<Vec<Line>> {
    let batches = snapshot.events_as_committed(&accepted(), Some(&COLUMNS)).await;
    let batches = batches.context("reading what was told")?;
    let mut lines: Vec<Line> = rows(&batches).map(|row| line(&row)).collect::<Result<_, _>>()?;
    settle(&mut lines);
    Ok(lines)
}

fn line(row: &Row<'_>) -> anyhow::Result<Line> {
    let source = row.text("source").context("an event without a source")?;
    let id = row.text("event_id").context("an event without an id")?;
    let twin = row.text("twin").map(|twin| {
        let (key, form) = twin.rsplit_once(KEY_SEPARATOR).context("a twin without a form")?;
        anyhow::Ok((key.to_owned(), form.to_owned()))
    });
    let target = row.text("target").map(str::to_owned);
    Ok(Line {
        key: format!("{source}{KEY_SEPARATOR}{id}"),
        resource: row.text("resource").map(str::to_owned),
        owner: row.text("owner").map(str::to_owned),
        time: row.micros("time").context("an event without a time")?,
        twin: twin.transpose()?,
        correction: row.text("correction").map(|action| (action.to_owned(), target)),
        counts: false,
    })
}

/// Finds out which lines count.
pub fn settle(lines: &mut [Line]) {
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
}
