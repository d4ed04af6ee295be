//! [`Status`]: what the serving process knows about its own work, as the root reports it.

use std::sync::RwLock;

use turnpike_schemas::Instant;

/// How far one source has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceStatus {
    /// Such as `kafka:usage/0` or `file:october.jsonl`.
    pub name: String,
    /// The next position to read.
    pub position: i64,
    /// Positions the source is ahead; `None` where it has no end to compare with.
    pub lag: Option<i64>,
    /// Time of the newest event committed of it since the process has it.
    pub watermark: Option<Instant>,
}

/// A background job: `ingest`, `compact`, `rate`, `draft`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobStatus {
    pub name: &'static str,
    pub runs: u64,
    pub failures: u64,
    pub last_started: Option<Instant>,
    pub last_duration_ms: Option<u64>,
    /// Of the last run, where it failed. Shown to operators.
    pub last_error: Option<String>,
}

/// Events since the process started. `read = accepted + duplicate + conflict + dead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngestCounts {
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub dead: u64,
    pub commits: u64,
    pub bytes: u64,
}

/// One look at the process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceStatus {
    /// The process is stopping: `/readyz` says so, running requests end.
    pub draining: bool,
    /// Why nothing can be served now. Not for a failed job: that is shown and counted.
    pub problems: Vec<String>,
    /// What the newest rating of the running month looked at: nothing is billed past it.
    pub rated_as_of: Option<Instant>,
    pub sources: Vec<SourceStatus>,
    pub jobs: Vec<JobStatus>,
    pub ingest: IngestCounts,
    /// What waits for compaction.
    pub backlog: Option<turnpike_lake::Backlog>,
}

impl ServiceStatus {
    /// The event time that every source has reached: the least of those that are behind, unknown
    /// while one of these has not committed anything. A source that was read to its end holds nothing
    /// back, however long ago its last event was; where all are, it is the newest of all.
    pub fn watermark(&self) -> Option<Instant> {
        let is_behind = |source: &&SourceStatus| source.lag.is_none_or(|lag| lag > 0);
        let mut behind = self.sources.iter().filter(is_behind).peekable();
        match behind.peek() {
            Some(_) => behind.map(|source| source.watermark).min().flatten(),
            None => self.sources.iter().filter_map(|source| source.watermark).max(),
        }
    }

    /// Positions all sources together are ahead.
    pub fn lag(&self) -> Option<i64> {
        let known: Vec<i64> = self.sources.iter().filter_map(|source| source.lag).collect();
        (!known.is_empty()).then(|| known.iter().fold(0_i64, |sum, lag| sum.saturating_add(*lag)))
    }
}

/// Asked on every look at the overview, `/readyz` and `/metrics`: must not block.
pub trait Status: Send + Sync {
    fn look(&self) -> ServiceStatus;
}

/// A [`Status`] that jobs write to.
#[derive(Debug, Default)]
pub struct StatusBoard(RwLock<ServiceStatus>);

impl StatusBoard {
    pub fn update(&self, change: impl FnOnce(&mut ServiceStatus)) {
        // A panic of a writer leaves plain numbers behind, never half a state.
        let mut status = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut status);
    }

    /// Notes a finished run of a job.
    pub fn job_done(
        &self,
        name: &'static str,
        started: Instant,
        duration_ms: u64,
        error: Option<String>,
    ) {
        self.update(|status| {
            let known = status.jobs.iter().position(|job| job.name == name);
            let index = known.unwrap_or_else(|| {
                status.jobs.push(JobStatus { name, ..JobStatus::default() });
                status.jobs.len().saturating_sub(1)
            });
            let job = &mut status.jobs[index];
            job.runs = job.runs.saturating_add(1);
            job.failures = job.failures.saturating_add(u64::from(error.is_some()));
            job.last_started = Some(started);
            job.last_duration_ms = Some(duration_ms);
            job.last_error = error;
        });
    }
}

impl Status for StatusBoard {
    fn look(&self) -> ServiceStatus {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_is_that_of_the_source_that_is_furthest_behind() {
        /// Lag, and the day of the newest event.
        type Source = (Option<i64>, Option<u32>);
        // Sources, and the day that all have reached.
        let cases: [(&[Source], Option<u32>); 7] = [
            (&[], None),
            (&[(Some(5), Some(3)), (Some(1), Some(9))], Some(3)),
            // Idle and read to its end: its last event may be long ago.
            (&[(Some(0), Some(1)), (Some(1), Some(9))], Some(9)),
            (&[(Some(0), None), (Some(1), Some(9))], Some(9)),
            (&[(Some(0), Some(4)), (Some(0), Some(6))], Some(6)),
            (&[(Some(7), None), (Some(1), Some(9))], None),
            (&[(None, Some(2)), (Some(1), Some(9))], Some(2)),
        ];
        for (sources, expect) in cases {
            let day = |day: u32| Instant::parse(&format!("2026-10-{day:02}T00:00:00Z")).ok();
            let sources = sources.iter().map(|(lag, reached)| SourceStatus {
                lag: *lag,
                watermark: reached.and_then(day),
                ..SourceStatus::default()
            });
            let status = ServiceStatus { sources: sources.collect(), ..ServiceStatus::default() };
            assert_eq!(status.watermark(), expect.and_then(day), "{:?}", status.sources);
        }
    }
}
