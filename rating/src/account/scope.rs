//! What an adjustment bears on.

use turnpike_schemas::MeterId;
use turnpike_schemas::tariff::AdjustmentScope;

/// What a line came from, as far as scopes ask.
#[derive(Debug, Clone)]
pub(super) enum Origin<'a> {
    Usage {
        meter: MeterId,
        service: String,
        rate: &'a str,
    },
    Fee {
        service: &'a str,
    },
    /// What an earlier adjustment has added to the lines in its scope.
    TrueUp {
        scope: &'a AdjustmentScope,
    },
}

/// Whether a scope holds usage of a meter, service and rate.
pub(super) fn covers_usage(
    scope: &AdjustmentScope,
    meter: &MeterId,
    service: &str,
    rate: &str,
) -> bool {
    (scope.meters.is_empty() || scope.meters.contains(meter))
        && (scope.services.is_empty() || scope.services.contains(service))
        && (scope.rates.is_empty() || scope.rates.contains(rate))
}

/// Whether a scope holds a line.
pub(super) fn covers(scope: &AdjustmentScope, origin: &Origin<'_>) -> bool {
    if scope.is_everything() {
        return true;
    }
    match origin {
        Origin::Usage { meter, service, rate } => covers_usage(scope, meter, service, rate),
        Origin::Fee { service } => {
            scope.fees
                && !scope.usage_only
                && (scope.services.is_empty() || scope.services.contains(*service))
        }
        // All that it stands for has to be in the scope.
        Origin::TrueUp { scope: inner } => {
            fn within<T: Ord>(
                inner: &std::collections::BTreeSet<T>,
                outer: &std::collections::BTreeSet<T>,
            ) -> bool {
                outer.is_empty() || !inner.is_empty() && inner.is_subset(outer)
            }
            // Such as a minimum of everything, which has fees in it.
            !(scope.usage_only && (inner.is_everything() || inner.fees))
                && within(&inner.meters, &scope.meters)
                && within(&inner.services, &scope.services)
                && within(&inner.rates, &scope.rates)
        }
    }
}
