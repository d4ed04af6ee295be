//! What a line contributes to the hash of its run: every field but the run's id, each with its length.

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

/// What lines of the same terms contribute alike, written once for all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TermsDigest {
    before_project: Vec<u8>,
    after_project: Vec<u8>,
}

impl TermsDigest {
    pub(crate) fn of(terms: &LineTerms<'_>) -> Self {
        let mut digest = Self::default();
        digest.write(terms);
        digest
    }

    /// The same in place.
    pub(crate) fn write(&mut self, terms: &LineTerms<'_>) {
        let out = &mut self.before_project;
        out.clear();
        for value in [
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
            text(value, out);
        }
        let out = &mut self.after_project;
        out.clear();
        optional(terms.site, out);
        optional(terms.agreement.map(|agreement| agreement.as_str()), out);
        out.extend_from_slice(&(terms.attributes.len() as u64).to_le_bytes());
        for (key, value) in terms.attributes {
            text(key, out);
            text(value, out);
        }
        out.push(u8::from(terms.aggregation == Aggregation::Sum));
    }
}

/// Appends a line. Two lines append the same bytes where they differ in nothing but their run.
pub(crate) fn put(line: &LineView<'_>, shared: &TermsDigest, out: &mut Vec<u8>) {
    let terms = line.terms;
    for value in [
        line.line_id,
        terms.kind.as_str(),
        line.account.as_str(),
        line.seller.as_str(),
        line.resource,
    ] {
        text(value, out);
    }
    out.extend_from_slice(&shared.before_project);
    optional(line.project, out);
    out.extend_from_slice(&shared.after_project);
    out.extend_from_slice(&line.quantity.to_le_bytes());
    out.extend_from_slice(&terms.scale.to_le_bytes());
    out.extend_from_slice(&line.amount.numerator().to_le_bytes());
    out.extend_from_slice(&line.amount.denominator().to_le_bytes());
    let (start, end) = (line.service_period.start().micros(), line.service_period.end().micros());
    let (unit, per) = (terms.unit.base_units, terms.per_seconds);
    for value in [line.seconds, terms.price_nano, unit, per, line.intervals, start, end] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.push(u8::from(terms.estimated));
}
