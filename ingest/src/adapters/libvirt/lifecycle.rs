//! Life-cycle events, by libvirt's numbers for the event and its detail.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, UsageEvent};

use super::report::Report;
use crate::adapters::make;
use crate::decode::{DecodeContext, Reject};

/// The domain is now in a state, gone, or as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Become(ResourceState),
    Gone,
    Touch,
}

pub(super) fn event(
    report: &Report,
    event: usize,
    detail: u64,
    context: &DecodeContext,
) -> Result<UsageEvent, Reject> {
    let mut made = report.event(EventKind::Transition, None)?;
    let change = match change(event, detail, report.has_migrated) {
        // Nothing will say that it was undefined.
        Change::Become(ResourceState::Stopped) if report.is_transient => Change::Gone,
        change => change,
    };
    match change {
        Change::Become(state) => {
            made.state = Some(state);
            make::hold_one(&mut made, context, "instance")?;
        }
        Change::Gone => {
            made.state = Some(ResourceState::Deleted);
            made.terminal = true;
        }
        Change::Touch => {}
    }
    Ok(made)
}

fn change(event: usize, detail: u64, has_migrated: bool) -> Change {
    use ResourceState as S;
    match (event, detail) {
        (1, 0) if !has_migrated => Change::Gone,
        (2, _) => Change::Become(S::Active),
        // It stands still for a moment while its memory is copied.
        (3, 1) => Change::Touch,
        (3, _) => Change::Become(S::Paused),
        (4, _) => Change::Become(S::Active),
        (5, 3) => Change::Touch,
        // Its memory lies in a file, from which it goes on.
        (5, 4) => Change::Become(S::Suspended),
        (5, _) => Change::Become(S::Stopped),
        (7, _) => Change::Become(S::Suspended),
        (8, _) => Change::Become(S::Error),
        // Defined, renamed, moved away; a guest that has shut down is stopped by the next event.
        _ => Change::Touch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_no_gap_and_an_end_is_one() {
        use ResourceState as S;
        let check = |event: usize, detail: u64, expect: Change| {
            assert_eq!(change(event, detail, false), expect, "{event}.{detail}");
        };
        check(0, 0, Change::Touch);
        check(1, 0, Change::Gone);
        check(1, 1, Change::Touch);
        check(2, 0, Change::Become(S::Active));
        check(2, 1, Change::Become(S::Active));
        check(3, 0, Change::Become(S::Paused));
        check(3, 1, Change::Touch);
        check(4, 0, Change::Become(S::Active));
        check(5, 0, Change::Become(S::Stopped));
        check(5, 1, Change::Become(S::Stopped));
        check(5, 3, Change::Touch);
        check(5, 4, Change::Become(S::Suspended));
        check(6, 0, Change::Touch);
        check(7, 0, Change::Become(S::Suspended));
        check(8, 0, Change::Become(S::Error));
        assert_eq!(change(1, 0, true), Change::Touch);
    }
}
