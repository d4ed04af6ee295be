//! The list of adjustments: each is worked out on what those before it have left of the lines.
//!
//! A credit, a maximum and a commitment are placed on the lines of their pool in rating order; a
//! minimum adds one line for what is missing. Negative lines (corrections) count: a maximum of a
//! negative total does nothing, a minimum brings the total up to its amount.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{
    Adjustment, AdjustmentKind, Aggregation, Amount, Fraction, Instant, LineKind, Per, Period,
    Pool, PriceUnit, RatedLine, TariffVersion,
};

use super::entry::Entry;
use super::lines::{fitting, line_id};
use super::place::{above, place, total, within};
use super::proration::{Proration, portions};
use super::scope::covers;
use super::terms::Series;
use super::true_up::TrueUp;
use super::unused_windows::{self, Window};
use super::{Stage, overflow};
use crate::parked::ParkReason;

/// An adjustment's name, and the word of its kind: both make it the same in a later version.
pub(super) fn kind_word(adjustment: &Adjustment) -> (&str, &'static str) {
    let word = match adjustment.kind {
        AdjustmentKind::Allowance { .. } => "allowance",
        AdjustmentKind::Discount { .. } => "discount",
        AdjustmentKind::Credit { .. } => "credit",
        AdjustmentKind::Minimum { .. } => "minimum",
        AdjustmentKind::Maximum { .. } => "maximum",
        AdjustmentKind::Commitment { .. } => "commitment",
    };
    (&adjustment.name, word)
}

/// Applies the adjustments; true-ups become entries, what is placed on lines is given back.
pub(super) fn apply<'a>(
    stage: &Stage<'_, '_, 'a>,
    entries: &mut Vec<Entry<'a>>,
) -> Result<Vec<RatedLine>, ParkReason> {
    let mut lines = Vec::new();
    for month in &stage.terms.months {
        let list = |version: &'a TariffVersion| version.adjustments.as_slice();
        for series in stage.terms.series(month, list, kind_word) {
            let Some(lead) = series.spells.iter().find(|spell| spell.inside) else { continue };
            let members = members(month, &series, entries);
            match lead.item.kind {
                // Taken before the price models.
                AdjustmentKind::Allowance { .. } => {}
                AdjustmentKind::Discount { .. } => {
                    discount(&series, &members, entries, &mut lines)?;
                }
                _ => {
                    let pooled = Pooled { stage, month, series: &series, lead: lead.item };
                    pooled.apply(&members, entries, &mut lines)?;
                }
            }
        }
    }
    Ok(lines)
}

/// The lines that an adjustment bears on, in rating order.
fn members(month: &Period, series: &Series<'_, Adjustment>, entries: &[Entry<'_>]) -> Vec<usize> {
    let bears = |entry: &Entry<'_>| {
        let stretch = entry.stretch.and_then(|stretch| series.by_stretch.get(&stretch));
        entry.month == month.start()
            && stretch.is_some_and(|adjustment| {
                covers(&adjustment.scope, &entry.origin)
                    && (!adjustment.windows || entry.window.is_some())
            })
    };
    let found = entries.iter().enumerate().filter(|(_, entry)| bears(entry));
    found.map(|(place, _)| place).collect()
}

fn discount(
    series: &Series<'_, Adjustment>,
    members: &[usize],
    entries: &mut [Entry<'_>],
    lines: &mut Vec<RatedLine>,
) -> Result<(), ParkReason> {
    for member in members {
        let stretch = entries[*member].stretch;
        let Some(AdjustmentKind::Discount { rate_nano }) =
            stretch.and_then(|stretch| series.by_stretch.get(&stretch)).map(|found| &found.kind)
        else {
            continue;
        };
        let share = Fraction::nano(*rate_nano);
        let off = entries[*member].net.checked_mul(&share).and_then(|off| off.checked_neg());
        let off = off.ok_or_else(overflow)?;
        if !off.is_zero() {
            lines.push(put(&mut entries[*member], series, "", &off)?);
        }
    }
    Ok(())
}

/// Changes what is left of a line, and gives the line that says so.
fn put(
    entry: &mut Entry<'_>,
    series: &Series<'_, Adjustment>,
    what: &str,
    part: &Fraction,
) -> Result<RatedLine, ParkReason> {
    entry.net = entry.net.checked_add(part).ok_or_else(overflow)?;
    let line = &entry.line;
    let id = &series.id;
    let nth = id.nth.to_string();
    let apart = [&line.line_id, id.tariff.as_str(), id.name, id.word, &nth, what].join("\n");
    let name = if what.is_empty() { id.name.to_owned() } else { format!("{}: {what}", id.name) };
    fitting(RatedLine {
        line_id: line_id(&[&apart]),
        kind: LineKind::Adjustment,
        detail: if line.detail.is_empty() { name } else { format!("{name} ({})", line.detail) },
        aggregation: Aggregation::Sum,
        quantity: 1,
        scale: 0,
        seconds: 0,
        price_nano: 0,
        unit: PriceUnit { name: "adjustment".to_owned(), base_units: 1 },
        per: Per::Unit,
        per_seconds: 1,
        amount: Amount::from_fraction(*part, line.currency),
        intervals: 0,
        ..line.clone()
    })
}

/// A member of the account and a window; none for the account and the month.
pub(super) type PoolKey = (Option<String>, Option<Instant>);

/// An adjustment that is counted over pools.
struct Pooled<'s, 'l, 'a> {
    stage: &'s Stage<'s, 'l, 'a>,
    month: &'s Period,
    series: &'s Series<'a, Adjustment>,
    /// As the version in force first has it.
    lead: &'a Adjustment,
}

impl<'a> Pooled<'_, '_, 'a> {
    fn apply(
        &self,
        members: &[usize],
        entries: &mut Vec<Entry<'a>>,
        lines: &mut Vec<RatedLine>,
    ) -> Result<(), ParkReason> {
        let mut pools: BTreeMap<PoolKey, Vec<usize>> = BTreeMap::new();
        if self.lead.pool == Pool::Account && !self.lead.windows {
            // In force without usage too.
            pools.insert((None, None), Vec::new());
        }
        for member in members {
            let entry = &entries[*member];
            let Some(of) = entry.member(self.lead.pool) else { continue };
            let window = entry.window.filter(|_| self.lead.windows);
            pools.entry((of, window)).or_default().push(*member);
        }
        let windows = self.unused_windows(&mut pools)?;
        let (monthly, text) = self.amount()?;
        for (key, members) in pools {
            let window = key.1.and_then(|start| windows.get(&start)).copied();
            let first = members.first().and_then(|member| entries[*member].stretch);
            let first = first.or(window.map(|window| window.stretch));
            let own = first.and_then(|stretch| self.series.by_stretch.get(&stretch));
            let own = own.copied().unwrap_or(self.lead);
            let (adjustment, amount) = if self.lead.windows {
                (own, Fraction::nano(terms_of(&own.kind).0))
            } else {
                (self.lead, monthly)
            };
            let window = window.map(|window| (window.start, window.end));
            let pool = OnePool { adjustment, amount, text: &text, key, members, window };
            self.change(&pool, entries, lines)?;
        }
        Ok(())
    }

    /// Adds windows without usage to the pools of all members that are known, where what they fall
    /// short of is due.
    fn unused_windows(
        &self,
        pools: &mut BTreeMap<PoolKey, Vec<usize>>,
    ) -> Result<BTreeMap<Instant, Window>, ParkReason> {
        let short = matches!(
            self.lead.kind,
            AdjustmentKind::Minimum { .. } | AdjustmentKind::Commitment { true_up: true, .. }
        );
        if !self.lead.windows || !short {
            return Ok(BTreeMap::new());
        }
        let windows = unused_windows::windows(self.stage, self.series, self.month)?;
        let mut members: BTreeSet<Option<String>> = pools.keys().map(|key| key.0.clone()).collect();
        if self.lead.pool == Pool::Account {
            members.insert(None);
        }
        for member in members {
            for start in windows.keys() {
                pools.entry((member.clone(), Some(*start))).or_default();
            }
        }
        Ok(windows)
    }

    /// The amount for the month: each version's for its part. A credit is never prorated.
    fn amount(&self) -> Result<(Fraction, String), ParkReason> {
        let zone = self.stage.terms.account.time_zone;
        let spells = &self.series.spells;
        let parts = portions(spells, |item| terms_of(&item.kind).1, self.month, zone)?;
        let mut sum = Fraction::ZERO;
        for (spell, portion) in spells.iter().zip(&parts) {
            let part = Fraction::nano(terms_of(&spell.item.kind).0).checked_mul(&portion.ratio);
            sum = part.and_then(|part| sum.checked_add(&part)).ok_or_else(overflow)?;
        }
        let mut texts = parts.into_iter().map(|portion| portion.text).filter(|t| !t.is_empty());
        let text = match (texts.next(), texts.next()) {
            (Some(only), None) => only,
            _ => String::new(),
        };
        Ok((sum.max(Fraction::ZERO), text))
    }

    fn change(
        &self,
        pool: &OnePool<'_>,
        entries: &mut Vec<Entry<'a>>,
        lines: &mut Vec<RatedLine>,
    ) -> Result<(), ParkReason> {
        let (amount, members) = (&pool.amount, pool.members.as_slice());
        let off = |part: Fraction| part.checked_neg();
        let mut parts: Vec<(&str, usize, Fraction)> = Vec::new();
        let mut missing_what = None;
        match &pool.adjustment.kind {
            AdjustmentKind::Credit { .. } => {
                let found = place(entries, members, |sum| off(within(sum, amount)))?;
                parts.extend(found.into_iter().map(|(member, part)| ("", member, part)));
            }
            AdjustmentKind::Maximum { .. } => {
                let found = place(entries, members, |sum| off(above(sum, amount)?))?;
                parts.extend(found.into_iter().map(|(member, part)| ("", member, part)));
            }
            AdjustmentKind::Minimum { .. } => missing_what = Some("true-up to"),
            AdjustmentKind::Commitment { overage_nano, true_up, prepaid, .. } => {
                if *prepaid {
                    // The overage alone is billed: of a negative total nothing is left either.
                    let found = place(entries, members, |sum| off((*sum).min(*amount)))?;
                    parts.extend(found.into_iter().map(|(m, part)| ("prepaid", m, part)));
                } else if *true_up {
                    missing_what = Some("unused of");
                }
                let more = Fraction::nano(*overage_nano).checked_sub(&Fraction::ONE);
                let more = more.ok_or_else(overflow)?;
                let found = place(entries, members, |sum| above(sum, amount)?.checked_mul(&more))?;
                parts.extend(found.into_iter().map(|(m, part)| ("overage", m, part)));
            }
            AdjustmentKind::Allowance { .. } | AdjustmentKind::Discount { .. } => {}
        }
        if let Some(what) = missing_what {
            let missing = amount.checked_sub(&total(entries, members)?).ok_or_else(overflow)?;
            if missing > Fraction::ZERO {
                let (text, amount, window) = (pool.text, pool.amount, pool.window);
                let true_up = TrueUp { what, text, amount, missing, window };
                let (key, month) = (&pool.key, self.month);
                let made =
                    true_up.entry(self.stage, self.series, month, key, (entries, members))?;
                entries.push(made);
            }
        }
        for (what, member, part) in parts {
            lines.push(put(&mut entries[member], self.series, what, &part)?);
        }
        Ok(())
    }
}

/// A pool with its amount.
struct OnePool<'p> {
    adjustment: &'p Adjustment,
    amount: Fraction,
    /// `2 of 29 days`.
    text: &'p str,
    key: PoolKey,
    members: Vec<usize>,
    /// Where those without usage are counted too.
    window: Option<(Instant, Instant)>,
}

/// The amount of an adjustment, and how it is prorated.
fn terms_of(kind: &AdjustmentKind) -> (i128, Proration) {
    match kind {
        AdjustmentKind::Credit { amount_nano } => (*amount_nano, Proration::None),
        AdjustmentKind::Minimum { amount_nano, proration }
        | AdjustmentKind::Maximum { amount_nano, proration }
        | AdjustmentKind::Commitment { amount_nano, proration, .. } => (*amount_nano, *proration),
        AdjustmentKind::Allowance { .. } | AdjustmentKind::Discount { .. } => (0, Proration::None),
    }
}
