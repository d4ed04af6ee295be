//! [`Feed`]: which meters the usage of a meter counts for, and by which factors.

use std::collections::BTreeMap;

use turnpike_schemas::meter::Conversion;
use turnpike_schemas::{Meter, MeterId, PriceBook};

/// A meter that usage counts for.
#[derive(Debug, Clone)]
pub struct Feed<'a> {
    pub meter: &'a Meter,
    /// On the way from the meter that was reported to this one.
    pub conversions: Vec<&'a Conversion>,
}

/// By meter: itself, then all derived of it, nearest first and in order of id.
pub(super) fn feeds(book: &PriceBook) -> BTreeMap<&MeterId, Vec<Feed<'_>>> {
    let mut derived: BTreeMap<&MeterId, Vec<&Meter>> = BTreeMap::new();
    for meter in book.meters.iter() {
        if let Some(of) = meter.derived.as_ref().map(|derived| &derived.of) {
            derived.entry(of).or_default().push(meter);
        }
    }
    let family = |meter| {
        let mut found = vec![Feed { meter, conversions: Vec::new() }];
        let mut next = 0;
        while let Some(Feed { meter, conversions }) = found.get(next).cloned() {
            next += 1;
            for child in derived.get(&meter.id).into_iter().flatten() {
                // Meters derived of each other in a ring are each fed once.
                if found.iter().any(|feed| feed.meter.id == child.id) {
                    continue;
                }
                let own = child.derived.as_ref().and_then(|derived| derived.convert.as_ref());
                let conversions = conversions.iter().copied().chain(own).collect();
                found.push(Feed { meter: child, conversions });
            }
        }
        found
    };
    book.meters.iter().map(|meter| (&meter.id, family(meter))).collect()
}
