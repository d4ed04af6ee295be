//! Whether a topic is still the one that was read. One that was deleted and created anew under its
//! old name begins again at offset 0; as soon as it has grown past the offset that the table wants,
//! its offsets alone look as if nothing had happened, and its first records would never be read.
//!
//! Each commit therefore says of the last record it takes of a partition what tells it from any other
//! ([`mark`]), and a consumer that is given the partition looks at that record again. The broker's
//! own id of a topic would say it too, but no interface of this client tells it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use turnpike_lake::{AppId, OffsetAdvance};

use super::{KafkaSettings, connect};
use crate::IngestError;

/// How long the brokers may take to hand the records out again.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// Nothing is known of the last record: a gap, a start at the latest record.
const UNKNOWN: i64 = 0;
/// Bytes at the end of a record that go into its mark: what producers number and stamp stands in
/// them as often as anywhere else, and all of them would cost as much as a hash.
const TAIL: usize = 32;
/// Chunks of one partition that are polled and not committed yet are far fewer.
const MARKS_MAX: usize = 4_096;
/// Odd, with bits in no order: the first of xxHash's.
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

/// The marks of the records that chunks of one partition end with, by the offset after them.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    last: Option<(i64, i64)>,
    ends: BTreeMap<i64, i64>,
}

impl Marks {
    /// The record was taken.
    #[inline]
    pub fn take(&mut self, message: &BorrowedMessage<'_>) {
        self.last = Some((message.offset() + 1, mark(message)));
    }

    /// A chunk ends here: a batch may.
    pub fn seal(&mut self) {
        self.ends.extend(self.last.take());
        while self.ends.len() > MARKS_MAX {
            self.ends.pop_first();
        }
    }

    /// Everything before this offset is committed.
    pub fn committed(&mut self, end: i64) {
        self.ends = self.ends.split_off(&(end + 1));
    }

    pub fn ends(&self) -> &BTreeMap<i64, i64> {
        &self.ends
    }
}

/// Where the table keeps the mark of a source partition.
pub(super) fn app(origin: &str) -> AppId {
    AppId::new(format!("mark:{origin}"))
}

/// What each of these advances has to say besides its offset.
pub(super) fn marks_of(
    advances: &[OffsetAdvance],
    known: &[(Arc<str>, BTreeMap<i64, i64>)],
) -> Vec<(AppId, i64)> {
    let mark = |advance: &OffsetAdvance| {
        let ends = known.iter().find(|(origin, _)| origin.as_ref() == advance.app.as_str());
        let mark = ends.and_then(|(_, ends)| ends.get(&advance.end)).copied();
        // One of an earlier record must not stay.
        (app(advance.app.as_str()), mark.unwrap_or(UNKNOWN))
    };
    advances.iter().map(mark).collect()
}

/// What tells a record from the one that stands at its place in another topic: its offset, when it
/// was made, how long it is and how it ends. Never [`UNKNOWN`].
fn mark(message: &BorrowedMessage<'_>) -> i64 {
    let (key, value) = (message.key(), message.payload());
    let length = |part: Option<&[u8]>| part.map_or(u64::MAX, |part| part.len() as u64);
    let made = message.timestamp().to_millis().unwrap_or(-1);
    let mut sum = step(message.offset().cast_unsigned(), made.cast_unsigned());
    for part in [key, value] {
        sum = step(sum, length(part));
        let part = part.unwrap_or_default();
        for word in part[part.len().saturating_sub(TAIL)..].chunks(8) {
            sum = step(sum, word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }
    (sum | 1).cast_signed()
}

fn step(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(PRIME).rotate_left(31)
}

/// A partition that goes on after a record with this mark.
#[derive(Debug)]
pub(super) struct Known {
    pub topic: String,
    pub number: i32,
    /// Of the last record that was read.
    pub offset: i64,
    pub mark: i64,
}

/// Reads the last records again and refuses a topic in which one of them is another. What cannot be
/// read again (compaction and transactions leave holes) says nothing.
pub(super) fn check(settings: &KafkaSettings, known: Vec<Known>) -> Result<(), IngestError> {
    let mut open: BTreeMap<(String, i32), Known> = known
        .into_iter()
        .filter(|known| known.mark != UNKNOWN)
        .map(|known| ((known.topic.clone(), known.number), known))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let failed = |source| IngestError::Kafka {
        operation: "look at the last records",
        brokers: settings.brokers.clone(),
        source,
    };
    let mut config = connect::config(settings);
    config.set("enable.partition.eof", "false").set("statistics.interval.ms", "0");
    config.set("fetch.message.max.bytes", "65536").set("queued.max.messages.kbytes", "1024");
    config.remove("group.instance.id");
    let consumer: BaseConsumer = config.create().map_err(failed)?;
    let mut list = TopicPartitionList::new();
    for ((topic, number), known) in &open {
        let offset = Offset::Offset(known.offset);
        list.add_partition_offset(topic, *number, offset).map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    let began = Instant::now();
    while !open.is_empty() && began.elapsed() < ANSWER_MAX {
        let Some(Ok(message)) = consumer.poll(POLL) else { continue };
        let place = (message.topic().to_owned(), message.partition());
        let Some(known) = open.remove(&place) else { continue };
        if message.offset() == known.offset && mark(&message) != known.mark {
            let Known { topic, number, offset, .. } = known;
            return Err(IngestError::TopicRenewed { topic, partition: number, offset });
        }
    }
    for (topic, number) in open.keys() {
        tracing::warn!(
            topic,
            partition = number,
            "the last record could not be read again: whether the topic was created anew is unknown"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advance_has_the_mark_of_its_last_record_or_none() {
        let mut marks = Marks { last: Some((5, 50)), ..Marks::default() };
        marks.seal();
        marks.last = Some((9, 90));
        marks.seal();
        marks.seal();
        let known = [(Arc::from("kafka:c:t:0:1"), marks.ends().clone())];
        let advance = |app: &str, end| OffsetAdvance { app: AppId::new(app), start: None, end };
        let found = marks_of(
            &[advance("kafka:c:t:0:1", 9), advance("kafka:c:t:0:1", 7), advance("other", 9)],
            &known,
        );
        let expect = [("mark:kafka:c:t:0:1", 90), ("mark:kafka:c:t:0:1", 0), ("mark:other", 0)];
        assert_eq!(found, expect.map(|(app, mark)| (AppId::new(app), mark)));
        marks.committed(5);
        assert_eq!(marks.ends(), &BTreeMap::from([(9, 90)]));
        marks.committed(9);
        assert!(marks.ends().is_empty());
    }
}
