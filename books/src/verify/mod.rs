//! Proof that what is stored still adds up.

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

impl Books {
    /// Recomputes everything that can be recomputed: numbers gapless per series, the hash chain,
    /// canonical JSON against flat rows, shares to charges, charges and taxes to totals, postings
    /// to zero per transaction and currency.
    pub async fn verify(&self) -> Result<VerifyReport, BooksError> {
        unimplemented!()
    }
}
