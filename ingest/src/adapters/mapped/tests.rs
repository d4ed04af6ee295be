//! Each mapping with records of its system: one line for every event that comes out.

mod damage;
mod example;
mod format;
mod hyper_v;
mod opennebula;
mod samples;
mod storage;
mod xen;

use turnpike_schemas::{Instant, UsageEvent};

use crate::decode;
use crate::tests::context;
use crate::{Decoded, Record};

/// What a record becomes, where records without a time were true at `at`.
fn decoded(text: &str, at: Option<&str>) -> Vec<Decoded> {
    let mut context = context();
    context.at = at.map(|at| Instant::parse(at).expect("instant"));
    decode::decode(&Record::of(text.as_bytes()), &context)
}

fn events(text: &str) -> Vec<UsageEvent> {
    decoded(text, None)
        .into_iter()
        .map(|decoded| match decoded {
            Decoded::Event(event) => *event,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Id, state, time or window and quantities of each event, or why there is none.
fn shown(decoded: &[Decoded]) -> Vec<String> {
    let line = |decoded: &Decoded| match decoded {
        Decoded::Event(event) => described(event),
        Decoded::Unmetered(event) => {
            format!("unmetered: {}", event.attributes["unmetered_because"])
        }
        Decoded::Dead(reject) => format!("{}: {}", reject.code, reject.message),
    };
    decoded.iter().map(line).collect()
}

fn described(event: &UsageEvent) -> String {
    let mut words = vec![event.id.clone(), event.kind.as_str().to_owned()];
    words.extend(event.state.map(|state| state.as_str().to_owned()));
    match event.window {
        Some(window) => words.push(format!("{}..{}", window.start, window.end)),
        None => words.push(event.time.to_string()),
    }
    for measurement in &event.measurements {
        let counter = match measurement.flow {
            turnpike_schemas::Flow::Cumulative => "+",
            _ => "",
        };
        words.push(format!("{}={counter}{}", measurement.meter, measurement.quantity));
    }
    words.join(" ")
}
