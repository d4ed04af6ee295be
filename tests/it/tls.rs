//! Kafka over TLS and SASL: what is sent arrives, and a wrong certificate or password says so.

use crate::support::cli::{Ran, Turnpike};
use crate::support::kafka::{self, Listener, Record};

/// One event of 1 GB of traffic.
const EVENT: &str = r#"{"specversion":"1.0","id":"e-1","source":"/tls","type":"dev.turnpike.usage.delta.v1","time":"2025-10-05T12:00:00Z","data":{"resource":{"kind":"instance","id":"i-1"},"owner":"t-1","used":[{"meter":"egress","quantity":"1","unit":"GB"}]}}"#;

fn topic() -> String {
    let topic = kafka::unique_topic("tls");
    kafka::create_topic(&topic, 1);
    kafka::produce_with_python(&topic, &[Record::new(EVENT)]);
    topic
}

/// Settings of librdkafka as variables of the environment.
fn with(options: &[(&str, &str)]) -> Turnpike {
    options.iter().fold(Turnpike::new(), |turnpike, (name, value)| {
        let name = name.to_uppercase().replace('.', "_");
        turnpike.with(&format!("TURNPIKE__KAFKA__OPTIONS__{name}"), value)
    })
}

fn read(turnpike: &Turnpike, brokers: &str, topic: &str) -> Ran {
    turnpike.run(&[
        "ingest",
        "--from",
        "kafka",
        "--brokers",
        brokers,
        "--topics",
        topic,
        "--group",
        topic,
        "--start",
        "earliest",
        "--until-end",
        "--format",
        "json",
    ])
}

#[track_caller]
fn reads_one(ran: &Ran) {
    assert!(ran.status.success(), "{ran}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["read"], &report["accepted"]), (&1.into(), &1.into()), "{ran}");
}

/// It ends with the code of a dependency or of a plain error, and names the broker and the cause.
#[track_caller]
fn refused(ran: &Ran, broker: &str, causes: &[&str]) {
    assert!(matches!(ran.status.code(), Some(1 | 5)), "{ran}");
    assert!(ran.stderr.contains(broker), "the broker is not named: {ran}");
    let said = ran.stderr.to_lowercase();
    assert!(causes.iter().any(|cause| said.contains(cause)), "no cause is named: {ran}");
    assert!(!ran.stderr.contains(&kafka::secured().password), "the password is printed");
}

fn scram(listener: &Listener, password: &str) -> Turnpike {
    with(&[
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &listener.ca),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "turnpike"),
        ("sasl.password", password),
    ])
}

#[test]
fn a_topic_is_read_over_tls() {
    let listener = kafka::secured();
    let turnpike = with(&[("security.protocol", "SSL"), ("ssl.ca.location", &listener.ca)]);
    reads_one(&read(&turnpike, &listener.tls, &topic()));
}

#[test]
fn a_topic_is_read_with_a_scram_password() {
    let listener = kafka::secured();
    reads_one(&read(&scram(listener, &listener.password), &listener.sasl, &topic()));
}

#[test]
fn another_authority_s_certificate_is_refused() {
    let listener = kafka::secured();
    let turnpike = with(&[("security.protocol", "SSL"), ("ssl.ca.location", &listener.other_ca)]);
    let ran = read(&turnpike, &listener.tls, &topic());
    refused(&ran, &listener.tls, &["certificate"]);
}

#[test]
fn a_wrong_password_is_refused() {
    let listener = kafka::secured();
    let ran = read(&scram(listener, "wrong"), &listener.sasl, &topic());
    refused(&ran, &listener.sasl, &["authentication", "sasl"]);
}
