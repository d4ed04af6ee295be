//! Settings: one struct per topic, built from layers.
//!
//! Owns: defaults, `turnpike.toml`, `TURNPIKE__SECTION__KEY`, flags, and where each value is from.
//! Does not own: the settings types of the crates below; they are filled from these.
//! Invariants: defaults < file < environment < flags; unknown keys and bad values are all reported
//! at once, before anything is opened; no secret has a default, none is printed.

pub mod keys;
pub mod layers;
mod pins;
mod security;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use keys::KAFKA_OPTIONS;
use layers::{Layers, Value};
use turnpike_ingest::{Pins, adapters};

use crate::fault::{Kind, fault};

/// Where data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSettings {
    pub dir: PathBuf,
    pub buckets: u32,
}

/// How the tables are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeSettings {
    pub vacuum_retention_hours: u64,
    /// Commits of a table between two checkpoints.
    pub checkpoint_commits: i64,
}

/// The database of the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksSettings {
    pub url: String,
}

/// Which topics are read, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Empty: no Kafka.
    pub bootstrap: String,
    pub topics: Vec<String>,
    pub group: String,
    pub epoch: u32,
    /// `earliest` or `latest`.
    pub start: Option<String>,
    /// `stop` or `record`.
    pub on_gap: Option<String>,
    pub instance: Option<String>,
    pub options: BTreeMap<String, String>,
}

/// Batches and limits of ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestSettings {
    pub flush_ms: u64,
    pub flush_bytes: usize,
    pub flush_rows: usize,
    pub message_bytes_max: usize,
    pub filter_events_max: usize,
    /// Which adapter reads, where the content shall not decide.
    pub pins: Pins,
    /// Where `ingest --from kafka` answers for its health.
    pub listen: Option<SocketAddr>,
}

/// What is taken by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    pub node: String,
    pub body_bytes_max: usize,
    pub items_max: usize,
    pub queue_bytes_max: usize,
    pub flush_ms: u64,
}

/// The engine of a rating run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingSettings {
    pub threads: usize,
    pub batch_rows: usize,
    pub memory_bytes: usize,
}

/// What `serve` does in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerSettings {
    /// Age of the oldest new events; 0: never.
    pub compact_seconds: u64,
    /// New events, or bytes of them, that wait for no age.
    pub compact_rows: u64,
    pub compact_bytes: u64,
    /// Seconds; 0: never.
    pub merge_seconds: u64,
    /// Seconds; 0: never.
    pub vacuum_seconds: u64,
    /// Seconds; 0: never.
    pub rate_seconds: u64,
    pub draft: bool,
}

/// Where pages are served.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSettings {
    pub listen: SocketAddr,
    pub admin_listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    /// Never printed.
    pub operator_token: Option<String>,
    pub session_hours: u32,
    pub portal_link_days: u32,
    pub workers: usize,
    pub drain_seconds: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub level: String,
    pub json: bool,
}

/// All settings.
#[derive(Clone)]
pub struct Settings {
    pub data: DataSettings,
    pub lake: LakeSettings,
    pub books: BooksSettings,
    pub kafka: KafkaSettings,
    pub ingest: IngestSettings,
    pub http: HttpSettings,
    pub rating: RatingSettings,
    pub scheduler: SchedulerSettings,
    pub web: WebSettings,
    pub log: LogSettings,
    /// Every value with its origin, for `config show`.
    pub values: BTreeMap<String, Value>,
}

/// The file that is read where `--config` names none.
pub const FILE_NAME: &str = "turnpike.toml";

/// Reads all layers.
pub fn load<'a>(
    config: Option<&Path>,
    flags: impl IntoIterator<Item = (&'a str, &'a str, String)>,
) -> anyhow::Result<Settings> {
    let mut layers = Layers::defaults();
    let path = config.map_or_else(|| PathBuf::from(FILE_NAME), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => layers.add_file(&path, &text),
        Err(error) if config.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => layers.problems.push(format!("{}: {error}", path.display())),
    }
    layers.add_environment(std::env::vars());
    layers.add_flags(flags);
    from_layers(layers)
}

/// Parses the values of all layers; every problem is reported.
pub fn from_layers(layers: Layers) -> anyhow::Result<Settings> {
    let mut reader = Reader { values: &layers.values, problems: layers.problems.clone() };
    // Before the pins, which may name an adapter that is a mapping.
    reader.mappings();
    let data = DataSettings {
        dir: PathBuf::from(reader.required("data.dir")),
        buckets: reader.number("data.buckets", 1, 4_096),
    };
    let lake = LakeSettings {
        vacuum_retention_hours: reader.number("lake.vacuum_retention_hours", 1, 24 * 3_660),
        checkpoint_commits: reader.number("lake.checkpoint_commits", 1, 1 << 20),
    };
    let books = BooksSettings { url: reader.books_url(&data.dir) };
    let settings = Settings {
        lake,
        books,
        kafka: reader.kafka(),
        ingest: IngestSettings {
            flush_ms: reader.number("ingest.flush_ms", 1, 600_000),
            flush_bytes: reader.number("ingest.flush_bytes", 1_024, 1 << 30),
            flush_rows: reader.number("ingest.flush_rows", 1, 1 << 22),
            message_bytes_max: reader.number("ingest.message_bytes_max", 1_024, 1 << 30),
            filter_events_max: reader.number("ingest.filter_events_max", 0, 100_000_000),
            pins: reader.pins(),
            listen: reader.address("ingest.listen"),
        },
        http: reader.http(),
        rating: RatingSettings {
            threads: reader.number("rating.threads", 0, 1_024),
            batch_rows: reader.number("rating.batch_rows", 1, 1 << 20),
            memory_bytes: reader.number("rating.memory_mb", 16_usize, 1 << 20) << 20,
        },
        scheduler: SchedulerSettings {
            compact_seconds: reader.number("scheduler.compact_seconds", 0, 86_400),
            compact_rows: reader.number("scheduler.compact_rows", 1, 1 << 40),
            compact_bytes: reader.number("scheduler.compact_bytes", 1, 1 << 50),
            merge_seconds: reader.number("scheduler.merge_seconds", 0, 365 * 86_400),
            vacuum_seconds: reader.number("scheduler.vacuum_seconds", 0, 365 * 86_400),
            rate_seconds: reader.number("scheduler.rate_seconds", 0, 86_400),
            draft: reader.number("scheduler.draft", false, true),
        },
        web: WebSettings {
            listen: reader
                .address("web.listen")
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            admin_listen: reader.address("web.admin_listen"),
            public_url: reader.text("web.public_url"),
            operator_token: reader.text("web.operator_token"),
            session_hours: reader.number("web.session_hours", 1, 24 * 31),
            portal_link_days: reader.number("web.portal_link_days", 1, 3_660),
            workers: reader.number("web.workers", 1, 256),
            drain_seconds: reader.number("web.drain_seconds", 0, 30),
        },
        log: LogSettings {
            level: reader.required("log.level"),
            json: reader.word("log.format", &["text", "json"]).as_deref() == Some("json"),
        },
        data,
        values: layers.values.clone(),
    };
    match reader.problems.as_slice() {
        [] => Ok(settings),
        [only] => Err(fault(Kind::Config, only.clone())),
        many => {
            let list = many.join("\n  ");
            Err(fault(Kind::Config, format!("{} settings are wrong:\n  {list}", many.len())))
        }
    }
}

struct Reader<'a> {
    values: &'a BTreeMap<String, Value>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|value| value.text.clone()).filter(|text| !text.is_empty())
    }

    fn problem(&mut self, key: &str, wrong: &str) {
        let origin = self.values.get(key).map(|value| value.origin.to_string());
        let origin = origin.unwrap_or_default();
        self.problems.push(format!("{origin}: `{key}` {wrong}"));
    }

    fn required(&mut self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.problem(key, "is empty");
            String::new()
        })
    }

    /// A value within limits; the least of them stands in for a bad one, which is reported anyway.
    fn number<T: FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        least: T,
        most: T,
    ) -> T {
        let text = self.text(key).unwrap_or_default();
        match text.parse::<T>() {
            Ok(number) if number >= least && number <= most => number,
            _ => {
                self.problem(key, &format!("is `{text}`; it goes from {least} to {most}"));
                least
            }
        }
    }

    fn word(&mut self, key: &str, words: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if !words.contains(&text.as_str()) {
            self.problem(key, &format!("is `{text}`; it is one of: {}", words.join(", ")));
        }
        Some(text)
    }

    fn address(&mut self, key: &str) -> Option<SocketAddr> {
        let text = self.text(key)?;
        // A bare port listens on this machine only.
        let full = if text.contains(':') { text.clone() } else { format!("127.0.0.1:{text}") };
        let full = full.replace("localhost:", "127.0.0.1:");
        match full.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.problem(key, &format!("is `{text}`; it is an address such as 0.0.0.0:8080"));
                None
            }
        }
    }

    fn books_url(&mut self, dir: &Path) -> String {
        match self.text("books.url") {
            None => format!("sqlite:{}", dir.join("books.sqlite").display()),
            Some(url) => {
                let known = ["sqlite:", "postgres://", "postgresql://"];
                if !known.iter().any(|scheme| url.starts_with(scheme)) {
                    self.problem("books.url", "starts with none of: sqlite:, postgres://");
                }
                url
            }
        }
    }

    fn http(&mut self) -> HttpSettings {
        let node = self.required("http.node");
        if !node.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.') {
            self.problem("http.node", "holds more than letters, digits, `-` and `.`");
        }
        let http = HttpSettings {
            node,
            body_bytes_max: self.number("http.body_bytes_max", 1_024, 1 << 30),
            items_max: self.number("http.items_max", 1, 1_000_000),
            queue_bytes_max: self.number("http.queue_bytes_max", 1 << 20, 1 << 34),
            flush_ms: self.number("http.flush_ms", 0, 60_000),
        };
        if http.queue_bytes_max < http.body_bytes_max {
            self.problem("http.queue_bytes_max", "is less than `http.body_bytes_max`");
        }
        http
    }

    /// Adapters that are data: an operator's folder of them joins those of the program.
    fn mappings(&mut self) {
        let Some(folder) = self.text("ingest.mappings_dir") else { return };
        let reserved: Vec<&str> = adapters::WRITTEN.iter().map(|adapter| adapter.name()).collect();
        for problem in
            adapters::mapped::install(Path::new(&folder), &reserved).err().iter().flatten()
        {
            self.problem("ingest.mappings_dir", &format!("cannot be used: {problem}"));
        }
    }

    fn pins(&mut self) -> Pins {
        let by_topic = self.text("ingest.adapters_by_topic").unwrap_or_default();
        let parsed = pins::parse(self.text("ingest.adapter"), &by_topic);
        let mut pins = parsed.unwrap_or_else(|(key, problem)| {
            self.problem(key, &problem);
            Pins::default()
        });
        let by_topic = self.text("ingest.installations_by_topic").unwrap_or_default();
        let installation = self.text("ingest.installation");
        if let Err((key, problem)) = pins::add_installations(&mut pins, installation, &by_topic) {
            self.problem(key, &problem);
        }
        pins
    }

    fn kafka(&mut self) -> KafkaSettings {
        let topics = self.text("kafka.topics").unwrap_or_default();
        let options = self.values.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix(KAFKA_OPTIONS)?.to_owned(), value.text.clone()))
        });
        let options: BTreeMap<String, String> = options.collect();
        let read = |path: &Path| std::fs::read_to_string(path);
        let security = security::properties(&|key| self.text(key), &options, &read);
        for (key, problem) in &security.problems {
            self.problem(key, problem);
        }
        let kafka = KafkaSettings {
            bootstrap: self.text("kafka.bootstrap").unwrap_or_default(),
            topics: topics
                .split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            group: self.required("kafka.group"),
            epoch: self.number("kafka.epoch", 0, 1_000_000),
            start: self.word("kafka.start", &["earliest", "latest"]),
            options: security.properties,
            on_gap: self.word("kafka.on_gap", &["stop", "record"]),
            instance: self.text("kafka.instance"),
        };
        if kafka.bootstrap.is_empty() && !kafka.topics.is_empty() {
            self.problem("kafka.topics", "is set, but `kafka.bootstrap` is not");
        }
        kafka
    }
}

/// A value as it may be shown: passwords and keys are not.
pub fn shown(key: &str, text: &str) -> String {
    let secret = ["password", "secret", "token", "ssl.key.pem", "sasl.jaas"];
    let is_path = key.ends_with("_file");
    if !is_path && secret.iter().any(|word| key.contains(word)) && !text.is_empty() {
        return "***".to_owned();
    }
    // postgres://user:password@host
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((front, host))) => {
            let credentials = &front[scheme.len() + 3..];
            let user = credentials.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use layers::Origin;

    fn layered(file: &str, variables: &[(&str, &str)], listen: Option<&str>) -> Layers {
        let mut layers = Layers::defaults();
        layers.add_file(Path::new("turnpike.toml"), file);
        layers.add_environment(
            variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
        );
        layers.add_flags(listen.map(|text| ("web.listen", "--listen", text.to_owned())));
        layers
    }

    #[test]
    fn each_layer_covers_the_one_below() {
        let file = "[web]\nlisten = \"127.0.0.1:1\"\n[ingest]\nflush_ms = 5\n";
        let check = |variables: &[(&str, &str)], flag: Option<&str>, port: u16, origin: &str| {
            let settings = from_layers(layered(file, variables, flag)).expect("settings");
            assert_eq!(settings.web.listen.port(), port);
            assert_eq!(settings.values["web.listen"].origin.to_string(), origin);
            assert_eq!(settings.ingest.flush_ms, 5);
            assert_eq!(settings.values["data.dir"].origin, Origin::Default);
        };
        check(&[], None, 1, "turnpike.toml");
        check(&[("TURNPIKE__WEB__LISTEN", "0.0.0.0:2")], None, 2, "TURNPIKE__WEB__LISTEN");
        check(&[("TURNPIKE__WEB__LISTEN", "0.0.0.0:2")], Some("3"), 3, "--listen");
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let file = "[ingest]\nflush_msec = 1\n[data]\nbuckets = 0\n[kafka]\nstart = \"first\"\n";
        let variables = [("TURNPIKE__WEB__LISTEN", "nowhere:x"), ("TURNPIKE__X", "1")];
        let error = from_layers(layered(file, &variables, None)).err().expect("problems");
        let text = error.to_string();
        assert!(text.starts_with("5 settings are wrong:"), "{text}");
        for part in [
            "`ingest.flush_msec`; did you mean `ingest.flush_ms`?",
            "`data.buckets` is `0`",
            "`kafka.start` is `first`",
            "`web.listen` is `nowhere:x`",
            "`x`",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(crate::fault::kind_of(&error), Kind::Config);
    }

    #[test]
    fn a_file_that_is_no_toml_names_its_line() {
        let error = from_layers(layered("[web]\nlisten = \n", &[], None)).err().expect("problem");
        assert!(error.to_string().starts_with("turnpike.toml:2: "), "{error}");
    }

    #[test]
    fn options_reach_librdkafka_and_secrets_stay_hidden() {
        let variables = [("TURNPIKE__KAFKA__OPTIONS__SASL_PASSWORD", "hush")];
        let file = "[kafka.options]\n\"security.protocol\" = \"SSL\"\n";
        let settings = from_layers(layered(file, &variables, None)).expect("settings");
        assert_eq!(settings.kafka.options["security.protocol"], "SSL");
        assert_eq!(settings.kafka.options["sasl.password"], "hush");
        assert_eq!(shown("kafka.options.sasl.password", "hush"), "***");
        assert_eq!(shown("books.url", "postgres://me:hush@db/books"), "postgres://me:***@db/books");
        assert_eq!(shown("books.url", "sqlite:x"), "sqlite:x");
        assert_eq!(shown("kafka.password", "hush"), "***");
        assert_eq!(shown("kafka.password_file", "/run/secrets/kafka"), "/run/secrets/kafka");
    }
}
