//! One adapter per reporting system, behind one trait.

pub mod aws;
pub mod cloudstack;
pub mod inventory;
pub mod libvirt;
pub mod mapped;
pub mod native;
pub mod openstack;
pub mod time;
pub mod vsphere;

mod correction;
mod make;
mod row;
pub(crate) mod xml;

use std::borrow::Cow;
use std::sync::OnceLock;

use turnpike_schemas::UsageEvent;

use crate::cloudevents::CloudEvent;
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
use crate::json::Json;
use openstack::Notification;

/// A record in one of the wire forms, before anybody knows what it means.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    CloudEvent(CloudEvent<'a>),
    /// An OpenStack notification, out of its envelope.
    Notification(Notification<'a>),
    /// Any other JSON object.
    Object(&'a Json<'a>),
    /// No JSON: a line of a log, a table with its heading, a piece of XML.
    Text(&'a str),
}

/// What may stand around the records of a list in all, once for each of them.
pub(crate) const AROUND_BYTES_MAX: usize = 16 << 20;

/// Turns what one system reports into usage events.
pub trait Adapter: Sync {
    /// The word in `usage_events.system`.
    fn name(&self) -> &'static str;
    /// One line for people: what it reads.
    fn reads(&self) -> &'static str;
    /// Whether a public capture of the format was there to read, rather than only its description.
    fn is_verified(&self) -> bool {
        true
    }
    fn recognises(&self, message: &Message<'_>) -> bool;
    /// What of the names in a message that it recognises means something else in another
    /// installation of the system.
    fn local(&self, _message: &Message<'_>) -> Local {
        Local::Nothing
    }
    /// The events of a message that it recognises: at least one. An event without a resource is
    /// kept as `unmetered`.
    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject>;
    /// The records of a message that lists some, each a message that this adapter reads and
    /// recognises alone, with the same events. It is asked where one of them cannot be read; none:
    /// the message is one record, or its envelope is broken.
    fn records<'m>(&self, _message: &Message<'m>) -> Vec<Cow<'m, str>> {
        Vec::new()
    }
}

/// The adapters that are code; the first that recognises a message reads it, so the general one
/// stands last.
pub const WRITTEN: &[&dyn Adapter] = &[
    &native::Native,
    &inventory::Inventory,
    &openstack::nova::Nova,
    &openstack::cinder::Cinder,
    &openstack::glance::Glance,
    &openstack::neutron::Neutron,
    &openstack::octavia::Octavia,
    &openstack::swift::Swift,
    &openstack::trove::Trove,
    &openstack::Other,
    &cloudstack::bus::Bus,
    &cloudstack::usage::Usage,
    &vsphere::Vsphere,
    &libvirt::Libvirt,
    &aws::ec2_state::Ec2State,
    &aws::s3_event::S3Event,
    &aws::cloudtrail::CloudTrail,
    &aws::s3_access_log::S3AccessLog,
    &aws::usage_report::UsageReport,
];

/// All adapters in the order in which they are asked: those that are code, then those that are data.
pub fn adapters() -> &'static [&'static dyn Adapter] {
    static ALL: OnceLock<Vec<&'static dyn Adapter>> = OnceLock::new();
    ALL.get_or_init(|| WRITTEN.iter().chain(mapped::adapters()).copied().collect())
}

/// The adapter of that name.
pub fn find(name: &str) -> Option<&'static dyn Adapter> {
    adapters().iter().find(|adapter| adapter.name() == name).copied()
}
