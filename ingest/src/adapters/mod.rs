//! One adapter per reporting system, behind one trait.

use turnpike_schemas::UsageEvent;

use crate::decode::{DecodeContext, Reject};

/// Turns what one system reports into usage events.
pub trait Adapter: Sync {
    /// The word in `usage_events.system`.
    fn name(&self) -> &'static str;
    /// One line for people: what it reads.
    fn reads(&self) -> &'static str;
    fn recognises(&self, message: &Message<'_>) -> bool;
    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject>;
}

/// A record in one of the wire forms.
pub enum Message<'a> {
    Object(&'a str),
}

/// All adapters; the first that recognises a message reads it.
pub fn adapters() -> &'static [&'static dyn Adapter] {
    &[]
}
