//! Every setting there is: its key, its default and what it means.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    /// What holds where no layer says otherwise; empty: not set.
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// In the order in which `config show` prints them.
pub const KEYS: &[Key] = &[
    key("data.dir", "./turnpike-data", "folder of the tables and of the embedded database"),
    key("data.buckets", "64", "parts in which resources are metered; fixed when tables are made"),
    key(
        "lake.vacuum_retention_hours",
        "168",
        "hours for which files that a newer version replaced are kept; at least 1",
    ),
    key(
        "lake.checkpoint_commits",
        "100",
        "commits of a table between two checkpoints, which compaction writes",
    ),
    key("books.url", "", "sqlite:PATH or postgres://...; empty: sqlite in data.dir"),
    key("kafka.bootstrap", "", "brokers as host:port,host:port; empty: no Kafka"),
    key("kafka.topics", "", "topics to read, separated by commas"),
    key("kafka.group", "turnpike", "consumer group"),
    key(
        "kafka.epoch",
        "0",
        "raise it when a topic was deleted and created anew under its old name",
    ),
    key("kafka.start", "", "earliest or latest: where a topic is read from the first time"),
    key("kafka.security_protocol", "", "plaintext, ssl, sasl_plaintext or sasl_ssl"),
    key("kafka.sasl_mechanism", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    key("kafka.username", "", "name at the brokers"),
    key("kafka.password", "", "password at the brokers"),
    key("kafka.password_file", "", "file that holds the password, instead of kafka.password"),
    key(
        "kafka.ca_file",
        "",
        "PEM file of who signs the brokers' certificates; empty: the system's",
    ),
    key("kafka.certificate_file", "", "PEM file of our own certificate, for mutual TLS"),
    key("kafka.key_file", "", "PEM file of its private key"),
    key(
        "kafka.on_gap",
        "stop",
        "stop or record: what happens where retention removed events before they were read",
    ),
    key("kafka.instance", "", "name of this member of the group, kept over restarts; empty: none"),
    key("ingest.flush_ms", "1000", "milliseconds after which a batch is committed"),
    key("ingest.flush_bytes", "67108864", "bytes after which a batch is committed"),
    key("ingest.flush_rows", "65536", "events after which a batch is committed"),
    key("ingest.message_bytes_max", "1048576", "a larger message is a dead letter"),
    key("ingest.filter_events_max", "500000", "events that the duplicate filter remembers"),
    key("ingest.listen", "", "address of health and metrics of `ingest --from kafka`; empty: none"),
    key("ingest.adapter", "", "adapter that reads every message; empty: content decides"),
    key(
        "ingest.adapters_by_topic",
        "",
        "topic=adapter,...: the adapter of a Kafka topic; the content decides of all others",
    ),
    key(
        "ingest.installation",
        "",
        "names the system that messages come from where their format does not (docs/mappings.md)",
    ),
    key("ingest.installations_by_topic", "", "topic=name,...: the installation of a Kafka topic"),
    key("http.node", "local", "names this machine among others that write the same tables"),
    key("http.body_bytes_max", "16777216", "a larger body is refused; of a packed one, unpacked"),
    key("http.items_max", "10000", "a body with more items is refused"),
    key("http.queue_bytes_max", "67108864", "bytes that may wait for a commit; more is refused"),
    key("http.flush_ms", "50", "least milliseconds from one commit to the next"),
    key("ingest.mappings_dir", "", "folder of further mappings (*.toml, docs/mappings.md)"),
    key("rating.threads", "0", "threads of a rating run; 0: one per core"),
    key("rating.batch_rows", "8192", "rows per batch of the engine"),
    key("rating.memory_mb", "512", "memory that the engine may take before it spills"),
    key(
        "scheduler.compact_seconds",
        "60",
        "age of the oldest new events at which they are compacted while serving; 0: never",
    ),
    key("scheduler.compact_rows", "500000", "so many new events are compacted at once"),
    key("scheduler.compact_bytes", "268435456", "so many new bytes are compacted at once"),
    key(
        "scheduler.merge_seconds",
        "3600",
        "pause between merges of each bucket's files of past months while serving; 0: never",
    ),
    key("scheduler.vacuum_seconds", "86400", "pause between vacuums while serving; 0: never"),
    key("scheduler.rate_seconds", "300", "pause between ratings of the running month; 0: never"),
    key("scheduler.draft", "true", "draft the running month's invoices after each rating"),
    key("web.listen", "127.0.0.1:8080", "address of the pages"),
    key("web.admin_listen", "", "address of health and metrics; empty: with the pages"),
    key("web.public_url", "", "where people reach the pages, such as https://billing.example"),
    key("web.operator_token", "", "what operators sign in with; needed to listen beyond loopback"),
    key("web.session_hours", "12", "how long somebody stays signed in"),
    key("web.portal_link_days", "30", "how long a customer's portal link can be used"),
    key("web.workers", "2", "threads that answer requests"),
    key("web.drain_seconds", "30", "seconds that running requests get after SIGTERM"),
    key("log.level", "info", "error, warn, info, debug or trace, or a tracing filter"),
    key("log.format", "text", "text or json"),
];

/// Options passed on to librdkafka: `kafka.options.security.protocol = "SSL"`.
pub const KAFKA_OPTIONS: &str = "kafka.options.";

pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key nearest to a misspelt one, for the error's advice.
pub fn nearest(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|key| (distance(name, key.name), key.name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}

/// Levenshtein distance; names are short, so the square table costs nothing.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
