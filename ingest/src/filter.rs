//! The best-effort duplicate filter: what this process saw lately. Compaction decides for all time;
//! the filter spares it most of the work and the table most of the payloads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The identity of an event, hashed. 128 bits of SHA-256: a collision would lose an event, and
/// nobody can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub u128);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Any 64 of its bits are as good as a hash of them.
        let [.., a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        state.write_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Passes on what is a hash already.
#[derive(Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Keys = HashMap<Key, Seen, BuildHasherDefault<Already>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    Duplicate,
    Conflict,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    content_hash: i64,
    /// The batch that the first of its kind is in.
    batch: u64,
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
        Self {
            young: Keys::default(),
            old: Keys::default(),
            generation_max: events_max.div_ceil(2).max(1),
        }
    }

    /// Whether an event was seen before; one that was not is remembered as part of `batch`.
    pub fn judge(&mut self, key: Key, content_hash: i64, batch: u64) -> Verdict {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        let seen = match self.young.entry(key) {
            Entry::Occupied(seen) => *seen.get(),
            Entry::Vacant(place) => match self.old.get(&key) {
                Some(seen) => *seen,
                None => {
                    place.insert(Seen { content_hash, batch });
                    return Verdict::New;
                }
            },
        };
        if seen.content_hash == content_hash { Verdict::Duplicate } else { Verdict::Conflict }
    }

    /// Forgets an event whose row is dropped: were it remembered, its next delivery would count as
    /// the duplicate of nothing.
    pub fn forget(&mut self, key: Key) {
        self.young.remove(&key);
        self.old.remove(&key);
    }

    /// Forgets the events of a batch that was not committed, and of those after it.
    pub fn forget_from(&mut self, batch: u64) {
        self.young.retain(|_, seen| seen.batch < batch);
        self.old.retain(|_, seen| seen.batch < batch);
    }
}

#[cfg(test)]
mod tests {
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
            assert!(filter.young.len() + filter.old.len() <= 4);
        }
        assert_eq!(filter.judge(Key(1), 10, 4), Verdict::New);
    }
}
