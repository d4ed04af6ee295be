//! The best-effort duplicate filter: what this process saw lately. Compaction decides for all time;
//! the filter spares it most of the work and the table most of the payloads.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use turnpike_schemas::event::KEY_SEPARATOR;

/// The identity of an event, hashed. 128 bits of SHA-256: a collision would lose an event, and
/// nobody can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub u128);

impl Key {
    pub fn of(source: &str, id: &str, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        scratch.extend_from_slice(source.as_bytes());
        scratch.extend_from_slice(KEY_SEPARATOR.encode_utf8(&mut [0; 4]).as_bytes());
        scratch.extend_from_slice(id.as_bytes());
        let digest = Sha256::digest(scratch);
        Key(u128::from_be_bytes(digest[..16].try_into().expect("a SHA-256 has 32 bytes")))
    }
}

/// How long the identities of these events take, one after the other: hashing them and asking the
/// filter. For measurements: within ingest it is spread over threads and too short to be timed.
#[doc(hidden)]
pub fn time_identities<'a>(
    events: impl Iterator<Item = (&'a str, &'a str)>,
    events_max: usize,
) -> Duration {
    let mut filter = Filter::new(events_max);
    let mut scratch = Vec::new();
    let began = Instant::now();
    for (source, id) in events {
        let key = Key::of(source, id, &mut scratch);
        std::hint::black_box(filter.judge(key, 0, 0));
    }
    began.elapsed()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Duplicate,
    Conflict,
}

/// Two generations: when the young one is full, the old one is forgotten and the young grows old.
#[derive(Debug)]
pub(crate) struct Filter {
    young: Keys,
    old: Keys,
    generation_max: usize,
}

impl Filter {
    pub fn new(events_max: usize) -> Self {
        Self { young: Keys::new(), old: Keys::new(), generation_max: events_max.div_ceil(2).max(1) }
    }

    /// Brings the places of keys into the processor's cache, all at once: one by one, each would be
    /// waited for.
    pub fn touch(&self, keys: impl Iterator<Item = Key>) {
        let touched = keys.fold(0, |sum, key| sum ^ self.young.touch(key) ^ self.old.touch(key));
        std::hint::black_box(touched);
    }

    /// Whether an event was seen before; one that was not is remembered as part of `batch`.
    pub fn judge(&mut self, key: Key, content_hash: i64, batch: u64) -> Verdict {
        if self.young.used >= self.generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let place = self.young.find(key);
        let seen = self.young.seen(place).or_else(|| self.old.seen(self.old.find(key)));
        match seen {
            Some(before) if before == content_hash => Verdict::Duplicate,
            Some(_) => Verdict::Conflict,
            None => {
                self.young.remember(place, Seen { key, content_hash, batch });
                Verdict::New
            }
        }
    }

    /// Forgets an event whose row is dropped: were it remembered, its next delivery would count as
    /// the duplicate of nothing.
    pub fn forget(&mut self, key: Key) {
        self.young.forget(key);
        self.old.forget(key);
    }

    /// Forgets the events of a batch that was not committed, and of those after it.
    pub fn forget_from(&mut self, batch: u64) {
        self.young.forget_from(batch);
        self.old.forget_from(batch);
    }
}

/// A remembered event.
#[derive(Debug, Clone, Copy)]
struct Seen {
    key: Key,
    content_hash: i64,
    /// The batch that the first of its kind is in; or that there is none.
    batch: u64,
}

/// The batch of an event that was forgotten. Its place stays taken, so that events that stand behind it
/// for its sake are found.
const FORGOTTEN: u64 = u64::MAX;
const NOTHING: Seen = Seen { key: Key(0), content_hash: 0, batch: FORGOTTEN };

/// The tag of a free place.
const FREE: u16 = 0;

/// Events by key: open addressing, at most half full. Nearly all that is looked for is new, and that
/// the tags tell, which are a sixteenth of the events and stay in the processor's cache.
#[derive(Debug)]
struct Keys {
    /// Of each place a few bits of its key, or that it is free.
    tags: Vec<u16>,
    /// A power of two. What stands in a free place says nothing.
    places: Vec<Seen>,
    /// Places that are not free.
    used: usize,
}

/// Places of a filter that has seen nothing.
const PLACES_MIN: usize = 1 << 10;

impl Keys {
    fn new() -> Self {
        Self::with_places(PLACES_MIN)
    }

    fn with_places(places: usize) -> Self {
        Self { tags: vec![FREE; places], places: vec![NOTHING; places], used: 0 }
    }

    fn clear(&mut self) {
        self.tags.fill(FREE);
        self.used = 0;
    }

    /// Any bits of a key are as good as a hash of it.
    fn first(&self, key: Key) -> usize {
        let [.., a, b, c, d, e, f, g, h] = key.0.to_be_bytes();
        usize::from_be_bytes([a, b, c, d, e, f, g, h]) & (self.tags.len() - 1)
    }

    /// Other bits than those that say the place.
    fn tag(key: Key) -> u16 {
        let [a, b, ..] = key.0.to_be_bytes();
        u16::from_be_bytes([a, b]).max(FREE + 1)
    }

    #[inline]
    fn touch(&self, key: Key) -> u16 {
        self.tags[self.first(key)]
    }

    /// The place of a key, or the free one that it would take.
    #[inline]
    fn find(&self, key: Key) -> usize {
        let (mut at, wanted) = (self.first(key), Self::tag(key));
        loop {
            let tag = self.tags[at];
            if tag == FREE || tag == wanted && self.places[at].key == key {
                return at;
            }
            at = (at + 1) & (self.tags.len() - 1);
        }
    }

    /// The content of what is remembered at a place.
    #[inline]
    fn seen(&self, place: usize) -> Option<i64> {
        if self.tags[place] == FREE {
            return None;
        }
        let seen = &self.places[place];
        (seen.batch != FORGOTTEN).then_some(seen.content_hash)
    }

    fn remember(&mut self, place: usize, seen: Seen) {
        self.used += usize::from(self.tags[place] == FREE);
        self.tags[place] = Self::tag(seen.key);
        self.places[place] = seen;
        if self.used * 2 > self.tags.len() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = Self::with_places(self.tags.len() * 2);
        let before = std::mem::replace(self, larger);
        for (tag, seen) in before.tags.into_iter().zip(before.places) {
            if tag != FREE && seen.batch != FORGOTTEN {
                let place = self.find(seen.key);
                self.remember(place, seen);
            }
        }
    }

    fn forget(&mut self, key: Key) {
        let place = self.find(key);
        if self.tags[place] != FREE {
            self.places[place].batch = FORGOTTEN;
        }
    }

    fn forget_from(&mut self, batch: u64) {
        let taken = self.tags.iter().zip(&mut self.places).filter(|(tag, _)| **tag != FREE);
        for (_, seen) in taken.filter(|(_, seen)| seen.batch >= batch) {
            seen.batch = FORGOTTEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_filter_is_bounded_and_forgets_what_was_not_committed() {
        let mut filter = Filter::new(4);
        assert_eq!(filter.judge(Key(1), 10, 0), Verdict::New);
        assert_eq!(filter.judge(Key(1), 10, 0), Verdict::Duplicate);
        assert_eq!(filter.judge(Key(1), 11, 1), Verdict::Conflict);
        assert_eq!(filter.judge(Key(2), 10, 1), Verdict::New);
        filter.forget_from(1);
        assert_eq!(filter.judge(Key(2), 10, 2), Verdict::New);
        filter.forget(Key(1));
        assert_eq!(filter.judge(Key(1), 10, 2), Verdict::New);
        for key in 3..100 {
            assert_eq!(filter.judge(Key(key << 60), 1, 3), Verdict::New);
            assert!(filter.young.used + filter.old.used <= 4);
        }
        assert_eq!(filter.judge(Key(1), 10, 4), Verdict::New);
    }

    #[test]
    fn the_filter_agrees_with_maps_of_its_generations() {
        let mut random = 7_u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 33) % below
        };
        let mut filter = Filter::new(3_000);
        let (mut young, mut old) = (HashMap::<u64, i64>::new(), HashMap::<u64, i64>::new());
        for round in 0..100_000 {
            // Keys that begin at few places stand behind one another.
            let number = next(4_000);
            let key = Key(u128::from(number) << 64 | u128::from(number % 61));
            let content = i64::from(next(10) == 0);
            // What was forgotten keeps its place in a generation.
            if filter.young.used >= filter.generation_max {
                old = std::mem::take(&mut young);
            }
            let expect = match young.get(&number).or_else(|| old.get(&number)) {
                Some(seen) if *seen == content => Verdict::Duplicate,
                Some(_) => Verdict::Conflict,
                None => Verdict::New,
            };
            if round % 10 == 0 {
                filter.touch([key].into_iter());
            }
            assert_eq!(filter.judge(key, content, 0), expect, "round {round}");
            if expect == Verdict::New {
                young.insert(number, content);
            }
            if next(20) == 0 {
                filter.forget(key);
                young.remove(&number);
                old.remove(&number);
            }
        }
        assert!(old.len() > 100);
        filter.forget_from(0);
        assert_eq!(filter.judge(Key(1), 10, 1), Verdict::New);
    }
}
