//! Which crate may use which: the table of docs/ARCHITECTURE.md, held to `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::tree::{Finding, hold_none};

struct Row {
    name: &'static str,
    /// Members it may use.
    members: &'static [&'static str],
    /// Heavy crates it may use.
    heavy: &'static [&'static str],
    /// Crates that may not even be reached through others. A name with `*` is a family.
    unreached: &'static [&'static str],
}

/// A heavy crate is one that decides what its user is: an engine, a store, a server, a broker.
const HEAVY: &[&str] = &[
    "actix-web",
    "arrow",
    "arrow-schema",
    "askama",
    "datafusion",
    "deltalake-core",
    "object_store",
    "parquet",
    "quick-xml",
    "rdkafka",
    "sqlx",
    "typst",
];

const TABLE: &[Row] = &[
    Row {
        name: "turnpike-schemas",
        members: &[],
        heavy: &["arrow-schema"],
        unreached: &["tokio", "actix*", "sqlx*", "rdkafka*", "datafusion*", "deltalake*"],
    },
    Row {
        name: "turnpike-lake",
        members: &["turnpike-schemas"],
        heavy: &["deltalake-core", "object_store", "parquet", "arrow", "arrow-schema"],
        unreached: &["actix*", "sqlx*", "rdkafka*", "datafusion*"],
    },
    Row {
        name: "turnpike-ingest",
        members: &["turnpike-schemas", "turnpike-lake"],
        heavy: &["rdkafka", "arrow", "arrow-schema"],
        unreached: &["actix*", "sqlx*", "datafusion*"],
    },
    Row {
        name: "turnpike-rating",
        members: &["turnpike-schemas", "turnpike-lake"],
        heavy: &["datafusion", "arrow", "arrow-schema"],
        unreached: &["actix*", "sqlx", "sqlx-core", "rdkafka*"],
    },
    Row {
        name: "turnpike-books",
        members: &["turnpike-schemas"],
        heavy: &["sqlx"],
        unreached: &["actix*", "rdkafka*", "datafusion*", "deltalake*"],
    },
    Row {
        name: "turnpike-invoices",
        members: &["turnpike-schemas", "turnpike-books"],
        heavy: &["askama", "typst", "quick-xml", "arrow", "arrow-schema", "parquet"],
        unreached: &["actix*", "rdkafka*", "datafusion*", "deltalake*"],
    },
    Row {
        name: "turnpike-web",
        members: &[
            "turnpike-schemas",
            "turnpike-lake",
            "turnpike-ingest",
            "turnpike-rating",
            "turnpike-books",
            "turnpike-invoices",
        ],
        // No rdkafka of its own (ingest brings it), and no SQL.
        heavy: &["actix-web", "askama"],
        unreached: &[],
    },
    Row {
        name: "turnpike",
        members: &[
            "turnpike-schemas",
            "turnpike-lake",
            "turnpike-ingest",
            "turnpike-rating",
            "turnpike-books",
            "turnpike-invoices",
            "turnpike-web",
        ],
        // The composition root: all but SQL.
        heavy: &[
            "actix-web",
            "arrow",
            "arrow-schema",
            "datafusion",
            "deltalake-core",
            "object_store",
            "parquet",
            "rdkafka",
        ],
        unreached: &[],
    },
];

/// One member of the workspace as cargo sees it.
#[derive(Default)]
struct Member {
    /// What its manifest names, except for its tests.
    direct: BTreeSet<String>,
    /// What only its tests use.
    dev: BTreeSet<String>,
    /// All that `direct` leads to.
    reached: BTreeSet<String>,
}

fn breaches(table: &[Row], workspace: &BTreeMap<String, Member>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |name: &str, text: String| found.push(Finding::new(name, 0, text));
    for name in workspace.keys() {
        if table.iter().all(|row| row.name != name) {
            find(name, "a further crate needs an ADR and a row in this table".to_owned());
        }
    }
    for row in table {
        let Some(member) = workspace.get(row.name) else {
            find(row.name, "in this table, but not in the workspace".to_owned());
            continue;
        };
        for used in member.direct.iter().chain(&member.dev) {
            if workspace.contains_key(used) && !row.members.contains(&used.as_str()) {
                find(row.name, format!("may not use {used}"));
            }
        }
        for used in &member.direct {
            if HEAVY.contains(&used.as_str()) && !row.heavy.contains(&used.as_str()) {
                find(row.name, format!("may not use {used}"));
            }
        }
        for reached in &member.reached {
            if row.unreached.iter().any(|banned| is_of(reached, banned)) {
                find(row.name, format!("may not even reach {reached}"));
            }
        }
    }
    found
}

fn is_of(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == pattern,
    }
}

/// Reads the output of `cargo metadata --format-version 1`.
fn read(metadata: &Value) -> BTreeMap<String, Member> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let packages = list(&metadata["packages"]);
    let names: BTreeMap<String, String> =
        packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();

    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let dependencies = list(&node["deps"]);
        // A kind of null is an ordinary dependency; those of builds and tests are not linked in.
        let linked = dependencies
            .iter()
            .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
        edges.insert(text(&node["id"]), linked.map(|dep| text(&dep["pkg"])).collect());
    }

    let members: BTreeSet<String> = list(&metadata["workspace_members"]).iter().map(text).collect();
    let mut workspace = BTreeMap::new();
    for package in packages.iter().filter(|package| members.contains(&text(&package["id"]))) {
        let mut member = Member::default();
        for dependency in list(&package["dependencies"]) {
            let name = text(&dependency["name"]);
            match dependency["kind"].as_str() {
                Some("dev") => member.dev.insert(name),
                _ => member.direct.insert(name),
            };
        }
        let reached = closure(&text(&package["id"]), &edges);
        member.reached = reached.iter().map(|id| names[id].clone()).collect();
        workspace.insert(text(&package["name"]), member);
    }
    workspace
}

fn closure(start: &str, edges: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        for next in edges.get(id).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let version = String::from_utf8(run("rustc", &["-vV"])).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // The platform of this machine only: nothing has to be fetched that the build did not fetch.
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let workspace = read(&serde_json::from_slice(&run(&cargo, &arguments)).unwrap());
    assert!(workspace["turnpike-lake"].reached.contains("deltalake-core"));
    hold_none(&breaches(TABLE, &workspace));
}

#[test]
fn breaches_of_the_table_are_found() {
    let table = &[
        Row { name: "low", members: &[], heavy: &[], unreached: &["tokio", "sqlx*"] },
        Row { name: "high", members: &["low"], heavy: &["sqlx"], unreached: &[] },
    ];
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let check = |name: &str, direct: &[&str], dev: &[&str], reached: &[&str], expect: usize| {
        let mut workspace = BTreeMap::from([
            ("low".to_owned(), Member::default()),
            ("high".to_owned(), Member::default()),
        ]);
        let member = Member { direct: set(direct), dev: set(dev), reached: set(reached) };
        workspace.insert(name.to_owned(), member);
        let found = breaches(table, &workspace);
        assert_eq!(found.len(), expect, "{name} {direct:?} {dev:?} {reached:?}: {found:?}");
    };
    check("high", &["low", "sqlx", "serde"], &[], &["tokio"], 0);
    check("low", &["high"], &[], &[], 1);
    check("low", &[], &["high"], &[], 1);
    check("low", &["sqlx"], &[], &[], 1);
    check("low", &[], &["sqlx"], &[], 0);
    check("low", &["serde"], &[], &["tokio"], 1);
    check("low", &["serde"], &[], &["sqlx-core"], 1);
    check("low", &["serde"], &[], &["tokio-util"], 0);
    check("other", &[], &[], &[], 1);
    assert_eq!(breaches(table, &BTreeMap::new()).len(), 2);
}

#[test]
fn metadata_is_read_by_kind_and_to_the_end() {
    let package = |name: &str, dependencies: Value| serde_json::json!({"id": format!("{name} 1"), "name": name, "dependencies": dependencies});
    let edge = |name: &str, kind: Value| serde_json::json!({"pkg": format!("{name} 1"), "dep_kinds": [{"kind": kind}]});
    let metadata = serde_json::json!({
        "packages": [
            package("a", serde_json::json!([
                {"name": "b", "kind": null}, {"name": "c", "kind": "dev"}, {"name": "d", "kind": "build"}])),
            package("b", serde_json::json!([])), package("c", serde_json::json!([])),
            package("d", serde_json::json!([])), package("e", serde_json::json!([])),
        ],
        "workspace_members": ["a 1"],
        "resolve": {"nodes": [
            {"id": "a 1", "deps": [edge("b", Value::Null), edge("c", "dev".into()), edge("d", "build".into())]},
            {"id": "b 1", "deps": [edge("e", Value::Null)]},
        ]},
    });
    let workspace = read(&metadata);
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    let a = &workspace["a"];
    assert_eq!((workspace.len(), names(&a.direct), names(&a.dev)), (1, "b d".into(), "c".into()));
    assert_eq!(names(&a.reached), "b e");
}
