//! [`Installation`]: which of several systems of one kind a record comes from.
//!
//! Many formats do not say it: two OpenNebula zones both have a machine 13, and two Xen hosts a `web`.
//! An operator who collects from several names each, by topic, by request or by file; the name then
//! goes into the source, the id and the resource of what such a format reports, so that one is never
//! taken for the other. Where none is named, events are what they always were.

use turnpike_schemas::{OwnerRef, ResourceId, UsageEvent};

use crate::decode::Reject;
use crate::reason;

/// Longest name.
const BYTES_MAX: usize = 64;

/// The name of an installation: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation(String);

/// What is no name of an installation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not 1 to {BYTES_MAX} letters, digits, `-`, `_` and `.`")]
pub struct InvalidInstallation(String);

impl Installation {
    pub fn new(name: &str) -> Result<Self, InvalidInstallation> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > BYTES_MAX || !name.bytes().all(known) {
            return Err(InvalidInstallation(name.chars().take(BYTES_MAX).collect()));
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts the name into an event, as far as what identifies it holds for one installation only.
    pub(crate) fn mark(&self, event: &mut UsageEvent, local: Local) -> Result<(), Reject> {
        if local == Local::Nothing {
            return Ok(());
        }
        let name = &self.0;
        event.source = format!("{}/{name}", event.source);
        event.id = format!("{name}/{}", event.id);
        if local == Local::Source {
            return Ok(());
        }
        for resource in [&mut event.resource, &mut event.parent].into_iter().flatten() {
            // namespace/kind/id
            let text = resource.as_str();
            let at = text.match_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
            let marked = format!("{}{name}/{}", &text[..at], &text[at..]);
            *resource = ResourceId::new(marked)
                .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))?;
        }
        if let Some(owner) = event.owner.as_mut().filter(|_| local == Local::IdsAndOwners) {
            let (namespace, id) = owner.as_str().split_once('/').unwrap_or_default();
            *owner = OwnerRef::new(format!("{namespace}/{name}/{id}"))
                .map_err(|error| Reject::new(reason::INVALID_ID, error.to_string()))?;
        }
        Ok(())
    }
}

/// What of the names in a format means something else in another installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Local {
    /// Ids are unique in the world, or the format names the system that gave them.
    #[default]
    Nothing,
    /// Ids of events, but resources are unique in the world.
    Source,
    /// Ids of events and of resources.
    Ids,
    /// The same, and who holds them.
    IdsAndOwners,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment_of_an_address() {
        for name in ["zone-b", "eu.west_1", "7"] {
            assert!(Installation::new(name).is_ok(), "{name}");
        }
        for name in ["", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(Installation::new(name).is_err(), "{name}");
        }
    }
}
