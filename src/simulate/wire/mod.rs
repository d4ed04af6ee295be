//! What the systems of a site would have sent, as text.

mod native;
mod openstack;

use super::actor::{Actor, Life, Thing};
use super::provider::Customer;
use super::stamp::HOUR;

/// Writes the message of a step of a life into `line`.
pub fn life(line: &mut String, actor: &mut Actor, customers: &[Customer], step: Life, now: i64) {
    let customer = &customers[actor.customer];
    let hour = now - now.rem_euclid(HOUR);
    // Audits go on to list what was deleted in the hour that they are about.
    let window = (step == Life::Tombstone).then_some((hour - HOUR, hour));
    match (actor.is_audited(), actor.thing) {
        (false, _) => native::life(line, actor, customer, step, now),
        (true, Thing::Volume) => {
            openstack::cinder(line, actor, customer, cinder_event(step), now, window);
        }
        (true, _) => openstack::nova(line, actor, customer, nova_event(step), now, window),
    }
}

fn nova_event(step: Life) -> &'static str {
    match step {
        Life::Create => "instance.create.end",
        Life::Stop => "instance.power_off.end",
        Life::Start => "instance.power_on.end",
        Life::Resize => "instance.resize_finish.end",
        Life::Delete => "instance.delete.end",
        _ => "instance.exists",
    }
}

fn cinder_event(step: Life) -> &'static str {
    match step {
        Life::Create => "volume.create.end",
        Life::Resize => "volume.resize.end",
        Life::Transfer => "volume.transfer.accept.end",
        Life::Delete => "volume.delete.end",
        _ => "volume.exists",
    }
}

/// Writes a periodic report: what was so, or what was consumed, since the one before.
pub fn report(line: &mut String, actor: &mut Actor, customers: &[Customer], now: i64, grid: i64) {
    let customer = &customers[actor.customer];
    let end = now - now.rem_euclid(grid);
    let window = Some((end - grid, end));
    let serves = actor.is_server() && actor.running || actor.thing == Thing::Balancer;
    if serves && actor.noise.chance(1, 4) {
        native::traffic(line, actor, customer, now);
    } else if actor.is_audited() && actor.thing == Thing::Volume {
        openstack::cinder(line, actor, customer, "volume.exists", now, window);
    } else if actor.is_audited() {
        openstack::nova(line, actor, customer, "instance.exists", now, window);
    } else {
        native::report(line, actor, customer, now);
    }
    actor.reported = now;
}
