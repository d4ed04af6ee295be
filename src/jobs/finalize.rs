//! Finalizing: the one step that cannot be taken back.

use turnpike_books::{
    Books, FinalizeError, FinalizeRequest, Finalized, FinalizedInvoice, NumberedDraft,
};
use turnpike_ingest::Gap;
use turnpike_invoices::Audience;
use turnpike_schemas::{Instant, InvoiceId, Scope};

use super::touching;

/// A draft that stays one, and why.
pub struct Refusal {
    pub id: InvoiceId,
    pub account: String,
    pub reason: String,
}

/// What somebody has decided to bill, and what nobody has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accepted<'a> {
    /// Usage that is estimated.
    pub estimated: bool,
    /// Periods that these touch stay drafts: usage of theirs may be missing.
    pub gaps: &'a [Gap],
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
    accepted: Accepted<'_>,
    now: Instant,
) -> anyhow::Result<FinalizeReport> {
    let mut report = FinalizeReport::default();
    for (id, account) in ids {
        let request = FinalizeRequest { id, now, issue_date: None, actor: "cli" };
        let made = books.finalize(&Scope::Provider, request, |draft| make(draft, accepted)).await;
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
    accepted: Accepted<'_>,
) -> Result<FinalizedInvoice, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(gap) = touching(accepted.gaps, &numbered.draft.period).next() {
        let text = format!(
            "{gap}: bill what there is with --accept-incomplete, or give the gap up with \
             `turnpike dead-letters discard`"
        );
        return Err(text.into());
    }
    let number = numbered.number.to_owned();
    let invoice = turnpike_invoices::finalized(
        numbered.draft,
        number,
        numbered.issue_date,
        accepted.estimated,
    )?;
    let customer_html = turnpike_invoices::html(&invoice, Audience::Customer)?;
    let provider_html = turnpike_invoices::html(&invoice, Audience::Provider)?;
    Ok(FinalizedInvoice { invoice, customer_html, provider_html })
}
