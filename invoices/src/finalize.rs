//! [`finalized`]: a draft with a number becomes an invoice.

use chrono::{Days, NaiveDate};
use turnpike_schemas::Invoice;
use turnpike_schemas::invoice::InvoiceStatus;

use crate::{InvoiceError, check};

/// BT-1 has no limit in EN 16931; this one fits every column and page.
const NUMBER_CHARS_MAX: usize = 64;

/// The finalized invoice of a draft; the due date follows from the seller's payment days.
///
/// `accept_estimated` is somebody's decision to bill estimated usage: without it, a draft that
/// holds any is refused. A draft whose figures do not add up is refused always.
pub fn finalized(
    draft: &Invoice,
    number: String,
    issue_date: NaiveDate,
    accept_estimated: bool,
) -> Result<Invoice, InvoiceError> {
    let id = || draft.id.clone();
    if draft.status == InvoiceStatus::Finalized {
        let number = draft.number.clone().unwrap_or_default();
        return Err(InvoiceError::AlreadyFinalized { id: id(), number });
    }
    let visible = number.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if number.is_empty() || number.chars().count() > NUMBER_CHARS_MAX || !visible {
        let number = number.chars().take(NUMBER_CHARS_MAX).collect();
        return Err(InvoiceError::Number { id: id(), number });
    }
    let mut estimated = draft.charges.iter().filter(|charge| charge.estimated);
    if let (false, Some(first)) = (accept_estimated, estimated.next()) {
        let lines = estimated.count().saturating_add(1);
        return Err(InvoiceError::Estimated { id: id(), lines, first: first.line });
    }
    let findings = check::check_sums(draft);
    if !findings.is_empty() {
        return Err(InvoiceError::Inconsistent { id: id(), findings });
    }
    let payment_days = draft.seller.payment_days;
    let due_date = issue_date
        .checked_add_days(Days::new(payment_days.into()))
        .ok_or_else(|| InvoiceError::DueDate { id: id(), payment_days })?;
    Ok(Invoice {
        status: InvoiceStatus::Finalized,
        number: Some(number),
        issue_date: Some(issue_date),
        due_date: Some(due_date),
        ..draft.clone()
    })
}
