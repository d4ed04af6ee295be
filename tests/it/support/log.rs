//! The log of a table as anybody can read it, without the crate that writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use super::{kafka, wait};

/// Joining a group takes a second or two on a busy machine.
const JOIN_MAX: Duration = Duration::from_secs(60);

fn actions(table: &Path) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(table.join("_delta_log")) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    found
}

/// How far each source has come: app id to next offset.
pub fn offsets(table: &Path) -> BTreeMap<String, i64> {
    let txns = actions(table).into_iter().filter_map(|action| {
        let txn = action.get("txn")?;
        Some((txn["appId"].as_str()?.to_owned(), txn["version"].as_i64()?))
    });
    // Beside each partition of Kafka stands what tells its last record from any other.
    txns.filter(|(app, _)| !app.starts_with("mark:")).collect()
}

/// Records that were read of all partitions whose first offset is 0.
pub fn records_read(table: &Path) -> i64 {
    offsets(table).values().sum()
}

/// Data files that a commit added, removed again or not.
pub fn files(table: &Path) -> BTreeSet<String> {
    let adds = actions(table).into_iter().filter_map(|action| {
        let path = action.get("add")?["path"].as_str()?.to_owned();
        Some(path)
    });
    adds.collect()
}

/// Data files that a table consists of, but for those of its newest commit, which a power cut may
/// have torn.
pub fn settled(table: &Path) -> Vec<String> {
    let actions = actions(table);
    let path = |action: &Value, what: &str| Some(action.get(what)?["path"].as_str()?.to_owned());
    let removed: BTreeSet<String> =
        actions.iter().filter_map(|action| path(action, "remove")).collect();
    let newest = actions.iter().rposition(|action| action.get("commitInfo").is_some());
    let older = &actions[..newest.unwrap_or(0)];
    let adds = older.iter().filter_map(|action| path(action, "add"));
    adds.filter(|path| !removed.contains(path)).collect()
}

/// Data files that one commit added.
pub fn files_of(table: &Path, commit: &str) -> Vec<String> {
    let text = std::fs::read_to_string(table.join("_delta_log").join(commit)).unwrap();
    let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let paths = actions.filter_map(|action| Some(action.get("add")?["path"].as_str()?.to_owned()));
    paths.collect()
}

/// The commit that moved a source whose app id ends so to this offset.
pub fn commit_of(table: &Path, source: &str, offset: i64) -> String {
    let mut names: Vec<String> = walk(&table.join("_delta_log"));
    names.retain(|name| name.ends_with(".json"));
    names.sort();
    let says_so = |action: &Value| {
        let txn = action.get("txn");
        txn.is_some_and(|txn| {
            txn["appId"].as_str().is_some_and(|app| app.ends_with(source))
                && txn["version"] == offset
        })
    };
    let found = names.into_iter().find(|name| {
        let text = std::fs::read_to_string(table.join("_delta_log").join(name)).unwrap();
        text.lines().any(|line| serde_json::from_str(line).is_ok_and(|action| says_so(&action)))
    });
    found.unwrap_or_else(|| panic!("no commit moves {source} to {offset}"))
}

/// All files below a table's folder, by their paths in it.
pub fn walk(table: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![table.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(table).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Returns once a group has a member that holds partitions.
pub fn wait_for_member(group: &str) {
    wait_for_members(kafka::bootstrap(), group, 1);
}

pub fn wait_for_members(bootstrap: &str, group: &str, count: usize) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    wait::until(&format!("{count} members of {group}"), JOIN_MAX, || {
        let list = consumer.fetch_group_list(Some(group), Duration::from_secs(5)).ok()?;
        let found = list.groups().iter().find(|found| found.name() == group)?;
        let holding = found.members().iter().filter(|member| member.assignment().is_some());
        (found.state() == "Stable" && holding.count() >= count).then_some(())
    });
}
