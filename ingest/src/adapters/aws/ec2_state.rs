//! State changes of EC2 instances, as an event bus (EventBridge) delivers them: at least once, in any
//! order, to the second.
//!
//! - `pending`, `stopping` and `shutting-down` are billed by no cloud that is shaped like EC2: the
//!   instance is building or stopped. Within a second, `pending` is put before what follows it.
//! - There is no instance type. `instance` is held, and its type is an attribute (`flavor`) that
//!   CloudTrail or an inventory event names.

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::{EventKind, Instant, UsageEvent};

use super::{EC2, at, required, text};
use crate::adapters::{Adapter, Message, make, time};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::reason;

const DETAIL_TYPE: &str = "EC2 Instance State-change Notification";

/// Reads state changes of instances.
pub struct Ec2State;

impl Adapter for Ec2State {
    fn name(&self) -> &'static str {
        "ec2-state"
    }

    fn reads(&self) -> &'static str {
        "EC2 instance state changes (EventBridge), also of Eucalyptus"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        matches!(message, Message::Object(json)
            if json.text_of("detail-type") == Some(DETAIL_TYPE))
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        changed(json, context).map(|event| vec![event])
    }
}

fn changed(json: &Json<'_>, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let detail = at(json, &["detail"]).ok_or_else(|| make::missing("detail"))?;
    let id = match text(detail, &["instance-id"]) {
        Some(id) => id,
        None => required(detail, &["instance_id"])?,
    };
    let state = required(detail, &["state"])?;
    let state = state_of(state).ok_or_else(|| {
        Reject::new(
            reason::UNKNOWN_STATE,
            format!("detail.state: `{}` is no state of an instance", make::short(state)),
        )
    })?;
    let region = required(json, &["region"])?;
    let time = time::parse("time", required(json, &["time"])?)?;
    // The bills' seconds are not changed by a microsecond.
    let later = i64::from(state != ResourceState::Building);
    let time = Instant::from_micros(time.micros() + later).unwrap_or(time);
    let origin = make::Origin {
        system: Ec2State.name(),
        source: format!("/{}/{region}", text(json, &["source"]).unwrap_or(EC2)),
        id: required(json, &["id"])?.to_owned(),
    };
    let mut event = make::event(origin, EventKind::Transition, time);
    make::about(&mut event, EC2, "instance", &format!("{region}/{id}"))?;
    event.owner = text(json, &["account"]).map(|id| make::owner(EC2, id)).transpose()?;
    event.region = Some(region.to_owned());
    event.state = Some(state);
    event.terminal = state == ResourceState::Deleted;
    if !event.terminal {
        make::hold_one(&mut event, context, "instance")?;
    }
    Ok(event)
}

fn state_of(word: &str) -> Option<ResourceState> {
    use ResourceState as S;
    Some(match word {
        "pending" => S::Building,
        "running" => S::Active,
        "stopping" | "stopped" | "shutting-down" => S::Stopped,
        "terminated" => S::Deleted,
        _ => return None,
    })
}
