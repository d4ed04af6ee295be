//! [`html`]: the invoice as a document for people.

use turnpike_schemas::Invoice;

use crate::InvoiceError;

/// Who reads the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Sees no split, and no party but the seller.
    Customer,
    /// Sees how every charge is split, and the totals per party.
    Provider,
}

/// A self-contained, printable page. The same invoice gives the same bytes.
pub fn html(_invoice: &Invoice, _audience: Audience) -> Result<String, InvoiceError> {
    unimplemented!()
}

/// The `Content-Security-Policy` under which the document may be served: no script, nothing
/// loaded, and its own style sheet by hash.
pub fn document_policy() -> &'static str {
    unimplemented!()
}
