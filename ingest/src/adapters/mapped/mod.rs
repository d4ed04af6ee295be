//! Adapters that are data: one file says how a system's records become usage events, and one engine
//! reads them all.
//!
//! Owns: the format of those files, what is refused in one, the engine, and the files that come
//! with the program (`ingest/mappings/`). `docs/mappings.md` describes the format.
//! Does not own: systems whose records need more than their own fields to be understood; these have
//! adapters in Rust beside this folder.
//! Invariants: a mapping is refused as a whole before anything is read; a record is recognised by
//! certain marks, never by a guess; quantities are exact, or rounded by a rule that the file names.

mod engine;
mod format;
mod load;
mod path;
mod records;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use turnpike_schemas::UsageEvent;

use super::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
use crate::json::Json;
use crate::reason;
use format::{Mapping, Recognise};
pub(crate) use tree::{csv_row, quoted};

/// The mappings that come with the program.
const EMBEDDED: [(&str, &str); 8] = [
    ("opennebula.toml", include_str!("../../../mappings/opennebula.toml")),
    ("hyper-v.toml", include_str!("../../../mappings/hyper-v.toml")),
    ("xapi.toml", include_str!("../../../mappings/xapi.toml")),
    ("xentop.toml", include_str!("../../../mappings/xentop.toml")),
    ("data-domain.toml", include_str!("../../../mappings/data-domain.toml")),
    ("powerscale.toml", include_str!("../../../mappings/powerscale.toml")),
    ("ceph-rgw.toml", include_str!("../../../mappings/ceph-rgw.toml")),
    ("ceph-rgw-usage.toml", include_str!("../../../mappings/ceph-rgw-usage.toml")),
];

/// An adapter made of a mapping. It lives as long as the program.
pub struct Mapped {
    mapping: &'static Mapping,
}

static LOADED: OnceLock<Vec<&'static dyn Adapter>> = OnceLock::new();

/// The adapters that are data: those of [`install`], or else those that come with the program.
pub fn adapters() -> &'static [&'static dyn Adapter] {
    LOADED.get_or_init(|| adapters_of(embedded()))
}

/// Reads the mappings of an operator's folder, which stand before those of the program. It is for
/// the start of a process, before anything is decoded; every problem is told.
pub fn install(folder: &Path, reserved: &[&str]) -> Result<(), Vec<String>> {
    let mut mappings = load::folder(folder)?;
    mappings.extend(embedded());
    let mut problems = Vec::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let twice = mappings[..index].iter().any(|other| other.name == mapping.name);
        if twice || reserved.contains(&mapping.name.as_str()) {
            problems.push(format!("two adapters are called `{}`", mapping.name));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let names: Vec<String> = mappings.iter().map(|mapping| mapping.name.clone()).collect();
    let loaded = LOADED.get_or_init(|| adapters_of(mappings));
    if loaded.iter().map(|adapter| adapter.name()).ne(names.iter().map(String::as_str)) {
        return Err(vec!["other mappings are in use already".to_owned()]);
    }
    Ok(())
}

fn embedded() -> Vec<Mapping> {
    let parse = |(file, text): &(&str, &str)| {
        load::parse(file, text).expect("the mappings of the program are valid, as a test shows")
    };
    EMBEDDED.iter().map(parse).collect()
}

fn adapters_of(mappings: Vec<Mapping>) -> Vec<&'static dyn Adapter> {
    let adapter = |mapping: Mapping| -> &'static dyn Adapter {
        // Once per process: adapters are known by references that never end.
        Box::leak(Box::new(Mapped { mapping: Box::leak(Box::new(mapping)) }))
    };
    mappings.into_iter().map(adapter).collect()
}

impl Mapped {
    /// Calls `with` with the record as JSON, and how it was recognised.
    fn read<T>(
        &self,
        message: &Message<'_>,
        with: impl Fn(&Recognise, &Json<'_>) -> T,
    ) -> Option<T> {
        for recognise in &self.mapping.recognise {
            if let Message::Object(json) = message
                && recognise.form == format::Form::Json
            {
                if engine::fits(recognise, json) {
                    return Some(with(recognise, json));
                }
                continue;
            }
            let Some(text) = tree::json_of(recognise, message) else { continue };
            let Some(json) = tree::parse(&text) else { continue };
            if engine::fits(recognise, &json) {
                return Some(with(recognise, &json));
            }
        }
        None
    }
}

impl Mapped {
    fn elements<'m>(&self, text: &'m str) -> Vec<Cow<'m, str>> {
        if !text.trim_ascii_start().starts_with('<') {
            return Vec::new();
        }
        let items = crate::file::elements(text.as_bytes());
        let are_ours =
            items.len() > 1 && items.iter().all(|it| self.recognises(&Message::Text(it)));
        if are_ours { items.into_iter().map(Cow::Owned).collect() } else { Vec::new() }
    }
}

impl Adapter for Mapped {
    fn name(&self) -> &'static str {
        &self.mapping.name
    }

    fn reads(&self) -> &'static str {
        &self.mapping.reads
    }

    fn is_verified(&self) -> bool {
        self.mapping.verified
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        self.read(message, |_, _| ()).is_some()
    }

    fn local(&self, _: &Message<'_>) -> Local {
        self.mapping.local
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let events = |recognise: &Recognise, json: &Json<'_>| {
            engine::events(self.mapping, recognise, json, context)
        };
        self.read(message, events).unwrap_or_else(|| {
            let text = format!("no {} record", self.mapping.name);
            Err(Reject::new(reason::UNRECOGNISED, text))
        })
    }

    /// JSON: the record with the outermost list cut down to each of its items. XML: the elements of
    /// a document that are records alone.
    fn records<'m>(&self, message: &Message<'m>) -> Vec<Cow<'m, str>> {
        let json = match message {
            Message::Object(json) => json,
            Message::Text(text) => return self.elements(text),
            _ => return Vec::new(),
        };
        let is_json = |it: &&Recognise| it.form == format::Form::Json && engine::fits(it, json);
        let recognise = self.mapping.recognise.iter().find(is_json);
        recognise.map_or_else(Vec::new, |recognise| records::records(recognise, json))
    }
}
