//! Rows F11 and F38, F58: requests whose answer nobody heard, bodies that unpack to gigabytes, keys
//! that are used twice.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::events::{event, events, traffic};
use super::kafka as rows;
use super::oracle::{self, Journal};
use super::points::KILL_AT;
use super::row::{Proof, row, scaled};
use super::tools::peak_memory_kib;
use crate::http::server::{Answer, Server, post};
use crate::support::cli::Turnpike;
use crate::support::kafka::{self, Producing, Record};
use crate::support::wait;

pub const EVENTS: &str = "/v1/events";
/// From a commit to its answer, on a machine that compiles beside.
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub fn install() -> (Turnpike, String) {
    let turnpike = oracle::install(64);
    let created = turnpike.json(&["key", "create", "faults"]);
    let key = created["key"].as_str().unwrap().to_owned();
    (turnpike, key)
}

/// Records as the body of one request.
pub fn list(records: &[Record]) -> Vec<u8> {
    let items: Vec<&str> = records.iter().map(Record::text).collect();
    format!("[{}]", items.join(",")).into_bytes()
}

fn named(name: &str) -> [(&str, &str); 2] {
    [("Idempotency-Key", name), ("Content-Type", "application/json")]
}

/// Sends until it is taken, as a producer does that is told to come again.
#[track_caller]
fn until_taken(server: &Server, key: &str, name: &str, body: &[u8]) -> Answer {
    wait::until("the request to be taken", ANSWER_MAX, || {
        let answer = server.post(EVENTS, key, &named(name), body)?;
        match answer.status {
            202 => Some(answer),
            409 | 503 | 507 => None,
            _ => panic!("{}: {}", answer.status, answer.body),
        }
    })
}

#[test]
fn f11_an_answer_that_nobody_heard() {
    row("F11", "HTTP: the line is cut after the request, and it is sent again", || {
        let (turnpike, key) = install();
        let server = Server::start(&turnpike, &[]);
        let mut journal = Journal::default();
        let mut replayed = 0;
        for number in 0..scaled(100, 10) {
            let records = events(number * 20..number * 20 + 20);
            let (name, body) = (format!("batch-{number}"), list(&records));
            let head = format!(
                "POST {EVENTS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\
                 Idempotency-Key: {name}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            let mut line = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            line.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            // At once, or as soon as something may have been committed.
            if number % 2 == 1 {
                wait::pass(Duration::from_millis(number * 7 % 90));
            }
            drop(line);
            let answer = until_taken(&server, &key, &name, &body);
            replayed += u64::from(answer.header("idempotency-replayed").is_some());
            journal.add_http(&records);
        }
        assert!(server.stop().status.success());
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!("{replayed} answers replayed; {}", oracle::words(&report)))
    });
}

#[test]
fn f58_keys_of_requests() {
    row("F58", "one Idempotency-Key: again, for another body, at once; partly bad batch", || {
        let (turnpike, key) = install();
        let mut journal = Journal::default();
        // Killed after the commit: the same request is committed again, and counted once.
        for (number, point) in (0..).zip(["after_commit", "before_answer", "before_parquet"]) {
            let server = Server::start(&turnpike, &[(KILL_AT, point)]);
            let records = events(number * 10..number * 10 + 10);
            let name = format!("killed-{number}");
            let answer = server.post(EVENTS, &key, &named(&name), &list(&records));
            assert!(answer.is_none(), "{point}: it was answered");
            assert!(server.wait().status.signal().is_some(), "{point} was not reached");
            if point != "before_parquet" {
                journal.add_http(&records);
            }
            let server = Server::start(&turnpike, &[]);
            until_taken(&server, &key, &name, &list(&records));
            journal.add_http(&records);
            let again = server.post(EVENTS, &key, &named(&name), &list(&records)).unwrap();
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.body);
            assert!(server.stop().status.success());
        }
        let server = Server::start(&turnpike, &[]);
        same_key(&server, &key, &mut journal);
        partly_bad(&server, &key, &mut journal);
        assert!(server.stop().status.success());
        Proof::Pass(oracle::words(&oracle::check(&turnpike, &journal)))
    });
}

/// The same body again, another body, and many at once.
fn same_key(server: &Server, key: &str, journal: &mut Journal) {
    let records = events(100..110);
    let body = list(&records);
    let first = server.post(EVENTS, key, &named("one"), &body).unwrap();
    assert_eq!(first.status, 202, "{}", first.body);
    journal.add_http(&records);
    let again = server.post(EVENTS, key, &named("one"), &body).unwrap();
    assert_eq!((again.status, &again.body), (202, &first.body));
    let other = server.post(EVENTS, key, &named("one"), &list(&events(110..111))).unwrap();
    assert_eq!(other.status, 422, "{}", other.body);

    let records = events(120..140);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (port, key, body) = (server.port, key.to_owned(), list(&records));
            std::thread::spawn(move || post(port, EVENTS, &key, &named("many"), &body).unwrap())
        })
        .collect();
    let answers: Vec<Answer> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let worked = answers
        .iter()
        .filter(|answer| answer.status == 202 && answer.header("idempotency-replayed").is_none());
    assert_eq!(worked.count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 202 | 409)), "{answers:?}");
    journal.add_http(&records);
}

/// Each item has its own result, and the good ones count.
fn partly_bad(server: &Server, key: &str, journal: &mut Journal) {
    let records = vec![
        Record::new(event(202)),
        Record::new(traffic(203, "-1")).dead("quantity_negative"),
        Record::new(event(204)),
        Record::new(event(202)),
        Record::new("{\"nothing\":1}").dead("unrecognised"),
    ];
    let answer = server.post(EVENTS, key, &named("partly"), &list(&records)).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let statuses: Vec<&str> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["accepted", "dead", "accepted", "duplicate", "dead"], "{body}");
    journal.add_http(&records);
}

/// Zeros, packed: what unpacks to so many MiB.
fn bomb(codec: &str, mebibytes: u64) -> Vec<u8> {
    let block = vec![b'0'; 1 << 20];
    match codec {
        "gzip" => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            (0..mebibytes).for_each(|_| packer.write_all(&block).unwrap());
            packer.finish().unwrap()
        }
        _ => {
            let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
            (0..mebibytes).for_each(|_| packer.write_all(&block).unwrap());
            packer.finish().unwrap()
        }
    }
}

/// What a process may take, whatever it is sent.
const MEMORY_MIB_MAX: u64 = 400;

#[test]
fn f38_bodies_that_unpack_to_gigabytes() {
    row("F38", "decompression bombs: HTTP gzip and zstd, Kafka's codecs", || {
        let (turnpike, key) = install();
        let mebibytes = scaled(10_240, 256);
        let server = Server::start(&turnpike, &[]);
        let mut journal = Journal::default();
        let mut sizes = Vec::new();
        for codec in ["gzip", "zstd"] {
            let body = bomb(codec, mebibytes);
            sizes.push(format!("{codec} {} KiB", body.len() / 1_024));
            let headers = [("Content-Encoding", codec), ("Content-Type", "application/json")];
            let answer = server.post(EVENTS, &key, &headers, &body);
            // It may stop reading before all was sent, which cuts the line.
            let refused = answer.as_ref().is_none_or(|answer| answer.status == 413);
            assert!(refused, "{answer:?}");
        }
        let records = events(0..20);
        until_taken(&server, &key, "after", &list(&records));
        journal.add_http(&records);
        let of_server = peak_memory_kib(server.id()) / 1_024;
        assert!(server.stop().status.success());
        let of_consumer = kafka_codecs(&turnpike, &mut journal);
        assert!(of_server < MEMORY_MIB_MAX, "the server took {of_server} MiB");
        assert!(of_consumer < MEMORY_MIB_MAX, "the consumer took {of_consumer} MiB");
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!(
            "{mebibytes} MiB in {}; peak {of_server} and {of_consumer} MiB; {}",
            sizes.join(", "),
            oracle::words(&report)
        ))
    });
}

/// Records of 15 MB that take some KB on the wire. The memory of who reads them, in MiB.
fn kafka_codecs(turnpike: &Turnpike, journal: &mut Journal) -> u64 {
    let topic = kafka::unique_topic("bomb");
    kafka::create_topic(&topic, 1);
    let group = kafka::unique_topic("group");
    let running = rows::consumer(turnpike, kafka::bootstrap(), &topic, &group);
    for (number, codec) in (0..).zip(["gzip", "zstd"]) {
        let large = |_| Record::new("0".repeat(15_000_000)).dead("too_large");
        let mut records: Vec<Record> = (0..scaled(8, 3)).map(large).collect();
        records.extend(events(1_000 + number * 10..1_010 + number * 10));
        let sent = Producing::packed(codec, kafka::bootstrap(), &topic, &records, 0);
        journal.records.extend(sent.finish(records.len()));
    }
    let count = journal.records.iter().filter(|record| record.get("topic").is_some()).count();
    wait::until("all records read", ANSWER_MAX, || {
        let offsets = crate::support::log::offsets(&turnpike.data().join("lake/usage_events"));
        let mut read = offsets.iter().filter(|(app, _)| app.starts_with("kafka:"));
        read.any(|(_, next)| *next == i64::try_from(count).unwrap()).then_some(())
    });
    let peak = peak_memory_kib(running.id()) / 1_024;
    rows::end(running);
    peak
}
