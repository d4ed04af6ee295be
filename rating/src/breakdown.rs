//! The sums of rated lines, step by step in the order in which the tariff lists what it does.

use turnpike_schemas::amount::AmountError;
use turnpike_schemas::{Currency, LineKind, PriceBook, RatedLine, Tariff, Total, WideSum};

/// One step: what it adds (or takes off), and what stands there after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakdownStep {
    pub name: String,
    pub amount: Total,
    pub subtotal: Total,
}

/// Usage, fees, then each adjustment in the tariff's order. Fails where lines are of several
/// currencies, and never for what they come to.
pub fn breakdown(
    book: &PriceBook,
    lines: &[RatedLine],
    currency: Currency,
) -> Result<Vec<BreakdownStep>, AmountError> {
    if let Some(line) = lines.iter().find(|line| line.amount.currency() != currency) {
        let right = line.amount.currency();
        return Err(AmountError::Currencies { left: currency, right });
    }
    let mut named: Vec<(String, Vec<&RatedLine>)> =
        vec![("usage".to_owned(), Vec::new()), ("fees".to_owned(), Vec::new())];
    for name in adjustment_names(book, lines) {
        named.push((name, Vec::new()));
    }
    for line in lines {
        let place = match line.kind {
            LineKind::Usage | LineKind::Metered => 0,
            LineKind::Fee => 1,
            LineKind::Adjustment => {
                let found = named.iter().skip(2).position(|(name, _)| is_of(line, name));
                // What no version lists any more stands under its own words, at the end.
                found.map_or_else(
                    || {
                        named.push((line.detail.clone(), Vec::new()));
                        named.len() - 1
                    },
                    |place| place + 2,
                )
            }
        };
        named[place].1.push(line);
    }
    let mut subtotal = WideSum::default();
    let mut steps = Vec::new();
    for (name, lines) in named.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let sum = WideSum::of(lines.iter().map(|line| &line.amount));
        subtotal.add_sum(&sum);
        let (amount, subtotal) = (sum.total(currency), subtotal.total(currency));
        steps.push(BreakdownStep { name, amount, subtotal });
    }
    Ok(steps)
}

/// The adjustments of the versions in force: those of base tariffs come first.
fn adjustment_names(book: &PriceBook, lines: &[RatedLine]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen: Vec<&Tariff> = Vec::new();
    for line in lines {
        let mut chain = Vec::new();
        let mut next = book.tariff(&line.tariff);
        while let Some(tariff) = next.filter(|tariff| !seen.contains(tariff)) {
            seen.push(tariff);
            chain.push(tariff);
            next = tariff.base.as_ref().and_then(|base| book.tariff(base));
        }
        for version in chain.iter().rev().flat_map(|tariff| &tariff.versions) {
            for adjustment in &version.adjustments {
                if !names.contains(&adjustment.name) {
                    names.push(adjustment.name.clone());
                }
            }
        }
    }
    names
}

/// An adjustment's lines carry its name, with or without more words.
fn is_of(line: &RatedLine, name: &str) -> bool {
    let rest = line.detail.strip_prefix(name);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with([':', ',']) || rest.starts_with(" (")
    })
}
