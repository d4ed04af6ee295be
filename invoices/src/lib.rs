//! Charges, invoices and their documents.
//!
//! Owns: how rated lines are grouped into charges a reader understands, the one rounding of each
//! charge, its split among the parties of the agreement, tax per category, totals, the checks that
//! prove all of it, the HTML document, and how money, prices, quantities and times are written for
//! people ([`format`]).
//!
//! Does not own: how usage is metered or priced, where invoices are stored, how numbers are
//! allocated, who may read which document.
//!
//! Invariants:
//! - No I/O and no clock: dates and numbers come in as arguments. The same invoice gives the same
//!   bytes.
//! - A charge is rounded once, by its tariff's rule; nothing else is rounded but the tax of a
//!   category, which is computed on the category's total.
//! - The shares of a charge sum to it, the charges to the net total, net and tax to the gross
//!   total, for every sign and currency.
//! - A customer's document holds no share, and no party but the seller.

mod check;
mod describe;
mod draft;
mod error;
mod finalize;
pub mod format;
mod group;
mod html;
mod split;
mod tax;
#[cfg(test)]
mod tests;

pub use check::check;
pub use draft::draft;
pub use error::InvoiceError;
pub use finalize::finalized;
pub use format::filters;
pub use html::{Audience, document_policy, html};
