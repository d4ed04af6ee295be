//! Proof that what is stored still adds up.
//!
//! Everything is recomputed from the canonical JSON of the invoices, which the hash chain covers,
//! and compared with what stands beside it. Reading is one snapshot, so invoices finalized
//! meanwhile do not disturb it.

mod invoice;
mod ledger;

use turnpike_schemas::{PriceBook, canonical};

use crate::invoice::number;
use crate::store::{RowExt, Tx, sql};
use crate::{Books, BooksError};

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// `numbers`, `chain`, `canonical`, `rows`, `sums`, `postings`, `documents`, `books`.
    pub check: &'static str,
    /// The series, invoice or book version concerned.
    pub subject: String,
    pub message: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyCounts {
    pub books: u64,
    pub series: u64,
    pub invoices: u64,
    pub lines: u64,
    pub shares: u64,
    pub taxes: u64,
    pub documents: u64,
    pub transactions: u64,
    pub postings: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Empty where everything holds.
    pub findings: Vec<Finding>,
    pub checked: VerifyCounts,
}

impl VerifyReport {
    fn find(&mut self, check: &'static str, subject: &str, message: impl Into<String>) {
        let (subject, message) = (subject.to_owned(), message.into());
        self.findings.push(Finding { check, subject, message });
    }
}

const WHAT: &str = "verifying the books";

impl Books {
    /// Recomputes everything that can be recomputed: numbers gapless per series, the hash chain,
    /// canonical JSON against flat rows, shares to charges, charges and taxes to totals, postings
    /// to zero per transaction and currency.
    pub async fn verify(&self) -> Result<VerifyReport, BooksError> {
        let mut report = VerifyReport::default();
        let mut tx = self.snapshot(WHAT).await?;
        verify_books(&mut tx, &mut report).await.map_err(sql(WHAT))?;
        let series = read_series(&mut tx).await.map_err(sql(WHAT))?;
        for series in &series {
            verify_series(&mut tx, series, &mut report).await.map_err(sql(WHAT))?;
        }
        ledger::verify(&mut tx, &mut report).await.map_err(sql(WHAT))?;
        verify_orphans(&mut tx, &mut report).await.map_err(sql(WHAT))?;
        report.findings.sort();
        Ok(report)
    }
}

struct Series {
    name: String,
    last: i64,
    last_hash: String,
}

async fn read_series(tx: &mut Tx) -> Result<Vec<Series>, sqlx::Error> {
    let rows = sqlx::query("SELECT name, last, last_hash FROM series ORDER BY name")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Series {
                name: row.text("name")?,
                last: row.int("last")?,
                last_hash: row.text("last_hash")?,
            })
        })
        .collect()
}

/// One invoice after the other, in the order of their numbers.
async fn verify_series(
    tx: &mut Tx,
    series: &Series,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    report.checked.series += 1;
    let rows = sqlx::query("SELECT id, sequence FROM invoice WHERE series = $1 ORDER BY sequence")
        .bind(series.name.as_str())
        .fetch_all(&mut **tx)
        .await?;
    let mut expected = 1;
    let mut previous_hash = String::new();
    for row in &rows {
        let (id, sequence) = (row.text("id")?, row.int("sequence")?);
        if sequence != expected {
            let missing = number(&series.name, expected);
            report.find("numbers", &series.name, format!("{missing} is missing"));
        }
        expected = sequence.saturating_add(1);
        previous_hash =
            invoice::verify(tx, &series.name, sequence, &id, &previous_hash, report).await?;
    }
    let found = expected.saturating_sub(1);
    if series.last != found {
        let message = format!("the series stands at {}, its last invoice is {found}", series.last);
        report.find("numbers", &series.name, message);
    }
    if series.last_hash != previous_hash {
        report.find("chain", &series.name, "the series ends in another hash than its last invoice");
    }
    Ok(())
}

async fn verify_books(tx: &mut Tx, report: &mut VerifyReport) -> Result<(), sqlx::Error> {
    let rows = sqlx::query("SELECT version, hash, canonical FROM book_version ORDER BY version")
        .fetch_all(&mut **tx)
        .await?;
    for (row, expected) in rows.iter().zip(1_i64..) {
        report.checked.books += 1;
        let (version, hash) = (row.int("version")?, row.text("hash")?);
        let text = row.text("canonical")?;
        let subject = format!("book {version}");
        if version != expected {
            report.find("books", &subject, format!("version {expected} is missing"));
        }
        if canonical::sha256_hex(&text) != hash {
            report.find("books", &subject, "its text has another hash than stored");
        }
        if let Err(error) = serde_json::from_str::<PriceBook>(&text) {
            report.find("books", &subject, format!("it cannot be read: {error}"));
        }
    }
    Ok(())
}

/// Rows that belong to no invoice: nothing that was looked at so far leads to them.
async fn verify_orphans(tx: &mut Tx, report: &mut VerifyReport) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM invoice) AS invoices, \
         (SELECT COUNT(*) FROM invoice_line) AS lines, \
         (SELECT COUNT(*) FROM invoice_share) AS shares, \
         (SELECT COUNT(*) FROM invoice_tax) AS taxes, \
         (SELECT COUNT(*) FROM invoice_document) AS documents, \
         (SELECT COUNT(*) FROM posting) AS postings, \
         (SELECT COUNT(*) FROM ledger_transaction) AS transactions",
    )
    .fetch_one(&mut **tx)
    .await?;
    let checked = report.checked;
    for (column, seen) in [
        ("invoices", checked.invoices),
        ("lines", checked.lines),
        ("shares", checked.shares),
        ("taxes", checked.taxes),
        ("documents", checked.documents),
        ("postings", checked.postings),
        ("transactions", checked.transactions),
    ] {
        let stored = row.int(column)?;
        if u64::try_from(stored) != Ok(seen) {
            let message = format!("{stored} are stored, {seen} belong to an invoice of a series");
            report.find("rows", column, message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
