//! Native usage events: CloudEvents in structured mode, one JSON object per line.

use std::fmt::Write as _;

use super::super::actor::{Actor, FLAVORS, Life, Thing};
use super::super::provider::{Customer, Platform};
use super::super::stamp::{self, HOUR, SECOND};
use super::openstack::tier;

/// The resource kind of a thing and the service that reports it.
fn names(thing: Thing) -> (&'static str, &'static str) {
    match thing {
        Thing::Server | Thing::Office | Thing::Batch => ("instance", "kvm"),
        Thing::Volume => ("volume", "storage"),
        Thing::Bucket => ("bucket", "objects"),
        Thing::Database => ("db-instance", "databases"),
        Thing::Balancer => ("load-balancer", "net"),
        Thing::Address => ("public-ip", "net"),
    }
}

/// Opens an event up to the inside of `data`, after its resource and owner.
fn open(
    line: &mut String,
    actor: &mut Actor,
    customer: &Customer,
    kind: &str,
    what: &str,
    now: i64,
) {
    let (resource_kind, service) = names(actor.thing);
    let site = customer.site();
    let id = format!("{:016x}", actor.noise.next());
    let _ = write!(
        line,
        r#"{{"specversion":"1.0","id":"{id}","source":"/{service}/{}/agent-{:02}","type":"dev.turnpike.usage.{kind}.v1","subject":"{resource_kind}/{}","time":""#,
        site.id,
        actor.index % 12,
        actor.id,
    );
    stamp::rfc3339(line, now);
    // What runs on OpenStack is known by Keystone's ids, also to the agents that count traffic.
    let project = &customer.projects[actor.project % customer.projects.len()];
    let (namespace, owner) = match (actor.is_audited(), site.platform) {
        (true, Platform::OpenStack) => ("openstack", project.tenant.as_str()),
        _ => (site.party, customer.id.as_str()),
    };
    let _ = write!(
        line,
        r#"","datacontenttype":"application/json","data":{{"namespace":"{namespace}","resource":{{"kind":"{what}","id":"{}"}},"owner":"{owner}""#,
        actor.id,
    );
}

fn held(line: &mut String, quantities: &[(&str, i64, &str)]) {
    measurements(line, "held", quantities);
}

fn measurements(line: &mut String, field: &str, quantities: &[(&str, i64, &str)]) {
    let _ = write!(line, r#","{field}":["#);
    for (index, (meter, quantity, unit)) in quantities.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ =
            write!(line, r#"{comma}{{"meter":"{meter}","quantity":{quantity},"unit":"{unit}"}}"#);
    }
    line.push(']');
}

fn sizes(line: &mut String, actor: &Actor) {
    let gib = i64::from(actor.size);
    let index = usize::try_from(actor.size).unwrap_or(0) % FLAVORS.len();
    let (flavor, vcpus, memory, disk) = FLAVORS[index];
    match actor.thing {
        Thing::Server | Thing::Office | Thing::Batch => {
            let (vcpus, memory, disk) = (i64::from(vcpus), i64::from(memory), i64::from(disk));
            held(
                line,
                &[("vcpu", vcpus, "vCPU"), ("memory", memory, "MiB"), ("root-disk", disk, "GiB")],
            );
            let _ = write!(line, r#","attributes":{{"flavor":"{flavor}"}}"#);
        }
        Thing::Volume => {
            held(line, &[("volume", gib, "GiB")]);
            let _ = write!(line, r#","attributes":{{"tier":"{}"}}"#, tier(actor));
        }
        Thing::Bucket => {
            held(line, &[("object-storage", actor.stored, "byte")]);
            line.push_str(r#","attributes":{"class":"standard"}"#);
        }
        Thing::Database => {
            held(line, &[("db-instance", 1, "instance"), ("db-storage", actor.stored / 8, "byte")]);
            let _ = write!(line, r#","attributes":{{"flavor":"{flavor}","engine":"postgresql"}}"#);
        }
        Thing::Balancer => held(line, &[("load-balancer", 1, "load balancer")]),
        Thing::Address => held(line, &[("public-ip", 1, "address")]),
    }
}

fn place(line: &mut String, actor: &Actor, customer: &Customer) {
    let project = &customer.projects[actor.project % customer.projects.len()];
    let site = customer.site();
    let _ = write!(
        line,
        r#","project":"{}","site":"{}","region":"{}""#,
        project.called(site.platform),
        site.id,
        site.region
    );
}

fn tags(line: &mut String, actor: &Actor, customer: &Customer) {
    let stage = if actor.index.is_multiple_of(3) { "test" } else { "production" };
    let project = &customer.projects[actor.project % customer.projects.len()];
    let center = 100 + actor.index % 7;
    let _ = write!(
        line,
        r#","tags":{{"stage":"{stage}","team":"{}","cost-center":"{center}"}}"#,
        project.name
    );
}

fn state(actor: &Actor) -> &'static str {
    if actor.running { "active" } else { "stopped" }
}

/// A step of the life of what is not OpenStack's.
pub fn life(line: &mut String, actor: &mut Actor, customer: &Customer, step: Life, now: i64) {
    let (kind, _) = names(actor.thing);
    open(line, actor, customer, "transition", kind, now);
    match step {
        Life::Create | Life::Resize => {
            place(line, actor, customer);
            let _ = write!(line, r#","state":"{}""#, state(actor));
            sizes(line, actor);
            tags(line, actor, customer);
        }
        // A new owner; everything else stays as it was.
        Life::Transfer => place(line, actor, customer),
        Life::Delete => line.push_str(r#","state":"deleted","terminal":true"#),
        _ => {
            let _ = write!(line, r#","state":"{}""#, state(actor));
        }
    }
    line.push_str("}}");
}

/// A periodic report of what is not OpenStack's.
pub fn report(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    match actor.thing {
        Thing::Bucket if actor.noise.chance(1, 4) => requests(line, actor, customer, now),
        Thing::Database if actor.noise.chance(1, 5) => backup(line, actor, customer, now),
        Thing::Address => audit(line, actor, customer, now),
        _ => snapshot(line, actor, customer, now),
    }
}

/// A poll: so it was at this time.
fn snapshot(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    let grown = actor.noise.between(-(1 << 30), 3 << 30);
    actor.stored = (actor.stored + grown).max(0);
    let (kind, _) = names(actor.thing);
    open(line, actor, customer, "snapshot", kind, now);
    place(line, actor, customer);
    let _ = write!(line, r#","state":"{}""#, state(actor));
    sizes(line, actor);
    line.push_str("}}");
}

/// Evidence that an address was held over a window.
fn audit(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    let (kind, _) = names(actor.thing);
    open(line, actor, customer, "audit", kind, now);
    place(line, actor, customer);
    line.push_str(r#","state":"active""#);
    sizes(line, actor);
    line.push_str(r#","since":""#);
    stamp::rfc3339(line, actor.born);
    line.push('"');
    window(line, actor.reported, now);
    line.push_str("}}");
}

fn window(line: &mut String, start: i64, end: i64) {
    line.push_str(r#","window":{"start":""#);
    stamp::rfc3339(line, start);
    line.push_str(r#"","end":""#);
    stamp::rfc3339(line, end);
    line.push_str(r#""}"#);
}

/// Bytes in and out: most sites send what passed since the last report, Osaka's send counters that
/// start again with each boot.
pub fn traffic(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    let hours = (now - actor.traffic_reported) / HOUR + 1;
    let egress = actor.noise.between(1 << 20, 1 << 30) * hours;
    let ingress = actor.noise.between(1 << 20, 1 << 28) * hours;
    let (kind, _) = names(actor.thing);
    open(line, actor, customer, "delta", kind, now);
    if customer.site().party == "osaka" {
        actor.counter += egress;
        let _ = write!(
            line,
            r#","incarnation":"boot-{}-{}","used":[{{"meter":"egress","quantity":{},"cumulative":true}}]"#,
            actor.serial, actor.boots, actor.counter
        );
    } else {
        measurements(line, "used", &[("egress", egress, "byte"), ("ingress", ingress, "byte")]);
        window(line, actor.traffic_reported, now);
    }
    line.push_str("}}");
    actor.traffic_reported = now;
}

/// Requests to a bucket since the last report.
fn requests(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    let count = actor.noise.between(100, 200_000);
    let egress = actor.noise.between(1 << 20, 8 << 30);
    open(line, actor, customer, "delta", "bucket", now);
    measurements(line, "used", &[("requests", count, "request"), ("egress", egress, "byte")]);
    window(line, actor.reported, now);
    line.push_str("}}");
}

/// What the backups of a database took on average since the last report: already aggregated.
fn backup(line: &mut String, actor: &mut Actor, customer: &Customer, now: i64) {
    let start = actor.reported - actor.reported.rem_euclid(SECOND);
    open(line, actor, customer, "interval", "backup", now);
    place(line, actor, customer);
    held(line, &[("backup", actor.stored / 10, "byte")]);
    window(line, start, now);
    line.push_str("}}");
}
