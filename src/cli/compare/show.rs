//! Two sides, and what lies between them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use turnpike_rating::difference::grouped;
use turnpike_rating::{AccountDifference, Comparison, LineDifference, Side, SideKey, difference};
use turnpike_schemas::{Currency, Instant, RatedLine, RunId, WideSum};

use crate::app::App;
use crate::cli::amounts::{amount_text, fraction_text, total_json, total_text, unit_text, units};
use crate::cli::rate::rounded_text;
use crate::jobs::Against;
use crate::output::{self, Cell, Format, Table};

type Sums = BTreeMap<(String, Currency), Side>;

/// History and the other terms.
pub fn comparison(compared: &Comparison, label: &str, as_of: Instant, format: Format) -> String {
    let sides = compared.sides();
    let sums = |by: fn(&SideKey) -> String| grouped(&sides, by);
    let views = [
        ("account", sums(|key| key.account.to_string())),
        ("meter", sums(|key| key.meter.to_string())),
        ("site", sums(|key| key.site.clone().unwrap_or_else(|| "-".to_owned()))),
        ("total", sums(|_| "all".to_owned())),
    ];
    match format {
        Format::Csv => rows_table(&sides).text(format),
        Format::Table | Format::Html => {
            let tables = views.iter().map(|(name, sums)| table(name, sums).text(format));
            tables.collect::<Vec<_>>().join("\n")
        }
        Format::Json => {
            let mut object = json!({ "period": label, "as_of": as_of.to_string() });
            for (name, sums) in &views {
                object[*name] = sums_json(name, sums);
            }
            object["rows"] = rows_json(&sides);
            object["parked_old"] = json!(compared.parked_old);
            object["parked_new"] = json!(compared.parked_new);
            object["unassigned"] = json!(compared.unassigned.len());
            output::pretty(&object)
        }
    }
}

fn rounded(sum: &WideSum, currency: Currency) -> String {
    rounded_text(&sum.total(currency).amount)
}

fn amount_cells(side: &Side, currency: Currency) -> Vec<Cell> {
    let difference = side.difference();
    let exact = |sum: &WideSum| Cell::Decimal(total_text(&sum.total(currency)));
    vec![
        exact(&side.old),
        exact(&side.new),
        exact(&difference),
        Cell::Decimal(rounded(&difference, currency)),
    ]
}

fn table(name: &'static str, sums: &Sums) -> Table {
    let mut table = Table::new(&[name, "currency", "old", "new", "difference", "rounded"]);
    for ((key, currency), side) in sums {
        let mut row = vec![Cell::text(key), Cell::text(currency)];
        // People read money; what is exact stands in the difference and in the other formats.
        row.push(Cell::Decimal(rounded(&side.old, *currency)));
        row.push(Cell::Decimal(rounded(&side.new, *currency)));
        row.extend(amount_cells(side, *currency).split_off(2));
        table.push(row);
    }
    table
}

fn rows_table(sides: &BTreeMap<SideKey, Side>) -> Table {
    let mut table = Table::new(&[
        "account",
        "meter",
        "site",
        "currency",
        "old",
        "new",
        "difference",
        "difference_rounded",
    ]);
    for (key, side) in sides {
        let mut row = vec![
            Cell::text(&key.account),
            Cell::text(&key.meter),
            Cell::optional(key.site.as_ref()),
            Cell::text(key.currency),
        ];
        row.extend(amount_cells(side, key.currency));
        table.push(row);
    }
    table
}

fn side_json(side: &Side, currency: Currency) -> Value {
    let difference = side.difference();
    json!({
        "old": total_json(&side.old.total(currency)),
        "new": total_json(&side.new.total(currency)),
        "difference": total_json(&difference.total(currency)),
        "difference_rounded": rounded(&difference, currency),
    })
}

fn sums_json(name: &str, sums: &Sums) -> Value {
    let rows = sums.iter().map(|((key, currency), side)| {
        let mut row = side_json(side, *currency);
        row[name] = json!(key);
        row["currency"] = json!(currency.code());
        row
    });
    rows.collect()
}

fn rows_json(sides: &BTreeMap<SideKey, Side>) -> Value {
    let rows = sides.iter().map(|(key, side)| {
        let mut row = side_json(side, key.currency);
        row["account"] = json!(key.account);
        row["meter"] = json!(key.meter);
        row["site"] = json!(key.site);
        row["currency"] = json!(key.currency.code());
        row
    });
    rows.collect()
}

/// A revision against an earlier run.
pub fn revision(
    against: &Against,
    run: &RunId,
    label: &str,
    new: &[RatedLine],
    app: &App,
) -> String {
    let found = difference(&against.lines, new);
    match app.format {
        Format::Json => output::pretty(&difference_json(against, run, label, &found)),
        Format::Csv => lines_table(label, &found).text(Format::Csv),
        Format::Table | Format::Html => difference_text(against, label, &found),
    }
}

/// For people: the sums per account, then each line that is not the same.
pub fn difference_text(against: &Against, label: &str, found: &[AccountDifference<'_>]) -> String {
    let mut sums = Table::new(&["account", "old", "new", "difference", "rounded", "lines", "same"]);
    for one in found {
        sums.push(vec![
            Cell::text(&one.account),
            Cell::Decimal(rounded_text(&one.old_total().amount)),
            Cell::Decimal(rounded_text(&one.new_total().amount)),
            Cell::Decimal(total_text(&one.difference())),
            Cell::Decimal(rounded_text(&one.difference().amount)),
            Cell::count(one.lines.len()),
            Cell::count(one.unchanged),
        ]);
    }
    let earlier = against.run.as_ref().map_or_else(
        || "no earlier run: everything is new".to_owned(),
        |run| format!("against run {run}"),
    );
    let mut text = format!("Difference of {label}, {earlier}\n{}", sums.text(Format::Table));
    if found.iter().any(|one| !one.lines.is_empty()) {
        text.push('\n');
        text.push_str(&lines_table(label, found).text(Format::Table));
    }
    text
}

fn lines_table(label: &str, found: &[AccountDifference<'_>]) -> Table {
    let mut table = Table::new(&[
        "period",
        "account",
        "change",
        "resource",
        "meter",
        "detail",
        "site",
        "unit",
        "units_old",
        "units_new",
        "old",
        "new",
        "difference",
        "currency",
    ]);
    let lines = found.iter().flat_map(|one| &one.lines);
    for (one, line) in lines.filter_map(|one| Some((one, one.line()?))) {
        let units = |line: Option<&RatedLine>| {
            let text = line.and_then(units).map(|units| fraction_text(&units));
            text.map_or(Cell::None, Cell::Decimal)
        };
        let amount = |line: Option<&RatedLine>| {
            line.map_or(Cell::None, |line| Cell::Decimal(amount_text(&line.amount)))
        };
        table.push(vec![
            Cell::text(label),
            Cell::text(&line.account),
            Cell::text(one.word()),
            Cell::text(&line.resource),
            Cell::text(&line.meter),
            Cell::text(&line.detail),
            Cell::optional(line.site.as_ref()),
            Cell::text(unit_text(line)),
            units(one.old),
            units(one.new),
            amount(one.old),
            amount(one.new),
            Cell::Decimal(total_text(&one.amount)),
            Cell::text(line.currency),
        ]);
    }
    table
}

/// To the last integer. Each difference names the period that it corrects.
pub fn difference_json(
    against: &Against,
    run: &RunId,
    label: &str,
    found: &[AccountDifference<'_>],
) -> Value {
    let line = |one: &LineDifference<'_>| {
        json!({
            "change": one.word(),
            "old": one.old,
            "new": one.new,
            "difference": total_json(&one.amount),
        })
    };
    let account = |one: &AccountDifference<'_>| {
        json!({
            "account": one.account,
            "currency": one.currency.code(),
            "old": total_json(&one.old_total()),
            "new": total_json(&one.new_total()),
            "difference": total_json(&one.difference()),
            "difference_rounded": rounded_text(&one.difference().amount),
            "unchanged": one.unchanged,
            "lines": one.lines.iter().map(line).collect::<Vec<_>>(),
        })
    };
    json!({
        "period": label,
        "run": run,
        "corrects_run": against.run,
        "accounts": found.iter().map(account).collect::<Vec<_>>(),
    })
}
