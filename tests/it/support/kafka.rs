//! A real Apache Kafka and a client that is not turnpike's.
//!
//! The broker is the one of `TURNPIKE_TEST_KAFKA` (`make test` sets it). Without that variable the
//! first test that asks starts one through `scripts/kafka`; all tests of the process share it, and
//! it ends with the process. Where no broker can be had the test fails: a skipped proof is none.
//!
//! Tests share the broker, so each makes its own topics: see [`unique_topic`].

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use super::wait;

/// A broker under the load of a whole test run answers within a second; this is for a machine that
/// compiles beside it.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// `host:port` of the broker.
pub fn bootstrap() -> &'static str {
    &broker().bootstrap
}

/// A topic name that no other test and no other process of this broker has.
pub fn unique_topic(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Creates a topic and returns once every partition has a leader, so the first record finds it.
pub fn create_topic(name: &str, partitions: i32) {
    create_topic_at(bootstrap(), name, partitions);
}

pub fn create_topic_at(bootstrap: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_MAX));
    let created = futures::executor::block_on(admin.create_topics([&topic], &options)).unwrap();
    assert!(created.iter().all(Result::is_ok), "topic {name} not created: {created:?}");

    wait::until(&format!("leaders of topic {name}"), ANSWER_MAX, || {
        let metadata = admin.inner().fetch_metadata(Some(name), ANSWER_MAX).ok()?;
        let found = metadata.topics().first()?.partitions();
        let led = found.iter().filter(|partition| partition.leader() >= 0).count();
        (i32::try_from(led) == Ok(partitions)).then_some(())
    });
}

/// A Kafka record as a producer outside turnpike writes it.
#[derive(Debug, Clone, Default)]
pub struct Record {
    value: Option<Vec<u8>>,
    key: Option<String>,
    headers: BTreeMap<String, String>,
    partition: Option<i32>,
    dead: Option<&'static str>,
}

impl Record {
    pub fn new(value: impl Into<Vec<u8>>) -> Record {
        Record { value: Some(value.into()), ..Record::default() }
    }

    /// A record without a value, as log compaction uses it.
    pub fn tombstone() -> Record {
        Record::default()
    }

    pub fn key(mut self, key: impl Into<String>) -> Record {
        self.key = Some(key.into());
        self
    }

    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Record {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Without this the client spreads records over the partitions as it likes.
    pub fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    /// It is meant to be a dead letter for this reason (`any`: for whichever), as a journal says.
    pub fn dead(mut self, reason: &'static str) -> Record {
        self.dead = Some(reason);
        self
    }

    /// The value of a record that has one, and has text in it.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap()).unwrap()
    }

    /// As `tests/kafka/client.py` reads it.
    pub fn to_line(&self) -> Value {
        let mut line = json!({ "headers": self.headers });
        if let Some(reason) = self.dead {
            line["dead"] = json!(reason);
        }
        if let Some(value) = &self.value {
            match std::str::from_utf8(value) {
                Ok(text) => line["value"] = json!(text),
                Err(_) => line["value_hex"] = json!(hex::encode(value)),
            }
        }
        if let Some(key) = &self.key {
            line["key"] = json!(key);
        }
        if let Some(partition) = self.partition {
            line["partition"] = json!(partition);
        }
        line
    }
}

/// Sends the records in their order and returns once the broker has acknowledged every one.
pub fn produce_with_python(topic: &str, records: &[Record]) {
    let lines: String = records.iter().map(|record| format!("{}\n", record.to_line())).collect();
    let output = client(&["produce", bootstrap(), topic], lines.as_bytes());
    assert_eq!(output.trim(), records.len().to_string(), "records sent to {topic}");
}

/// Sends the records in their order; each with the partition and offset that it was given.
pub fn journal(bootstrap: &str, topic: &str, records: &[Record]) -> Vec<Value> {
    Producing::start(bootstrap, topic, records, 0).finish(records.len())
}

/// A producer that writes while the test goes on.
pub struct Producing {
    child: Child,
    feeder: JoinHandle<()>,
    // Read while it writes: a pipe that nobody reads holds 64 KiB, and then the producer stands still.
    said: JoinHandle<String>,
    wrong: JoinHandle<String>,
}

impl Producing {
    /// At most `rate` records a second; 0: all at once.
    pub fn start(bootstrap: &str, topic: &str, records: &[Record], rate: u32) -> Producing {
        Producing::packed("none", bootstrap, topic, records, rate)
    }

    /// The same with batches that are packed by a codec of Kafka: gzip, zstd.
    pub fn packed(
        codec: &str,
        bootstrap: &str,
        topic: &str,
        records: &[Record],
        rate: u32,
    ) -> Producing {
        let mut command = command(&["journal", bootstrap, topic, &rate.to_string()]);
        let mut child = command.env("CLIENT_COMPRESSION", codec).spawn().unwrap();
        let lines: String =
            records.iter().map(|record| format!("{}\n", record.to_line())).collect();
        let mut input = child.stdin.take().unwrap();
        // One that fails early closes its end; what it says about that is the better message.
        let feeder = std::thread::spawn(move || drop(input.write_all(lines.as_bytes())));
        let said = reader(child.stdout.take().unwrap());
        let wrong = reader(child.stderr.take().unwrap());
        Producing { child, feeder, said, wrong }
    }

    /// Waits for the last acknowledgement.
    pub fn finish(mut self, count: usize) -> Vec<Value> {
        let status = self.child.wait().unwrap();
        self.feeder.join().unwrap();
        let (output, wrong) = (self.said.join().unwrap(), self.wrong.join().unwrap());
        assert!(status.success(), "the producer ended with {status}: {wrong}");
        let records: Vec<Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), count, "records acknowledged");
        records
    }
}

/// Reads all that a child writes, as it writes it.
fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// Runs another command of `tests/kafka/client.py`; what it printed.
pub fn admin(arguments: &[&str]) -> String {
    client(arguments, b"")
}

/// The Python that has the clients and the oracle's libraries.
pub fn python() -> &'static Path {
    &broker().python
}

/// The first `count` records of a topic, as JSON: `partition`, `offset`, and `key`, `headers`,
/// `value` or `value_hex` where there are any. Ordered within a partition only.
pub fn consume_with_python(topic: &str, count: usize) -> Vec<Value> {
    let output = client(&["consume", bootstrap(), topic, &count.to_string()], b"");
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The listeners that ask for more, and what they accept.
#[derive(Debug)]
pub struct Listener {
    pub tls: String,
    pub sasl: String,
    pub ca: String,
    /// An authority that signed nothing.
    pub other_ca: String,
    /// Of the user `turnpike`.
    pub password: String,
}

pub fn secured() -> &'static Listener {
    &broker().secured
}

#[derive(Debug)]
struct Broker {
    bootstrap: String,
    secured: Listener,
    python: PathBuf,
}

fn broker() -> &'static Broker {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    match BROKER.get_or_init(find_broker) {
        Ok(broker) => broker,
        Err(reason) => panic!("no Kafka for the tests: {reason}"),
    }
}

fn find_broker() -> Result<Broker, String> {
    if std::env::var_os("TURNPIKE_TEST_KAFKA").is_none() {
        return start_broker();
    }
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    to_broker(variable)
}

/// A broker from what `scripts/kafka` says of it.
fn to_broker(setting: impl Fn(&str) -> Result<String, String>) -> Result<Broker, String> {
    let tls = PathBuf::from(setting("TURNPIKE_TEST_KAFKA_DIR")?).join("tls");
    let path = |name: &str| tls.join(name).to_string_lossy().into_owned();
    let password = std::fs::read_to_string(tls.join("password")).unwrap_or_default();
    Ok(Broker {
        bootstrap: setting("TURNPIKE_TEST_KAFKA")?,
        secured: Listener {
            tls: setting("TURNPIKE_TEST_KAFKA_TLS")?,
            sasl: setting("TURNPIKE_TEST_KAFKA_SASL")?,
            ca: path("ca.pem"),
            other_ca: path("other-ca.pem"),
            password: password.trim().to_owned(),
        },
        python: setting("TURNPIKE_TEST_PYTHON")?.into(),
    })
}

fn start_broker() -> Result<Broker, String> {
    // The script removes the folder when this process ends, however it ends.
    let folder = tempfile::Builder::new()
        .prefix("turnpike-kafka.")
        .tempdir()
        .map_err(|error| format!("no scratch folder: {error}"))?
        .keep();
    let pid = std::process::id().to_string();
    let printed = script("kafka", &["start", &folder.to_string_lossy(), "--until-exit", &pid])?;
    from_settings(&printed)
}

/// Reads what `scripts/kafka start` prints for a shell.
fn from_settings(printed: &str) -> Result<Broker, String> {
    to_broker(|name| {
        printed
            .lines()
            .find_map(|line| line.strip_prefix(&format!("export {name}='"))?.strip_suffix('\''))
            .map(str::to_owned)
            .ok_or_else(|| format!("scripts/kafka printed no {name}"))
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(root().join("scripts").join(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("scripts/{name}: {error}"))?;
    to_text(&output)
}

/// Standard output, or of a failure its last word.
fn to_text(output: &Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(&broker().python);
    command
        .arg(root().join("tests/kafka/client.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn client(arguments: &[&str], input: &[u8]) -> String {
    let mut child = command(arguments)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", broker().python.display()));
    // The client writes nothing before it has read everything, so this cannot block for ever.
    // One that fails early closes its end; what it says about that is the better message.
    let _ = child.stdin.take().unwrap().write_all(input);
    to_text(&child.wait_with_output().unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_reach_the_broker_as_they_were_sent() {
        let topic = unique_topic("harness");
        create_topic(&topic, 2);
        produce_with_python(
            &topic,
            &[
                Record::new("first").key("vm-1").header("ce_id", "1").partition(1),
                Record::new([0xff, 0x00]).partition(1),
                Record::tombstone().key("vm-1").partition(0),
            ],
        );

        let mut seen = consume_with_python(&topic, 3);
        seen.sort_by_key(|record| (record["partition"].as_i64(), record["offset"].as_i64()));
        assert_eq!(
            seen,
            [
                json!({"partition": 0, "offset": 0, "key": "vm-1"}),
                json!({"partition": 1, "offset": 0, "key": "vm-1", "headers": {"ce_id": "1"},
                       "value": "first"}),
                json!({"partition": 1, "offset": 1, "value_hex": "ff00"}),
            ]
        );
    }

    #[test]
    fn settings_are_read_from_what_the_script_prints() {
        let settings = "export TURNPIKE_TEST_KAFKA='127.0.0.1:9'\n\
             export TURNPIKE_TEST_KAFKA_TLS='127.0.0.1:10'\n\
             export TURNPIKE_TEST_KAFKA_SASL='127.0.0.1:11'\n\
             export TURNPIKE_TEST_KAFKA_DIR='/k'\n\
             export TURNPIKE_TEST_PYTHON='/v/python'\n";
        let broker = from_settings(settings).unwrap();
        assert_eq!(broker.bootstrap, "127.0.0.1:9");
        assert_eq!(broker.secured.ca, "/k/tls/ca.pem");
        assert_eq!(broker.python, Path::new("/v/python"));
        let error = from_settings("export TURNPIKE_TEST_KAFKA_DIR='/k'\n").unwrap_err();
        assert_eq!(error, "scripts/kafka printed no TURNPIKE_TEST_KAFKA");
    }
}
