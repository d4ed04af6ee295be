//! Differences of rated lines: of a revision against an earlier run, or of history under other terms.
//!
//! Invariant: old + difference = new, exactly, for each line, each account and any grouping.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ethnum::I256;
use turnpike_schemas::{AccountId, Currency, MeterId, RatedLine, Total, WideSum};

use crate::error::RatingError;
use crate::line_view::{LineTerms, LineView};
use crate::price_run::{LineSink, PartLines};

/// A line that is not the same on both sides.
#[derive(Debug, Clone, Copy)]
pub struct LineDifference<'a> {
    /// `None`: it was added.
    pub old: Option<&'a RatedLine>,
    /// `None`: it was removed.
    pub new: Option<&'a RatedLine>,
    /// New less old.
    pub amount: Total,
}

/// What changed for an account in one currency.
#[derive(Debug, Clone)]
pub struct AccountDifference<'a> {
    pub account: AccountId,
    pub currency: Currency,
    pub old: WideSum,
    pub new: WideSum,
    /// Those that are not the same, in the order of their ids.
    pub lines: Vec<LineDifference<'a>>,
    pub unchanged: usize,
}

impl AccountDifference<'_> {
    pub fn old_total(&self) -> Total {
        self.old.total(self.currency)
    }

    pub fn new_total(&self) -> Total {
        self.new.total(self.currency)
    }

    pub fn difference(&self) -> Total {
        self.new.less(&self.old).total(self.currency)
    }
}

impl<'a> LineDifference<'a> {
    /// The line as it is, or as it was.
    pub fn line(&self) -> Option<&'a RatedLine> {
        self.new.or(self.old)
    }

    /// `added`, `removed` or `changed`.
    pub fn word(&self) -> &'static str {
        match (self.old, self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(_), Some(_)) => "changed",
        }
    }
}

/// The same line of two runs: its id names all that it sums over.
fn key(line: &RatedLine) -> (&AccountId, Currency, &str, &str) {
    (&line.account, line.currency, &line.line_id, &line.detail)
}

fn same(old: &RatedLine, new: &RatedLine) -> bool {
    old.amount == new.amount && old.quantity == new.quantity && old.scale == new.scale
}

/// The differences, per account and currency, line by line.
pub fn difference<'a>(old: &'a [RatedLine], new: &'a [RatedLine]) -> Vec<AccountDifference<'a>> {
    let sorted = |lines: &'a [RatedLine]| {
        let mut sorted: Vec<&RatedLine> = lines.iter().collect();
        sorted.sort_by(|a, b| key(a).cmp(&key(b)));
        sorted.into_iter().peekable()
    };
    let (mut old, mut new) = (sorted(old), sorted(new));
    let mut found: Vec<AccountDifference<'a>> = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => key(a).cmp(&key(b)),
        };
        let (old, new) = match order {
            Ordering::Less => (old.next(), None),
            Ordering::Equal => (old.next(), new.next()),
            Ordering::Greater => (None, new.next()),
        };
        let Some(line) = new.or(old) else { continue };
        let is_last = |last: &AccountDifference<'_>| {
            last.account == line.account && last.currency == line.currency
        };
        if !found.last().is_some_and(is_last) {
            found.push(AccountDifference::none(line));
        }
        if let Some(last) = found.last_mut() {
            last.add(old, new);
        }
    }
}

impl<'a> AccountDifference<'a> {
    fn none(line: &RatedLine) -> Self {
        Self {
            account: line.account.clone(),
            currency: line.currency,
            old: WideSum::default(),
            new: WideSum::default(),
            lines: Vec::new(),
            unchanged: 0,
        }
    }

    fn add(&mut self, old: Option<&'a RatedLine>, new: Option<&'a RatedLine>) {
        let sum = |line: Option<&RatedLine>| WideSum::of(line.map(|line| &line.amount));
        let (before, after) = (sum(old), sum(new));
        self.old.add_sum(&before);
        self.new.add_sum(&after);
        match (old, new) {
            (Some(old), Some(new)) if same(old, new) => self.unchanged += 1,
            _ => {
                let amount = after.less(&before).total(self.currency);
                self.lines.push(LineDifference { old, new, amount });
            }
        }
    }
}

/// Two sums side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    pub old: WideSum,
    pub new: WideSum,
}

impl Side {
    pub fn difference(&self) -> WideSum {
        self.new.less(&self.old)
    }
}

/// What sums are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SideKey {
    pub account: AccountId,
    pub meter: MeterId,
    pub site: Option<String>,
    pub currency: Currency,
}

/// Keeps of a run's lines what they come to.
#[derive(Debug, Default)]
pub(crate) struct SideSums(Mutex<BTreeMap<SideKey, WideSum>>);

impl SideSums {
    pub(crate) fn into_sums(self) -> BTreeMap<SideKey, WideSum> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineSink for SideSums {
    fn part(&self, _: usize) -> Result<PartLines, RatingError> {
        Ok(PartLines::default().with_sums())
    }

    fn take(&self, _: usize, mut lines: PartLines) -> Result<(), RatingError> {
        let sums = lines.take_sums();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // All lines of an account are in one part.
        all.extend(sums);
        Ok(())
    }
}

/// What the lines of a part come to; they come in order of their accounts.
#[derive(Debug, Default)]
pub(crate) struct SideParts {
    done: Vec<(SideKey, WideSum)>,
    /// Of the account at hand. Adding fractions costs a common divisor each: those of one denominator
    /// are added first.
    own: Vec<(SideKey, Vec<(I256, I256)>)>,
}

impl SideParts {
    pub(crate) fn put(&mut self, line: &LineView<'_>) {
        let LineTerms { meter, site, currency, .. } = *line.terms;
        let worth = (line.amount.numerator(), line.amount.denominator());
        self.add(line.account, (meter, site, currency), worth);
    }

    /// Adds a fraction, in lowest terms or not.
    pub(crate) fn add(
        &mut self,
        account: &AccountId,
        (meter, site, currency): (&MeterId, Option<&str>, Currency),
        (numerator, denominator): (I256, I256),
    ) {
        if self.own.first().is_some_and(|(key, _)| key.account != *account) {
            self.end_account();
        }
        let own = self.own.iter().position(|(key, _)| {
            key.meter == *meter && key.site.as_deref() == site && key.currency == currency
        });
        let at = own.unwrap_or_else(|| {
            let (account, meter) = (account.clone(), meter.clone());
            let site = site.map(str::to_owned);
            self.own.push((SideKey { account, meter, site, currency }, Vec::new()));
            self.own.len() - 1
        });
        let parts = &mut self.own[at].1;
        // Of a sum that is full, a new one is begun.
        let fits = parts.iter_mut().find_map(|(sum, known)| {
            let more = (*known == denominator).then(|| sum.checked_add(numerator)).flatten()?;
            *sum = more;
            Some(())
        });
        if fits.is_none() {
            parts.push((numerator, denominator));
        }
    }

    fn end_account(&mut self) {
        for (key, parts) in self.own.drain(..) {
            let mut sum = WideSum::default();
            for (numerator, denominator) in parts {
                sum.add_parts(numerator, denominator);
            }
            self.done.push((key, sum));
        }
    }

    pub(crate) fn into_sums(mut self) -> Vec<(SideKey, WideSum)> {
        self.end_account();
        self.done
    }
}

/// Both sides by account, meter, site and currency.
pub fn sides(
    old: &BTreeMap<SideKey, WideSum>,
    new: &BTreeMap<SideKey, WideSum>,
) -> BTreeMap<SideKey, Side> {
    let side = |key: &SideKey| {
        let sum = |sums: &BTreeMap<SideKey, WideSum>| sums.get(key).cloned().unwrap_or_default();
        Side { old: sum(old), new: sum(new) }
    };
    old.keys().chain(new.keys()).map(|key| (key.clone(), side(key))).collect()
}

/// Sums of sides by some of what they are compared by.
pub fn grouped<K: Ord>(
    sides: &BTreeMap<SideKey, Side>,
    by: impl Fn(&SideKey) -> K,
) -> BTreeMap<(K, Currency), Side> {
    let mut sums: BTreeMap<(K, Currency), Side> = BTreeMap::new();
    for (key, side) in sides {
        let sum = sums.entry((by(key), key.currency)).or_default();
        sum.old.add_sum(&side.old);
        sum.new.add_sum(&side.new);
    }
    sums
}

#[cfg(test)]
mod tests {
    use turnpike_schemas::{Amount, Period, RunId};

    use super::*;
    use crate::gather::tests::book;
    use crate::quote::{QuoteBook, QuoteFor, ToldUsage};
    use crate::request::Window;

    /// Lines of some vCPU-hours each, of the account of the small book.
    fn lines(usage: &[(&str, &str)]) -> Vec<RatedLine> {
        let account = Some(AccountId::new("a1").expect("id"));
        let whom = QuoteFor { account, ..QuoteFor::default() };
        let mut book = book();
        book.meters = turnpike_schemas::meter::MeterCatalogue::builtin();
        let window = Window::parse_month("2026-09").expect("month");
        let of = QuoteBook::new(&book, &whom, window).expect("a quote");
        let told: Vec<ToldUsage> = usage
            .iter()
            .map(|(resource, quantity)| ToldUsage {
                meter: "vcpu".to_owned(),
                quantity: (*quantity).to_owned(),
                resource: Some((*resource).to_owned()),
                seconds: Some(1),
                ..ToldUsage::default()
            })
            .collect();
        of.of_usage(&RunId::new("quote").expect("id"), &told).expect("a quote").lines
    }

    fn sides_of(old: &[RatedLine], new: &[RatedLine]) -> BTreeMap<SideKey, Side> {
        let sums = |lines: &[RatedLine]| -> BTreeMap<SideKey, WideSum> {
            let mut parts = SideParts::default();
            for line in lines {
                let terms = LineTerms::of(line);
                parts.put(&LineView::of(line, &terms));
            }
            parts.into_sums().into_iter().collect()
        };
        sides(&sums(old), &sums(new))
    }

    #[test]
    fn old_and_difference_make_new() {
        let old = lines(&[("a", "1"), ("b", "2"), ("c", "0.333333")]);
        let new = lines(&[("b", "2"), ("c", "3"), ("d", "0.000001")]);
        let found = difference(&old, &new);
        let [account] = &found[..] else { panic!("one account: {found:?}") };
        let exact = |total: Total| total.is_exact.then_some(total.amount).expect("is exact");
        let sum = exact(account.old_total()).checked_add(&exact(account.difference()));
        assert_eq!(sum, Ok(exact(account.new_total())));
        assert_eq!(account.unchanged, 1);
        let mut words: Vec<(&str, &str)> = account
            .lines
            .iter()
            .filter_map(|line| Some((line.line()?.resource.as_str(), line.word())))
            .collect();
        words.sort_unstable();
        assert_eq!(words, [("a", "removed"), ("c", "changed"), ("d", "added")]);
        let eur = account.currency;
        let parts = Amount::sum(account.lines.iter().map(|line| &line.amount.amount), eur);
        assert_eq!(parts, Ok(exact(account.difference())));
        assert!(difference(&[], &[]).is_empty());
    }

    #[test]
    fn a_line_in_another_currency_is_another_line() {
        let old = lines(&[("a", "1")]);
        let mut new = old.clone();
        let yen = Currency::new("JPY").expect("JPY");
        new[0].currency = yen;
        new[0].amount = Amount::zero(yen);
        let found = difference(&old, &new);
        let words: Vec<&str> = found.iter().map(|account| account.lines[0].word()).collect();
        assert_eq!(words, ["removed", "added"]);
        let sides = sides_of(&old, &new);
        assert_eq!(sides.len(), 2);
        let by_account = grouped(&sides, |key| key.account.clone());
        assert_eq!(by_account.len(), 2);
    }

    #[test]
    fn sides_add_up_whatever_they_are_grouped_by() {
        let (old, new) = (lines(&[("a", "1"), ("b", "2")]), lines(&[("b", "5")]));
        let sides = sides_of(&old, &new);
        let total = grouped(&sides, |_| ());
        let total = total.values().next().expect("one currency");
        let account = &difference(&old, &new)[0];
        assert_eq!(total.difference().total(account.currency), account.difference());
        assert_eq!((&total.old, &total.new), (&account.old, &account.new));
        let period = old[0].service_period;
        assert_eq!(Period::new(period.start(), period.end()), Ok(period));
    }
}
