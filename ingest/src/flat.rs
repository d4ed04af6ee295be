//! [`Flat`]: an event as the columns of its row, borrowed from wherever it was read.
//!
//! Both ways of reading, the general one and that of `fast`, end here, so that rows and content
//! hashes have one definition.

use sha2::{Digest, Sha256};
use turnpike_schemas::canonical::labels_to_json;
use turnpike_schemas::event::{Correction, CorrectionAction, ResourceState, Twin, Window};
use turnpike_schemas::{EventKind, Flow, Instant, Measurement, OwnerRef, ResourceId, UsageEvent};

use crate::filter::Key;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlatMeasurement<'a> {
    pub meter: &'a str,
    pub quantity: i64,
    pub scale: u32,
    pub flow: Flow,
}

/// The columns of an event, named as in [`UsageEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flat<'a> {
    pub source: &'a str,
    pub id: &'a str,
    pub system: &'a str,
    pub kind: EventKind,
    pub resource: Option<&'a str>,
    pub resource_kind: &'a str,
    pub parent: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub project: Option<&'a str>,
    pub site: Option<&'a str>,
    pub region: Option<&'a str>,
    pub time: Instant,
    pub window: Option<Window>,
    pub since: Option<Instant>,
    pub seconds: Option<i64>,
    pub state: Option<ResourceState>,
    pub terminal: bool,
    pub incarnation: Option<&'a str>,
    pub measurements: &'a [FlatMeasurement<'a>],
    /// Canonical JSON; `None` where there are none.
    pub attributes: Option<&'a str>,
    pub tags: Option<&'a str>,
    pub twin: Option<&'a str>,
    pub correction: Option<CorrectionAction>,
    pub target: Option<&'a str>,
}

/// What columns hold otherwise than an event does.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    measurements: Vec<FlatMeasurement<'a>>,
    attributes: Option<String>,
    tags: Option<String>,
    twin: Option<String>,
}

impl<'a> Texts<'a> {
    pub fn of(event: &'a UsageEvent) -> Self {
        let flat = |measurement: &'a Measurement| FlatMeasurement {
            meter: measurement.meter.as_str(),
            quantity: measurement.quantity,
            scale: measurement.scale,
            flow: measurement.flow,
        };
        let attributes = &event.attributes;
        Self {
            measurements: event.measurements.iter().map(flat).collect(),
            attributes: (!attributes.is_empty()).then(|| labels_to_json(attributes)),
            tags: event.tags.as_ref().map(labels_to_json),
            twin: event.twin.as_ref().map(Twin::to_column),
        }
    }
}

impl<'a> Flat<'a> {
    pub fn of(event: &'a UsageEvent, texts: &'a Texts<'a>) -> Self {
        // Field by field, so that one that is added cannot be forgotten here.
        let UsageEvent {
            source,
            id,
            system,
            kind,
            resource,
            resource_kind,
            parent,
            owner,
            project,
            site,
            region,
            time,
            window,
            since,
            seconds,
            state,
            terminal,
            incarnation,
            measurements: _,
            attributes: _,
            tags: _,
            twin: _,
            correction,
        } = event;
        Self {
            source,
            id,
            system,
            kind: *kind,
            resource: resource.as_ref().map(ResourceId::as_str),
            resource_kind,
            parent: parent.as_ref().map(ResourceId::as_str),
            owner: owner.as_ref().map(OwnerRef::as_str),
            project: project.as_deref(),
            site: site.as_deref(),
            region: region.as_deref(),
            time: *time,
            window: *window,
            since: *since,
            seconds: *seconds,
            state: *state,
            terminal: *terminal,
            incarnation: incarnation.as_deref(),
            measurements: &texts.measurements,
            attributes: texts.attributes.as_deref(),
            tags: texts.tags.as_deref(),
            twin: texts.twin.as_deref(),
            correction: correction.as_ref().map(|Correction { action, .. }| *action),
            target: correction.as_ref().and_then(|correction| correction.target.as_deref()),
        }
    }

    /// As [`UsageEvent::rank`].
    pub fn rank(&self) -> i32 {
        match (self.terminal, self.kind) {
            (true, _) => 2,
            (false, EventKind::Audit) => 1,
            (false, _) => 0,
        }
    }

    /// The identity, hashed.
    pub fn key(&self, scratch: &mut Vec<u8>) -> Key {
        Key::of(self.source, self.id, scratch)
    }

    /// The first eight bytes of a SHA-256 over all that the event says but its identity: the same
    /// key with another hash is a conflict. Stored, so the bytes that go into it stay as they are:
    /// each field in the order below; a text as its length plus one and itself; a number as eight
    /// bytes after a one; nothing as a zero.
    pub fn content_hash(&self, scratch: &mut Vec<u8>) -> i64 {
        scratch.clear();
        let window = self.window;
        for text in [
            Some(self.system),
            Some(self.kind.as_str()),
            self.resource,
            Some(self.resource_kind),
            self.parent,
            self.owner,
            self.project,
            self.site,
            self.region,
            self.state.map(ResourceState::as_str),
            self.incarnation,
            self.attributes,
            self.tags,
            self.twin,
            self.correction.map(CorrectionAction::as_str),
            self.target,
        ] {
            put_text(scratch, text);
        }
        for number in [
            Some(self.time.micros()),
            window.map(|window| window.start.micros()),
            window.map(|window| window.end.micros()),
            self.since.map(|since| since.micros()),
            self.seconds,
            Some(i64::from(self.terminal)),
        ] {
            put_number(scratch, number);
        }
        for measurement in self.measurements {
            put_text(scratch, Some(measurement.meter));
            put_number(scratch, Some(measurement.quantity));
            put_number(scratch, Some(i64::from(measurement.scale)));
            put_text(scratch, Some(measurement.flow.as_str()));
        }
        let digest = Sha256::digest(scratch);
        i64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
    }
}

#[inline]
fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else { return bytes.push(0) };
    let mut length = text.len() + 1;
    // Seven bits a byte, the lowest first; the high bit says that more follow.
    while length >= 0x80 {
        bytes.push(0x80 | (length & 0x7f).to_le_bytes()[0]);
        length >>= 7;
    }
    bytes.push(length.to_le_bytes()[0]);
    bytes.extend_from_slice(text.as_bytes());
}

#[inline]
fn put_number(bytes: &mut Vec<u8>, number: Option<i64>) {
    let Some(number) = number else { return bytes.push(0) };
    bytes.push(1);
    bytes.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat() -> Flat<'static> {
        Flat {
            source: "/s",
            id: "1",
            system: "native",
            kind: EventKind::Snapshot,
            resource: Some("native/instance/1"),
            resource_kind: "instance",
            parent: None,
            owner: Some("native/o"),
            project: None,
            site: None,
            region: None,
            time: Instant::parse("2026-10-01T00:00:00Z").expect("instant"),
            window: None,
            since: None,
            seconds: None,
            state: Some(ResourceState::Active),
            terminal: false,
            incarnation: None,
            measurements: &[FlatMeasurement {
                meter: "vcpu",
                quantity: 2_000_000,
                scale: 6,
                flow: Flow::Held,
            }],
            attributes: Some("{\"a\":\"1\"}"),
            tags: None,
            twin: None,
            correction: None,
            target: None,
        }
    }

    #[test]
    fn the_hash_of_the_content_never_changes_and_tells_contents_apart() {
        let hash = |flat: Flat<'_>| flat.content_hash(&mut Vec::new());
        // Stored rows and the key index hold these numbers.
        assert_eq!(hash(flat()), STORED);
        let other = [
            Flat { project: Some(""), ..flat() },
            Flat { site: Some(""), ..flat() },
            Flat { tags: Some("{}"), ..flat() },
            Flat { terminal: true, ..flat() },
            Flat { measurements: &[], ..flat() },
            Flat { resource_kind: "instanc", parent: Some("e"), ..flat() },
            Flat { seconds: Some(0), ..flat() },
            Flat { target: Some("t"), ..flat() },
        ];
        let mut all: Vec<i64> = other.into_iter().map(hash).collect();
        all.push(hash(flat()));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
        // The identity is the key's part.
        assert_eq!(hash(Flat { id: "2", source: "/t", ..flat() }), STORED);
    }

    // Worked out by an independent program from the definition above.
    const STORED: i64 = -2_534_792_604_290_194_280;

    #[test]
    fn long_texts_keep_their_length() {
        let bytes = |length: usize| {
            let mut bytes = Vec::new();
            put_text(&mut bytes, Some(&"x".repeat(length)));
            bytes[..bytes.len() - length].to_vec()
        };
        assert_eq!(bytes(126), [127]);
        assert_eq!(bytes(127), [0x80, 1]);
        assert_eq!(bytes(20_000), [0xa1, 0x9c, 1]);
    }
}
