use std::collections::BTreeSet;

use turnpike_schemas::Instant;

use super::sink::Memory;
use super::*;

fn settings(seed: u64, accounts: u32, events: u64) -> SimulateSettings {
    let until = Instant::parse("2026-11-21T12:00:00Z").expect("instant");
    SimulateSettings { seed, accounts, events, months: 2, until }
}

fn lines(settings: &SimulateSettings) -> (Written, Vec<Vec<u8>>) {
    let mut memory = Memory::default();
    let written = simulate(settings, &mut memory, &|_| {}).expect("simulates");
    (written, memory.0)
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (_, first) = lines(&settings(1, 12, 4_000));
    let (_, again) = lines(&settings(1, 12, 4_000));
    let (_, other) = lines(&settings(2, 12, 4_000));
    assert!(first == again);
    assert!(first != other);
    assert_eq!(book_text(&settings(1, 12, 4_000)), book_text(&settings(1, 12, 4_000)));
}

#[test]
fn as_many_lines_are_written_as_were_asked_for() {
    for (accounts, events) in [(1, 100), (3, 300), (12, 4_000), (5, 50_000), (40, 3_001)] {
        let (written, lines) = lines(&settings(7, accounts, events));
        assert_eq!(written.events, events, "{accounts} accounts");
        assert_eq!(lines.len() as u64, events);
        assert_eq!(written.broken, BROKEN.len() as u64);
    }
    assert!(matches!(
        plan::plan(&settings(7, 100, 50)),
        Err(PlanError::TooFew { accounts: 100, events: 50, .. })
    ));
}

#[test]
fn every_line_but_the_broken_is_json_and_the_doubled_are_equal() {
    let (written, lines) = lines(&settings(3, 12, 6_000));
    let readable = lines
        .iter()
        .filter(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok())
        .count() as u64;
    // Of the broken lines three are no JSON; the others are JSON that says something impossible.
    assert_eq!(readable, written.events - 3);
    let distinct: BTreeSet<&Vec<u8>> = lines.iter().collect();
    assert_eq!(distinct.len() as u64, written.events - written.doubled);
    assert!(written.late > 0);
}

#[test]
fn envelopes_hold_notifications() {
    let (_, lines) = lines(&settings(3, 12, 6_000));
    let mut seen = BTreeSet::new();
    for line in &lines {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        if let Some(text) = value.get("oslo.message").and_then(|text| text.as_str()) {
            let inner: serde_json::Value = serde_json::from_str(text).expect("a notification");
            seen.insert(inner["event_type"].as_str().expect("a type").to_owned());
        } else if let Some(kind) = value.get("type").and_then(|kind| kind.as_str()) {
            seen.insert(kind.to_owned());
        }
    }
    for kind in [
        "instance.create.end",
        "instance.exists",
        "volume.exists",
        "volume.create.end",
        "dev.turnpike.usage.transition.v1",
        "dev.turnpike.usage.snapshot.v1",
        "dev.turnpike.usage.audit.v1",
        "dev.turnpike.usage.delta.v1",
    ] {
        assert!(seen.contains(kind), "{kind} in {seen:?}");
    }
}
