//! `turnpike bench-live-bill`: how long the live bill of one account takes, over all accounts.

use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::Context as _;
use clap::Args;
use turnpike_rating::{LiveBill, Window};
use turnpike_schemas::AccountId;

use super::quote::priced_book;
use crate::app::App;
use crate::fault::{Blame as _, Kind, fault};
use crate::output::{self, Cell, Record};

/// Opens the live bill of a month and asks for each account's, again and again
#[derive(Debug, Args)]
pub struct BenchLiveBill {
    /// The month
    #[arg(long, value_name = "MONTH")]
    period: String,
    /// How often each account is asked for
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
}

impl BenchLiveBill {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let window = Window::parse_month(&self.period).blame(Kind::Usage, "--period")?;
        let book = priced_book(app, None).await?;
        let accounts: Vec<AccountId> =
            book.accounts.iter().map(|account| account.id.clone()).collect();
        let lake = app.lake().await?;
        let snapshot = lake.snapshot().await.context("reading the tables")?;
        let (now, repetitions) = (app.clock.now(), self.repetitions);
        let record = app
            .on_engine(async move {
                let clock = Stopwatch::now();
                let bill = LiveBill::open(&snapshot, Arc::new(book), window, now).await?;
                let opened = clock.elapsed().as_millis();
                let mut micros = Vec::new();
                let mut lines = 0;
                for _ in 0..repetitions {
                    for account in &accounts {
                        let clock = Stopwatch::now();
                        let owed = bill.account(account, now)?;
                        micros.push(clock.elapsed().as_micros());
                        lines = lines.max(owed.map_or(0, |owed| owed.lines.len()));
                    }
                }
                micros.sort_unstable();
                let last = micros.len().saturating_sub(1);
                let at = |percent: usize| micros.get((micros.len() * percent / 100).min(last));
                let (Some(half), Some(high), Some(most)) = (at(50), at(95), micros.last()) else {
                    return Err(fault(Kind::Data, "the book has no account"));
                };
                Ok(Record::default()
                    .with("accounts", Cell::count(accounts.len()))
                    .with("resources", Cell::count(bill.resources()))
                    .with("bills", Cell::count(micros.len()))
                    .with("lines_most", Cell::count(lines))
                    .with("open_ms", Cell::count(opened))
                    .with("p50_us", Cell::count(*half))
                    .with("p95_us", Cell::count(*high))
                    .with("max_us", Cell::count(*most)))
            })
            .await?;
        Ok(output::print(&record.text(app.format))?)
    }
}
