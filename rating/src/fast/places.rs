//! [`Places`]: where the sum of an account and one of its slots stands.

use foldhash::HashMap;

/// Nowhere yet.
const NOWHERE: u32 = u32::MAX;
/// Cells of a table: 64 MiB. With more accounts than such a table has room for a map takes its place.
const CELLS_MAX: usize = 1 << 24;
/// Slots of an account that a table has room for at least.
const SLOTS_MIN: usize = 64;

/// Nearly every account uses some of few slots, so that a table of all is smaller than a map and is found
/// in at one step.
#[derive(Debug)]
pub(super) enum Places {
    Table { cells: Vec<u32>, slots: usize, accounts: usize },
    Map(HashMap<(u32, u32), u32>),
}

impl Default for Places {
    fn default() -> Self {
        Self::of_accounts(0)
    }
}

impl Places {
    /// Expects so many accounts.
    pub(super) fn of_accounts(accounts: usize) -> Self {
        Self::Table { cells: Vec::new(), slots: SLOTS_MIN, accounts }
    }

    /// The place of an account and slot; `next` where it has none yet.
    #[inline]
    pub(super) fn of(&mut self, account: u32, slot: u32, next: u32) -> u32 {
        if let Self::Table { cells, slots, .. } = self {
            let (account, slot) = (account as usize, slot as usize);
            if slot < *slots
                && let Some(cell) = cells.get_mut(account * *slots + slot)
            {
                if *cell == NOWHERE {
                    *cell = next;
                }
                return *cell;
            }
        }
        self.put(account, slot, next)
    }

    /// The same with more room.
    #[cold]
    fn put(&mut self, account: u32, slot: u32, next: u32) -> u32 {
        let Self::Table { cells, slots, accounts } = self else {
            let Self::Map(map) = self else { return next };
            return *map.entry((account, slot)).or_insert(next);
        };
        let wide = (slot as usize + 1).next_power_of_two().max(*slots);
        let met = (account as usize + 1).next_power_of_two();
        let rows = (cells.len() / *slots).max(*accounts);
        let rows = if (account as usize) < rows { rows } else { met };
        let accounts = *accounts;
        match wide.checked_mul(rows).filter(|wanted| *wanted <= CELLS_MAX) {
            Some(wanted) => {
                let mut more = vec![NOWHERE; wanted];
                for (new, old) in more.chunks_exact_mut(wide).zip(cells.chunks_exact(*slots)) {
                    new[..*slots].copy_from_slice(old);
                }
                *self = Self::Table { cells: more, slots: wide, accounts };
                self.of(account, slot, next)
            }
            None => {
                let all = self.drain().into_iter();
                *self = Self::Map(all.map(|(account, slot, at)| ((account, slot), at)).collect());
                self.put(account, slot, next)
            }
        }
    }

    /// Account, slot and place of all, in order of accounts and slots.
    pub(super) fn drain(&mut self) -> Vec<(u32, u32, u32)> {
        match std::mem::take(self) {
            Self::Map(map) => {
                let mut all: Vec<_> =
                    map.into_iter().map(|((a, slot), at)| (a, slot, at)).collect();
                all.sort_unstable();
                all
            }
            Self::Table { cells, slots, .. } => {
                let rows = (0..).zip(cells.chunks_exact(slots));
                let cells = rows.flat_map(|(account, row)| {
                    (0..).zip(row).map(move |(slot, at)| (account, slot, *at))
                });
                cells.filter(|(_, _, at)| *at != NOWHERE).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_a_map_find_the_same() {
        // The last ones are too many for a table.
        for all in [
            vec![(0, 0), (3, 15), (3, 16), (2, 40), (0, 1), (1_000, 3)],
            vec![(7, 1), (7, 20), (1, 2), (90_000, 300), (5, 5), (90_000, 301)],
        ] {
            let (mut places, mut told) = (Places::default(), std::collections::BTreeMap::new());
            for (account, slot) in all.iter().chain(&all) {
                let next = u32::try_from(told.len()).expect("few");
                let expected = *told.entry((*account, *slot)).or_insert(next);
                assert_eq!(places.of(*account, *slot, next), expected);
            }
            let in_order: Vec<_> = told.iter().map(|((a, slot), at)| (*a, *slot, *at)).collect();
            assert_eq!(places.drain(), in_order);
        }
    }
}
