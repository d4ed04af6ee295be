//! [`App`]: what every command is given.
//!
//! Owns: the two runtimes, and how settings become those of the crates below.
//! Does not own: what a command does.
//! Invariants: the engine's threads never answer requests, and those of the pages never rate.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle, Runtime};
use turnpike_books::Books;
use turnpike_ingest::IngestSettings;
use turnpike_lake::{CompactSettings, Lake, LakeSettings};
use turnpike_schemas::meter::MeterCatalogue;

use crate::clock::Clock;
use crate::fault::{Blame as _, Kind};
use crate::output::{self, Format};
use crate::settings::Settings;

/// What every command is given.
#[derive(Clone)]
pub struct App {
    pub settings: Arc<Settings>,
    pub clock: Clock,
    pub format: Format,
    /// Where DataFusion works.
    engine: Handle,
}

/// The threads of the process; they end when this is dropped.
pub struct Runtimes {
    pub main: Runtime,
    engine: Runtime,
}

impl Runtimes {
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        let threads = threads(settings);
        let main = Builder::new_multi_thread()
            .worker_threads(threads.max(2))
            .thread_name("turnpike")
            .enable_all()
            .build()
            .context("starting threads")?;
        let engine = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("turnpike-engine")
            .enable_all()
            .build()
            .context("starting the engine's threads")?;
        Ok(Self { main, engine })
    }

    pub fn engine(&self) -> Handle {
        self.engine.handle().clone()
    }

    /// Ends both without waiting for what still blocks.
    pub fn stop(self) {
        self.engine.shutdown_background();
        self.main.shutdown_background();
    }
}

/// Threads of a rating run.
pub fn threads(settings: &Settings) -> usize {
    match settings.rating.threads {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        given => given,
    }
}

impl App {
    pub fn new(settings: Settings, clock: Clock, format: Format, engine: Handle) -> Self {
        Self { settings: Arc::new(settings), clock, format, engine }
    }

    /// The same with other settings: the demo's.
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    /// Opens the tables, making them where there are none.
    pub async fn lake(&self) -> anyhow::Result<Lake> {
        let data = &self.settings.data;
        let root = data.dir.join("lake");
        let place = format!("the tables in {} could not be opened", root.display());
        let settings = LakeSettings {
            buckets: data.buckets,
            checkpoint_commits: self.settings.lake.checkpoint_commits,
            ..LakeSettings::new(root)
        };
        let lake = Lake::open(settings, self.clock.now()).await.blame(Kind::General, place)?;
        for recovered in lake.recovered() {
            output::note(&format!(
                "recovered: the newest commit of {} (version {}) was torn ({}); it lies in {} and \
                 what it held will be read again",
                recovered.table,
                recovered.version,
                recovered.reason,
                recovered.moved_to.display()
            ));
        }
        Ok(lake)
    }

    /// Opens the books, making and migrating them where needed.
    pub async fn books(&self) -> anyhow::Result<Books> {
        let data = &self.settings.data;
        std::fs::create_dir_all(&data.dir)
            .with_context(|| format!("making the folder {}", data.dir.display()))?;
        let url = &self.settings.books.url;
        // A file beside us that cannot be opened is an error; a server that cannot is down.
        let kind = if url.starts_with("sqlite:") { Kind::General } else { Kind::Dependency };
        Books::open(url).await.blame(kind, "the books could not be opened")
    }

    /// Ingest's settings with the meters of the book, or the built-in ones before there is a book.
    pub async fn ingest_settings(&self, books: &Books) -> anyhow::Result<IngestSettings> {
        let meters = match books.newest_book().await.context("reading the book")? {
            Some(newest) => newest.book.meters,
            None => MeterCatalogue::builtin(),
        };
        Ok(self.ingest_settings_with(meters))
    }

    /// Whether there are books to open; opening them would make them.
    pub fn has_books(&self) -> bool {
        let path = self.settings.books.url.strip_prefix("sqlite:");
        path.is_none_or(|path| std::path::Path::new(path).exists())
    }

    /// Ingest's settings with these meters.
    pub fn ingest_settings_with(&self, meters: MeterCatalogue) -> IngestSettings {
        let ingest = &self.settings.ingest;
        IngestSettings {
            meters,
            bytes_max: ingest.message_bytes_max,
            flush_bytes: ingest.flush_bytes,
            flush_rows: ingest.flush_rows,
            filter_events_max: ingest.filter_events_max,
            pins: Arc::new(ingest.pins.clone()),
            at: None,
        }
    }

    pub fn compact_settings(&self) -> CompactSettings {
        CompactSettings::default()
    }

    /// How long files are kept that a newer version of a table replaced.
    pub fn vacuum_retention(&self) -> Duration {
        Duration::from_secs(self.settings.lake.vacuum_retention_hours * 3_600)
    }

    /// Runs heavy work on the engine's threads; the caller only waits.
    pub async fn on_engine<T, F>(&self, work: F) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        self.engine.spawn(work).await.context("the engine's task ended early")?
    }
}
