//! The stage that prices accounts: some at a time on threads, handed over in canonical order.
//!
//! Accounts are cut into parts of about the same number of sums. A part is priced, hashed and handed
//! to a [`LineSink`] before the next one is begun, so that no more lines are held than a sink keeps.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use ethnum::I256;
use foldhash::HashMap;
use sha2::{Digest, Sha256};
use turnpike_schemas::{Account, AccountId, Currency, RatedLine, RunId, Total, WideSum};

use crate::account::price_account;
use crate::convert::LineColumns;
use crate::difference::{SideKey, SideParts};
use crate::error::RatingError;
use crate::fast::Tally;
use crate::gather::{self, GatherKey, Gathered, Harvest};
use crate::line_digest::{self, TermsDigest};
use crate::line_view::{LineTerms, LineView};
use crate::parked::ParkReason;
use crate::short::{ShortLines, ShortWay};
use crate::tariff_lookup::Lookup;

/// Takes the lines of a run in parts. Parts come in any order and on any thread; put in order of
/// their numbers, their lines are in canonical order.
pub trait LineSink: Send + Sync {
    /// The part of a number, empty, in the form in which this takes it.
    fn part(&self, number: usize) -> Result<PartLines, RatingError>;

    fn take(&self, part: usize, lines: PartLines) -> Result<(), RatingError>;
}

/// Takes the `rated_lines` table of a part in pieces.
pub trait TableWriter: Send {
    fn write(&mut self, table: &RecordBatch) -> Result<(), RatingError>;

    fn finish(self: Box<Self>) -> Result<(), RatingError>;
}

/// Lines of a table that are arranged before they are written: their columns stay small enough that the
/// memory of one piece serves the next.
const TABLE_LINES: usize = 4_096;

struct PartTable {
    columns: LineColumns,
    writer: Box<dyn TableWriter>,
    is_empty: bool,
}

impl PartTable {
    fn put(&mut self, line: &LineView<'_>) -> Result<(), RatingError> {
        self.columns.put(line)?;
        if self.columns.len() >= TABLE_LINES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), RatingError> {
        self.is_empty = false;
        self.writer.write(&self.columns.take_batch()?)
    }

    fn finish(mut self) -> Result<(), RatingError> {
        if self.columns.len() > 0 {
            self.write()?;
        }
        // A part without lines leaves nothing.
        if self.is_empty { Ok(()) } else { self.writer.finish() }
    }
}

/// The lines of a part: as a table, one by one, what they come to, or any of these.
#[derive(Default)]
pub struct PartLines {
    table: Option<PartTable>,
    kept: Option<Vec<RatedLine>>,
    sums: Option<SideParts>,
}

impl PartLines {
    #[must_use]
    pub fn with_table(self, writer: Box<dyn TableWriter>) -> Self {
        let table = PartTable { columns: LineColumns::default(), writer, is_empty: true };
        Self { table: Some(table), ..self }
    }

    #[must_use]
    pub fn with_lines(self) -> Self {
        Self { kept: Some(Vec::new()), ..self }
    }

    #[must_use]
    pub(crate) fn with_sums(self) -> Self {
        Self { sums: Some(SideParts::default()), ..self }
    }

    /// What the lines come to.
    pub(crate) fn take_sums(&mut self) -> Vec<(SideKey, WideSum)> {
        self.sums.take().map(SideParts::into_sums).unwrap_or_default()
    }

    /// The sums, where nothing else is asked for.
    fn sums_alone(&mut self) -> Option<&mut SideParts> {
        let alone = self.kept.is_none() && self.table.is_none();
        self.sums.as_mut().filter(|_| alone)
    }

    /// Ends the table, if there is one.
    pub fn end_table(&mut self) -> Result<(), RatingError> {
        self.table.take().map_or(Ok(()), PartTable::finish)
    }

    pub fn into_lines(self) -> Vec<RatedLine> {
        self.kept.unwrap_or_default()
    }

    /// Adds a line that is no longer there afterwards.
    fn put(&mut self, line: &LineView<'_>) -> Result<(), RatingError> {
        if let Some(kept) = &mut self.kept {
            kept.push(line.to_line()?);
        }
        self.put_table(line)
    }

    fn put_table(&mut self, line: &LineView<'_>) -> Result<(), RatingError> {
        if let Some(sums) = &mut self.sums {
            sums.put(line);
        }
        match &mut self.table {
            Some(table) => table.put(line),
            None => Ok(()),
        }
    }

    /// Keeps lines that the table has.
    fn keep(&mut self, lines: Vec<RatedLine>) {
        if let Some(kept) = &mut self.kept {
            kept.extend(lines);
        }
    }
}

/// Keeps all lines.
#[derive(Debug, Default)]
pub struct KeptLines(Mutex<BTreeMap<usize, Vec<RatedLine>>>);

impl LineSink for KeptLines {
    fn part(&self, _: usize) -> Result<PartLines, RatingError> {
        Ok(PartLines::default().with_lines())
    }

    fn take(&self, part: usize, lines: PartLines) -> Result<(), RatingError> {
        let lines = lines.into_lines();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, lines);
        Ok(())
    }
}

impl KeptLines {
    pub fn into_lines(self) -> Vec<RatedLine> {
        let parts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.into_values().flatten().collect()
    }
}

/// What a run's lines come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineTotals {
    pub lines: u64,
    /// Accounts with a line.
    pub accounts: u64,
    /// The sums, one per currency: exact, or marked where 256 bits cannot hold them.
    pub sums: BTreeMap<Currency, Total>,
}

/// Sums gathered for one part, at which a part ends. Some 100,000 lines of three tiers each take
/// 100 MB while they are stored.
const PART_SUMS: usize = 32_768;

/// What is to be priced.
pub(crate) struct PriceRun<'p, 'l> {
    pub(crate) lookup: &'p Lookup<'l>,
    pub(crate) run: &'p RunId,
    pub(crate) tallies: &'p [Tally],
    pub(crate) threads: usize,
    pub(crate) sink: &'p dyn LineSink,
}

/// What one part comes to.
#[derive(Default)]
struct Part {
    /// Of each account with lines, in order.
    digests: Vec<u8>,
    lines: u64,
    accounts: u64,
    /// By currency and denominator: sums of numerators. Adding fractions costs a common divisor each.
    sums: HashMap<(Currency, I256), I256>,
    /// Sums that more did not fit into.
    full: Vec<((Currency, I256), I256)>,
    parked: Vec<(AccountId, ParkReason)>,
}

/// What is known before any account is priced.
struct Ready<'p, 'l> {
    /// What was gathered the general way.
    general: BTreeMap<AccountId, BTreeMap<GatherKey, Gathered>>,
    short: ShortWay<'p, 'l>,
}

/// A part on its way: what it comes to, its lines, and memory that serves account after account.
struct OpenPart<'p> {
    part: Part,
    lines: PartLines,
    bytes: Vec<u8>,
    short: ShortLines<'p>,
}

impl OpenPart<'_> {
    /// Adds a line to what the part comes to and to what is hashed of its account.
    fn count(&mut self, line: &LineView<'_>, shared: &TermsDigest) {
        line_digest::put(line, shared, &mut self.bytes);
        let (currency, amount) = (line.terms.currency, line.amount);
        let key = (currency, amount.denominator());
        let sum = self.part.sums.entry(key).or_default();
        match sum.checked_add(amount.numerator()) {
            Some(more) => *sum = more,
            None => self.part.full.push((key, std::mem::replace(sum, amount.numerator()))),
        }
        self.part.lines += 1;
    }

    /// Ends an account that has lines.
    fn end_account(&mut self) {
        self.part.digests.extend_from_slice(&Sha256::digest(&self.bytes));
        self.part.accounts += 1;
        self.bytes.clear();
    }
}

impl<'p, 'l: 'p> PriceRun<'p, 'l> {
    /// Prices every account of the run that is not parked: what was gathered for it, and what is due
    /// without usage. An account whose amounts fail is parked whole: no line of it is kept.
    pub(crate) fn price(
        &self,
        harvest: &mut Harvest,
    ) -> Result<(LineTotals, Vec<u8>), RatingError> {
        harvest.resolve();
        let mut general: BTreeMap<AccountId, BTreeMap<GatherKey, Gathered>> = BTreeMap::new();
        for (key, sums) in std::mem::take(&mut harvest.gathered) {
            general.entry(key.account.clone()).or_default().insert(key, sums);
        }
        for tally in self.tallies {
            harvest.intervals += tally.intervals;
            for key in &tally.overflows {
                harvest.park_id(key.account.clone(), gather::overflow(key));
            }
        }
        let mut accounts: Vec<u32> = (0..).take(self.lookup.book.accounts.len()).collect();
        accounts.sort_unstable_by_key(|number| &self.account(*number).id);
        accounts.retain(|number| {
            let id = &self.account(*number).id;
            self.lookup.periods.contains_key(id) && !harvest.parked.contains_key(id)
        });
        let short = ShortWay::new(self.lookup, self.run, self.tallies);
        let parts = self.priced_parts(&accounts, &Ready { general, short })?;
        let (mut totals, mut digests) = (LineTotals::default(), Vec::new());
        // In order, so that what is told of a sum does not depend on threads.
        let mut sums: BTreeMap<(Currency, I256), WideSum> = BTreeMap::new();
        for part in parts {
            digests.extend(part.digests);
            totals.lines += part.lines;
            totals.accounts += part.accounts;
            for (key, numerator) in part.sums.into_iter().chain(part.full) {
                sums.entry(key).or_default().add_parts(numerator, key.1);
            }
            for (account, reason) in part.parked {
                harvest.park_id(account, reason);
            }
        }
        let mut by_currency: BTreeMap<Currency, WideSum> = BTreeMap::new();
        for ((currency, _), sum) in sums {
            by_currency.entry(currency).or_default().add_sum(&sum);
        }
        totals.sums = by_currency
            .into_iter()
            .map(|(currency, sum)| (currency, sum.total(currency)))
            .collect();
        Ok((totals, digests))
    }

    fn account(&self, number: u32) -> &'l Account {
        &self.lookup.book.accounts[number as usize]
    }

    fn priced_parts(
        &self,
        accounts: &[u32],
        ready: &Ready<'p, 'l>,
    ) -> Result<Vec<Part>, RatingError> {
        let ranges = self.ranges(accounts, &ready.general);
        let done: Mutex<BTreeMap<usize, Part>> = Mutex::default();
        let failed: Mutex<Option<RatingError>> = Mutex::default();
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, ranges.len().max(1)) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(range) = ranges.get(number) else { break };
                        match self.part(number, &accounts[range.clone()], ready) {
                            Ok(part) => {
                                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                                done.insert(number, part);
                            }
                            Err(error) => {
                                stop.store(true, Ordering::Relaxed);
                                let mut failed =
                                    failed.lock().unwrap_or_else(PoisonError::into_inner);
                                failed.get_or_insert(error);
                            }
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => {
                let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(done.into_values().collect())
            }
        }
    }

    /// Accounts cut into parts. Where they are cut depends on sums alone, not on threads.
    fn ranges(
        &self,
        accounts: &[u32],
        general: &BTreeMap<AccountId, BTreeMap<GatherKey, Gathered>>,
    ) -> Vec<Range<usize>> {
        let (mut ranges, mut from, mut sums) = (Vec::new(), 0, 0);
        for (at, number) in accounts.iter().enumerate() {
            let id = &self.account(*number).id;
            // An account without usage may still have fees.
            sums += 1 + general.get(id).map_or(0, BTreeMap::len);
            sums += self.tallies.iter().map(|tally| tally.sums_of(*number)).sum::<usize>();
            if sums >= PART_SUMS {
                ranges.push(from..at + 1);
                (from, sums) = (at + 1, 0);
            }
        }
        if from < accounts.len() {
            ranges.push(from..accounts.len());
        }
        ranges
    }

    fn part(
        &self,
        number: usize,
        accounts: &[u32],
        ready: &Ready<'p, 'l>,
    ) -> Result<Part, RatingError> {
        let mut open = OpenPart {
            part: Part::default(),
            lines: self.sink.part(number)?,
            bytes: Vec::new(),
            short: ShortLines::default(),
        };
        for at in accounts {
            let account = self.account(*at);
            let general = ready.general.get(&account.id);
            if general.is_none() {
                if let Some(sums) = open.lines.sums_alone() {
                    if ready.short.sum(*at, account, &mut open.short).is_some() {
                        ready.short.put_sums(account, &open.short, sums);
                        continue;
                    }
                } else if ready.short.price(*at, account, &mut open.short).is_some() {
                    self.put_short(account, ready, &mut open)?;
                    continue;
                }
            }
            match self.general(*at, account, general) {
                Ok(priced) => put_general(priced, &mut open)?,
                Err(reason) => open.part.parked.push((account.id.clone(), reason)),
            }
        }
        self.sink.take(number, open.lines)?;
        Ok(open.part)
    }

    fn put_short(
        &self,
        account: &'l Account,
        ready: &Ready<'p, 'l>,
        open: &mut OpenPart<'p>,
    ) -> Result<(), RatingError> {
        let lines = std::mem::take(&mut open.short);
        for (line, shared) in ready.short.views(account, &lines) {
            open.count(&line, shared);
            open.lines.put(&line)?;
        }
        if !lines.is_empty() {
            open.end_account();
        }
        open.short = lines;
        Ok(())
    }

    /// The lines of an account the general way.
    fn general(
        &self,
        number: u32,
        account: &'l Account,
        general: Option<&BTreeMap<GatherKey, Gathered>>,
    ) -> Result<Vec<RatedLine>, ParkReason> {
        let mut gathered = general.cloned().unwrap_or_default();
        let mut too_large = None;
        for tally in self.tallies {
            tally.of_account(number, account, &mut gathered, |key| {
                too_large.get_or_insert_with(|| gather::overflow(key));
            });
        }
        if let Some(reason) = too_large {
            return Err(reason);
        }
        let gathered: Vec<(GatherKey, Gathered)> = gathered.into_iter().collect();
        price_account(self.lookup, self.run, account, &gathered)
    }
}

fn put_general(priced: Vec<RatedLine>, open: &mut OpenPart<'_>) -> Result<(), RatingError> {
    for line in &priced {
        let terms = LineTerms::of(line);
        let view = LineView::of(line, &terms);
        open.count(&view, &TermsDigest::of(&terms));
        open.lines.put_table(&view)?;
    }
    if !priced.is_empty() {
        open.end_account();
    }
    open.lines.keep(priced);
    Ok(())
}
