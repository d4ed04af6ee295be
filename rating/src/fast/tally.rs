//! [`Tally`]: exact sums in dense slots, and how they become what gathering would have found.

use std::collections::BTreeMap;

use turnpike_schemas::{Account, Instant, ResourceId};

use super::places::Places;
use crate::gather::{GatherKey, Gathered};

/// What [`Gathered`] adds up, without what is the same for all of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) quantity: i128,
    pub(crate) seconds: i64,
    /// Instants; floored to seconds once the tally is settled.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) intervals: i64,
}

impl Sums {
    /// What anything is added to.
    const NONE: Self =
        Self { quantity: 0, seconds: 0, first: i64::MAX, last: i64::MIN, intervals: 0 };

    fn floor(&mut self) {
        for instant in [&mut self.first, &mut self.last] {
            *instant -= instant.rem_euclid(1_000_000);
        }
    }

    /// Adds `other`; `None` on overflow, and then nothing is changed.
    #[inline]
    pub(crate) fn add(&mut self, other: &Sums) -> Option<()> {
        let quantity = self.quantity.checked_add(other.quantity)?;
        let seconds = self.seconds.checked_add(other.seconds)?;
        self.intervals = self.intervals.checked_add(other.intervals)?;
        (self.quantity, self.seconds) = (quantity, seconds);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        Some(())
    }
}

/// Of which resource a slot's lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Each resource has its own sum.
    Resource,
    /// All of the account.
    Account,
    /// What the template names, such as a project.
    Named,
}

/// A slot: what the key is but for the account and the resource.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) template: GatherKey,
    pub(crate) resource_kind: String,
    pub(crate) subject: Subject,
    /// Its number among the slots that an account may have: there are few of these, of slots many.
    pub(crate) of_account: u32,
}

impl Slot {
    /// The key for an account; `resource` is that of the sum where each has its own.
    pub(super) fn key(&self, account: &Account, resource: Option<&str>) -> Option<GatherKey> {
        let named = match (self.subject, resource) {
            (Subject::Resource, Some(resource)) => ResourceId::new(resource).ok()?,
            (Subject::Resource, None) => return None,
            (Subject::Account, _) => ResourceId::new(format!("account:{}", account.id)).ok()?,
            (Subject::Named, _) => self.template.resource.clone(),
        };
        Some(GatherKey { account: account.id.clone(), resource: named, ..self.template.clone() })
    }
}

/// Sums in pieces: nothing is copied when more are met.
#[derive(Debug, Default)]
struct SharedSums {
    pieces: Vec<Vec<Sums>>,
    length: usize,
}

const PIECE: usize = 4_096;

impl SharedSums {
    fn push_none(&mut self) {
        if self.length.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(Sums::NONE);
            self.length += 1;
        }
    }

    #[inline]
    fn at(&self, place: u32) -> &Sums {
        &self.pieces[place as usize / PIECE][place as usize % PIECE]
    }

    #[inline]
    fn at_mut(&mut self, place: u32) -> &mut Sums {
        &mut self.pieces[place as usize / PIECE][place as usize % PIECE]
    }
}

/// Sums that wait before they are added.
const WAITING_MAX: usize = 4_096;

/// The sums of one worker. Accounts are numbered as in the book.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) slots: Vec<Slot>,
    /// Of slots that all resources of an account share, in the order in which they were met.
    shared: SharedSums,
    /// Where the sum of an account and slot stands in `shared`.
    places: Places,
    /// The slot of each place in `shared`.
    place_slots: Vec<u32>,
    /// Account, slot and place in `shared`, in order of accounts: for [`Tally::of_account`].
    order: Vec<(u32, u32, u32)>,
    /// Account, slot and sums that are still to be added: many at one go, since each meets memory
    /// that was not used lately.
    waiting: Vec<(u32, u32, Sums)>,
    /// The places of those that wait.
    found: Vec<u32>,
    /// Sums of single resources: account, slot, resource.
    single: Vec<(u32, u32, Box<str>, Sums)>,
    /// Sums too large to be made, which park their account.
    pub(crate) overflows: Vec<GatherKey>,
    pub(crate) intervals: u64,
}

impl Tally {
    /// Of a book with so many accounts.
    pub(super) fn of_accounts(accounts: usize) -> Self {
        Self { places: Places::of_accounts(accounts), ..Self::default() }
    }

    pub(super) fn add(
        &mut self,
        slots: &[Slot],
        accounts: &[Account],
        (number, slot): (u32, u32),
        resource: &str,
        sums: &Sums,
    ) {
        if slots[slot as usize].subject == Subject::Resource {
            self.single.push((number, slot, resource.into(), *sums));
            return;
        }
        self.waiting.push((number, slot, *sums));
        if self.waiting.len() >= WAITING_MAX {
            self.add_waiting(slots, accounts);
        }
    }

    /// Adds what waits; an overflow parks its account.
    pub(super) fn add_waiting(&mut self, slots: &[Slot], accounts: &[Account]) {
        // Finding all places before adding to any lets the waits for memory overlap.
        self.found.clear();
        for (account, slot, _) in &self.waiting {
            // There are fewer sums than rows, and rows are counted in 32 bits.
            let next = u32::try_from(self.shared.length).unwrap_or(u32::MAX);
            let place = self.places.of(*account, slots[*slot as usize].of_account, next);
            if place == next {
                self.shared.push_none();
                self.place_slots.push(*slot);
            }
            self.found.push(place);
        }
        for ((account, slot, sums), place) in self.waiting.drain(..).zip(&self.found) {
            if self.shared.at_mut(*place).add(&sums).is_none() {
                self.overflows.extend(slots[slot as usize].key(&accounts[account as usize], None));
            }
        }
    }

    /// Puts the sums in order of account, for [`Tally::of_account`].
    pub(crate) fn settle(&mut self) {
        let single = self.single.iter_mut().map(|single| &mut single.3);
        self.shared.pieces.iter_mut().flatten().chain(single).for_each(Sums::floor);
        self.single.sort_unstable_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        let places = self.places.drain().into_iter();
        self.order = places
            .map(|(account, _, place)| (account, self.place_slots[place as usize], place))
            .collect();
    }

    /// The sums that all resources of an account share: slot and place.
    fn shared_of(&self, number: u32) -> &[(u32, u32, u32)] {
        let from = self.order.partition_point(|sum| sum.0 < number);
        let to = self.order.partition_point(|sum| sum.0 <= number);
        &self.order[from..to]
    }

    /// How many sums there are for an account.
    pub(crate) fn sums_of(&self, number: u32) -> usize {
        let shared = self.shared_of(number).len();
        let from = self.single.partition_point(|single| single.0 < number);
        let to = self.single.partition_point(|single| single.0 <= number);
        shared + to - from
    }

    /// What gathering would have found for an account.
    pub(crate) fn of_account(
        &self,
        number: u32,
        account: &Account,
        found: &mut BTreeMap<GatherKey, Gathered>,
        mut too_large: impl FnMut(&GatherKey),
    ) {
        for (slot, resource, sums) in self.of_number(number) {
            let slot = &self.slots[slot as usize];
            // A resource that was metered has a valid name: its events were read by it.
            let Some(key) = slot.key(account, resource) else { continue };
            let Some(next) = gathered(slot, sums) else { continue };
            match found.get_mut(&key) {
                Some(sum) => {
                    if sum.add(&next).is_none() {
                        too_large(&key);
                    }
                }
                None => {
                    found.insert(key, next);
                }
            }
        }
    }

    /// The sums of an account: slot, the resource where each has its own, sums.
    pub(crate) fn of_number(
        &self,
        number: u32,
    ) -> impl Iterator<Item = (u32, Option<&str>, &Sums)> {
        let shared = self.shared_of(number).iter();
        let start = self.single.partition_point(|single| single.0 < number);
        let single = self.single[start..].iter().take_while(move |single| single.0 == number);
        let single = single.map(|(_, slot, resource, sums)| (*slot, Some(&**resource), sums));
        let shared = shared.map(|(_, slot, at)| (*slot, None, self.shared.at(*at)));
        shared.chain(single)
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

fn gathered(slot: &Slot, sums: &Sums) -> Option<Gathered> {
    Some(Gathered {
        resource_kind: slot.resource_kind.clone(),
        quantity: sums.quantity,
        seconds: sums.seconds,
        first: Instant::from_micros(sums.first).ok()?,
        last: Instant::from_micros(sums.last).ok()?,
        intervals: sums.intervals,
        worth: None,
        steps: Vec::new(),
        events: None,
    })
}

#[cfg(test)]
impl Tally {
    /// Sums of accounts by number, slot and resource, as a worker would have found them.
    pub(crate) fn told(
        slots: Vec<Slot>,
        accounts: &[Account],
        sums: &[(u32, u32, &str, Sums)],
    ) -> Self {
        let mut tally = Self::default();
        for (number, slot, resource, sums) in sums {
            tally.add(&slots, accounts, (*number, *slot), resource, sums);
        }
        tally.add_waiting(&slots, accounts);
        tally.slots = slots;
        tally.settle();
        tally
    }
}
