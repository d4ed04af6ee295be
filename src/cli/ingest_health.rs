//! Health and metrics of a consumer that is no server: `ingest --from kafka` with `ingest.listen`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use turnpike_books::Books;
use turnpike_ingest::http::Submitter;
use turnpike_ingest::{IngestMetrics, IngestSettings};
use turnpike_lake::Lake;
use turnpike_web::{Metrics, ServeError, StatusBoard, WebState};

use crate::app::App;
use crate::cli::serve::web_settings;
use crate::output;
use crate::scheduler::{self, Stopper};

/// Answers until it is finished.
pub struct Health {
    board: Arc<StatusBoard>,
    stopper: Stopper,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Health {
    pub fn start(
        app: &App,
        (lake, books): (&Lake, &Books),
        settings: &IngestSettings,
        counted: &Arc<IngestMetrics>,
        address: SocketAddr,
    ) -> anyhow::Result<Health> {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener =
            listener.with_context(|| format!("{address} cannot be listened on (ingest.listen)"))?;
        let board = Arc::new(StatusBoard::default());
        let metrics = Metrics::new();
        let sources = vec![("kafka", Arc::clone(counted))];
        metrics.ingest(sources.clone());
        let (stopper, stop) = scheduler::stop_pair();
        scheduler::spawn_watch(lake, sources, &board, &stop);
        let clock = app.clock.to_fn();
        let state = WebState {
            books: books.clone(),
            lake: lake.clone(),
            clock: Arc::clone(&clock),
            settings: web_settings(app)?,
            status: Arc::clone(&board) as Arc<dyn turnpike_web::Status>,
            metrics,
            submitter: Submitter::closed(settings.clone(), clock),
        };
        let mut stopped = stop;
        let served = turnpike_web::serve_admin(state, listener, async move {
            stopped.stopped().await;
        });
        output::note(&format!("health and metrics at http://{address}/"));
        Ok(Health { board, stopper, served: tokio::spawn(served) })
    }

    /// What `/readyz` says from the first signal on.
    pub fn board(&self) -> Arc<StatusBoard> {
        Arc::clone(&self.board)
    }

    pub async fn finish(self) -> anyhow::Result<()> {
        self.stopper.stop();
        self.served.await.context("serving health and metrics")?.context("serving health")
    }
}
