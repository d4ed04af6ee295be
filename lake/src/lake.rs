//! [`Lake`]: a handle to the four tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use turnpike_schemas::{Instant, RunId};

use crate::{
    AppId, Append, CompactProgress, CompactReport, CompactSettings, LakeError, LakeSettings,
    LakeSnapshot, OffsetAdvance, Recovered,
};

/// A cheap handle to the tables; clones share it.
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    recovered: Vec<Recovered>,
    buckets: u32,
}

#[expect(unused_variables, clippy::unimplemented, reason = "signatures first")]
impl Lake {
    pub async fn open(settings: LakeSettings, now: Instant) -> Result<Lake, LakeError> {
        unimplemented!()
    }

    pub fn recovered(&self) -> &[Recovered] {
        &self.inner.recovered
    }

    pub fn buckets(&self) -> u32 {
        self.inner.buckets
    }

    pub async fn offsets(&self, apps: &[AppId]) -> Result<Vec<Option<i64>>, LakeError> {
        unimplemented!()
    }

    pub async fn apps_with_prefix(&self, prefix: &str) -> Result<Vec<(AppId, i64)>, LakeError> {
        unimplemented!()
    }

    pub async fn append_events(
        &self,
        rows: RecordBatch,
        advances: &[OffsetAdvance],
    ) -> Result<Append, LakeError> {
        unimplemented!()
    }

    pub async fn snapshot(&self) -> Result<LakeSnapshot, LakeError> {
        unimplemented!()
    }

    pub async fn compact(
        &self,
        settings: &CompactSettings,
        progress: &(dyn Fn(CompactProgress) + Send + Sync),
    ) -> Result<CompactReport, LakeError> {
        unimplemented!()
    }

    pub async fn put_states(
        &self,
        month: i32,
        states: Vec<(u32, RecordBatch)>,
        raw_version: i64,
        fold: &str,
    ) -> Result<(), LakeError> {
        unimplemented!()
    }

    pub async fn put_rated_lines(
        &self,
        run: &RunId,
        lines: RecordBatch,
    ) -> Result<(), LakeError> {
        unimplemented!()
    }

    pub async fn rated_lines(&self, run: &RunId) -> Result<Vec<RecordBatch>, LakeError> {
        unimplemented!()
    }
}
