//! The live bill of an account: what it owes of its running month at this instant.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::Data;
use chrono::Datelike as _;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use turnpike_rating::{LiveAccount, LiveBill, ParkReason, RatingError, Window};
use turnpike_schemas::{Account, Instant, Invoice, InvoiceId, Period};

use crate::app::App;
use crate::error::WebError;

/// Months that run in some time zone at the same time.
const MONTHS_MAX: usize = 2;

/// The bills of the running months, kept between requests and advanced by each.
#[derive(Default)]
pub struct BillCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Another version of the book begins anew.
    book: String,
    bills: BTreeMap<(i32, u32), LiveBill>,
}

/// What an account owes.
pub struct Owed {
    pub label: String,
    pub period: Period,
    pub as_of: Instant,
    /// The newest commit of events that is in it.
    pub raw_version: i64,
    /// The invoice of it, as if the month ended now; `None`: nothing is due, or it is parked.
    pub invoice: Option<Invoice>,
    pub parked: Option<ParkReason>,
}

/// Reads what an account owes now. The caller has made sure that it may be seen.
pub async fn owed(app: &Data<App>, account: &Account) -> Result<Owed, WebError> {
    let (app, account) = (app.clone(), account.clone());
    let handle = Handle::current();
    // The first look reads the month; other requests go on meanwhile.
    let task = tokio::task::spawn_blocking(move || handle.block_on(read(&app, &account)));
    task.await.map_err(|error| WebError::internal("reading the live bill", error))?
}

async fn read(app: &App, account: &Account) -> Result<Owed, WebError> {
    let state = &app.state;
    let now = state.now();
    let local = now.to_chrono().with_timezone(&account.time_zone);
    let month = (local.year(), local.month());
    let window = Window::Month { year: month.0, month: month.1 };
    let mut kept = app.bills.0.lock().await;
    let newest = state.books.newest_book().await?.ok_or(WebError::NotFound)?;
    if kept.book != newest.hash {
        *kept = Kept { book: newest.hash, bills: BTreeMap::new() };
    }
    let snapshot = state.lake.snapshot().await?;
    // One that fails half-way is not kept.
    let bill = match kept.bills.remove(&month) {
        Some(mut bill) => {
            bill.advance(&snapshot, now).await.map_err(failed)?;
            bill
        }
        None => {
            let book = Arc::new(newest.book);
            LiveBill::open(&snapshot, book, window, now).await.map_err(failed)?
        }
    };
    let found = bill.account(&account.id, bill.now()).map_err(failed)?;
    let owed = found.ok_or(WebError::NotFound).and_then(|found| {
        let invoice = invoice(&bill, account, &window.label(), &found)?;
        Ok(Owed {
            label: window.label(),
            period: found.period,
            as_of: found.as_of,
            raw_version: bill.raw_version(),
            invoice,
            parked: found.parked,
        })
    });
    kept.bills.insert(month, bill);
    while kept.bills.len() > MONTHS_MAX {
        kept.bills.pop_first();
    }
    owed
}

/// What the invoice's own code makes of the lines.
fn invoice(
    bill: &LiveBill,
    account: &Account,
    label: &str,
    found: &LiveAccount,
) -> Result<Option<Invoice>, WebError> {
    if found.lines.is_empty() {
        return Ok(None);
    }
    let id =
        InvoiceId::new("live").map_err(|error| WebError::internal("naming the bill", error))?;
    let (book, run, lines) = (bill.book(), bill.run(), &found.lines);
    let drafted = turnpike_invoices::draft(book, run, &account.id, found.period, label, lines, id)?;
    Ok(Some(drafted))
}

fn failed(error: RatingError) -> WebError {
    match error {
        RatingError::Lake(error) => error.into(),
        other => WebError::internal("reading the live bill", other),
    }
}
