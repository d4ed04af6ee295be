//! What a line contributes to the hash of its run: every field but the run's id, each with its length.
//!
//! What many lines say alike is hashed once and stands in their digests as that hash.

use sha2::{Digest, Sha256};
use turnpike_schemas::Aggregation;

use crate::line_view::{LineTerms, LineView};

fn text(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn optional(value: Option<&str>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    text(value.unwrap_or_default(), out);
}

/// The hash of what lines of the same terms say alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TermsDigest([u8; 32]);

impl TermsDigest {
    pub(crate) fn of(terms: &LineTerms<'_>) -> Self {
        let mut out = Vec::with_capacity(512);
        for value in [
            terms.kind.as_str(),
            terms.resource_kind,
            terms.meter.as_str(),
            terms.service,
            &terms.detail,
            terms.tariff.as_str(),
            terms.tariff_version.as_str(),
            terms.tax_category.as_str(),
            &terms.unit.name,
            terms.per.as_str(),
            terms.currency.code(),
        ] {
            text(value, &mut out);
        }
        optional(terms.site, &mut out);
        optional(terms.agreement.map(|agreement| agreement.as_str()), &mut out);
        out.extend_from_slice(&(terms.attributes.len() as u64).to_le_bytes());
        for (key, value) in terms.attributes {
            text(key, &mut out);
            text(value, &mut out);
        }
        out.extend_from_slice(&terms.scale.to_le_bytes());
        for value in [terms.price_nano, terms.unit.base_units, terms.per_seconds] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.push(u8::from(terms.aggregation == Aggregation::Sum));
        out.push(u8::from(terms.estimated));
        Self(Sha256::digest(&out).into())
    }
}

/// Appends a line to those of its account. Two lines append the same bytes where they differ in nothing
/// but their run.
pub(crate) fn put(line: &LineView<'_>, shared: &TermsDigest, out: &mut Vec<u8>) {
    if out.is_empty() {
        text(line.account.as_str(), out);
        text(line.seller.as_str(), out);
    }
    text(line.line_id, out);
    text(line.resource, out);
    optional(line.project, out);
    out.extend_from_slice(&shared.0);
    out.extend_from_slice(&line.quantity.to_le_bytes());
    out.extend_from_slice(&line.amount.numerator().to_le_bytes());
    out.extend_from_slice(&line.amount.denominator().to_le_bytes());
    let (start, end) = (line.service_period.start().micros(), line.service_period.end().micros());
    for value in [line.seconds, line.intervals, start, end] {
        out.extend_from_slice(&value.to_le_bytes());
    }
}
