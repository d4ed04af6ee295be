//! Corrections on the wire: `data.correction` of a native event.

use turnpike_schemas::event::{Correction, CorrectionAction, KEY_SEPARATOR};
use turnpike_schemas::wire::{NativeAction, NativeCorrection};

use crate::check::ID_BYTES_MAX;
use crate::cloudevents::CloudEvent;
use crate::decode::Reject;
use crate::reason;

/// Longest `reason`.
const REASON_BYTES_MAX: usize = 1_024;

/// The correction of an event that reports something itself.
pub(crate) fn carried(
    envelope: &CloudEvent<'_>,
    given: &NativeCorrection,
) -> Result<Correction, Reject> {
    match given.action {
        NativeAction::Amend => named(envelope, given, CorrectionAction::Amend),
        NativeAction::Backfill if given.target.is_none() => {
            text(given)?;
            Ok(Correction { action: CorrectionAction::Backfill, target: None })
        }
        NativeAction::Backfill => {
            Err(invalid("data.correction.target: a backfill adds an event and changes none"))
        }
        NativeAction::Retract | NativeAction::Revert => Err(invalid(
            "data.correction.action: retract and revert are events of the type \
             dev.turnpike.usage.correction.v1",
        )),
    }
}

/// The correction of an event that reports nothing.
pub(crate) fn alone(
    envelope: &CloudEvent<'_>,
    given: &NativeCorrection,
) -> Result<Correction, Reject> {
    match given.action {
        NativeAction::Retract => named(envelope, given, CorrectionAction::Retract),
        NativeAction::Revert => named(envelope, given, CorrectionAction::Revert),
        NativeAction::Amend | NativeAction::Backfill => Err(invalid(
            "data.correction.action: amend and backfill ride on an event with the full data",
        )),
    }
}

fn named(
    envelope: &CloudEvent<'_>,
    given: &NativeCorrection,
    action: CorrectionAction,
) -> Result<Correction, Reject> {
    text(given)?;
    let target = given.target.as_ref().ok_or_else(|| {
        let word = action.as_str();
        Reject::new(
            reason::MISSING_FIELD,
            format!("data.correction.target: {word} names the event that it changes"),
        )
    })?;
    for (field, id) in [("source", &target.source), ("id", &target.id)] {
        if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
            let shown: String = id.chars().take(80).collect();
            return Err(Reject::new(
                reason::INVALID_ID,
                format!(
                    "data.correction.target.{field}: `{}` is empty, too long or holds a control \
                     character",
                    shown.escape_default()
                ),
            ));
        }
    }
    if target.source == envelope.source && target.id == envelope.id {
        return Err(invalid("data.correction.target: an event does not correct itself"));
    }
    let target = format!("{}{KEY_SEPARATOR}{}", target.source, target.id);
    Ok(Correction { action, target: Some(target) })
}

fn text(given: &NativeCorrection) -> Result<(), Reject> {
    if given.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(invalid(&format!(
            "data.correction.reason: longer than {REASON_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

fn invalid(message: &str) -> Reject {
    Reject::new(reason::INVALID_FIELD, message)
}
