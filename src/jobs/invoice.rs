//! Drafts of a run's accounts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use turnpike_books::{Books, DraftOutcome, InvoiceFilter, InvoiceSummary, RunRecord};
use turnpike_lake::Lake;
use turnpike_rating::{Window, convert};
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{
    AccountId, Instant, Invoice, InvoiceId, Period, PriceBook, RatedLine, RunId, Scope,
};

use crate::fault::{Blame as _, Kind, fault};
use crate::jobs::new_id;

/// What drafting a run came to.
#[derive(Default)]
pub struct DraftReport {
    pub drafted: Vec<Invoice>,
    /// Accounts whose period is invoiced already, with the number.
    pub invoiced: Vec<(AccountId, String)>,
    /// Accounts that could not be drafted, with the reason.
    pub failed: Vec<(AccountId, String)>,
    /// Drafts taken away: their account has no lines in this run.
    pub removed: Vec<InvoiceId>,
}

/// The rated lines of a run.
pub async fn lines_of(lake: &Lake, run: &RunId) -> anyhow::Result<Vec<RatedLine>> {
    let batches = lake.rated_lines(run).await.context("reading rated lines")?;
    convert::lines_from_batches(&batches).context("reading rated lines")
}

/// The window that a run's label names.
pub fn window_of(label: &str) -> anyhow::Result<Window> {
    if let Some((start, end)) = label.split_once(" to ") {
        let at = |text: &str| Instant::parse(text).with_context(|| format!("the label `{label}`"));
        let period = Period::new(at(start)?, at(end)?);
        return Ok(Window::Span(period.with_context(|| format!("the label `{label}`"))?));
    }
    Window::parse_month(label).with_context(|| format!("the label `{label}`"))
}

/// The period of each of these accounts.
fn periods_of(
    book: &PriceBook,
    label: &str,
    accounts: impl IntoIterator<Item = AccountId>,
) -> anyhow::Result<BTreeMap<AccountId, Period>> {
    let window = window_of(label)?;
    let period = |id: AccountId| {
        let account =
            book.account(&id).ok_or_else(|| anyhow!("account `{id}` is not in the book"))?;
        let period = window.period(account).with_context(|| format!("the period of `{id}`"))?;
        Ok((id, period))
    };
    accounts.into_iter().map(period).collect()
}

/// Drafts an invoice for every account with lines in the run, or for one.
pub async fn draft(
    lake: &Lake,
    books: &Books,
    record: &RunRecord,
    only: Option<&AccountId>,
    now: Instant,
) -> anyhow::Result<DraftReport> {
    let lines = lines_of(lake, &record.run).await?;
    draft_lines(books, record, lines, only, now).await
}

/// [`draft`] from lines that are at hand.
pub async fn draft_lines(
    books: &Books,
    record: &RunRecord,
    lines: Vec<RatedLine>,
    only: Option<&AccountId>,
    now: Instant,
) -> anyhow::Result<DraftReport> {
    let book = books.price_book_by_hash(&record.book_hash).await.context("reading the book")?;
    let book = book.ok_or_else(|| {
        fault(
            Kind::Data,
            format!("the book {} of run {} is not stored", record.book_hash, record.run),
        )
    })?;
    let mut by_account: BTreeMap<AccountId, Vec<RatedLine>> = BTreeMap::new();
    for line in lines {
        if only.is_none_or(|only| only == &line.account) {
            by_account.entry(line.account.clone()).or_default().push(line);
        }
    }
    let periods = periods_of(&book, &record.label, by_account.keys().cloned())?;
    let mut report = DraftReport::default();
    for (account, lines) in &by_account {
        let period = periods[account];
        let kept = books.draft_of(account, period, lines[0].currency).await?;
        let id = match kept {
            Some(id) => id,
            None => InvoiceId::new(new_id("inv", now)).context("naming the invoice")?,
        };
        let drafted =
            turnpike_invoices::draft(&book, &record.run, account, period, &record.label, lines, id);
        let invoice = match drafted {
            Ok(invoice) => invoice,
            Err(error) => {
                report.failed.push((account.clone(), error.to_string()));
                continue;
            }
        };
        match books.put_draft(&invoice).await.blame(Kind::Data, format!("draft of `{account}`"))? {
            DraftOutcome::AlreadyInvoiced { number } => {
                report.invoiced.push((account.clone(), number));
            }
            DraftOutcome::Stored | DraftOutcome::Replaced(_) => report.drafted.push(invoice),
        }
    }
    let billed: BTreeSet<&AccountId> = by_account.keys().collect();
    for stale in drafts(books, &record.label, only).await? {
        // An account that is parked now, or whose usage went to another, keeps no draft.
        if !billed.contains(&stale.account)
            && books.remove_draft(&Scope::Provider, &stale.id).await?
        {
            report.removed.push(stale.id);
        }
    }
    Ok(report)
}

/// All drafts of a period.
pub async fn drafts(
    books: &Books,
    label: &str,
    only: Option<&AccountId>,
) -> anyhow::Result<Vec<InvoiceSummary>> {
    let mut found = Vec::new();
    loop {
        let filter = InvoiceFilter {
            status: Some(InvoiceStatus::Draft),
            account: only.cloned(),
            period_label: Some(label.to_owned()),
            limit: 1_000,
            offset: u32::try_from(found.len()).context("listing drafts")?,
            ..InvoiceFilter::default()
        };
        let page = books.invoices(&Scope::Provider, &filter).await.context("listing drafts")?;
        let last = page.invoices.len() < 1_000;
        found.extend(page.invoices);
        if last {
            return Ok(found);
        }
    }
}
