//! Metering and pricing a second time, the slow and plain way, to check the fast one against.
//!
//! Owns: a reading of raw events, a time line per resource, and sums second by second.
//! Does not own: what is billed; nothing of it is ever stored.
//! Invariants: shares no code with `rating` beyond the domain types and the price book; no state,
//! no buckets, no compaction: every answer comes from all accepted events of a resource.
//!
//! How a second is billed: all changes up to and within it have happened, so it belongs to what
//! holds at its last microsecond. That is the same as flooring every instant to its second.

mod amounts;
mod facts;
mod known;
mod timeline;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use turnpike_lake::LakeSnapshot;
use turnpike_rating::Window;
use turnpike_schemas::{Account, AccountId, Amount, Instant, PriceBook, RatedLine};

use facts::{Fact, facts};
pub use known::is_usage;

/// The exact sums of an account by resource and meter.
pub type Sums = BTreeMap<(String, String), Amount>;

/// What is metered again.
pub struct Question<'a> {
    pub book: &'a PriceBook,
    pub window: Window,
    pub as_of: Instant,
    pub accounts: &'a BTreeSet<AccountId>,
}

/// What metering an account again came to.
#[derive(Debug)]
pub enum Answer {
    Sums(Sums),
    /// It cannot be priced, for this reason.
    Unpriced(String),
    /// It was not looked at: its prices are of a kind that only rating knows.
    Beyond(String),
}

/// Meters and prices accounts again from raw events.
pub async fn meter_again(
    snapshot: &LakeSnapshot,
    question: &Question<'_>,
) -> anyhow::Result<BTreeMap<AccountId, Answer>> {
    let owners: BTreeSet<&str> = question
        .accounts
        .iter()
        .filter_map(|id| question.book.account(id))
        .flat_map(|account| account.owners.iter().map(|rule| rule.owner.as_str()))
        .collect();
    let by_resource = facts(snapshot, &owners, question.window.last_month()).await?;
    let told: BTreeMap<String, Told> =
        by_resource.into_iter().map(|(resource, facts)| (resource, Told::of(&facts))).collect();
    let mut answers = BTreeMap::new();
    for id in question.accounts {
        let account = question.book.account(id);
        let account = account.ok_or_else(|| anyhow!("account `{id}` is not in the book"))?;
        answers.insert(id.clone(), meter_account(question, account, &told)?);
    }
    Ok(answers)
}

/// A resource with everybody who ever held it.
struct Told {
    owners: BTreeSet<String>,
    line: timeline::Timeline,
}

impl Told {
    fn of(facts: &[Fact]) -> Self {
        let owners = facts.iter().filter_map(|fact| fact.owner.clone()).collect();
        Self { owners, line: timeline::timeline(facts) }
    }
}

/// One account over all resources that its owners ever held.
fn meter_account(
    question: &Question<'_>,
    account: &Account,
    told: &BTreeMap<String, Told>,
) -> anyhow::Result<Answer> {
    let period = question.window.period(account).context("the account's period")?;
    if let Some(what) = known::beyond(question.book, account, &period) {
        return Ok(Answer::Beyond(what));
    }
    let months = period.local_months(account.time_zone).context("the account's months")?;
    let pricing = amounts::Prices {
        book: question.book,
        account,
        period,
        months,
        until: question.as_of.micros(),
    };
    let mut sums = Sums::new();
    let is_held =
        |told: &Told| account.owners.iter().any(|rule| told.owners.contains(rule.owner.as_str()));
    for (resource, told) in told.iter().filter(|(_, told)| is_held(told)) {
        if let Err(reason) = pricing.add(resource, &told.line, &mut sums) {
            return Ok(Answer::Unpriced(format!("{resource}: {reason}")));
        }
    }
    Ok(Answer::Sums(sums))
}

/// Sums as the account's lines show them: by meter alone, where a line stands for several resources.
pub fn as_shown(book: &PriceBook, account: &AccountId, sums: Sums) -> anyhow::Result<Sums> {
    if !book.account(account).is_some_and(|account| known::is_collapsed(book, account)) {
        return Ok(sums);
    }
    let mut by_meter = Sums::new();
    for ((_, meter), amount) in sums {
        let key = ("all resources".to_owned(), meter);
        let sum = by_meter.entry(key).or_insert_with(|| Amount::zero(amount.currency()));
        *sum = sum.checked_add(&amount).context("summing by meter")?;
    }
    Ok(by_meter)
}

/// The same sums from rated lines of usage, to compare with.
pub fn sums_of<'a>(lines: impl IntoIterator<Item = &'a RatedLine>) -> anyhow::Result<Sums> {
    let mut sums = Sums::new();
    for line in lines.into_iter().filter(|line| is_usage(line)) {
        let key = (line.resource.to_string(), line.meter.to_string());
        let sum = sums.entry(key).or_insert_with(|| Amount::zero(line.currency));
        *sum = sum.checked_add(&line.amount).context("summing rated lines")?;
    }
    Ok(sums)
}

/// Every difference, as a sentence. Amounts of zero and absent ones are equal.
pub fn differences(naive: &Sums, rated: &Sums) -> Vec<String> {
    let keys: BTreeSet<&(String, String)> = naive.keys().chain(rated.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let (ours, theirs) = (naive.get(key), rated.get(key));
        let same = match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (Some(one), None) | (None, Some(one)) => one.is_zero(),
            (None, None) => true,
        };
        if !same {
            let shown = |amount: Option<&Amount>| {
                amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_decimal_text(12))
            };
            let (resource, meter) = key;
            found.push(format!(
                "{resource}, {meter}: rated {}, metered again {}",
                shown(theirs),
                shown(ours)
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests;
