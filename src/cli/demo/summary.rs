//! What the demo tells at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use turnpike_books::{Audience, Books};
use turnpike_invoices::format;
use turnpike_schemas::{Invoice, Scope};

use super::Told;
use crate::app::App;
use crate::cli::rate::rounded_text;
use crate::cli::serve::web_settings;
use crate::output::{Cell, Format, Table, grouped, pretty};

/// Where to look.
pub struct Places {
    /// The document of a finalized invoice, for its customer.
    pub document: Option<PathBuf>,
    /// A finalized invoice to explain.
    pub invoice: Option<Invoice>,
}

/// Accounts named per currency.
const TOP_ACCOUNTS: usize = 3;

/// Writes the documents of the largest invoice of each seller into the demo's folder.
pub async fn export(app: &App, books: &Books, told: &Told) -> anyhow::Result<Places> {
    let folder = app.settings.data.dir.join("invoices");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut largest: BTreeMap<String, &Invoice> = BTreeMap::new();
    for done in &told.finalized.finalized {
        let seller = done.invoice.seller.id.to_string();
        let kept = largest.entry(seller).or_insert(&done.invoice);
        if done.invoice.gross.minor() > kept.gross.minor() {
            *kept = &done.invoice;
        }
    }
    let mut places = Places { document: None, invoice: None };
    for invoice in largest.into_values() {
        let id = invoice.id.as_str();
        let stored = books.document(&Scope::Provider, id, Audience::Customer).await?;
        let Some(stored) = stored else { continue };
        let path = folder.join(format!("{}.html", stored.number));
        std::fs::write(&path, stored.html).with_context(|| path.display().to_string())?;
        if places.document.is_none() {
            places.document = Some(path);
            places.invoice = Some(invoice.clone());
        }
    }
    Ok(places)
}

/// The summary for people.
pub async fn text(
    app: &App,
    books: &Books,
    told: &Told,
    places: &Places,
    no_serve: bool,
) -> anyhow::Result<String> {
    let mut text = String::from("\n");
    let mut stages = Table::new(&["stage", "seconds", "what"]);
    for stage in &told.stages {
        stages.push(vec![
            Cell::text(stage.name),
            Cell::Decimal(seconds(stage.time)),
            Cell::text(&stage.what),
        ]);
    }
    stages.push(vec![Cell::text("total"), Cell::Decimal(seconds(told.total)), Cell::text("")]);
    text.push_str(&stages.text(Format::Table));
    text.push_str(&events(told));
    text.push_str(&amounts(books, told).await?);
    text.push_str(&unbilled(told));
    text.push_str(&next(app, told, places, no_serve)?);
    Ok(text)
}

fn seconds(time: std::time::Duration) -> String {
    format!("{}.{:01}", time.as_secs(), time.subsec_millis() / 100)
}

fn count(number: i64) -> String {
    grouped(u64::try_from(number).unwrap_or(0))
}

fn events(told: &Told) -> String {
    let counts = &told.counts;
    let mut text = format!(
        "\nEvents     {} read = {} accepted + {} duplicate + {} conflict + {} dead\n",
        count(counts.read),
        count(counts.accepted),
        count(counts.duplicate),
        count(counts.conflict),
        count(counts.dead)
    );
    let reasons: Vec<String> =
        counts.by_reason.iter().map(|(reason, number)| format!("{reason} {number}")).collect();
    if !reasons.is_empty() {
        let _ = writeln!(text, "           {}", reasons.join(", "));
    }
    for (report, state) in [(&told.last, "finalized"), (&told.running, "running")] {
        let totals: Vec<String> =
            report.record.totals.iter().map(|total| rounded_text(&total.amount)).collect();
        let _ = writeln!(
            text,
            "{}    {} lines of {} accounts ({state}): {} before rounding each charge",
            report.record.label,
            count(report.record.lines),
            report.record.accounts,
            totals.join(" and ")
        );
    }
    text
}

async fn amounts(books: &Books, told: &Told) -> anyhow::Result<String> {
    let mut table = Table::new(&["period", "invoices", "net", "tax", "gross"]);
    let mut split = Table::new(&["period", "party", "role", "share of net"]);
    for report in [&told.last, &told.running] {
        let totals = books.period_totals(&Scope::Provider, Some(&report.record.label)).await;
        for total in totals.context("summing invoices")? {
            let invoices = match (total.finalized, total.drafts) {
                (finalized, 0) => format!("{finalized} finalized"),
                (0, drafts) => format!("{drafts} drafts"),
                (finalized, drafts) => format!("{finalized} finalized, {drafts} drafts"),
            };
            table.push(vec![
                Cell::text(&total.period_label),
                Cell::text(invoices),
                Cell::Decimal(format::money(&total.net)),
                Cell::Decimal(format::money(&total.tax)),
                Cell::Decimal(format::money(&total.gross)),
            ]);
            for share in &total.shares {
                split.push(vec![
                    Cell::text(&total.period_label),
                    Cell::text(&share.party),
                    Cell::text(&share.role),
                    Cell::Decimal(format::money(&share.amount)),
                ]);
            }
        }
    }
    let mut text = format!("\n{}", table.text(Format::Table));
    let _ = write!(text, "\n{}", split.text(Format::Table));
    let _ = write!(text, "\n{}", top_accounts(told).text(Format::Table));
    Ok(text)
}

fn top_accounts(told: &Told) -> Table {
    let mut invoices: Vec<&Invoice> =
        told.finalized.finalized.iter().map(|done| &done.invoice).collect();
    invoices.sort_by_key(|invoice| {
        (invoice.currency, std::cmp::Reverse(invoice.gross.minor()), invoice.id.clone())
    });
    let mut table = Table::new(&["invoice", "account", "name", "lines", "gross"]);
    let mut shown: BTreeMap<turnpike_schemas::Currency, usize> = BTreeMap::new();
    for invoice in invoices {
        let number = shown.entry(invoice.currency).or_default();
        *number += 1;
        if *number > TOP_ACCOUNTS {
            continue;
        }
        table.push(vec![
            Cell::optional(invoice.number.as_ref()),
            Cell::text(&invoice.account.id),
            Cell::text(&invoice.account.name),
            Cell::count(invoice.charges.len()),
            Cell::Decimal(format::money(&invoice.gross)),
        ]);
    }
    table
}

/// What is not on any bill, and why.
fn unbilled(told: &Told) -> String {
    let mut text = String::from("\n");
    for parked in &told.last.parked {
        let _ = writeln!(text, "Parked      {}: {}", parked.account, parked.reason);
    }
    let owners: std::collections::BTreeSet<&str> = told
        .last
        .unassigned
        .iter()
        .filter_map(|usage| usage.owner.as_ref().map(AsRef::as_ref))
        .collect();
    if !told.last.unassigned.is_empty() {
        let _ = writeln!(
            text,
            "Unassigned  {} usages of owners that no account claims: {}",
            told.last.unassigned.len(),
            owners.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
    for refusal in &told.finalized.refused {
        let _ = writeln!(text, "Still draft {}: {}", refusal.account, refusal.reason);
    }
    for (account, why) in &told.drafts.failed {
        let _ = writeln!(text, "No draft    {account}: {why}");
    }
    text
}

fn next(app: &App, told: &Told, places: &Places, no_serve: bool) -> anyhow::Result<String> {
    let dir = told.dir.display();
    let mut text = format!("\nData        {dir} (events.jsonl, book.toml, lake/, books.sqlite)\n");
    if let Some(path) = &places.document {
        let _ = writeln!(text, "An invoice  {}", path.display());
    }
    let address = app.settings.web.listen;
    if no_serve {
        let _ = writeln!(text, "Pages       turnpike --data-dir {dir} serve");
    } else {
        let _ = writeln!(text, "Pages       http://{address}/");
        if let Some(invoice) = &places.invoice {
            let settings = web_settings(app)?;
            let account = &invoice.account.id;
            let link = turnpike_web::portal_link(&settings, account, app.clock.now());
            let _ = writeln!(text, "A customer  http://{address}{link}");
        }
    }
    let number = places.invoice.as_ref().and_then(|invoice| invoice.number.clone());
    let number = number.unwrap_or_else(|| "NUMBER".to_owned());
    let _ = write!(
        text,
        "\nTry next\n  turnpike --data-dir {dir} invoice show {number}\n  \
         turnpike --data-dir {dir} explain {number} 1\n  \
         turnpike --data-dir {dir} verify\n  \
         turnpike --data-dir {dir} dead-letters list\n\n"
    );
    Ok(text)
}

/// The summary for programs.
pub fn json(told: &Told) -> String {
    let counts = &told.counts;
    let run = |report: &crate::jobs::RateReport| {
        let totals: BTreeMap<String, String> = report
            .record
            .totals
            .iter()
            .map(|total| (total.currency().to_string(), total.to_decimal_text(18)))
            .collect();
        serde_json::json!({
            "run": report.record.run.as_str(),
            "period": report.record.label,
            "hash": report.record.result_hash,
            "lines": report.record.lines,
            "accounts": report.record.accounts,
            "parked": report.parked.len(),
            "unassigned": report.unassigned.len(),
            "totals": totals,
        })
    };
    let stages: Vec<serde_json::Value> = told
        .stages
        .iter()
        .map(|stage| {
            serde_json::json!({"stage": stage.name, "seconds": seconds(stage.time), "what": stage.what})
        })
        .collect();
    pretty(&serde_json::json!({
        "seconds": seconds(told.total),
        "stages": stages,
        "events": {
            "read": counts.read, "accepted": counts.accepted, "duplicate": counts.duplicate,
            "conflict": counts.conflict, "dead": counts.dead,
        },
        "last": run(&told.last),
        "running": run(&told.running),
        "finalized": told.finalized.finalized.len(),
        "drafted": told.drafts.drafted.len(),
        "data_dir": told.dir.display().to_string(),
    }))
}
