//! [`Tally`]: exact sums in dense slots, and how they become what gathering would have found.

use std::collections::BTreeMap;

use turnpike_schemas::{Account, Instant, ResourceId};

use crate::gather::{GatherKey, Gathered};

/// What [`Gathered`] adds up, without what is the same for all of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) quantity: i128,
    pub(crate) seconds: i64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) intervals: i64,
}

impl Sums {
    /// Adds `other`; `None` on overflow, and then nothing is changed.
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

/// The sums of one worker. Accounts are numbered as in the book.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) slots: Vec<Slot>,
    /// By account, then by slot where all resources share it.
    shared: Vec<Vec<(u32, Sums)>>,
    /// Sums of single resources: account, slot, resource.
    single: Vec<(u32, u32, Box<str>, Sums)>,
    /// Sums too large to be made, which park their account.
    pub(crate) overflows: Vec<GatherKey>,
    pub(crate) intervals: u64,
    pub(crate) rows: u64,
    pub(crate) events: u64,
}

impl Tally {
    pub(super) fn add(
        &mut self,
        slots: &[Slot],
        account: &Account,
        (number, slot): (u32, u32),
        resource: &str,
        sums: &Sums,
    ) {
        if slots[slot as usize].subject == Subject::Resource {
            self.single.push((number, slot, resource.into(), *sums));
            return;
        }
        if self.shared.len() <= number as usize {
            self.shared.resize_with(number as usize + 1, Vec::new);
        }
        let own = &mut self.shared[number as usize];
        let added = match own.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, sum)) => sum.add(sums),
            None => {
                own.push((slot, *sums));
                Some(())
            }
        };
        if added.is_none() {
            let key = slots[slot as usize].key(account, Some(resource));
            self.overflows.extend(key);
        }
    }

    /// Puts the sums of single resources in order of account, for [`Tally::of_account`].
    pub(crate) fn settle(&mut self) {
        self.single.sort_unstable_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    }

    /// How many sums there are for an account.
    pub(crate) fn sums_of(&self, number: u32) -> usize {
        let shared = self.shared.get(number as usize).map_or(0, Vec::len);
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
        let shared = self.shared.get(number as usize).into_iter().flatten();
        let start = self.single.partition_point(|single| single.0 < number);
        let single = self.single[start..].iter().take_while(move |single| single.0 == number);
        let single = single.map(|(_, slot, resource, sums)| (*slot, Some(&**resource), sums));
        shared.map(|(slot, sums)| (*slot, None, sums)).chain(single)
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
            let account = &accounts[*number as usize];
            tally.add(&slots, account, (*number, *slot), resource, sums);
        }
        tally.slots = slots;
        tally.settle();
        tally
    }
}
