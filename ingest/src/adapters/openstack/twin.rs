//! Which notifications tell of one action twice, under two message ids.
//!
//! - Nova with `notification_format=both` sends each action as a versioned notification and as a
//!   legacy one.
//! - `cinder-volume-usage-audit --send_actions` sends creations and deletions of the period again.
//!
//! A twin that is wrong would lose an event, so one is set only where something in the notification
//! tells the action from its next time: a request does a thing to a resource once, and a volume is
//! created and deleted once.

use turnpike_schemas::event::{Twin, Window};
use turnpike_schemas::{Instant, ResourceId};

/// The twin of what happened to a resource. `which` tells it from its next time; without it there
/// is none.
pub fn of(resource: &ResourceId, what: &str, which: Option<String>, form: &str) -> Option<Twin> {
    let which = which?;
    Some(Twin { key: format!("{resource} {what} {which}"), form: form.to_owned() })
}

/// An instant as both forms print it: one has microseconds, the other seconds.
pub fn second(time: Instant) -> String {
    time.floored().to_string()
}

/// A window as both forms print it.
pub fn window(window: Window) -> String {
    format!("{}/{}", second(window.start), second(window.end))
}
