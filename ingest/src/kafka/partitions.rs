//! The partitions that this consumer holds, and where each begins.

use std::sync::Arc;

use rdkafka::Offset;
use turnpike_lake::{AppId, Lake, LakeError, OffsetAdvance};

use super::builders::KnownMarks;
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

/// Partitions by topic and number.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    /// In order.
    all: Vec<Held>,
    /// The partition of the last record, and where librdkafka keeps its topic: most records are of
    /// the partition of the record before, and are told so without a look at the topic's name.
    last: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Held {
    topic: String,
    number: i32,
    partition: Partition,
}

impl Partitions {
    pub fn insert(&mut self, topic: &str, number: i32, partition: Partition) {
        self.last = None;
        let held = Held { topic: topic.to_owned(), number, partition };
        match self.find(topic, number) {
            Ok(at) => self.all[at] = held,
            Err(at) => self.all.insert(at, held),
        }
    }

    pub fn remove(&mut self, topic: &str, number: i32) -> Option<Partition> {
        self.last = None;
        let at = self.find(topic, number).ok()?;
        Some(self.all.remove(at).partition)
    }

    /// The partition of a record. `address` is that of its topic in librdkafka, which stays where it is
    /// as long as one of its partitions is held.
    #[inline]
    pub fn of_record<'a>(
        &mut self,
        address: usize,
        topic: impl FnOnce() -> &'a str,
        number: i32,
    ) -> Option<&mut Partition> {
        let known =
            self.last.filter(|(last, at)| *last == address && self.all[*at].number == number);
        let at = match known {
            Some((_, at)) => at,
            None => self.find(topic(), number).ok()?,
        };
        self.last = Some((address, at));
        Some(&mut self.all[at].partition)
    }

    fn find(&self, topic: &str, number: i32) -> Result<usize, usize> {
        let place = |held: &Held| held.topic.as_str().cmp(topic).then(held.number.cmp(&number));
        self.all.binary_search_by(place)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &Partition)> {
        self.all.iter().map(|held| (held.topic.as_str(), held.number, &held.partition))
    }

    pub fn holds(&self, topic: &str, number: i32) -> bool {
        self.find(topic, number).is_ok()
    }

    /// A chunk of records ends here.
    pub fn seal(&mut self) {
        self.all.iter_mut().for_each(|held| held.partition.marks.seal());
    }

    /// The marks of all that is polled and not committed.
    pub fn marks(&self) -> KnownMarks {
        let all = self.all.iter().map(|held| &held.partition);
        all.map(|part| (Arc::clone(&part.origin), part.marks.ends().clone())).collect()
    }

    /// These advances are committed.
    pub fn committed(&mut self, advances: &[OffsetAdvance]) {
        for partition in self.all.iter_mut().map(|held| &mut held.partition) {
            let same = |advance: &&OffsetAdvance| advance.app.as_str() == &*partition.origin;
            if let Some(advance) = advances.iter().find(same) {
                partition.marks.committed(advance.end);
            }
        }
    }

    /// Marks the end of partition `number`. librdkafka does not say of which topic; with several
    /// topics the end that each partition had when it was assigned decides.
    pub fn at_end(&mut self, number: i32) {
        let mut found = self.all.iter_mut().filter(|held| held.number == number);
        if let (Some(held), None) = (found.next(), found.next()) {
            held.partition.at_end = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_finds_its_partition_whatever_the_record_before_was_of() {
        let partition = |opening| Partition {
            origin: "o".into(),
            topic: "t".into(),
            opening,
            next: None,
            end: None,
            at_end: false,
            marks: Marks::default(),
        };
        let mut partitions = Partitions::default();
        for (topic, number, opening) in [("b", 1, 1), ("a", 0, 2), ("b", 0, 3), ("a", 1, 4)] {
            partitions.insert(topic, number, partition(opening));
        }
        let opening = |partitions: &mut Partitions, address, topic: &str, number| {
            let found = partitions.of_record(address, || topic, number);
            found.map(|partition| partition.opening)
        };
        for _ in 0..2 {
            assert_eq!(opening(&mut partitions, 7, "a", 0), Some(2));
            assert_eq!(opening(&mut partitions, 7, "a", 0), Some(2));
            assert_eq!(opening(&mut partitions, 7, "a", 1), Some(4));
            assert_eq!(opening(&mut partitions, 8, "b", 1), Some(1));
            assert_eq!(opening(&mut partitions, 8, "b", 2), None);
        }
        assert_eq!(opening(&mut partitions, 8, "b", 0), Some(3));
        assert_eq!(partitions.remove("b", 0).map(|partition| partition.opening), Some(3));
        assert_eq!(opening(&mut partitions, 8, "b", 0), None);
        partitions.insert("b", 0, partition(5));
        // A topic that was dropped may have left its place to another.
        assert_eq!(opening(&mut partitions, 8, "b", 0), Some(5));
        let order: Vec<(&str, i32)> = partitions.iter().map(|(t, n, _)| (t, n)).collect();
        assert_eq!(order, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
    }
}
