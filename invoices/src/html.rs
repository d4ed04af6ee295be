//! [`html`]: the invoice as a document for people.
//!
//! The page is self-contained: no script, nothing loaded, its style sheets inside it, named by
//! their hashes in [`document_policy`].

mod view;

use askama::Template;
use sha2::{Digest, Sha256};
use turnpike_schemas::Invoice;

use crate::InvoiceError;
use view::Document;

/// Who reads the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Sees no split, and no party but the seller.
    Customer,
    /// Sees how every charge is split, and the totals per party.
    Provider,
}

/// A self-contained, printable page. The same invoice gives the same bytes.
pub fn html(invoice: &Invoice, audience: Audience) -> Result<String, InvoiceError> {
    Document::new(invoice, audience)?
        .render()
        .map_err(|source| InvoiceError::Document { id: invoice.id.clone(), source })
}

/// The `Content-Security-Policy` under which a document of [`html`] may be served: no script,
/// nothing loaded, no framing by other sites, and its own style sheets by their hashes.
pub fn document_policy(document: &str) -> String {
    let mut styles = String::new();
    // Text of others is escaped, so every `<style>` is the template's own.
    for part in document.split("<style>").skip(1) {
        let style = part.split_once("</style>").map_or(part, |(style, _)| style);
        styles.push_str(&format!(" 'sha256-{}'", base64(&Sha256::digest(style))));
    }
    format!(
        "default-src 'none'; style-src{styles}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'self'"
    )
}

/// Standard base64 with padding: a policy takes hashes in no other form.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = 0_usize;
        for place in 0..3 {
            word = (word << 8) | usize::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let used = place <= chunk.len();
            let digit = DIGITS[(word >> (18 - 6 * place)) & 63];
            text.push(if used { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        let check = |text: &str, expect: &str| assert_eq!(base64(text.as_bytes()), expect);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }
}
