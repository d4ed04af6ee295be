//! The usage types of CloudStack: what each number counts.

/// How a record of the type says its quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Hours of a machine, with its sizes.
    Machine { running: bool },
    /// Hours of one thing.
    One,
    /// Hours of bytes.
    Stored,
    /// Bytes or operations.
    Consumed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageType {
    number: &'static str,
    pub name: &'static str,
    pub shape: Shape,
    /// The kind of resource.
    pub kind: &'static str,
    pub meter: &'static str,
    /// The meter of physical bytes, where there is one.
    pub physical: Option<&'static str>,
    /// Each machine has its own.
    pub per_machine: bool,
}

const fn of(
    number: &'static str,
    name: &'static str,
    shape: Shape,
    kind: &'static str,
    meter: &'static str,
) -> UsageType {
    UsageType { number, name, shape, kind, meter, physical: None, per_machine: false }
}

const fn with_physical(base: UsageType, physical: &'static str) -> UsageType {
    UsageType { physical: Some(physical), ..base }
}

const fn per_machine(base: UsageType) -> UsageType {
    UsageType { per_machine: true, ..base }
}

use Shape::{Consumed, Machine, One, Stored};

/// Reads and writes of disks are added up: attributes are of the disk, and not of one traffic.
const TYPES: [UsageType; 25] = [
    of("1", "RUNNING_VM", Machine { running: true }, "instance", "instance"),
    of("2", "ALLOCATED_VM", Machine { running: false }, "instance", "instance"),
    of("3", "IP_ADDRESS", One, "public-ip", "public-ip"),
    of("4", "NETWORK_BYTES_SENT", Consumed, "network-traffic", "egress"),
    of("5", "NETWORK_BYTES_RECEIVED", Consumed, "network-traffic", "ingress"),
    with_physical(of("6", "VOLUME", Stored, "volume", "volume"), "volume-physical"),
    of("7", "TEMPLATE", Stored, "image", "image"),
    of("8", "ISO", Stored, "image", "image"),
    with_physical(of("9", "SNAPSHOT", Stored, "snapshot", "snapshot"), "snapshot-physical"),
    per_machine(of("10", "SECURITY_GROUP", One, "security-group", "security-group")),
    of("11", "LOAD_BALANCER_POLICY", One, "load-balancer-rule", "load-balancer-rule"),
    of("12", "PORT_FORWARDING_RULE", One, "port-forwarding-rule", "port-forwarding-rule"),
    per_machine(of("13", "NETWORK_OFFERING", One, "nic", "nic")),
    of("14", "VPN_USERS", One, "vpn-user", "vpn-user"),
    of("21", "VM_DISK_IO_READ", Consumed, "volume", "disk-ops"),
    of("22", "VM_DISK_IO_WRITE", Consumed, "volume", "disk-ops"),
    of("23", "VM_DISK_BYTES_READ", Consumed, "volume", "disk-io"),
    of("24", "VM_DISK_BYTES_WRITE", Consumed, "volume", "disk-io"),
    of("25", "VM_SNAPSHOT", Stored, "vm-snapshot", "vm-snapshot"),
    with_physical(of("26", "VOLUME_SECONDARY", Stored, "volume", "volume"), "volume-physical"),
    of("27", "VM_SNAPSHOT_ON_PRIMARY", Stored, "vm-snapshot", "vm-snapshot"),
    with_physical(of("28", "BACKUP", Stored, "backup", "backup"), "backup-physical"),
    with_physical(
        of("29", "BUCKET", Stored, "bucket", "object-storage"),
        "object-storage-physical",
    ),
    of("30", "NETWORK", One, "network", "network"),
    of("31", "VPC", One, "vpc", "vpc"),
];

impl UsageType {
    /// `None`: a type that this version does not know.
    pub fn of(number: &str) -> Option<&'static Self> {
        TYPES.iter().find(|known| known.number == number)
    }
}
