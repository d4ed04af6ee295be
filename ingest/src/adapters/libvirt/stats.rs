//! What `domstats` tells: sizes and states as of the poll, and counters of the domain, its disks and
//! its interfaces.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::KIB;
use turnpike_schemas::parse::scaled_to_decimal;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::report::{Report, Values};
use crate::adapters::make;
use crate::decode::{DecodeContext, Reject};
use crate::quantity::{self, Written};
use crate::reason;

/// More disks or interfaces than a domain can have.
const PARTS_MAX: usize = 4_096;

pub(super) fn events(
    report: &Report,
    values: &Values,
    context: &DecodeContext,
) -> Result<Vec<UsageEvent>, Reject> {
    let mut events = make::Events::default();
    events.push(domain(report, values, context)?)?;
    for index in indices(values, "block")? {
        let name = |what: &str| format!("block.{index}.{what}");
        let counters = [
            ("disk-ops", sum(values, &name("rd.reqs"), &name("wr.reqs"))?),
            ("disk-io", sum(values, &name("rd.bytes"), &name("wr.bytes"))?),
        ];
        events.extend(part(report, "disk", values.get(&name("name")), &counters, context)?)?;
    }
    for index in indices(values, "net")? {
        let name = |what: &str| format!("net.{index}.{what}");
        let counters = [
            ("egress", whole(values, &name("tx.bytes"))?),
            ("ingress", whole(values, &name("rx.bytes"))?),
        ];
        events.extend(part(report, "nic", values.get(&name("name")), &counters, context)?)?;
    }
    Ok(events.into_vec())
}

/// The domain itself, with the sums of its disks.
fn domain(report: &Report, values: &Values, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let mut event = report.event(EventKind::Snapshot, None)?;
    if has_moved(values) {
        return Ok(event);
    }
    event.state = state(values)?;
    make::hold_one(&mut event, context, "instance")?;
    let sizes = [("vcpu", "vcpu.current", 1), ("memory", "balloon.current", KIB)];
    for (meter, field, unit) in sizes {
        if let Some(digits) = values.get(field) {
            let written = Written { digits, field };
            make::measure(&mut event, context, meter, Flow::Held, written, unit)?;
        }
    }
    for (meter, what) in [("volume", "capacity"), ("volume-physical", "physical")] {
        if let Some(bytes) = total(values, what)? {
            let written = Written { digits: &bytes.to_string(), field: what };
            make::measure(&mut event, context, meter, Flow::Held, written, 1)?;
        }
    }
    if let Some(nanoseconds) = whole(values, "cpu.time")? {
        let digits = scaled_to_decimal(i128::from(nanoseconds), 9);
        let written = Written { digits: &digits, field: "cpu.time" };
        make::measure(&mut event, context, "cpu-time", Flow::Cumulative, written, 1)?;
    }
    Ok(event)
}

/// The counters of a disk or an interface. One without a name cannot be told from another.
fn part(
    report: &Report,
    kind: &str,
    name: Option<&String>,
    counters: &[(&'static str, Option<i64>)],
    context: &DecodeContext,
) -> Result<Option<UsageEvent>, Reject> {
    let Some(name) = name.filter(|_| counters.iter().any(|(_, reading)| reading.is_some())) else {
        return Ok(None);
    };
    let mut event = report.event(EventKind::Snapshot, Some((kind, name)))?;
    for (meter, reading) in counters {
        if let Some(reading) = reading {
            let written = Written { digits: &reading.to_string(), field: meter };
            make::measure(&mut event, context, meter, Flow::Cumulative, written, 1)?;
        }
    }
    Ok(Some(event))
}

/// The domain is shut off since it has moved: what this host still says of it is void.
fn has_moved(values: &Values) -> bool {
    let text = |name: &str| values.get(name).map(String::as_str);
    text("state.state") == Some("5") && text("state.reason") == Some("4")
}

/// The state, if the poll says one.
fn state(values: &Values) -> Result<Option<ResourceState>, Reject> {
    use ResourceState as S;
    let is_saved = values.get("state.reason").is_some_and(|reason| reason == "5");
    Ok(Some(match values.get("state.state").map(String::as_str) {
        None | Some("0") => return Ok(None),
        // Blocked is waiting; one that is being shut down still runs.
        Some("1" | "2" | "4") => S::Active,
        Some("3") => S::Paused,
        Some("5") if is_saved => S::Suspended,
        Some("5") => S::Stopped,
        Some("6") => S::Error,
        Some("7") => S::Suspended,
        Some(other) => {
            return Err(Reject::new(
                reason::UNKNOWN_STATE,
                format!("state.state: `{}` is no state of a domain", make::short(other)),
            ));
        }
    }))
}

/// The numbers of the disks or interfaces that are told of.
fn indices(values: &Values, family: &str) -> Result<std::ops::Range<usize>, Reject> {
    let Some(count) = whole(values, &format!("{family}.count"))? else { return Ok(0..0) };
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= PARTS_MAX)
        .map(|count| 0..count)
        .ok_or_else(|| {
            Reject::new(reason::INVALID_FIELD, format!("{family}.count: {count} are too many"))
        })
}

/// The bytes of all disks; `None` where a disk does not say, or none are told of.
fn total(values: &Values, what: &str) -> Result<Option<i64>, Reject> {
    if !values.contains_key("block.count") {
        return Ok(None);
    }
    let mut total = 0_i64;
    for index in indices(values, "block")? {
        let Some(bytes) = whole(values, &format!("block.{index}.{what}"))? else {
            return Ok(None);
        };
        total = total.checked_add(bytes).ok_or_else(|| too_large(what))?;
    }
    Ok(Some(total))
}

fn sum(values: &Values, one: &str, other: &str) -> Result<Option<i64>, Reject> {
    match (whole(values, one)?, whole(values, other)?) {
        (Some(a), Some(b)) => a.checked_add(b).map(Some).ok_or_else(|| too_large(one)),
        // Half of a counter would look like a restart.
        _ => Ok(None),
    }
}

fn too_large(field: &str) -> Reject {
    Reject::new(reason::QUANTITY_RANGE, format!("{field}: the sum does not fit in 64 bits"))
}

fn whole(values: &Values, field: &str) -> Result<Option<i64>, Reject> {
    values.get(field).map(|digits| quantity::read(Written { digits, field }, 1, 0)).transpose()
}
