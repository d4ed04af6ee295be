//! Geometry of charts: lengths in hundredths of a percent, so that no float is needed and bars
//! stretch with the page while their text does not.

use turnpike_schemas::Money;

use crate::reads::CurrencyBreakdown;

/// One coloured piece of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Attribute values such as `12.50%`.
    pub x: String,
    pub width: String,
    /// From 1, the colour; services beyond the last colour share it.
    pub series: usize,
    pub title: String,
    pub money: Money,
}

/// One bar with its label above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub label: String,
    /// Pixels from the top: of the text's baseline, and of the bar.
    pub text_y: usize,
    pub bar_y: usize,
    pub total: Money,
    pub segments: Vec<Segment>,
}

/// Horizontal bars, a label and a total above each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarChart {
    pub height: usize,
    pub bars: Vec<Bar>,
    /// Name and colour of each series.
    pub legend: Vec<(String, usize)>,
}

/// Colours that the style sheet has.
const SERIES: usize = 6;
const ROW_PIXELS: usize = 52;
/// Longer names would run into the amount on a narrow screen; the table has them whole.
const LABEL_CHARS_MAX: usize = 22;
const WHOLE: i64 = 10_000;

/// Net by site, stacked by service. Credits have no length: the table twin shows them.
pub fn by_site(breakdown: &CurrencyBreakdown) -> BarChart {
    let longest = breakdown.sites.iter().map(|site| site.net.minor()).max().unwrap_or_default();
    let mut bars = Vec::new();
    for (row, site) in breakdown.sites.iter().enumerate() {
        let mut x = 0_i64;
        let mut segments = Vec::new();
        for (index, service) in site.services.iter().enumerate() {
            let width = part(service.net.minor(), longest).min(WHOLE.saturating_sub(x));
            if width > 0 {
                segments.push(Segment {
                    x: percent(x),
                    width: percent(width),
                    series: series(index),
                    title: service.service.clone(),
                    money: service.net,
                });
            }
            x = x.saturating_add(width);
        }
        let top = row.saturating_mul(ROW_PIXELS);
        bars.push(Bar {
            label: shorten(site.site.as_deref().unwrap_or("no site named")),
            text_y: top.saturating_add(16),
            bar_y: top.saturating_add(24),
            total: site.net,
            segments,
        });
    }
    let legend = breakdown.services.iter().enumerate();
    BarChart {
        height: bars.len().saturating_mul(ROW_PIXELS),
        bars,
        legend: legend.map(|(index, total)| (total.service.clone(), series(index))).collect(),
    }
}

fn series(index: usize) -> usize {
    index.saturating_add(1).min(SERIES)
}

/// `value` of `whole`, in hundredths of a percent.
fn part(value: i64, whole: i64) -> i64 {
    if value <= 0 || whole <= 0 {
        return 0;
    }
    let part = i128::from(value) * i128::from(WHOLE) / i128::from(whole);
    i64::try_from(part).unwrap_or(WHOLE).min(WHOLE)
}

fn percent(hundredths: i64) -> String {
    format!("{}.{:02}%", hundredths.div_euclid(100), hundredths.rem_euclid(100))
}

fn shorten(text: &str) -> String {
    match text.chars().count() > LABEL_CHARS_MAX {
        true => text.chars().take(LABEL_CHARS_MAX).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_parts_of_the_longest() {
        let check = |value, whole, text: &str| assert_eq!(percent(part(value, whole)), text);
        check(1, 3, "33.33%");
        check(3, 3, "100.00%");
        check(0, 3, "0.00%");
        check(-5, 3, "0.00%");
        check(5, 0, "0.00%");
        check(i64::MAX, i64::MAX, "100.00%");
        check(5, 3, "100.00%");
    }
}
