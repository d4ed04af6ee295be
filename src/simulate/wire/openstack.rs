//! Nova's versioned notifications and Cinder's, in the envelope of oslo.messaging.

use std::fmt::Write as _;

use super::super::actor::{Actor, FLAVORS};
use super::super::provider::Customer;
use super::super::stamp;

/// `{"oslo.version": "2.0", "oslo.message": "..."}` around a notification, whose text is escaped.
fn envelope(
    line: &mut String,
    actor: &mut Actor,
    event_type: &str,
    publisher: &str,
    now: i64,
    payload: &str,
) {
    let mut inner = String::with_capacity(payload.len() + 320);
    let id = actor.noise.uuid();
    let _ = write!(
        inner,
        r#"{{"message_id": "{id}", "publisher_id": "{publisher}", "event_type": "{event_type}", "priority": "INFO", "payload": {payload}, "timestamp": ""#
    );
    stamp::oslo(&mut inner, now);
    inner.push_str(r#"", "_context": {"user_domain": "default", "auth_token": null}}"#);
    line.push_str(r#"{"oslo.version": "2.0", "oslo.message": ""#);
    for part in inner.split_inclusive('"') {
        match part.strip_suffix('"') {
            Some(before) => {
                line.push_str(before);
                line.push_str("\\\"");
            }
            None => line.push_str(part),
        }
    }
    line.push_str(r#""}"#);
}

fn time_field(text: &mut String, name: &str, at: Option<i64>, write: fn(&mut String, i64)) {
    let _ = write!(text, r#", "{name}": "#);
    match at {
        None => text.push_str("null"),
        Some(at) => {
            text.push('"');
            write(text, at);
            text.push('"');
        }
    }
}

/// A versioned notification of an instance; `window` for an audit.
pub fn nova(
    line: &mut String,
    actor: &mut Actor,
    customer: &Customer,
    event_type: &str,
    now: i64,
    window: Option<(i64, i64)>,
) {
    let state = match (actor.alive, actor.running, event_type) {
        (false, _, _) => "deleted",
        (_, _, "instance.resize_finish.end") => "resized",
        (_, true, _) => "active",
        (_, false, _) => "stopped",
    };
    let power = if actor.running { "running" } else { "shutdown" };
    let index = usize::try_from(actor.size).unwrap_or(0) % FLAVORS.len();
    let (flavor, vcpus, memory, disk) = FLAVORS[index];
    let tenant = &customer.projects[actor.project % customer.projects.len()].tenant;
    let host = format!("cmp{:02}", actor.index % 16);
    let mut text = String::with_capacity(1_200);
    let _ = write!(
        text,
        r#"{{"nova_object.name": "InstanceActionPayload", "nova_object.namespace": "nova", "nova_object.version": "1.9", "nova_object.data": {{"uuid": "{id}", "tenant_id": "{tenant}", "display_name": "vm-{name}", "host": "{host}", "availability_zone": "{zone}", "state": "{state}", "power_state": "{power}", "task_state": null"#,
        id = actor.id,
        name = &actor.id[..8],
        zone = customer.site().id,
    );
    let ended = (!actor.alive).then_some(actor.died);
    time_field(&mut text, "created_at", Some(actor.born), stamp::nova);
    time_field(&mut text, "launched_at", Some(actor.launched), stamp::nova);
    time_field(&mut text, "deleted_at", ended, stamp::nova);
    time_field(&mut text, "terminated_at", ended, stamp::nova);
    let _ = write!(
        text,
        r#", "flavor": {{"nova_object.name": "FlavorPayload", "nova_object.namespace": "nova", "nova_object.version": "1.4", "nova_object.data": {{"flavorid": "{}", "name": "{flavor}", "vcpus": {vcpus}, "memory_mb": {memory}, "root_gb": {disk}, "ephemeral_gb": 0, "swap": 0}}}}"#,
        index + 1,
    );
    if let Some((start, end)) = window {
        text.push_str(r#", "audit_period": {"nova_object.name": "AuditPeriodPayload", "nova_object.namespace": "nova", "nova_object.version": "1.0", "nova_object.data": {"audit_period_beginning": ""#);
        stamp::nova(&mut text, start);
        text.push_str(r#"", "audit_period_ending": ""#);
        stamp::nova(&mut text, end);
        text.push_str(r#""}}"#);
    }
    text.push_str("}}");
    envelope(line, actor, event_type, &format!("nova-compute:{host}"), now, &text);
}

/// The volume types of the simulated clouds.
pub const TIERS: [&str; 3] = ["ssd", "hdd", "nvme"];

pub fn tier(actor: &Actor) -> &'static str {
    TIERS[usize::try_from(actor.index).unwrap_or(0) % TIERS.len()]
}

/// A notification of a volume; `window` for an audit.
pub fn cinder(
    line: &mut String,
    actor: &mut Actor,
    customer: &Customer,
    event_type: &str,
    now: i64,
    window: Option<(i64, i64)>,
) {
    let tenant = &customer.projects[actor.project % customer.projects.len()].tenant;
    let zone = customer.site().id;
    let status = match (actor.alive, event_type) {
        (false, _) => "deleted",
        _ => "available",
    };
    let mut text = String::with_capacity(640);
    let _ = write!(
        text,
        r#"{{"volume_id": "{id}", "tenant_id": "{tenant}", "volume_type": "{tier}", "size": {size}, "status": "{status}", "host": "{zone}@ceph#ceph", "availability_zone": "{zone}", "display_name": "vol-{name}", "snapshot_id": null, "replication_status": null, "metadata": [], "volume_attachment": []"#,
        id = actor.id,
        tier = tier(actor),
        size = actor.size,
        name = &actor.id[..8],
    );
    time_field(&mut text, "created_at", Some(actor.born), stamp::cinder);
    time_field(&mut text, "launched_at", Some(actor.born), stamp::cinder);
    if !actor.alive {
        time_field(&mut text, "deleted_at", Some(actor.died), stamp::cinder);
    }
    if let Some((start, end)) = window {
        time_field(&mut text, "audit_period_beginning", Some(start), stamp::cinder);
        time_field(&mut text, "audit_period_ending", Some(end), stamp::cinder);
    }
    text.push('}');
    envelope(line, actor, event_type, &format!("volume.{zone}@ceph#ceph"), now, &text);
}
