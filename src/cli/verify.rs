//! `turnpike verify`: proves that what is stored still adds up.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use clap::Args;
use turnpike_books::{Books, InvoiceFilter, RunRecord};
use turnpike_lake::{Lake, LakeSnapshot};
use turnpike_rating::RatingRequest;
use turnpike_schemas::{AccountId, Invoice, PriceBook, RatedLine, RunId, Scope};

use crate::app::{App, threads};
use crate::fault::{Kind, fault};
use crate::jobs;
use crate::naive::{Answer, Question, as_shown, differences, is_usage, meter_again, sums_of};
use crate::output::{self, Cell, Table};
use crate::progress;

/// Proves the invariants: numbers, hashes and sums of invoices, counts of events, and a sample of
/// accounts metered again from raw events
#[derive(Debug, Args)]
pub struct Verify {
    /// Accounts of each run that are metered again; 0: none
    #[arg(long, default_value_t = 5)]
    sample: usize,
}

/// What was looked at and what was found.
#[derive(Default)]
struct Report {
    checks: Vec<(&'static str, u64, String)>,
    findings: Vec<(&'static str, String, String)>,
}

impl Report {
    fn checked(&mut self, what: &'static str, number: u64, how: impl Into<String>) {
        self.checks.push((what, number, how.into()));
    }

    fn found(&mut self, what: &'static str, subject: impl ToString, message: impl ToString) {
        self.findings.push((what, subject.to_string(), message.to_string()));
    }
}

impl Verify {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let lake = app.lake().await?;
        let books = app.books().await?;
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let mut report = Report::default();
        check_books(&books, &mut report).await?;
        check_counts(&snapshot, &mut report).await?;
        let invoices = all_invoices(&books).await?;
        let runs = runs_of(&books, &invoices).await?;
        let bar = progress::units("verifying", runs.len() as u64);
        for record in &runs {
            let lines = jobs::lines_of(&lake, &record.run).await?;
            check_invoices(record, &lines, &invoices, &mut report);
            self.check_sample(app, &lake, &books, &snapshot, record, &lines, &mut report).await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        print(app, &report)?;
        match report.findings.len() {
            0 => Ok(()),
            1 => Err(fault(Kind::Data, "there is a finding")),
            many => Err(fault(Kind::Data, format!("there are {many} findings"))),
        }
    }

    /// Meters accounts again from raw events and compares every resource and meter exactly.
    #[expect(clippy::too_many_arguments, reason = "one step of a list of checks")]
    async fn check_sample(
        &self,
        app: &App,
        lake: &Lake,
        books: &Books,
        snapshot: &LakeSnapshot,
        record: &RunRecord,
        lines: &[RatedLine],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let accounts = sample(lines, self.sample, &record.result_hash);
        if accounts.is_empty() {
            return Ok(());
        }
        let book = books.price_book_by_hash(&record.book_hash).await.context("reading the book")?;
        let Some(book) = book else {
            report.found("book", &record.run, format!("book {} is not stored", record.book_hash));
            return Ok(());
        };
        // Events that came after the run are none of its business: then the same accounts are
        // rated anew from what there is now, without storing it, and that is what is compared.
        let anew = snapshot.raw_version() != record.raw_version;
        let fresh =
            if anew { rate_again(app, lake, &book, record, &accounts).await? } else { Vec::new() };
        let rated = if anew { &fresh } else { lines };
        let question = Question {
            book: &book,
            window: jobs::window_of(&record.label)?,
            as_of: record.as_of,
            accounts: &accounts,
        };
        let answers = meter_again(snapshot, &question).await.context("metering again")?;
        let (mut names, mut left, mut others) = (Vec::new(), Vec::new(), 0);
        for (account, answer) in answers {
            let own = rated.iter().filter(|line| line.account == account);
            let subject = format!("{account} of {}", record.label);
            match answer {
                Answer::Sums(sums) => {
                    let naive = as_shown(&book, &account, sums)?;
                    others += own.clone().filter(|line| !is_usage(line)).count();
                    let own = as_shown(&book, &account, sums_of(own)?)?;
                    for difference in differences(&naive, &own) {
                        report.found("metering", &subject, difference);
                    }
                    names.push(account.to_string());
                }
                Answer::Unpriced(reason) => report.found("metering", &subject, reason),
                Answer::Beyond(what) => left.push(format!("{account} ({what})")),
            }
        }
        if !left.is_empty() {
            let how = format!("{}, not metered again: {}", record.label, left.join(", "));
            report.checked("accounts left out", left.len() as u64, how);
        }
        let against = if anew { "a new rating" } else { "the stored lines" };
        if others > 0 {
            let how = format!("{}, fees and adjustments, not worked out again", record.label);
            report.checked("lines left out", others as u64, how);
        }
        let how = format!("{} against {against}: {}", record.label, names.join(", "));
        report.checked("accounts metered again", names.len() as u64, how);
        Ok(())
    }
}

/// Accounts spread evenly over those of a run, from a place that its hash names.
fn sample(lines: &[RatedLine], number: usize, hash: &str) -> BTreeSet<AccountId> {
    let all: BTreeSet<&AccountId> = lines.iter().map(|line| &line.account).collect();
    let all: Vec<&AccountId> = all.into_iter().collect();
    let number = number.min(all.len());
    let start =
        hash.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0);
    (0..number).map(|index| all[(start + index * all.len() / number) % all.len()].clone()).collect()
}

async fn rate_again(
    app: &App,
    lake: &Lake,
    book: &PriceBook,
    record: &RunRecord,
    accounts: &BTreeSet<AccountId>,
) -> anyhow::Result<Vec<RatedLine>> {
    let snapshot = lake.snapshot().await.context("reading the tables")?;
    let request = RatingRequest {
        accounts: Some(accounts.iter().cloned().collect()),
        threads: threads(&app.settings),
        ..RatingRequest::new(record.run.clone(), jobs::window_of(&record.label)?, record.as_of)
    };
    let book = book.clone();
    app.on_engine(async move {
        Ok(turnpike_rating::rate(&snapshot, &book, &request, &|_| {}).await?.lines)
    })
    .await
    .context("rating again")
}

async fn check_books(books: &Books, report: &mut Report) -> anyhow::Result<()> {
    let verified = books.verify().await.context("verifying the books")?;
    let counts = verified.checked;
    report.checked("books", counts.books, "hashes of the price books");
    report.checked("series", counts.series, "numbers without gaps, chains of hashes");
    report.checked("invoices", counts.invoices, "canonical text against rows");
    report.checked("shares", counts.shares, "shares sum to their charge");
    report.checked("taxes", counts.taxes, "charges and taxes sum to the totals");
    report.checked("documents", counts.documents, "hashes of the documents");
    report.checked("postings", counts.postings, "debits and credits cancel");
    for finding in &verified.findings {
        report.found(finding.check, &finding.subject, &finding.message);
    }
    Ok(())
}

async fn check_counts(snapshot: &LakeSnapshot, report: &mut Report) -> anyhow::Result<()> {
    let counts = snapshot.final_counts().await.context("counting events")?;
    let sum = counts.accepted + counts.duplicate + counts.conflict + counts.dead + counts.discarded;
    if sum != counts.read {
        report.found(
            "counts",
            "usage_events",
            format!("{} rows were read, but the counts sum to {sum}", counts.read),
        );
    }
    let how = format!(
        "read = {} accepted + {} duplicate + {} conflict + {} dead + {} discarded",
        counts.accepted, counts.duplicate, counts.conflict, counts.dead, counts.discarded
    );
    report.checked("events", u64::try_from(counts.read).unwrap_or(0), how);
    Ok(())
}

async fn all_invoices(books: &Books) -> anyhow::Result<Vec<Invoice>> {
    let mut invoices = Vec::new();
    let mut offset = 0;
    loop {
        let filter = InvoiceFilter { limit: 1_000, offset, ..InvoiceFilter::default() };
        let page = books.invoices(&Scope::Provider, &filter).await.context("listing invoices")?;
        for summary in &page.invoices {
            let invoice = books.invoice(&Scope::Provider, summary.id.as_str()).await;
            invoices.extend(invoice.context("reading an invoice")?);
        }
        offset += 1_000;
        if page.invoices.len() < 1_000 {
            return Ok(invoices);
        }
    }
}

/// The runs that invoices were made from, and the newest one.
async fn runs_of(books: &Books, invoices: &[Invoice]) -> anyhow::Result<Vec<RunRecord>> {
    let used: BTreeSet<&RunId> = invoices.iter().map(|invoice| &invoice.run).collect();
    let newest = books.latest_run(&Scope::Provider, None).await.context("listing runs")?;
    let newest = newest.map(|entry| entry.record.run);
    let runs = books.runs(&Scope::Provider, u32::MAX).await.context("listing runs")?;
    let mut by_id: BTreeMap<RunId, RunRecord> =
        runs.into_iter().map(|entry| (entry.record.run.clone(), entry.record)).collect();
    by_id.retain(|run, _| used.contains(run) || newest.as_ref() == Some(run));
    Ok(by_id.into_values().collect())
}

fn check_invoices(
    record: &RunRecord,
    lines: &[RatedLine],
    invoices: &[Invoice],
    report: &mut Report,
) {
    let mut by_account: BTreeMap<&AccountId, Vec<RatedLine>> = BTreeMap::new();
    for line in lines {
        by_account.entry(&line.account).or_default().push(line.clone());
    }
    let mut number = 0;
    for invoice in invoices.iter().filter(|invoice| invoice.run == record.run) {
        let own = by_account.get(&invoice.account.id).map(Vec::as_slice).unwrap_or_default();
        let name = invoice.number.as_deref().unwrap_or(invoice.id.as_str());
        for message in turnpike_invoices::check(invoice, own) {
            report.found("invoice", name, message);
        }
        number += 1;
    }
    let stored = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    if stored != record.lines {
        let message = format!("{} lines were recorded, {stored} are stored", record.lines);
        report.found("run", &record.run, message);
    }
    let how = format!("{} against {stored} rated lines", record.label);
    report.checked("invoices", number, how);
}

fn print(app: &App, report: &Report) -> anyhow::Result<()> {
    let mut table = Table::new(&["result", "what", "number", "detail"]);
    for (what, number, how) in &report.checks {
        table.push(vec![
            Cell::text("checked"),
            Cell::text(what),
            Cell::count(*number),
            Cell::text(how),
        ]);
    }
    for (what, subject, message) in &report.findings {
        table.push(vec![
            Cell::text("FINDING"),
            Cell::text(what),
            Cell::None,
            Cell::text(format!("{subject}: {message}")),
        ]);
    }
    if report.findings.is_empty() {
        output::note("Everything adds up.");
    }
    Ok(output::print(&table.text(app.format))?)
}
