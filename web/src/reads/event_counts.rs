//! [`event_counts`]: what became of every event ever read.

use tokio::sync::Mutex;
use turnpike_lake::FinalCounts;
use turnpike_schemas::Scope;

use crate::error::WebError;
use crate::state::WebState;

/// Counts of one version of the lake. The lock is held while the lake is read.
#[derive(Default)]
pub struct EventCountsCache(Mutex<Option<((i64, i64), FinalCounts)>>);

/// Spans the network, so only the provider gets it.
pub async fn event_counts(
    state: &WebState,
    cache: &EventCountsCache,
    scope: &Scope,
) -> Result<Option<FinalCounts>, WebError> {
    if *scope != Scope::Provider {
        return Ok(None);
    }
    let mut cached = cache.0.lock().await;
    let snapshot = state.lake.snapshot().await?;
    let version = (snapshot.raw_version(), snapshot.usage_version());
    if let Some((known, counts)) = cached.as_ref()
        && *known == version
    {
        return Ok(Some(counts.clone()));
    }
    let counts = snapshot.final_counts().await?;
    *cached = Some((version, counts.clone()));
    Ok(Some(counts))
}
