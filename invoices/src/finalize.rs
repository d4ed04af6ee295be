//! [`finalized`]: a draft with a number becomes an invoice.

use chrono::NaiveDate;
use turnpike_schemas::Invoice;

use crate::InvoiceError;

/// The finalized invoice of a draft; the due date follows from the seller's payment days.
/// `accept_estimated` is somebody's decision to bill estimated usage.
pub fn finalized(
    _draft: &Invoice,
    _number: String,
    _issue_date: NaiveDate,
    _accept_estimated: bool,
) -> Result<Invoice, InvoiceError> {
    unimplemented!()
}
