//! Finalizing: the one step that cannot be taken back.

use turnpike_books::{
    Books, FinalizeError, FinalizeRequest, Finalized, FinalizedInvoice, NumberedDraft,
};
use turnpike_invoices::{Audience, InvoiceError};
use turnpike_schemas::{Instant, InvoiceId, Scope};

/// A draft that stays one, and why.
pub struct Refusal {
    pub id: InvoiceId,
    pub account: String,
    pub reason: String,
}

/// What finalizing several drafts came to.
#[derive(Default)]
pub struct FinalizeReport {
    pub finalized: Vec<Finalized>,
    pub refused: Vec<Refusal>,
}

/// Finalizes drafts, in order; one that is refused does not stop the others.
pub async fn finalize(
    books: &Books,
    ids: &[(InvoiceId, String)],
    accept_estimated: bool,
    now: Instant,
) -> anyhow::Result<FinalizeReport> {
    let mut report = FinalizeReport::default();
    for (id, account) in ids {
        let request = FinalizeRequest { id, now, issue_date: None, actor: "cli" };
        let made =
            books.finalize(&Scope::Provider, request, |draft| make(draft, accept_estimated)).await;
        match made {
            Ok(finalized) => report.finalized.push(finalized),
            Err(FinalizeError::Books(error)) => return Err(error.into()),
            Err(error) => {
                // The maker's own words say more than that it failed.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                report.refused.push(Refusal {
                    id: id.clone(),
                    account: account.clone(),
                    reason: cause.unwrap_or_else(|| error.to_string()),
                });
            }
        }
    }
    Ok(report)
}

fn make(
    numbered: NumberedDraft<'_>,
    accept_estimated: bool,
) -> Result<FinalizedInvoice, InvoiceError> {
    let number = numbered.number.to_owned();
    let invoice = turnpike_invoices::finalized(
        numbered.draft,
        number,
        numbered.issue_date,
        accept_estimated,
    )?;
    let customer_html = turnpike_invoices::html(&invoice, Audience::Customer)?;
    let provider_html = turnpike_invoices::html(&invoice, Audience::Provider)?;
    Ok(FinalizedInvoice { invoice, customer_html, provider_html })
}
