//! The account stage: from what was gathered for one account to its rated lines.
//!
//! The order, which changes money and therefore stands here once:
//! 1. Allowances take units that cost nothing, in rating order: tariff versions, then first use.
//! 2. Usage of a rate is put into pools (account, project, site or resource; month; window) in the
//!    same order, and its units are rounded as they add up. Allowances that come after rounding take
//!    theirs then.
//! 3. Each pool is priced by its model ([`crate::price`]); every part becomes a rated line.
//! 4. Flat fees of first tiers without usage, then the fees of the tariffs.
//! 5. Discounts, credits, minimums, maximums and commitments, in the order in which the tariffs
//!    list them: those of the base first. Each sees what those before it have left.
//!
//! An account is priced alone: nothing here sees another one.

mod adjust;
mod allowance;
mod capacity;
mod entry;
mod fee;
pub(crate) mod line_id;
mod lines;
mod own;
mod place;
mod pool;
mod proration;
mod scope;
mod shadow;
mod terms;
#[cfg(test)]
mod tests;
mod true_up;
mod unused_windows;
mod zero_usage;

pub(crate) use lines::detail;
pub(crate) use pool::series_name;
use turnpike_schemas::{Account, Fraction, RatedLine, RunId};

use crate::gather::{GatherKey, Gathered};
use crate::parked::{ParkCode, ParkReason};
use crate::price::{PricePool, model_of};
use crate::tariff_lookup::Lookup;
use allowance::Free;
use terms::Terms;

/// What the steps after pricing work with.
struct Stage<'s, 'l, 'a> {
    lookup: &'s Lookup<'l>,
    run: &'s RunId,
    terms: &'s Terms<'a>,
    gathered: &'a [(GatherKey, Gathered)],
}

/// A priced part as a line, with what it came from.
struct Priced<'a> {
    key: &'a GatherKey,
    sums: &'a Gathered,
    rate: &'a turnpike_schemas::Rate,
    line: RatedLine,
}

/// Prices an account of the run: what was gathered for it, and what is due without usage.
pub fn price_account<'l: 'a, 'a>(
    lookup: &Lookup<'l>,
    run: &RunId,
    account: &'l Account,
    gathered: &'a [(GatherKey, Gathered)],
) -> Result<Vec<RatedLine>, ParkReason> {
    let terms = Terms::of(lookup, account)?;
    if gathered.is_empty() && terms.is_none() {
        return Ok(Vec::new());
    }
    let (free, pools) = counted(lookup, account, terms.as_ref(), gathered)?;
    let priced = priced(run, account, &pools, &free)?;
    let mut lines = match &terms {
        Some(terms) => {
            let stage = Stage { lookup, run, terms, gathered };
            let mut entries = entry::of_usage(terms, priced)?;
            zero_usage::add(&stage, &pools, &mut entries)?;
            fee::add(&stage, &mut entries)?;
            let adjustments = adjust::apply(&stage, &mut entries)?;
            entries.into_iter().map(|entry| entry.line).chain(adjustments).collect()
        }
        None => priced.into_iter().map(|priced| priced.line).collect::<Vec<_>>(),
    };
    lines.sort_by(lines::order);
    Ok(lines)
}

/// Whether nothing is due of an account but the prices of its usage, each rate alone.
pub(crate) fn owes_usage_alone<'l>(lookup: &Lookup<'l>, account: &'l Account) -> bool {
    matches!(Terms::of(lookup, account), Ok(None))
}

/// Where some usage stands among the units that are priced together.
#[derive(Debug, Clone)]
pub struct Placement {
    pub key: GatherKey,
    /// Units before it and with it, in price units x `per`: after allowances and rounding.
    pub low: Fraction,
    pub high: Fraction,
    /// All units that are counted together.
    pub total: Fraction,
}

/// The places that [`price_account`] prices usage at, for whoever explains them.
pub fn placements<'l: 'a, 'a>(
    lookup: &Lookup<'l>,
    account: &'l Account,
    gathered: &'a [(GatherKey, Gathered)],
) -> Result<Vec<Placement>, ParkReason> {
    let terms = Terms::of(lookup, account)?;
    let (_, pools) = counted(lookup, account, terms.as_ref(), gathered)?;
    let mut found = Vec::new();
    for pool in &pools {
        found.extend(pool.items.iter().map(|item| Placement {
            key: item.key.clone(),
            low: item.low,
            high: item.high,
            total: pool.total,
        }));
    }
    Ok(found)
}

/// What is free, and the pools of what is not.
fn counted<'l: 'a, 'a>(
    lookup: &Lookup<'l>,
    account: &'l Account,
    terms: Option<&Terms<'a>>,
    gathered: &'a [(GatherKey, Gathered)],
) -> Result<(Free<'a>, Vec<PricePool<'a>>), ParkReason> {
    let currency = account.currency.ok_or_else(|| {
        let text = format!("account `{}` has no currency", account.id);
        ParkReason::new(ParkCode::MissingCurrency, text)
    })?;
    let mut free = match terms {
        Some(terms) => Free::of(lookup.book, terms, gathered)?,
        None => Free::default(),
    };
    let mut pools = pool::pools(lookup.book, account, currency, gathered, &free)?;
    if let Some(terms) = terms.filter(|terms| terms.takes_rounded_units()) {
        free.take_rounded(lookup.book, terms, gathered, &pool::parts(&pools)?)?;
        pool::take_rounded(&mut pools, &free)?;
    }
    Ok((free, pools))
}

fn priced<'a>(
    run: &RunId,
    account: &Account,
    pools: &[PricePool<'a>],
    free: &Free<'a>,
) -> Result<Vec<Priced<'a>>, ParkReason> {
    let mut priced = Vec::new();
    for pool in pools {
        let of_item = |index: usize, line: RatedLine| {
            let item = &pool.items[index];
            Priced { key: item.key, sums: item.sums, rate: pool.rate, line }
        };
        for (index, line) in free.lines(run, account, pool)? {
            priced.push(of_item(index, line));
        }
        for part in model_of(pool.rate)?.price(pool)? {
            let index = part.item;
            if let Some(part) = free.left(part, &pool.items[index])? {
                let line = lines::line_of(run, account, pool, &part, part.role())?;
                priced.push(of_item(index, line));
            }
        }
    }
    Ok(priced)
}

fn overflow() -> ParkReason {
    ParkReason::new(ParkCode::Overflow, "the amounts or units of the account are too large to sum")
}
