//! A lake in a temporary folder, and what it holds.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use tempfile::TempDir;
use turnpike_lake::{EventFilter, FinalCounts, Lake, LakeSettings};
use turnpike_schemas::Instant;

use crate::http::{EventResult, Item, NotAllowed, Producer, Slot, SubmitSettings, Submitter};
use crate::{IngestMetrics, IngestSettings};

pub(crate) struct Store {
    pub folder: TempDir,
    pub lake: Lake,
}

pub(crate) fn now() -> Instant {
    Instant::parse("2026-11-21T03:00:00Z").expect("instant")
}

pub(crate) async fn store() -> Store {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut settings = LakeSettings::new(folder.path().join("lake"));
    settings.buckets = 4;
    let lake = Lake::open(settings, now()).await.expect("opens");
    Store { folder, lake }
}

impl Store {
    /// Sends items as one request of a producer.
    pub async fn send(
        &self,
        texts: &[&str],
        producer: &Producer,
    ) -> Result<Vec<EventResult>, NotAllowed> {
        let slot = Slot::take(self.folder.path(), "test").expect("a slot");
        let settings = SubmitSettings::new(IngestSettings::default());
        let metrics = Arc::new(IngestMetrics::default());
        let (lake, clock) = (self.lake.clone(), Arc::new(now));
        let (submitter, writer) = Submitter::start(lake, slot, &settings, clock, metrics);
        let item =
            |text: &&str| Item { headers: Vec::new(), value: text.as_bytes().to_vec().into() };
        let items: Vec<Item<'static>> = texts.iter().map(item).collect();
        let results = match submitter.read(&items, producer) {
            Ok(submission) => {
                Ok(submitter.submit(submission, submitter.reserve()).await.expect("is taken"))
            }
            Err(refused) => Err(refused),
        };
        writer.finish().await;
        results
    }

    pub async fn counts(&self) -> FinalCounts {
        let snapshot = self.lake.snapshot().await.expect("snapshot");
        snapshot.final_counts().await.expect("counts")
    }

    /// `origin position status reason` of every row, sorted; origins shortened to their last part.
    pub async fn rows(&self) -> Vec<String> {
        let snapshot = self.lake.snapshot().await.expect("snapshot");
        let columns = ["origin", "position", "status", "reason"];
        let batches = snapshot
            .events(&EventFilter::default(), Some(&columns), usize::MAX)
            .await
            .expect("events");
        let mut rows = Vec::new();
        for batch in batches {
            let text = |name: &str| batch.column_by_name(name).expect("column").as_string::<i32>();
            let positions =
                batch.column_by_name("position").expect("column").as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let origin = text("origin").value(row).rsplit(':').next().unwrap_or_default();
                let reason = text("reason");
                let reason = if reason.is_null(row) { "" } else { reason.value(row) };
                let origin = &origin[..origin.len().min(4)];
                let line = format!(
                    "{origin} {} {} {reason}",
                    positions.value(row),
                    text("status").value(row)
                );
                rows.push(line.trim_end().to_owned());
            }
        }
        rows.sort();
        rows
    }
}

/// A native event of a resource, as one line.
pub(crate) fn event(id: &str, quantity: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"dev.turnpike.usage.transition.v1","subject":"instance/{id}","time":"2026-10-01T00:00:00Z","data":{{"resource":{{"kind":"instance","id":"{id}"}},"owner":"o","state":"active","held":[{{"meter":"vcpu","quantity":{quantity}}}]}}}}"#
    )
}
