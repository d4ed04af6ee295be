//! [`LakeSnapshot`]: one consistent view of the tables.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::{EventFilter, FinalCounts, LakeError, RunFile};

/// One consistent view of the tables; clones share it.
#[derive(Clone)]
pub struct LakeSnapshot {
    inner: Arc<Inner>,
}

struct Inner {
    raw_version: i64,
    usage_version: i64,
    compacted_to: i64,
    buckets: u32,
}

#[expect(unused_variables, clippy::unimplemented, reason = "signatures first")]
impl LakeSnapshot {
    pub fn raw_version(&self) -> i64 {
        self.inner.raw_version
    }

    pub fn usage_version(&self) -> i64 {
        self.inner.usage_version
    }

    pub fn compacted_to(&self) -> i64 {
        self.inner.compacted_to
    }

    pub fn buckets(&self) -> u32 {
        self.inner.buckets
    }

    pub fn months(&self) -> Vec<i32> {
        unimplemented!()
    }

    pub fn runs(&self, bucket: u32, from: i32, to: i32) -> Vec<RunFile> {
        unimplemented!()
    }

    pub async fn tail(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        unimplemented!()
    }

    pub async fn scan(
        &self,
        bucket: u32,
        from: i32,
        to: i32,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        unimplemented!()
    }

    pub async fn state(
        &self,
        bucket: u32,
        month: i32,
        fold: &str,
    ) -> Result<Option<(i32, Vec<RecordBatch>)>, LakeError> {
        unimplemented!()
    }

    pub async fn events(
        &self,
        filter: &EventFilter,
        columns: Option<&[&str]>,
        limit: usize,
    ) -> Result<Vec<RecordBatch>, LakeError> {
        unimplemented!()
    }

    pub async fn final_counts(&self) -> Result<FinalCounts, LakeError> {
        unimplemented!()
    }
}
