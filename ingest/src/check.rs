//! Bounds that every event keeps to, whichever adapter made it.

use std::collections::{BTreeMap, BTreeSet};

use turnpike_schemas::{Instant, Measurement, UsageEvent};

use crate::decode::Reject;
use crate::reason;

/// Longest source or id of an event.
pub const ID_BYTES_MAX: usize = 512;
/// Longest project, site, region, resource kind or incarnation.
pub const NAME_BYTES_MAX: usize = 256;
/// Most attributes or tags of an event: Nova allows 128 metadata items.
pub const LABELS_MAX: usize = 256;
/// Longest label name and value: Nova allows 255 of either.
pub const LABEL_BYTES_MAX: usize = 1024;
/// Measurements of at most this number are compared pair by pair.
const PAIRWISE_MAX: usize = 16;
/// How far a clock may run ahead of ours.
pub const FUTURE_SECONDS_MAX: i64 = 300;

/// Refuses an event that is out of bounds.
pub fn event(event: &UsageEvent, now: Instant) -> Result<(), Reject> {
    id("source", &event.source)?;
    id("id", &event.id)?;
    name("resource kind", &event.resource_kind)?;
    for (what, text) in [
        ("project", &event.project),
        ("site", &event.site),
        ("region", &event.region),
        ("incarnation", &event.incarnation),
    ] {
        if let Some(text) = text {
            name(what, text)?;
        }
    }
    times(event, now)?;
    let key = |measurement: &Measurement| (measurement.meter.clone(), measurement.flow);
    let twice = if event.measurements.len() <= PAIRWISE_MAX {
        let same = |(at, one): &(usize, &Measurement)| {
            let mut earlier = event.measurements[..*at].iter();
            earlier.any(|other| other.meter == one.meter && other.flow == one.flow)
        };
        event.measurements.iter().enumerate().find(same).map(|(_, one)| one)
    } else {
        let mut seen = BTreeSet::new();
        event.measurements.iter().find(|one| !seen.insert(key(one)))
    };
    if let Some(measurement) = twice {
        return Err(Reject::new(
            reason::DUPLICATE_METER,
            format!("meter `{}` stands twice in one event", measurement.meter),
        ));
    }
    labels("attributes", &event.attributes)?;
    event.tags.as_ref().map_or(Ok(()), |tags| labels("tags", tags))
}

/// Masks values of attributes and tags whose name says that they are secret.
pub fn mask_labels(event: &mut UsageEvent) {
    let tags = event.tags.iter_mut().flatten();
    for (_, value) in event
        .attributes
        .iter_mut()
        .chain(tags)
        .filter(|(name, value)| !value.is_empty() && crate::redact::is_sensitive(name))
    {
        *value = crate::redact::MASK.to_owned();
    }
}

fn id(what: &'static str, text: &str) -> Result<(), Reject> {
    if text.is_empty() {
        return Err(Reject::new(reason::INVALID_ID, format!("{what} is empty")));
    }
    bounded(what, text, ID_BYTES_MAX)
}

fn name(what: &'static str, text: &str) -> Result<(), Reject> {
    bounded(what, text, NAME_BYTES_MAX)
}

fn bounded(what: &'static str, text: &str, max: usize) -> Result<(), Reject> {
    let short = || text.chars().take(80).collect::<String>().escape_default().to_string();
    if text.len() > max {
        return Err(Reject::new(
            reason::INVALID_ID,
            format!("{what} `{}` is longer than {max} bytes", short()),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Reject::new(
            reason::INVALID_ID,
            format!("{what} `{}` holds a control character", short()),
        ));
    }
    Ok(())
}

fn times(event: &UsageEvent, now: Instant) -> Result<(), Reject> {
    let limit = now.plus_seconds(FUTURE_SECONDS_MAX).unwrap_or(Instant::MAX);
    let window_end = event.window.map(|window| window.end);
    for (what, time) in
        [("time", Some(event.time)), ("window.end", window_end), ("since", event.since)]
    {
        if let Some(time) = time.filter(|time| *time > limit) {
            return Err(Reject::new(
                reason::FUTURE_TIME,
                format!("{what}: {time} lies more than five minutes after {now}"),
            ));
        }
    }
    if let Some(window) = event.window.filter(|window| window.end < window.start) {
        return Err(Reject::new(
            reason::BAD_WINDOW,
            format!("the window ends at {}, before it starts at {}", window.end, window.start),
        ));
    }
    Ok(())
}

fn labels(what: &'static str, labels: &BTreeMap<String, String>) -> Result<(), Reject> {
    if labels.len() > LABELS_MAX {
        return Err(Reject::new(
            reason::LABELS_TOO_LARGE,
            format!("{what}: {} entries, at most {LABELS_MAX} are kept", labels.len()),
        ));
    }
    let long = |text: &String| text.len() > LABEL_BYTES_MAX;
    if let Some((name, _)) = labels.iter().find(|(name, value)| long(name) || long(value)) {
        return Err(Reject::new(
            reason::LABELS_TOO_LARGE,
            format!(
                "{what}: `{}` is longer than {LABEL_BYTES_MAX} bytes",
                name.chars().take(80).collect::<String>()
            ),
        ));
    }
    Ok(())
}
