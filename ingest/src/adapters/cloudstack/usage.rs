//! Usage records that CloudStack's usage server aggregates and `listUsageRecords` lists, as JSON or
//! XML: a whole response, or one record.
//!
//! - A record says how much within a window, never when: hours held become seconds within the
//!   window, bytes and operations are what was consumed in it.
//! - Hours are a 32-bit float that CloudStack prints with six decimals. Below 2048 hours that float
//!   is within half of 2^-13 h (0.22 s), the sixth decimal adds 1.8 ms and CloudStack's own inclusive
//!   end 1 ms, while all that it measures begins and ends at whole seconds: the nearest second is the
//!   one that was measured. Times 3600 is done in decimals, not in floats.
//! - The window is half-open. CloudStack ends one a millisecond before the next begins and prints
//!   whole seconds, so an end at second 59 (`23:59:59`, `23:59:59.999`) means the second after it;
//!   one at any other second is taken as printed. Quantities do not depend on it: only the month
//!   does, and whether the hours fit.
//! - The id is what identifies a record by nature (place, holder, resource, type, size, window), so
//!   listing it again is a duplicate, and another amount for the same is a conflict.
//! - A machine has a record for the hours it ran (type 1) and one for those it was allocated (2),
//!   which hold the same sizes. Running hours have the state `active`, allocated ones `building`:
//!   no tariff bills both unless it says so, and one that bills machines by allocation says
//!   `hold = ["building"]`.
//! - Where a record has `virtualsize`, that is the logical size and `size` the physical one. What a
//!   template or an ISO occupies is its `size`.

use std::borrow::Cow;

use roxmltree::{Document, ParsingOptions};
use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::meter::MIB;
use turnpike_schemas::parse::decimal_parts;
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::NAMESPACE;
use super::types::{Shape, UsageType};
use crate::adapters::row::Row;
use crate::adapters::{Adapter, Message, make, xml};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::reason;

const RESPONSE: &str = "listusagerecordsresponse";
const RECORD: &str = "usagerecord";
/// A record has some forty elements; a response that is longer than this should be listed by pages.
const XML_NODES_MAX: u32 = 2_000_000;
/// What tells one record of a window from another.
const IDENTITY: [&str; 17] = [
    "zoneid",
    "domainid",
    "accountid",
    "account",
    "projectid",
    "usagetype",
    "usageid",
    "virtualmachineid",
    "networkid",
    "offeringid",
    "templateid",
    "type",
    "size",
    "virtualsize",
    "cpunumber",
    "cpuspeed",
    "memory",
];

/// Reads usage records.
pub struct Usage;

impl Adapter for Usage {
    fn name(&self) -> &'static str {
        "cloudstack-usage"
    }

    fn reads(&self) -> &'static str {
        "Apache CloudStack usage records (listUsageRecords), JSON or XML: all usage types"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        match message {
            Message::Object(json) => {
                json.get(RESPONSE).is_some_and(Json::is_object) || is_record(json)
            }
            Message::Text(text) => {
                text.trim_ascii_start().starts_with('<')
                    && (text.contains("<listusagerecordsresponse")
                        || text.contains("<usagerecord>"))
            }
            _ => false,
        }
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        match message {
            Message::Object(json) => match json.get(RESPONSE) {
                Some(response) => {
                    let records = match response.get(RECORD) {
                        Some(records) => records.items().ok_or_else(|| no_list(records))?,
                        None => &[],
                    };
                    all(records.iter().map(Row::from_json), json.text, context)
                }
                None => usage_event(&Row::from_json(json), context).map(|event| vec![event]),
            },
            Message::Text(text) => {
                let document = document(text).map_err(|error| {
                    Reject::new(reason::INVALID_FIELD, format!("not XML: {error}"))
                })?;
                let records = xml::outermost(&document, |node| node.has_tag_name(RECORD));
                all(records.map(Row::from_xml), text, context)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn records<'m>(&self, message: &Message<'m>) -> Vec<Cow<'m, str>> {
        match message {
            Message::Object(json) => {
                let records = json.get(RESPONSE).and_then(|response| response.get(RECORD)?.items());
                let records = records.unwrap_or_default().iter();
                records.map(|record| Cow::Borrowed(record.text)).collect()
            }
            Message::Text(text) => {
                let text = text.trim_ascii();
                let Ok(document) = document(text) else { return Vec::new() };
                let elements = xml::outermost(&document, |node| node.has_tag_name(RECORD));
                elements.map(|element| Cow::Borrowed(&text[element.range()])).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn document(text: &str) -> Result<Document<'_>, roxmltree::Error> {
    let options = ParsingOptions { nodes_limit: XML_NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text.trim_ascii(), options)
}

/// One that lacks a single field is still known for what it is.
fn is_record(json: &Json<'_>) -> bool {
    let names = ["usagetype", "rawusage", "startdate", "enddate"];
    names.iter().filter(|name| json.get(name).is_some()).count() >= names.len() - 1
}

fn no_list(records: &Json<'_>) -> Reject {
    let text = format!("{RECORD} is {}, not a list", records.kind());
    Reject::new(reason::INVALID_FIELD, text)
}

/// The events of a response; of an empty one, a note that it came.
fn all<'a>(
    records: impl Iterator<Item = Row<'a>>,
    text: &str,
    context: &DecodeContext,
) -> Result<Vec<UsageEvent>, Reject> {
    let mut events: Vec<UsageEvent> =
        records.map(|record| usage_event(&record, context)).collect::<Result<_, _>>()?;
    if events.is_empty() {
        let origin = origin(make::natural_id(&[text, &context.now.to_string()]));
        events.push(make::unmetered(origin, context.now, "empty response"));
    }
    Ok(events)
}

fn origin(id: String) -> make::Origin {
    make::Origin { system: Usage.name(), source: format!("/{NAMESPACE}/usage"), id }
}

fn usage_event(row: &Row<'_>, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let window = window(row)?;
    let number = row.required("usagetype")?;
    let origin = origin(natural_id(row, window));
    let Some(known) = UsageType::of(number) else {
        return Ok(make::unmetered(origin, window.end, &format!("usage type {number}")));
    };
    let consumed = matches!(known.shape, Shape::Consumed);
    let kind = if consumed { EventKind::Delta } else { EventKind::Interval };
    let mut event = make::windowed(origin, kind, window);
    whose(&mut event, row, known)?;
    let raw = row.written("rawusage").ok_or_else(|| make::missing("rawusage"))?;
    if !consumed {
        event.state = Some(ResourceState::Active);
        event.seconds = Some(seconds(raw.digits, window)?);
    }
    match known.shape {
        Shape::Machine { running } => machine(&mut event, row, running, context)?,
        Shape::One => make::hold_one(&mut event, context, known.meter)?,
        Shape::Stored => stored(&mut event, row, known, context)?,
        Shape::Consumed => {
            make::measure(&mut event, context, known.meter, Flow::Delta, raw, 1)?;
        }
    }
    Ok(event)
}

fn natural_id(row: &Row<'_>, window: Window) -> String {
    let mut parts: Vec<&str> =
        IDENTITY.iter().map(|name| row.text(name).unwrap_or_default()).collect();
    // As instants, since a listing may print them in another time zone.
    let (start, end) = (window.start.to_string(), window.end.to_string());
    parts.extend([start.as_str(), end.as_str()]);
    make::natural_id(&parts)
}

/// The resource, its holder and its place.
fn whose(event: &mut UsageEvent, row: &Row<'_>, known: &UsageType) -> Result<(), Reject> {
    let machine = row.text("virtualmachineid");
    let own = row.text("usageid").or_else(|| row.text("networkid"));
    let id = match (known.per_machine, machine, own) {
        // What a machine has several of: its interfaces and groups.
        (true, Some(machine), Some(own)) => format!("{machine}/{own}"),
        _ => {
            let is_machine = matches!(known.shape, Shape::Machine { .. });
            let id = if is_machine { machine.or(own) } else { own.or(machine) };
            id.ok_or_else(|| make::missing("usageid"))?.to_owned()
        }
    };
    make::about(event, NAMESPACE, known.kind, &id)?;
    if let Some(machine) = machine.filter(|_| known.kind != "instance") {
        event.parent = Some(make::resource(NAMESPACE, "instance", machine)?);
    }
    // Records of a project name no account.
    let holder = ["accountid", "projectid", "account"].iter().find_map(|name| row.text(name));
    event.owner = holder.map(|id| make::owner(NAMESPACE, id)).transpose()?;
    event.project = row.text("projectid").map(str::to_owned);
    event.region = row.text("zoneid").map(str::to_owned);
    event.tags = row.tags.clone();
    let labels: &[(&str, &str)] = match known.shape {
        Shape::Machine { .. } => {
            &[("flavor", "offeringid"), ("template", "templateid"), ("hypervisor", "type")]
        }
        Shape::Stored if known.kind == "volume" => &[("tier", "offeringid")],
        Shape::One if known.kind == "nic" => &[("is_default", "isdefault")],
        Shape::One if known.kind == "public-ip" => &[("is_source_nat", "issourcenat")],
        _ => &[],
    };
    for (label, name) in labels {
        make::label(event, label, row.text(name));
    }
    if known.shape == Shape::Stored {
        make::label(event, "usage_type", Some(known.name));
    }
    Ok(())
}

fn machine(
    event: &mut UsageEvent,
    row: &Row<'_>,
    running: bool,
    context: &DecodeContext,
) -> Result<(), Reject> {
    let state = if running { ResourceState::Active } else { ResourceState::Building };
    event.state = Some(state);
    make::hold_one(event, context, "instance")?;
    for (meter, name, unit) in [("vcpu", "cpunumber", 1), ("memory", "memory", MIB)] {
        if let Some(written) = row.written(name) {
            make::measure(event, context, meter, Flow::Held, written, unit)?;
        }
    }
    Ok(())
}

fn stored(
    event: &mut UsageEvent,
    row: &Row<'_>,
    known: &UsageType,
    context: &DecodeContext,
) -> Result<(), Reject> {
    let size = row.written("size");
    let logical = row.written("virtualsize").filter(|written| written.digits != "0");
    let (logical, physical) = match (known.physical, logical) {
        (Some(meter), Some(logical)) => (Some(logical), size.map(|size| (meter, size))),
        (None, _) => (size.or(logical), None),
        (Some(_), None) => (size, None),
    };
    let logical = logical.ok_or_else(|| make::missing("size"))?;
    make::measure(event, context, known.meter, Flow::Held, logical, 1)?;
    if let Some((meter, size)) = physical {
        make::measure(event, context, meter, Flow::Held, size, 1)?;
    }
    Ok(())
}

fn window(row: &Row<'_>) -> Result<Window, Reject> {
    let start = row.required_time("startdate")?;
    let end = row.required_time("enddate")?;
    let inclusive = end.floor_seconds().rem_euclid(60) == 59;
    let end = if inclusive { end.floored().plus_seconds(1).unwrap_or(end) } else { end };
    if end < start {
        return Err(Reject::new(
            reason::BAD_WINDOW,
            format!("enddate: {end} lies before startdate {start}"),
        ));
    }
    Ok(Window { start, end })
}

/// Hours as whole seconds, the nearest.
fn seconds(hours: &str, window: Window) -> Result<i64, Reject> {
    let refuse =
        |code, why: &str| Reject::new(code, format!("rawusage: `{}` {why}", make::short(hours)));
    let (mantissa, decimals) = decimal_parts(hours)
        .map_err(|_| refuse(reason::QUANTITY_INVALID, "is not a decimal number"))?;
    if mantissa < 0 {
        return Err(refuse(reason::QUANTITY_NEGATIVE, "is negative"));
    }
    let too_many = || refuse(reason::BAD_WINDOW, "hours do not fit in the window");
    let unit = 10_i128.checked_pow(decimals).ok_or_else(too_many)?;
    let scaled = mantissa.checked_mul(3_600).ok_or_else(too_many)?;
    let nearest = scaled.checked_add(unit / 2).ok_or_else(too_many)? / unit;
    let seconds = i64::try_from(nearest).map_err(|_| too_many())?;
    if window.start.plus_seconds(seconds).is_none_or(|end| end > window.end) {
        return Err(too_many());
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use turnpike_schemas::Instant;

    use super::*;

    fn between(start: &str, end: &str) -> Window {
        let at = |text: &str| Instant::parse(text).expect("instant");
        Window { start: at(start), end: at(end) }
    }

    #[test]
    fn hours_become_the_seconds_that_were_measured() {
        let day = between("2026-10-07T00:00:00Z", "2026-10-08T00:00:00Z");
        let check = |hours: &str, expect: Result<i64, &str>| {
            assert_eq!(seconds(hours, day).map_err(|reject| reject.code), expect, "{hours}");
        };
        check("0", Ok(0));
        check("24", Ok(86_400));
        check("0.000278", Ok(1));
        check("9.012500", Ok(32_445));
        // 32445 s as CloudStack prints it when its own millisecond is added.
        check("9.012501", Ok(32_445));
        check("0.000138", Ok(0));
        check("0.000139", Ok(1));
        check("24.000001", Ok(86_400));
        check("24.000139", Err("bad_window"));
        check("-1", Err("quantity_negative"));
        check("many", Err("quantity_invalid"));
        check("1e300", Err("quantity_invalid"));
    }
}
