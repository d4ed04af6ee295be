//! `turnpike invoice draft|finalize|show|list`.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use turnpike_books::{Books, InvoiceFilter, InvoiceSummary, RunRecord};
use turnpike_invoices::{Audience, format};
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{AccountId, Invoice as Document, InvoiceId, RunId, Scope};

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::jobs;
use crate::output::{self, Cell, Format, Table};

/// Drafts, finalizes and shows invoices
#[derive(Debug, Args)]
pub struct Invoice {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Drafts invoices from the newest rating run of a period, replacing earlier drafts
    Draft {
        /// The period that was rated, such as 2026-10
        #[arg(long, value_name = "MONTH", required_unless_present = "run")]
        period: Option<String>,
        /// Takes this run instead of the newest of the period
        #[arg(long, value_name = "RUN", conflicts_with = "period")]
        run: Option<RunId>,
        /// Drafts for this account only
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
    },
    /// Gives drafts their numbers; from then on they never change
    Finalize {
        /// A draft's id
        #[arg(required_unless_present = "period", conflicts_with = "period")]
        id: Option<String>,
        /// All drafts of a period
        #[arg(long, value_name = "MONTH")]
        period: Option<String>,
        /// With --period: those of this account only
        #[arg(long, value_name = "ID", requires = "period")]
        account: Option<AccountId>,
        /// Bills usage that is estimated, since its source has gone silent
        #[arg(long)]
        accept_estimated: bool,
        /// Bills periods of which usage was lost before it was read
        #[arg(long)]
        accept_incomplete: bool,
    },
    /// Shows an invoice by number or id; --format html gives the document
    Show {
        id: String,
        /// For whom: a customer sees no split
        #[arg(long = "as", value_enum, default_value_t)]
        reader: Reader,
    },
    /// Lists invoices, newest period first
    List {
        #[arg(long, value_enum)]
        status: Option<Status>,
        #[arg(long, value_name = "MONTH")]
        period: Option<String>,
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        /// At most so many
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Reader {
    Customer,
    #[default]
    Provider,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Draft,
    Finalized,
}

impl Invoice {
    /// Whether it prints a document.
    pub fn has_document(&self) -> bool {
        matches!(self.command, Action::Show { .. })
    }

    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let books = app.books().await?;
        match self.command {
            Action::Draft { period, run, account } => {
                draft(app, &books, period.as_deref(), run.as_ref(), account.as_ref()).await
            }
            Action::Finalize { id, period, account, accept_estimated, accept_incomplete } => {
                let drafts = match (&id, &period) {
                    (Some(id), _) => vec![one_draft(&books, id).await?],
                    (None, Some(period)) => jobs::drafts(&books, period, account.as_ref())
                        .await?
                        .into_iter()
                        .map(|draft| (draft.id, draft.account.to_string()))
                        .collect(),
                    (None, None) => Vec::new(),
                };
                let gaps = match accept_incomplete {
                    true => Vec::new(),
                    false => jobs::gaps(&app.lake().await?).await?,
                };
                let accepted = jobs::Accepted { estimated: accept_estimated, gaps: &gaps };
                finalize(app, &books, &drafts, accepted).await
            }
            Action::Show { id, reader } => show(app, &books, &id, reader).await,
            Action::List { status, period, account, limit } => {
                let filter = InvoiceFilter {
                    status: status.map(|status| match status {
                        Status::Draft => InvoiceStatus::Draft,
                        Status::Finalized => InvoiceStatus::Finalized,
                    }),
                    account,
                    period_label: period,
                    limit: limit.min(1_000),
                    ..InvoiceFilter::default()
                };
                list(app, &books, &filter).await
            }
        }
    }
}

/// The run that is meant.
pub async fn run_record(
    books: &Books,
    period: Option<&str>,
    run: Option<&RunId>,
) -> anyhow::Result<RunRecord> {
    if let Some(run) = run {
        let runs = books.runs(&Scope::Provider, u32::MAX).await.context("listing runs")?;
        let found = runs.into_iter().find(|entry| &entry.record.run == run);
        return found
            .map(|entry| entry.record)
            .ok_or_else(|| fault(Kind::Data, format!("there is no run `{run}`")));
    }
    let newest = books.latest_run(&Scope::Provider, period).await.context("looking for the run")?;
    newest.map(|entry| entry.record).ok_or_else(|| {
        let period = period.unwrap_or("any period");
        fault(
            Kind::Data,
            format!("{period} has not been rated: run `turnpike rate --period MONTH`"),
        )
    })
}

async fn draft(
    app: &App,
    books: &Books,
    period: Option<&str>,
    run: Option<&RunId>,
    account: Option<&AccountId>,
) -> anyhow::Result<()> {
    let lake = app.lake().await?;
    let record = run_record(books, period, run).await?;
    let report = jobs::draft(&lake, books, &record, account, app.clock.now()).await?;
    let mut table = invoice_table();
    report.drafted.iter().for_each(|invoice| table.push(row_of(invoice)));
    output::print(&table.text(app.format))?;
    let window = jobs::window_of(&record.label)?;
    for gap in jobs::gaps_of_window(&lake, window).await? {
        output::note(&format!("warning: these drafts are incomplete: {gap}"));
    }
    for (account, number) in &report.invoiced {
        output::note(&format!("`{account}` was invoiced already, by {number}"));
    }
    if !report.removed.is_empty() {
        let removed = report.removed.len();
        output::note(&format!("{removed} earlier drafts had no usage left and were removed"));
    }
    match report.failed.as_slice() {
        [] => Ok(()),
        failed => {
            let lines = failed.iter().map(|(account, why)| format!("\n  {account}: {why}"));
            let text =
                format!("{} accounts have no draft:{}", failed.len(), lines.collect::<String>());
            Err(fault(Kind::Data, text))
        }
    }
}

async fn one_draft(books: &Books, id: &str) -> anyhow::Result<(InvoiceId, String)> {
    let found = books.invoice(&Scope::Provider, id).await.context("looking for the draft")?;
    let found = found.ok_or_else(|| fault(Kind::Data, format!("there is no draft `{id}`")))?;
    Ok((found.id, found.account.id.to_string()))
}

async fn finalize(
    app: &App,
    books: &Books,
    drafts: &[(InvoiceId, String)],
    accepted: jobs::Accepted<'_>,
) -> anyhow::Result<()> {
    let report = jobs::finalize(books, drafts, accepted, app.clock.now()).await?;
    let mut table = invoice_table();
    report.finalized.iter().for_each(|done| table.push(row_of(&done.invoice)));
    output::print(&table.text(app.format))?;
    if report.refused.is_empty() {
        return Ok(());
    }
    let lines: String = report
        .refused
        .iter()
        .map(|refusal| format!("\n  {} ({}): {}", refusal.id, refusal.account, refusal.reason))
        .collect();
    Err(fault(Kind::Data, format!("{} drafts stay drafts:{lines}", report.refused.len())))
}

async fn show(app: &App, books: &Books, id: &str, reader: Reader) -> anyhow::Result<()> {
    let found = books.invoice(&Scope::Provider, id).await.context("looking for the invoice")?;
    let mut invoice =
        found.ok_or_else(|| fault(Kind::Data, format!("there is no invoice `{id}`")))?;
    if reader == Reader::Customer {
        // Asked for again in the customer's name: the books leave out what is not theirs to see.
        let scope = Scope::Customer(invoice.account.id.clone());
        let seen = books.invoice(&scope, id).await.context("looking for the invoice")?;
        invoice = seen.ok_or_else(|| fault(Kind::Data, format!("there is no invoice `{id}`")))?;
    }
    let text = match app.format {
        Format::Html => document(books, &invoice, reader).await?,
        Format::Json => {
            // In the order in which the fields are declared, as it is hashed.
            let text = serde_json::to_string_pretty(&invoice).context("writing the invoice")?;
            format!("{text}\n")
        }
        Format::Csv => lines_table(&invoice, reader).text(Format::Csv),
        Format::Table => {
            let mut text = summary(&invoice, reader);
            if invoice.status == InvoiceStatus::Draft && reader == Reader::Provider {
                text.push_str(&incomplete(app, &invoice).await?);
            }
            text
        }
    };
    Ok(output::print(&text)?)
}

/// Why a draft does not hold all usage of its period.
async fn incomplete(app: &App, invoice: &Document) -> anyhow::Result<String> {
    let gaps = jobs::gaps(&app.lake().await?).await?;
    let touching = jobs::touching(&gaps, &invoice.period);
    Ok(touching.map(|gap| format!("\nIncomplete: {gap}.\n")).collect())
}

/// The stored document of a finalized invoice; that of a draft is made now.
async fn document(books: &Books, invoice: &Document, reader: Reader) -> anyhow::Result<String> {
    let (scope, kept, audience) = match reader {
        Reader::Customer => (
            Scope::Customer(invoice.account.id.clone()),
            turnpike_books::Audience::Customer,
            Audience::Customer,
        ),
        Reader::Provider => {
            (Scope::Provider, turnpike_books::Audience::Provider, Audience::Provider)
        }
    };
    let stored = books.document(&scope, invoice.id.as_str(), kept).await;
    match stored.context("reading the document")? {
        Some(stored) => Ok(stored.html),
        None => turnpike_invoices::html(invoice, audience).context("writing the document"),
    }
}

fn summary(invoice: &Document, reader: Reader) -> String {
    let zone = invoice.account.time_zone;
    let title = invoice.number.as_deref().map_or_else(
        || format!("Draft {}", invoice.id),
        |number| format!("Invoice {number} ({})", invoice.id),
    );
    let mut text = format!(
        "{title}\n{} to {} ({})\n{}\n\n",
        invoice.seller.name,
        invoice.account.name,
        invoice.account.id,
        format::period(&invoice.period, zone),
    );
    text.push_str(&lines_table(invoice, reader).text(Format::Table));
    text.push('\n');
    let mut totals = Table::new(&["", "amount"]);
    let mut add = |name: String, money: &turnpike_schemas::Money| {
        totals.push(vec![Cell::text(name), Cell::Decimal(format::money(money))]);
    };
    add("net".to_owned(), &invoice.net);
    for tax in &invoice.taxes {
        add(format!("tax {} {}", tax.category, format::percent(tax.rate_ppm)), &tax.tax);
    }
    add("gross".to_owned(), &invoice.gross);
    text.push_str(&totals.text(Format::Table));
    if invoice.estimated {
        text.push_str("\nPart of it is estimated.\n");
    }
    text
}

fn lines_table(invoice: &Document, reader: Reader) -> Table {
    let mut columns =
        vec!["line", "service", "description", "quantity", "unit_price", "net", "estimated"];
    if reader == Reader::Provider {
        columns.push("split");
    }
    let mut table = Table::new(&columns);
    for charge in &invoice.charges {
        let (quantity, _) = format::charge_quantity(charge);
        let (price, per) = format::charge_price(charge);
        let mut row = vec![
            Cell::count(charge.line),
            Cell::text(&charge.service),
            Cell::text(&charge.description),
            Cell::Decimal(quantity),
            Cell::Decimal(format!("{price} {per}").trim().to_owned()),
            Cell::Decimal(charge.net.to_decimal_text()),
            Cell::Flag(charge.estimated),
        ];
        if reader == Reader::Provider {
            let shares: Vec<String> = charge
                .shares
                .iter()
                .map(|share| format!("{} {}", share.party, share.money.to_decimal_text()))
                .collect();
            row.push(Cell::text(shares.join(", ")));
        }
        table.push(row);
    }
    table
}

async fn list(app: &App, books: &Books, filter: &InvoiceFilter) -> anyhow::Result<()> {
    let page = books.invoices(&Scope::Provider, filter).await.context("listing invoices")?;
    let mut table = invoice_table();
    page.invoices.iter().for_each(|invoice| table.push(row_of_summary(invoice)));
    output::print(&table.text(app.format))?;
    let shown = i64::try_from(page.invoices.len()).unwrap_or(i64::MAX);
    if shown < page.total {
        output::note(&format!("{shown} of {} invoices are shown", page.total));
    }
    Ok(())
}

fn invoice_table() -> Table {
    Table::new(&[
        "number",
        "id",
        "status",
        "period",
        "account",
        "name",
        "net",
        "tax",
        "gross",
        "currency",
        "estimated",
    ])
}

fn row_of(invoice: &Document) -> Vec<Cell> {
    vec![
        Cell::optional(invoice.number.as_ref()),
        Cell::text(&invoice.id),
        Cell::text(invoice.status.as_str()),
        Cell::text(&invoice.period_label),
        Cell::text(&invoice.account.id),
        Cell::text(&invoice.account.name),
        Cell::Decimal(invoice.net.to_decimal_text()),
        Cell::Decimal(invoice.tax.to_decimal_text()),
        Cell::Decimal(invoice.gross.to_decimal_text()),
        Cell::text(invoice.currency),
        Cell::Flag(invoice.estimated),
    ]
}

fn row_of_summary(invoice: &InvoiceSummary) -> Vec<Cell> {
    vec![
        Cell::optional(invoice.number.as_ref()),
        Cell::text(&invoice.id),
        Cell::text(invoice.status.as_str()),
        Cell::text(&invoice.period_label),
        Cell::text(&invoice.account),
        Cell::text(&invoice.account_name),
        Cell::Decimal(invoice.net.to_decimal_text()),
        Cell::Decimal(invoice.tax.to_decimal_text()),
        Cell::Decimal(invoice.gross.to_decimal_text()),
        Cell::text(invoice.currency),
        Cell::Flag(invoice.estimated),
    ]
}
