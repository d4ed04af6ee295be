//! Damaged input for the decoder and every adapter: none of it may panic, and all of it ends as an
//! event or as a dead letter with a known reason.

mod grow;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use turnpike_ingest::{DecodeContext, Decoded, IngestSettings, Pins, Record, reason};

use mutate::Mutator;

/// Seconds for each target.
const SECONDS: &str = "FUZZ_SECONDS";
/// Where its random numbers begin.
const SEED: &str = "FUZZ_SEED";
/// No input may take longer. It is generous: most take a hundredth of it.
const SECONDS_MAX: Duration = Duration::from_secs(2);
/// What the events of one input may take in all, besides a multiple of the input.
const EVENTS_BYTES_MAX: usize = 80 << 20;
const EVENTS_MULTIPLE_MAX: usize = 128;
/// Inputs between two looks at the clock.
const ROUND: u32 = 64;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn context(adapter: Option<&str>) -> DecodeContext {
    let pins = Pins { all: adapter.map(str::to_owned), ..Pins::default() };
    let settings = IngestSettings { pins: Arc::new(pins), ..IngestSettings::default() };
    let now = turnpike_schemas::Instant::parse("2026-11-21T12:00:00Z").unwrap();
    DecodeContext::new(&settings, now)
}

/// All files below a folder of the repository, in the order of their names.
fn files(path: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![std::fs::read(path).unwrap()],
    };
    paths.into_iter().flat_map(read).collect()
}

/// Our own seeds and the fixtures of the adapters.
fn all_seeds() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("ingest/fixtures");
    let mut all = files(&folder("seeds"));
    all.extend(files(&fixtures));
    all
}

/// Those that an adapter reads when nothing is pinned.
fn seeds_of(adapter: &str) -> Vec<Vec<u8>> {
    let context = context(None);
    let mut all = all_seeds();
    all.retain(|seed| {
        turnpike_ingest::decode(&Record::of(seed), &context).iter().any(|decoded| match decoded {
            Decoded::Event(event) | Decoded::Unmetered(event) => event.system == adapter,
            Decoded::Dead(reject) => reject.system == Some(adapter),
        })
    });
    all
}

/// What something decoded takes, about.
fn bytes_of(decoded: &Decoded) -> usize {
    match decoded {
        Decoded::Dead(reject) => {
            reject.message.len() + reject.payload.as_ref().map_or(0, Vec::len) + 128
        }
        Decoded::Event(event) | Decoded::Unmetered(event) => {
            let labels = event.attributes.iter().chain(event.tags.iter().flatten());
            let labels: usize = labels.map(|(name, value)| name.len() + value.len() + 48).sum();
            let ids = event.resource.iter().chain(&event.parent).map(|id| id.as_str().len());
            let measured = event.measurements.len() * 48;
            event.source.len() + event.id.len() + ids.sum::<usize>() + labels + measured + 512
        }
    }
}

/// Decodes one input and checks what came of it.
fn decode(input: &[u8], headers: &[(String, Vec<u8>)], context: &DecodeContext) {
    let record = Record { headers, ..Record::of(input) };
    let mut decoded = Vec::new();
    let mut took = Duration::MAX;
    // Another process may have had the processor: what is slow is slow again.
    for _ in 0..3 {
        let began = Instant::now();
        decoded = turnpike_ingest::decode(&record, context);
        took = took.min(began.elapsed());
        if took < SECONDS_MAX {
            break;
        }
    }
    assert!(took < SECONDS_MAX, "it took {took:?}");
    assert!(!decoded.is_empty(), "nothing came of it");
    let bytes: usize = decoded.iter().map(bytes_of).sum();
    let bytes_max = EVENTS_BYTES_MAX + EVENTS_MULTIPLE_MAX * input.len();
    assert!(bytes <= bytes_max, "{} bytes became {bytes}", input.len());
    for one in decoded {
        match one {
            Decoded::Dead(reject) => {
                let known = reason::ALL.iter().any(|reason| reason.code == reject.code);
                assert!(known, "reason {}", reject.code);
                assert!(reject.message.len() < 4_000, "{} bytes of message", reject.message.len());
            }
            Decoded::Event(event) | Decoded::Unmetered(event) => {
                assert!(!event.source.is_empty() && !event.id.is_empty(), "an event without a key");
            }
        }
    }
}

/// Gives a target so many seconds; how many inputs it had.
fn fuzz(target: &str, adapter: Option<&str>) -> u64 {
    let seconds = setting(SECONDS).unwrap_or(1);
    let context = context(adapter);
    let own = adapter.map_or_else(Vec::new, seeds_of);
    let mut mutator = Mutator::new(setting(SEED).unwrap_or(1), own, all_seeds());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0;
    for hostile in files(&folder("seeds/hostile")) {
        tried(target, &hostile, &[], &context);
    }
    while Instant::now() < end {
        for _ in 0..ROUND {
            let (input, headers) = mutator.next();
            tried(target, &input, &headers, &context);
        }
        count += u64::from(ROUND);
    }
    count
}

/// A panic is written down with the input that caused it.
fn tried(target: &str, input: &[u8], headers: &[(String, Vec<u8>)], context: &DecodeContext) {
    if catch_unwind(AssertUnwindSafe(|| decode(input, headers, context))).is_ok() {
        return;
    }
    let name = hex::encode(&Sha256::digest(input)[..8]);
    let path = folder("crashes").join(format!("{target}-{name}"));
    std::fs::create_dir_all(folder("crashes")).unwrap();
    std::fs::write(&path, input).unwrap();
    panic!("{target}: {} bytes, kept in {}, headers {headers:?}", input.len(), path.display());
}

#[test]
fn no_input_harms_the_decoder() {
    println!("decoder: {} inputs", fuzz("decoder", None));
}

#[test]
fn no_input_harms_an_adapter_that_it_is_forced_on() {
    let adapters = turnpike_ingest::adapters();
    assert!(!adapters.is_empty());
    for adapter in adapters {
        let target = format!("adapter_{}", adapter.name());
        println!("{target}: {} inputs", fuzz(&target, Some(adapter.name())));
    }
}

/// Without one, damage would hardly ever come as far as what an adapter does.
#[test]
fn every_adapter_has_a_seed_that_it_reads() {
    for adapter in turnpike_ingest::adapters() {
        let name = adapter.name();
        assert!(
            !seeds_of(name).is_empty(),
            "nothing in fuzz/seeds or ingest/fixtures is of {name}"
        );
    }
}
