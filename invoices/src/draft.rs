//! [`draft`]: rated lines to an invoice.

use turnpike_schemas::{AccountId, Invoice, InvoiceId, Period, PriceBook, RatedLine, RunId};

use crate::InvoiceError;

/// Makes the draft invoice of one account and period from the rated lines of one run.
pub fn draft(
    _book: &PriceBook,
    _run: &RunId,
    _account: &AccountId,
    _period: Period,
    _label: &str,
    _lines: &[RatedLine],
    _id: InvoiceId,
) -> Result<Invoice, InvoiceError> {
    unimplemented!()
}
