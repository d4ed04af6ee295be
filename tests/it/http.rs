//! Usage events by HTTP against the real binary: what dies between a commit and its answer, a disk
//! that is full for a while, and the command that sends files.

#[path = "../../docs/producers/producer.rs"]
mod producer;
pub mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::faults::KILL_AT;
use crate::support::case::{self, Case};
use crate::support::cli::{COMMAND_MAX, Turnpike};
use crate::support::{counts, skip, wait};
use server::{Answer, Server};

const SIGABRT: i32 = 6;

fn install() -> (Turnpike, String) {
    let turnpike = Turnpike::new();
    let key = create_key(&turnpike);
    (turnpike, key)
}

fn create_key(turnpike: &Turnpike) -> String {
    let created = turnpike.json(&["key", "create", "test"]);
    created["key"].as_str().unwrap().to_owned()
}

fn event(id: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"dev.turnpike.usage.transition.v1","subject":"instance/{id}","time":"2026-10-01T00:00:00Z","data":{{"resource":{{"kind":"instance","id":"{id}"}},"owner":"o","state":"active","held":[{{"meter":"vcpu","quantity":2}}]}}}}"#
    )
}

fn final_counts(turnpike: &Turnpike) -> (u64, u64, u64) {
    let counts = counts::of(turnpike);
    let count = |name: &str| counts[name].as_u64().unwrap();
    (count("accepted"), count("duplicate"), count("dead"))
}

#[test]
fn a_kill_between_commit_and_answer_costs_nothing() {
    use std::os::unix::process::ExitStatusExt;
    for point in ["after_commit:1", "before_answer:1"] {
        let (turnpike, key) = install();
        let server = Server::start(&turnpike, &[(KILL_AT, point)]);
        let body = format!("[{},{}]", event("a"), event("b"));
        let headers = [("Idempotency-Key", "k")];
        let answer = server.post("/v1/events", &key, &headers, body.as_bytes());
        assert!(answer.is_none(), "{point}: it was answered");
        let ran = server.wait();
        assert_eq!(ran.status.signal(), Some(SIGABRT), "{point}: {ran}");
        assert_eq!(final_counts(&turnpike), (2, 0, 0), "{point}: the commit stands");
        // The same again, as a producer does that got no answer.
        let server = Server::start(&turnpike, &[]);
        let answer = server.post("/v1/events", &key, &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 202, "{point}: {}", answer.body);
        assert_eq!(answer.header("idempotency-replayed"), None);
        let again = server.post("/v1/events", &key, &headers, body.as_bytes()).unwrap();
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let ran = server.stop();
        assert!(ran.status.success(), "{ran}");
        assert_eq!(final_counts(&turnpike), (2, 2, 0), "{point}: each event counts once");
        assert!(!ran.stderr.contains(&key) && !ran.stdout.contains(&key));
    }
}

#[test]
fn a_kill_before_the_commit_loses_nothing_that_was_answered() {
    let (turnpike, key) = install();
    let server = Server::start(&turnpike, &[(KILL_AT, "before_parquet:3")]);
    let mut answered = 0;
    for number in 0..10 {
        let body = event(&format!("e{number}"));
        match server.post("/v1/events", &key, &[], body.as_bytes()) {
            Some(answer) if answer.status == 202 => answered += 1,
            _ => break,
        }
    }
    server.wait();
    assert_eq!((answered, final_counts(&turnpike)), (2, (2, 0, 0)));
}

#[test]
fn a_stop_drains_what_was_submitted() {
    let (turnpike, key) = install();
    let server = Server::start(&turnpike, &[("TURNPIKE__HTTP__FLUSH_MS", "500")]);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (port, key) = (server.port, key.clone());
            std::thread::spawn(move || {
                let body = event(&format!("e{number}"));
                server::post(port, "/v1/events", &key, &[], body.as_bytes())
            })
        })
        .collect();
    let metrics = || server.get("/metrics").map(|answer| answer.body).unwrap_or_default();
    wait::until("a submission", COMMAND_MAX, || {
        metrics()
            .lines()
            .any(|line| line.starts_with("turnpike_source_commits_total") && !line.ends_with(" 0"))
            .then_some(())
    });
    let ran = server.stop();
    assert!(ran.status.success(), "{ran}");
    let answers = threads.into_iter().map(|thread| thread.join().unwrap());
    let taken = answers.flatten().filter(|answer: &Answer| answer.status == 202).count();
    let (accepted, duplicate, dead) = final_counts(&turnpike);
    assert_eq!((duplicate, dead), (0, 0));
    assert!(taken >= 1 && u64::try_from(taken).unwrap() <= accepted, "{taken} of {accepted}");
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself() {
    let (turnpike, _) = install();
    let data = turnpike.data();
    let Some(disk) = Disk::mount(&data, "24m") else {
        skip::say("HTTP on a full disk", "a file system cannot be mounted here");
        return;
    };
    let key = create_key(&turnpike);
    let server = Server::start(&turnpike, &[]);
    let post = |id: &str| server.post("/v1/events", &key, &[], event(id).as_bytes()).unwrap();
    assert_eq!(post("a").status, 202);
    let filler = data.join("filler");
    let to = format!("of={}", filler.display());
    // It ends with an error, which is that the disk is full.
    run(&mut Command::new("dd"), &["if=/dev/zero", &to, "bs=4096"]);
    let full = post("b");
    assert_eq!(full.status, 507, "{}", full.body);
    assert!(full.body.contains("disk-full"), "{}", full.body);
    let seconds: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0);
    std::fs::remove_file(&filler).unwrap();
    let after = wait::until("room on the disk", COMMAND_MAX, || {
        Some(post("b")).filter(|answer| answer.status == 202)
    });
    assert!(after.body.contains("accepted"), "{}", after.body);
    assert!(server.stop().status.success());
    assert_eq!(final_counts(&turnpike), (2, 0, 0));
    drop(disk);
}

fn run(command: &mut Command, arguments: &[&str]) -> bool {
    command.args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A small file system of its own in place of a folder.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// `None` where we may not mount.
    fn mount(folder: &'a Path, size: &str) -> Option<Self> {
        let option = format!("size={size}");
        let folder_text = folder.to_str().unwrap();
        let arguments = ["-t", "tmpfs", "-o", &option, "tmpfs", folder_text];
        run(&mut Command::new("mount"), &arguments).then_some(Self(folder))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        run(&mut Command::new("umount"), &["--lazy", self.0.to_str().unwrap()]);
    }
}

#[test]
fn produce_sends_a_file_and_says_what_became_of_it() {
    let (turnpike, key) = install();
    let server = Server::start(&turnpike, &[]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let lines: Vec<String> = (0..1_200).map(|number| event(&format!("e{number}"))).collect();
    let good = turnpike.file("good.jsonl", lines.join("\n"));
    let bad = turnpike.file("bad.jsonl", format!("{}\n{{broken\n{}\n", event("x"), event("e7")));
    let turnpike = turnpike.with("TURNPIKE_KEY", &key).with("NO_PROXY", "127.0.0.1");
    let produce = |file: &Path| {
        let file = file.to_string_lossy().into_owned();
        let arguments = ["produce", &file, "--to", "http", "--url", &url, "--format", "json"];
        turnpike.run(&arguments)
    };
    let report = |ran: &crate::support::cli::Ran| -> Value {
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
    };
    let ran = produce(&good);
    assert!(ran.status.success(), "{ran}");
    assert_eq!((&report(&ran)["accepted"], &report(&ran)["items"]), (&1_200.into(), &1_200.into()));
    // A second run asks for the same answers and gets them.
    let ran = produce(&good);
    assert_eq!(
        (&report(&ran)["accepted"], &report(&ran)["batches_replayed"]),
        (&1_200.into(), &3.into())
    );
    let ran = produce(&bad);
    assert_eq!(ran.status.code(), Some(4), "{ran}");
    assert_eq!((&report(&ran)["dead"], &report(&ran)["duplicate"]), (&1.into(), &1.into()));
    assert!(ran.stderr.contains("bad.jsonl:2: dead: json_invalid"), "{ran}");
    assert!(!ran.stderr.contains(&key), "{ran}");
    assert!(server.stop().status.success());
    assert_eq!(final_counts(&turnpike), (1_201, 1, 1));
    // With nobody there it gives up after its patience.
    let file = good.to_string_lossy().into_owned();
    let away = ["produce", &file, "--to", "http", "--url", &url, "--patience", "1"];
    turnpike.fails(5, &away);
    let turnpike = turnpike.with("TURNPIKE_KEY", "");
    turnpike.fails(3, &["produce", &file, "--to", "http", "--url", &url]);
}

#[test]
fn a_case_sent_by_http_is_billed_as_one_from_a_file() {
    let case = Case::read(case::folder("golden/10-duplicates"));
    let turnpike = case.install();
    let key = create_key(&turnpike);
    let server = Server::start(&turnpike, &[]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let turnpike = turnpike.with("TURNPIKE_KEY", &key).with("NO_PROXY", "127.0.0.1");
    let events = case.path("events.jsonl");
    let ran = turnpike.run(&["produce", &events, "--to", "http", "--url", &url]);
    assert!(matches!(ran.status.code(), Some(0 | 4)), "{ran}");
    assert!(server.stop().status.success());
    let billed = case.bill(&turnpike);
    case.check(&turnpike, &billed);
}

#[test]
fn the_producer_in_rust_of_the_documents_works() {
    let (turnpike, key) = install();
    let server = Server::start(&turnpike, &[]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let send = || runtime.block_on(producer::send(&url, &key, "a", &event("a"))).unwrap();
    let answer: Value = serde_json::from_str(&send()).unwrap();
    assert_eq!(answer["results"][0]["status"], "accepted");
    assert_eq!(serde_json::from_str::<Value>(&send()).unwrap(), answer);
    let refused = runtime.block_on(producer::send(&url, "tp_live_x", "b", "{}"));
    assert!(refused.unwrap_err().contains("no-valid-key"));
    assert!(server.stop().status.success());
    assert_eq!(final_counts(&turnpike), (1, 0, 0));
}

#[test]
fn keys_are_shown_once_and_revoked() {
    let (turnpike, key) = install();
    let listed = turnpike.json(&["key", "list"]);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert!(key.starts_with(&format!("tp_live_{id}_")), "the id is part of the key");
    assert!(!listed.to_string().contains(&key));
    for entry in std::fs::read_dir(turnpike.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            let found = content.windows(key.len()).any(|part| part == key.as_bytes());
            assert!(!found, "{} holds the key", path.display());
        }
    }
    let server = Server::start(&turnpike, &[]);
    let post = |id: &str| server.post("/v1/events", &key, &[], event(id).as_bytes()).unwrap();
    assert_eq!(post("a").status, 202);
    turnpike.ok(&["key", "revoke", &id]);
    let mut number = 0;
    wait::until("the key to be refused", Duration::from_secs(10), || {
        number += 1;
        (post(&format!("n{number}")).status == 401).then_some(())
    });
    assert!(server.stop().status.success());
    turnpike.fails(4, &["key", "revoke", &id]);
    turnpike.fails(2, &["key", "create", " "]);
    assert!(turnpike.json(&["key", "list"])[0]["last_used"].is_string());
}
