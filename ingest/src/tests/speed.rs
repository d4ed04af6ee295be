//! How fast one core decodes: `TURNPIKE_SPEED=1 cargo test --workspace --lib speed -- --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use super::store::{event, now};
use super::{changed, context};
use crate::IngestSettings;
use crate::batch::Batcher;
use crate::decode::{self, Record};

const ROUNDS: usize = 20_000;

/// Time that this thread ran, so that a busy machine does not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}

fn measure(name: &str, message: impl Fn(usize) -> String) {
    let messages: Vec<String> = (0..ROUNDS).map(message).collect();
    let context = context();
    let began = busy();
    for message in &messages {
        let outcome = decode::read(&Record::of(message.as_bytes()), &context);
        assert_eq!(outcome.decoded.len(), 1);
    }
    let decoded = busy() - began;
    let origin: Arc<str> = "file:speed".into();
    let mut batcher = Batcher::new(&IngestSettings::default(), 64, now());
    batcher.open(Arc::clone(&origin), None);
    let began = busy();
    for (position, message) in (0_i64..).zip(&messages) {
        batcher.push(&origin, position, &Record::of(message.as_bytes()));
    }
    let pushed = busy() - began;
    let batch = batcher.take(now()).expect("builds").expect("a batch");
    let taken = busy() - began - pushed;
    assert_eq!(batch.rows.num_rows(), ROUNDS);
    let rate = |nanos: u128| ROUNDS as u128 * 1_000_000_000 / nanos.max(1);
    println!(
        "{name}: {} bytes; decode {}/s, with hashes and filter {}/s, batch {}/s, all {}/s",
        messages[0].len(),
        rate(decoded.as_nanos()),
        rate(pushed.as_nanos()),
        rate(taken.as_nanos()),
        rate((pushed + taken).as_nanos()),
    );
}

#[test]
fn speed() {
    if std::env::var_os("TURNPIKE_SPEED").is_none() {
        println!("skipped: a measurement, not a check");
        return;
    }
    measure("native", |n| event(&n.to_string(), 1));
    let enveloped = |fixture: &str, n: usize| {
        let id = format!("\"m-{n}\"");
        let message = changed(fixture, &[("/message_id", id.as_str())]).to_string();
        serde_json::json!({"oslo.version": "2.0", "oslo.message": message}).to_string()
    };
    measure("nova", |n| enveloped(include_str!("../../fixtures/nova_instance.json"), n));
    measure("cinder", |n| enveloped(include_str!("../../fixtures/cinder_volume.json"), n));
}
