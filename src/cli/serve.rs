//! `turnpike serve`: pages, and everything behind them.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::task::JoinHandle;
use turnpike_books::Books;
use turnpike_ingest::http::{Slot, SubmitSettings, SubmitWriter, Submitter};
use turnpike_ingest::{IngestMetrics, IngestSettings};
use turnpike_lake::Lake;
use turnpike_web::{Metrics, Secret, StatusBoard, WebSettings, WebState};

use crate::app::App;
use crate::cli::ingest::kafka_settings;
use crate::fault::{Blame as _, Kind};
use crate::output;
use crate::scheduler::{self, StopAsked};

/// Serves the pages; ingests, compacts, rates and drafts in the background
#[derive(Debug, Args)]
pub struct Serve {
    /// Address of the pages; a port alone means this machine only [web.listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

/// Everything has ended this long after a stop was asked for.
const STOP_SECONDS: u64 = 30;

impl Serve {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let lake = app.lake().await?;
        let books = app.books().await?;
        let listener = bind(app)?;
        output::note(&format!("turnpike serves http://{}/", app.settings.web.listen));
        serve(app, lake, books, listener).await
    }
}

/// Binds the address of the pages.
pub fn bind(app: &App) -> anyhow::Result<TcpListener> {
    let address = app.settings.web.listen;
    let listener = TcpListener::bind(address).blame(
        Kind::General,
        format!("{address} cannot be listened on (--listen takes another)"),
    )?;
    listener.set_nonblocking(true).context("preparing the listener")?;
    Ok(listener)
}

/// Serves until SIGTERM or ctrl-c, then drains.
pub async fn serve(
    app: &App,
    lake: Lake,
    books: Books,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let admin = app.settings.web.admin_listen.map(|address| {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listener.with_context(|| format!("{address} cannot be listened on"))
    });
    let admin = admin.transpose()?;
    let board = Arc::new(StatusBoard::default());
    let newest = books.latest_run(&turnpike_schemas::Scope::Provider, None).await;
    if let Some(newest) = newest.context("looking for the newest run")? {
        board.update(|status| status.rated_as_of = Some(newest.record.as_of));
    }
    let (stopper, stop) = scheduler::stop_pair();
    let mut tasks = scheduler::spawn(app, &lake, &books, &board, &stop);
    let metrics = Metrics::new();
    let (submitter, writer) =
        start_sources(app, &lake, &books, (&board, &metrics), &stop, &mut tasks).await?;
    let state = WebState {
        books: books.clone(),
        lake,
        clock: app.clock.to_fn(),
        settings: web_settings(app)?,
        status: Arc::clone(&board) as Arc<dyn turnpike_web::Status>,
        metrics,
        submitter,
    };
    let signalled = {
        let board = Arc::clone(&board);
        let mut asked = StopAsked::listen();
        async move {
            asked.next().await;
            output::note("stopping: no new work; ctrl-c again ends at once");
            board.update(|status| status.draining = true);
            stopper.stop();
            asked.end_at_next();
        }
    };
    let served = turnpike_web::serve(state, listener, admin, signalled).await;
    // Requests have ended; what they have submitted is committed before anything else closes.
    writer.finish().await;
    served.context("serving pages")?;
    let ended = futures::future::join_all(tasks);
    if tokio::time::timeout(Duration::from_secs(STOP_SECONDS), ended).await.is_err() {
        output::note("stopped without waiting for a job that takes longer than 30 s");
    }
    books.close().await;
    Ok(())
}

/// Starts what takes events in: HTTP, and Kafka where there are brokers.
async fn start_sources(
    app: &App,
    lake: &Lake,
    books: &Books,
    (board, metrics): (&Arc<StatusBoard>, &Metrics),
    stop: &scheduler::Stop,
    tasks: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<(Submitter, SubmitWriter)> {
    let ingest = app.ingest_settings(books).await?;
    let counted = Arc::new(IngestMetrics::default());
    let mut sources = vec![("http", Arc::clone(&counted))];
    let submitter = submitter(app, lake, books, ingest.clone(), counted).await?;
    if !app.settings.kafka.bootstrap.is_empty() {
        let counted = Arc::new(IngestMetrics::default());
        sources.push(("kafka", Arc::clone(&counted)));
        let settings = kafka_settings(&app.settings, ingest)?;
        tasks.push(scheduler::spawn_kafka(app, lake, settings, counted, board, stop));
    }
    tasks.push(scheduler::spawn_watch(lake, sources.clone(), board, stop));
    metrics.ingest(sources);
    Ok(submitter)
}

/// Where events go that come by HTTP, under an app id that is this process's own.
async fn submitter(
    app: &App,
    lake: &Lake,
    books: &Books,
    ingest: IngestSettings,
    metrics: Arc<IngestMetrics>,
) -> anyhow::Result<(Submitter, SubmitWriter)> {
    let http = &app.settings.http;
    let slot = Slot::take(&app.settings.data.dir, &http.node)?;
    let cut_off = books.abandon_requests_of(slot.origin()).await;
    cut_off.context("forgetting requests that were cut off")?;
    let settings = SubmitSettings {
        queue_bytes_max: http.queue_bytes_max,
        flush_interval: Duration::from_millis(http.flush_ms),
        ..SubmitSettings::new(ingest)
    };
    Ok(Submitter::start(lake.clone(), slot, &settings, app.clock.to_fn(), metrics))
}

/// The pages' settings, with the secret of this installation.
pub fn web_settings(app: &App) -> anyhow::Result<WebSettings> {
    let web = &app.settings.web;
    let portal_secret = portal_secret(&app.settings.data.dir)?;
    let operator_token = web.operator_token.as_ref().map(Secret::new).transpose();
    Ok(WebSettings {
        operator_token: operator_token.blame(Kind::Config, "web.operator_token")?,
        public_url: web.public_url.clone(),
        session_hours: web.session_hours,
        portal_link_days: web.portal_link_days,
        drain_seconds: web.drain_seconds,
        workers: web.workers,
        body_bytes_max: app.settings.http.body_bytes_max,
        items_max: app.settings.http.items_max,
        version: env!("CARGO_PKG_VERSION"),
        ..WebSettings::new(portal_secret)
    })
}

/// The secret that signs portal links: made once, readable by this user only.
fn portal_secret(dir: &Path) -> anyhow::Result<Secret> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join("portal.secret");
    let place = || format!("the secret in {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => Secret::new(text.trim()).with_context(place),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = Secret::generate().with_context(place)?;
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(&path).with_context(place)?;
            file.write_all(secret.expose().as_bytes()).with_context(place)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(place),
    }
}
