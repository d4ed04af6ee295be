//! [`decode`]: one record in, its events or the reason why it is a dead letter out.

use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{Instant, UsageEvent};

use crate::settings::IngestSettings;

/// A record as a source delivers it. Files have neither headers nor keys.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub headers: &'a [(String, Vec<u8>)],
    pub key: Option<&'a [u8]>,
    /// `None`: a Kafka tombstone.
    pub value: Option<&'a [u8]>,
    pub topic: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// A record that is nothing but its value: a line of a file, the body of a request.
    pub fn of(value: &'a [u8]) -> Self {
        Self { headers: &[], key: None, value: Some(value), topic: None }
    }
}

/// What decoding needs to know besides the record.
#[derive(Debug, Clone)]
pub struct DecodeContext {
    pub meters: MeterCatalogue,
    pub now: Instant,
    /// A longer value is a dead letter.
    pub bytes_max: usize,
}

impl DecodeContext {
    pub fn new(settings: &IngestSettings, now: Instant) -> Self {
        Self { meters: settings.meters.clone(), now, bytes_max: settings.bytes_max }
    }
}

/// What one event of a record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    Event(Box<UsageEvent>),
    /// Understood, and of no use to billing: it names no resource.
    Unmetered(Box<UsageEvent>),
    Dead(Reject),
}

/// Why a record is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// One of [`crate::reason::ALL`].
    pub code: &'static str,
    /// Names the field and the offending text.
    pub message: String,
    /// The adapter that recognised it, if any did.
    pub system: Option<&'static str>,
}

impl Reject {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), system: None }
    }
}

/// Decodes a record. Never panics, never returns nothing.
pub fn decode(record: &Record<'_>, context: &DecodeContext) -> Vec<Decoded> {
    let _ = (record, context);
    unimplemented!()
}
