//! Tests of whole records, as tables: a fixture, what is changed in it, and what comes out.

mod aws;
mod captures;
mod cinder;
mod cloudstack;
mod examples;
mod fast;
mod files;
mod fuzz;
mod fuzz_systems;
mod glance;
mod hostile;
mod http;
mod installations;
mod inventory;
mod kafka;
mod keys;
mod libvirt;
mod limits;
mod lists;
mod long;
mod native;
mod neutron;
mod nova;
mod octavia;
mod replay;
mod samples;
mod speed;
pub(crate) mod store;
mod swift;
mod trove;
mod twins;
mod vsphere;

use serde_json::Value;
use turnpike_schemas::{Instant, UsageEvent};

use crate::decode::{self, Outcome};
use crate::{DecodeContext, Decoded, IngestSettings, Record};

pub(crate) fn context() -> DecodeContext {
    let now = Instant::parse("2026-11-21T03:00:00Z").expect("instant");
    DecodeContext::new(&IngestSettings::default(), now)
}

pub(crate) fn read(text: &str) -> Outcome {
    decode::read(&Record::of(text.as_bytes()), &context())
}

/// The fixture with the values at JSON pointers replaced; `null` text removes the field.
pub(crate) fn changed(fixture: &str, changes: &[(&str, &str)]) -> Value {
    let mut value: Value = serde_json::from_str(fixture).expect("the fixture is JSON");
    for (pointer, text) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
        let object = parent.as_object_mut().expect("an object");
        if text.is_empty() {
            object.remove(name);
        } else {
            let new = serde_json::from_str(text).unwrap_or_else(|_| Value::from(*text));
            object.insert(name.to_owned(), new);
        }
    }
    value
}

/// One line for each event or dead letter.
pub(crate) fn summary(decoded: &[Decoded]) -> String {
    let lines: Vec<String> = decoded
        .iter()
        .map(|decoded| match decoded {
            Decoded::Event(event) => line(event),
            Decoded::Unmetered(event) => {
                format!("unmetered {} {}", event.source, event.attributes["event_type"])
            }
            Decoded::Dead(reject) => format!("{}: {}", reject.code, reject.message),
        })
        .collect();
    lines.join("\n")
}

fn line(event: &UsageEvent) -> String {
    let mut words = vec![
        event.kind.as_str().to_owned(),
        event.state.map_or("-", |state| state.as_str()).to_owned(),
        event.time.to_string(),
    ];
    if event.terminal {
        words.push("terminal".to_owned());
    }
    if let Some(since) = event.since.filter(|since| *since != event.time) {
        words.push(format!("since={since}"));
    }
    if let Some(window) = event.window {
        words.push(format!("window={}..{}", window.start, window.end));
    }
    for measurement in &event.measurements {
        words.push(format!("{}={}", measurement.meter, measurement.quantity));
    }
    words.join(" ")
}

pub(crate) fn only(decoded: &[Decoded]) -> &UsageEvent {
    match decoded {
        [Decoded::Event(event) | Decoded::Unmetered(event)] => event,
        other => panic!("{}", summary(other)),
    }
}
