//! `model = "hashmap"`: costs by service, fields and thresholds, in groups that add up.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use turnpike_schemas::tariff::{HashMapCost, HashMapGroup, HashMapKind, HashMapRule, WideNumber};

use super::number;
use super::reader::{Log, Place, Table};
use super::span::{self, Span};

type Groups = BTreeMap<String, HashMapGroup>;

/// `costs = [{ field = "flavor", value = "m1.small", cost = "0.02", group = "base" }, ...]`.
pub(super) fn groups(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Groups> {
    let tables = table.tables(log, "costs");
    if !table.has("costs") {
        return table.missing(
            log,
            "costs",
            "an array of tables, one for each mapping or threshold",
        );
    }
    if tables.is_empty() {
        let place = table.place_of(log, "costs");
        log.mistake(&place, "`costs` holds no cost");
        return None;
    }
    let count = tables.len();
    let mut costs: Vec<(String, HashMapCost, Place)> = Vec::new();
    for mut inner in tables {
        let group = inner.text_opt(log, "group").map(|group| group.value).unwrap_or_default();
        let place = inner.place.clone();
        let cost = cost(&mut inner, log);
        inner.finish(log);
        let Some(cost) = cost else { continue };
        check_single(log, &group, &cost, &place, &costs);
        costs.push((group, cost, place));
    }
    let complete = costs.len() == count;
    let mut groups = Groups::new();
    for (group, cost, _) in costs {
        groups.entry(group).or_default().costs.push(cost);
    }
    complete.then_some(groups)
}

fn cost(table: &mut Table<'_, '_>, log: &mut Log) -> Option<HashMapCost> {
    let field = table.text_opt(log, "field").map(|field| field.value);
    let value = table.text_opt(log, "value").map(|value| value.value);
    let level = number::optional(table, log, "at_least", &number::LEVEL);
    let flat = number::wide_optional(table, log, "cost", &number::COST);
    let factor = number::wide_optional(table, log, "factor", &number::COST_FACTOR);
    let project = table.text_opt(log, "project").map(|project| project.value);
    let Span { from: valid_from, to: valid_to } = span::read(table, log, Tz::UTC);
    let rule = rule(table, log, value, level);
    let (cost, number) = match (table.has("cost"), table.has("factor")) {
        (true, false) => (HashMapKind::Flat, flat),
        (false, true) => (HashMapKind::Rate, factor),
        _ => {
            log.mistake(&table.place, "write either a `cost`, which adds, or a `factor`");
            return None;
        }
    };
    let number = number?;
    let nano = nano_of(&number);
    let (nano, wide) = (nano.unwrap_or(0), nano.is_none().then_some(number));
    Some(HashMapCost { field, rule: rule?, cost, nano, wide, project, valid_from, valid_to })
}

/// An integer of 10^-9, where the number is one that fits.
fn nano_of(number: &WideNumber) -> Option<i64> {
    let more = 9_u32.checked_sub(number.decimals)?;
    let nano = number.value.checked_mul(10_i128.checked_pow(more)?)?;
    i64::try_from(nano).ok()
}

fn rule(
    table: &Table<'_, '_>,
    log: &mut Log,
    value: Option<String>,
    level: Option<i64>,
) -> Option<HashMapRule> {
    let problem = match (table.has("field"), table.has("value"), table.has("at_least")) {
        (_, true, true) => "write either `value` or `at_least`",
        (false, true, _) => "`value` is that of a `field`: name one",
        (true, false, false) => "a `field` needs a `value` that it equals, or an `at_least`",
        (true, true, false) => return value.map(|value| HashMapRule::Equals { value }),
        (_, false, true) => return level.map(|level_nano| HashMapRule::AtLeast { level_nano }),
        (false, false, false) => return Some(HashMapRule::Always),
    };
    log.mistake(&table.place, problem);
    None
}

/// At any time, one cost at most stands for a value or level of a group and project.
fn check_single(
    log: &mut Log,
    group: &str,
    cost: &HashMapCost,
    place: &Place,
    earlier: &[(String, HashMapCost, Place)],
) {
    let span = |cost: &HashMapCost| Span { from: cost.valid_from, to: cost.valid_to };
    let same = earlier.iter().find(|(other_group, other, _)| {
        other_group == group
            && (&other.field, &other.rule, &other.project)
                == (&cost.field, &cost.rule, &cost.project)
            && span(other).overlaps(&span(cost))
    });
    if let Some((_, _, first)) = same {
        let message =
            format!("a cost of the same group for the same stands on line {}", first.line);
        log.mistake(place, message);
    }
}
