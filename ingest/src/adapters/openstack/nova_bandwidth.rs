//! The traffic that older releases of Nova tell in `exists`:
//! `bandwidth: {"public": {"bw_in": .., "bw_out": ..}, "private": {..}}`, in bytes since the audit
//! period began. Traffic on private networks is not billed.
//!
//! Nova also sends `exists` for the part of a period that has passed, at a rebuild, a rescue or a
//! resize. What such a part counts, the whole period counts again, so only whole periods are read:
//! windows as long as `instance_usage_audit_period` can be.

use turnpike_schemas::event::Window;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::fields::Fields;
use super::{Notification, last_instant, measure};
use crate::decode::Reject;

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// The traffic of an audited instance as an event of its own, named by instance and period: an audit
/// that is sent again, in whichever format, tells it again and it is a duplicate.
pub fn event(
    notification: &Notification<'_>,
    data: Fields<'_>,
    audit: &UsageEvent,
) -> Result<Option<UsageEvent>, Reject> {
    let public = data
        .object("bandwidth", "payload.bandwidth")
        .and_then(|bandwidth| bandwidth.object("public", "payload.bandwidth.public"));
    let (Some(public), Some(window)) = (public, audit.window.filter(|window| is_whole(*window)))
    else {
        return Ok(None);
    };
    let (egress, ingress) = (public.quantity("bw_out", 1, 0)?, public.quantity("bw_in", 1, 0)?);
    if egress.unwrap_or(0) == 0 && ingress.unwrap_or(0) == 0 {
        return Ok(None);
    }
    let name = audit.resource.as_ref().map_or("", |id| id.as_str());
    let mut event = UsageEvent {
        id: format!("{name}/bandwidth/{}/{}", window.start, window.end),
        resource: audit.resource.clone(),
        resource_kind: audit.resource_kind.clone(),
        owner: audit.owner.clone(),
        project: audit.project.clone(),
        window: Some(window),
        ..notification.event(
            super::nova::SERVICE,
            &audit.system,
            EventKind::Delta,
            last_instant(window),
        )
    };
    measure(&mut event, "egress", Flow::Delta, egress);
    measure(&mut event, "ingress", Flow::Delta, ingress);
    Ok(Some(event))
}

/// An hour, a day, a month or a year. Periods are of UTC, where every day has 24 hours.
fn is_whole(window: Window) -> bool {
    let micros = window.end.micros() - window.start.micros();
    let days = micros / DAY_MICROS;
    let in_days = micros % DAY_MICROS == 0 && matches!(days, 1 | 28..=31 | 365 | 366);
    micros == HOUR_MICROS || in_days
}
