//! What `serve` does in the background: ingest, compact, rate, draft.
//!
//! Owns: when each job runs, how failures are retried, how all of them are stopped.
//! Does not own: what a job does.
//! Invariants: one compaction and one rating at a time; a failed job is reported and tried again at
//! its next turn, never in a tight loop; after a stop no job begins.

mod background;
mod source;

use tokio::sync::watch;

pub use background::spawn;
pub use source::{spawn as spawn_kafka, watch as spawn_watch};

/// Tells all jobs to stop; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// The one who can stop them.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// A stop signal and its hand.
pub fn stop_pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Ready once everything is to stop.
    pub async fn stopped(&mut self) {
        // An error means that the hand is gone, which is a stop as well.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }
}

/// Ready at SIGTERM or ctrl-c.
pub async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
