//! The short way of a native usage event: one pass over its bytes, nothing copied but what is
//! stored otherwise than it was sent.
//!
//! Owns: the decision that an event is of the usual kind. It takes texts of ASCII without escapes, the
//! fields of the format and nothing that is to be masked or refused; all else returns `None` and
//! goes the general way, which alone knows reasons. A property test holds both to the same rows.

mod data;
mod meters;
mod scan;

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::time::next_utc_month;
use turnpike_schemas::{EventKind, Instant};

use crate::adapters::native::{NAME, NAMESPACE, TYPE_PREFIX, TYPE_SUFFIX};
use crate::check::{FUTURE_SECONDS_MAX, ID_BYTES_MAX, LABEL_BYTES_MAX, NAME_BYTES_MAX};
use crate::decode::DecodeContext;
use crate::flat::Flat;
use data::Data;
pub(crate) use meters::Meters;
use scan::{Labels, Scan};

/// Longest reference, as `schemas` has it.
const REFERENCE_BYTES_MAX: usize = turnpike_schemas::ids::REFERENCE_BYTES_MAX;

/// Texts that are stored otherwise than they came, kept to spare their allocation.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    resource: String,
    parent: String,
    owner: String,
    attributes: String,
    tags: String,
}

/// The envelope of a native event.
#[derive(Debug, Default)]
struct Envelope<'a> {
    id: Option<&'a str>,
    source: Option<&'a str>,
    kind: Option<EventKind>,
    time: Option<Instant>,
    has_data: bool,
}

/// Hands the event in `value` to `take`, with the part of the value that is its JSON text.
/// `None`: the general way has to read it.
pub(crate) fn read<R>(
    value: &[u8],
    context: &DecodeContext,
    meters: &Meters,
    scratch: &mut Scratch,
    take: impl FnOnce(&Flat<'_>, std::ops::Range<usize>) -> R,
) -> Option<R> {
    if value.len() > context.bytes_max {
        return None;
    }
    let mut scan = Scan::new(value)?;
    scan.skip_space();
    let start = scan.at();
    let mut data = Data::default();
    let envelope = envelope(&mut scan, &mut data, meters)?;
    let end = scan.at();
    if !scan.is_done() || !envelope.has_data {
        return None;
    }
    let kind = envelope.kind?;
    let time = checked_time(&data, kind, envelope.time, context.now)?;
    let is_terminal = data.terminal || data.state == Some(ResourceState::Deleted);
    let bounded = |text: &Option<&str>| text.is_none_or(|text| text.len() <= NAME_BYTES_MAX);
    if ![data.project, data.site, data.region, data.incarnation].iter().all(bounded) {
        return None;
    }
    let Scratch { resource, parent, owner, attributes, tags } = scratch;
    let namespace = plain(data.namespace.unwrap_or(NAMESPACE))?;
    let resource_kind = plain(data.resource_kind?).filter(|kind| kind.len() <= NAME_BYTES_MAX)?;
    let id = data.resource_id.filter(|id| !id.is_empty())?;
    reference(resource, &[namespace, resource_kind, id])?;
    if let Some(given) = data.parent {
        let (kind, id) = given.split_once('/')?;
        plain(kind)?;
        (!id.is_empty()).then_some(())?;
        reference(parent, &[namespace, given])?;
    }
    if let Some(given) = data.owner {
        (!given.is_empty()).then_some(())?;
        reference(owner, &[namespace, given])?;
    }
    let flat = Flat {
        source: identity(envelope.source?)?,
        id: identity(envelope.id?)?,
        system: NAME,
        kind,
        resource: Some(resource.as_str()),
        resource_kind,
        parent: data.parent.map(|_| parent.as_str()),
        owner: data.owner.map(|_| owner.as_str()),
        project: data.project,
        site: data.site,
        region: data.region,
        time,
        window: data.window,
        since: data.since,
        seconds: data.seconds,
        state: if is_terminal { Some(ResourceState::Deleted) } else { data.state },
        terminal: is_terminal,
        incarnation: data.incarnation,
        measurements: data.measured.as_slice(),
        attributes: canonical(data.attributes.filter(|labels| labels.count > 0), attributes)?,
        tags: canonical(data.tags, tags)?,
        twin: None,
        correction: None,
        target: None,
    };
    Some(take(&flat, start..end))
}

fn envelope<'a>(scan: &mut Scan<'a>, data: &mut Data<'a>, meters: &Meters) -> Option<Envelope<'a>> {
    let mut found = Envelope::default();
    let (mut has_version, mut seen) = (false, 0_u32);
    let mut more = scan.open(b'{', b'}')?;
    while more {
        let key = scan.key()?;
        let bit = match key {
            "specversion" => {
                has_version = scan.string()? == "1.0";
                0
            }
            "id" => {
                found.id = Some(scan.string()?);
                1
            }
            "source" => {
                found.source = Some(scan.string()?);
                2
            }
            "type" => {
                let word = scan.string()?.strip_prefix(TYPE_PREFIX)?.strip_suffix(TYPE_SUFFIX)?;
                found.kind = EventKind::from_word(word);
                3
            }
            "time" => {
                found.time = Some(scan.instant()?);
                4
            }
            "data" => {
                // A second one would be read into the first, and is refused below.
                data::read(scan, data, meters)?;
                found.has_data = true;
                5
            }
            "subject" => read_over(scan, 6)?,
            "datacontenttype" => read_over(scan, 7)?,
            "partitionkey" => read_over(scan, 8)?,
            _ => return None,
        };
        first(&mut seen, bit)?;
        more = scan.more(b'}')?;
    }
    has_version.then_some(found)
}

fn read_over(scan: &mut Scan<'_>, bit: u32) -> Option<u32> {
    scan.string()?;
    Some(bit)
}

/// `None` where a key stands twice.
#[inline]
fn first(seen: &mut u32, bit: u32) -> Option<()> {
    let mask = 1 << bit;
    let before = *seen;
    *seen |= mask;
    (before & mask == 0).then_some(())
}

/// When the event became true, if it keeps to what its kind may say and to our clock.
fn checked_time(
    data: &Data<'_>,
    kind: EventKind,
    given: Option<Instant>,
    now: Instant,
) -> Option<Instant> {
    let windowed = matches!(kind, EventKind::Audit | EventKind::Interval);
    let contradicts = windowed && (data.window.is_none() || data.has_used)
        || kind == EventKind::Delta && (data.has_held || !data.has_used)
        || kind == EventKind::Interval && !data.has_held
        || kind != EventKind::Interval && data.seconds.is_some()
        || data.terminal && data.state.is_some_and(|state| state != ResourceState::Deleted);
    if contradicts {
        return None;
    }
    let time = match (kind, data.window, given) {
        (EventKind::Delta | EventKind::Interval, Some(window), _) => {
            let last = Instant::from_micros(window.end.micros() - 1).unwrap_or(window.start);
            last.max(window.start)
        }
        (_, _, Some(time)) => time,
        (EventKind::Audit, Some(window), None) => window.end,
        (_, _, None) => return None,
    };
    let limit = now.plus_seconds(FUTURE_SECONDS_MAX).unwrap_or(Instant::MAX);
    let late = |time: Instant| time > limit;
    if late(time) || data.since.is_some_and(late) {
        return None;
    }
    let Some(Window { start, end }) = data.window else {
        return data.seconds.is_none().then_some(time);
    };
    let held_micros = data.seconds.unwrap_or(0).checked_mul(1_000_000)?;
    let months_fit = kind != EventKind::Interval
        || data.seconds.is_some()
        || next_utc_month(start.utc_month()) >= time.utc_month();
    let fits = start <= end && !late(end) && held_micros <= end.micros() - start.micros();
    (fits && months_fit).then_some(time)
}

/// The source or id of an event.
fn identity(text: &str) -> Option<&str> {
    (1..=ID_BYTES_MAX).contains(&text.len()).then_some(text)
}

/// A segment of a reference.
fn plain(text: &str) -> Option<&str> {
    (!text.is_empty() && !text.contains('/')).then_some(text)
}

fn reference(joined: &mut String, parts: &[&str]) -> Option<()> {
    joined.clear();
    for part in parts {
        if !joined.is_empty() {
            joined.push('/');
        }
        joined.push_str(part);
    }
    (joined.len() <= REFERENCE_BYTES_MAX).then_some(())
}

/// The canonical text of labels; `None` where the general way has to look.
fn canonical<'s>(labels: Option<Labels<'s>>, scratch: &'s mut String) -> Option<Option<&'s str>> {
    let Some(labels) = labels else { return Some(None) };
    // No label can be longer than the whole of them.
    if labels.text.len() > LABEL_BYTES_MAX {
        return None;
    }
    if labels.is_canonical {
        return Some(Some(labels.text));
    }
    let read = turnpike_schemas::canonical::labels_from_json(labels.text)?;
    *scratch = turnpike_schemas::canonical::labels_to_json(&read);
    Some(Some(scratch))
}
