//! What `serve` does in the background: ingest, compact, rate, draft.
//!
//! Owns: when each job runs, how failures are retried, how all of them are stopped.
//! Does not own: what a job does.
//! Invariants: one compaction and one rating at a time; a failed job is reported and tried again at
//! its next turn, never in a tight loop; after a stop no job begins.

mod background;
mod source;

use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// SIGTERM and ctrl-c, from when this is made: none is missed between the first and the second.
#[derive(Debug)]
pub struct StopAsked {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl StopAsked {
    pub fn listen() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()).ok(),
            interrupt: signal(SignalKind::interrupt()).ok(),
        }
    }

    /// Ready at the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.terminate) => {}
            () = received(&mut self.interrupt) => {}
        }
    }

    /// Ends the process, whatever it waits for, at the next signal.
    pub fn end_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(STOPPED_AT_ONCE);
        });
    }
}

/// The exit code of a process that was asked twice, as a shell has it for an interrupt.
const STOPPED_AT_ONCE: i32 = 130;

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
