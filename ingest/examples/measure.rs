//! What the scripts in bench/ run beside their peers: makes events, drains a topic with a bare
//! consumer, turns JSON lines into Arrow batches.
//!
//!   measure generate EVENTS FILE
//!   measure produce BROKERS TOPIC FILE
//!   measure drain BROKERS TOPIC
//!   measure arrow FILE
//!
//! Times go to standard output as `events milliseconds`; `arrow` prints the time that its one
//! thread ran, which a busy machine does not change.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use turnpike_ingest::kafka::{ProduceSettings, produce};
use turnpike_ingest::{IngestSettings, to_batches};

type Failure = Box<dyn std::error::Error>;

/// The one of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of one Arrow batch.
const ROWS: usize = 8_192;
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["generate", events, path] => generate(events.parse()?, path),
        ["produce", brokers, topic, path] => send(brokers, topic, path),
        ["drain", brokers, topic] => drain(brokers, topic),
        ["arrow", path] => arrow(path),
        _ => Err("measure generate|produce|drain|arrow ...".into()),
    }
}

/// Snapshots of 20,000 machines and volumes in turn, as their agents report them.
fn generate(events: u64, path: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut line = String::new();
    // 2026-09-01T00:00:00Z, and two seconds on with each event of a site.
    let start = 1_788_220_800_u64;
    for event in 0..events {
        let thing = event.wrapping_mul(7_919) % 20_000;
        let id = event.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seconds = start + event / 3;
        let (day, second) = ((seconds - start) / 86_400 % 30 + 1, seconds % 86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let (kind, held, attributes) = if thing % 4 == 0 {
            ("volume", r#"[{"meter":"volume","quantity":100,"unit":"GiB"}]"#, r#"{"tier":"ssd"}"#)
        } else {
            ("instance", r#"[{"meter":"vcpu","quantity":4}]"#, r#"{"flavor":"m1.large"}"#)
        };
        line.clear();
        write!(
            line,
            r#"{{"specversion":"1.0","id":"{id:016x}","source":"/kvm/fra{}/agent-{:02}","type":"dev.turnpike.usage.snapshot.v1","time":"2026-09-{day:02}T{hour:02}:{minute:02}:{second:02}Z","data":{{"namespace":"acme","resource":{{"kind":"{kind}","id":"r-{thing:08}"}},"owner":"c-{:05}","state":"active","held":{held},"attributes":{attributes}}}}}"#,
            thing % 3,
            thing % 12,
            thing % 1_000,
        )?;
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(out.flush()?)
}

fn send(brokers: &str, topic: &str, path: &str) -> Result<(), Failure> {
    let lines = BufReader::with_capacity(1 << 20, File::open(path)?).split(b'\n');
    let mut lines = lines.map_while(Result::ok);
    let sent = produce(&ProduceSettings::new(brokers, topic), &mut lines, &|_| {})?;
    println!("{}", sent.sent);
    Ok(())
}

/// The least that a consumer can do: take each record and look at nothing.
fn drain(brokers: &str, topic: &str) -> Result<(), Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "drain")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    let began = Instant::now();
    consumer.assign(&list)?;
    let (mut events, mut ended) = (0_u64, 0);
    while ended < list.count() {
        match consumer.poll(TIMEOUT) {
            Some(Ok(_)) => events += 1,
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err("nothing came".into()),
        }
    }
    println!("{events} {}", began.elapsed().as_millis());
    Ok(())
}

fn arrow(path: &str) -> Result<(), Failure> {
    let text = std::fs::read(path)?;
    let now = turnpike_schemas::Instant::parse("2026-11-21T00:00:00Z")?;
    let settings = IngestSettings::default();
    let mut rows = 0;
    let began = ran()?;
    to_batches(&text, &settings, 64, now, ROWS, &mut |batch| rows += batch.num_rows())?;
    println!("{rows} {}", (ran()? - began).as_millis());
    Ok(())
}

/// The time that this thread ran.
fn ran() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().unwrap_or_default();
    Ok(Duration::from_nanos(nanos.parse()?))
}
