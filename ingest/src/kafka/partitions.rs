//! The partitions that this consumer holds, and where each begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::Offset;
use turnpike_lake::{AppId, Lake, LakeError, OffsetAdvance};

use super::incarnation::{self, Marks};
use super::{KafkaSettings, StartAt};
use crate::IngestError;

/// A partition that is being read.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    /// Its app id in the lake.
    pub origin: Arc<str>,
    pub topic: Arc<str>,
    /// Which opening of it the batcher knows.
    pub opening: u64,
    /// The next offset to take; records before it were taken already.
    pub next: Option<i64>,
    /// The end that it had when it was assigned.
    pub end: Option<i64>,
    /// Its end was reached since it was assigned.
    pub at_end: bool,
    /// What tells the records apart that commits may end with.
    pub marks: Marks,
}

impl Partition {
    pub fn is_done(&self) -> bool {
        self.at_end || self.end.is_some_and(|end| end <= self.next.unwrap_or(0))
    }
}

/// Partitions by topic, so that a record finds its own without making a string.
#[derive(Debug, Default)]
pub(super) struct Partitions(BTreeMap<String, BTreeMap<i32, Partition>>);

impl Partitions {
    pub fn insert(&mut self, topic: &str, number: i32, partition: Partition) {
        self.0.entry(topic.to_owned()).or_default().insert(number, partition);
    }

    pub fn remove(&mut self, topic: &str, number: i32) -> Option<Partition> {
        self.0.get_mut(topic)?.remove(&number)
    }

    pub fn get_mut(&mut self, topic: &str, number: i32) -> Option<&mut Partition> {
        self.0.get_mut(topic)?.get_mut(&number)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &Partition)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(number, partition)| (topic.as_str(), *number, partition))
        })
    }

    pub fn holds(&self, topic: &str, number: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains_key(&number))
    }

    /// A chunk of records ends here.
    pub fn seal(&mut self) {
        for partition in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            partition.marks.seal();
        }
    }

    /// The marks of all that is polled and not committed.
    pub fn marks(&self) -> Vec<(Arc<str>, BTreeMap<i64, i64>)> {
        let all = self.0.values().flat_map(BTreeMap::values);
        all.map(|part| (Arc::clone(&part.origin), part.marks.ends().clone())).collect()
    }

    /// These advances are committed.
    pub fn committed(&mut self, advances: &[OffsetAdvance]) {
        for partition in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            let same = |advance: &&OffsetAdvance| advance.app.as_str() == &*partition.origin;
            if let Some(advance) = advances.iter().find(same) {
                partition.marks.committed(advance.end);
            }
        }
    }

    /// Marks the end of partition `number`. librdkafka does not say of which topic; with several
    /// topics the end that each partition had when it was assigned decides.
    pub fn at_end(&mut self, number: i32) {
        let mut found = self.0.values_mut().filter_map(|partitions| partitions.get_mut(&number));
        if let (Some(partition), None) = (found.next(), found.next()) {
            partition.at_end = true;
        }
    }
}

/// The app ids of a topic begin with this.
pub(super) fn prefix(cluster: &str, topic: &str, epoch: u32) -> String {
    format!("kafka:{cluster}:{topic}:{epoch}:")
}

/// What the table says of partitions, in their order.
pub(super) async fn table_offsets(
    lake: &Lake,
    origins: &[Arc<str>],
) -> Result<Vec<Option<i64>>, IngestError> {
    let apps: Vec<AppId> = origins.iter().map(|origin| AppId::new(origin.as_ref())).collect();
    lake.offsets(&apps).await.map_err(failed)
}

/// The marks that the table has of partitions, in their order.
pub(super) async fn table_marks(
    lake: &Lake,
    origins: &[Arc<str>],
) -> Result<Vec<Option<i64>>, IngestError> {
    let apps: Vec<AppId> = origins.iter().map(|origin| incarnation::app(origin)).collect();
    lake.offsets(&apps).await.map_err(failed)
}

/// Where a partition begins of which the table says nothing. One that was added to a topic that is
/// being read begins with its first record: none of them was ever read.
pub(super) async fn first_offset(
    lake: &Lake,
    settings: &KafkaSettings,
    prefix: &str,
    topic: &str,
    number: i32,
) -> Result<Offset, IngestError> {
    if !lake.apps_with_prefix(prefix).await.map_err(failed)?.is_empty() {
        return Ok(Offset::Beginning);
    }
    match settings.start {
        Some(StartAt::Earliest) => Ok(Offset::Beginning),
        Some(StartAt::Latest) => Ok(Offset::End),
        None => Err(IngestError::StartUnknown { topic: topic.to_owned(), partition: number }),
    }
}

fn failed(source: LakeError) -> IngestError {
    IngestError::Lake { operation: "read the progress of a topic", source }
}
