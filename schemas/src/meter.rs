//! [`Meter`]: how events become a quantity, in which base unit and at which decimal scale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::ResourceState;
use crate::{IdError, MeterId};

/// How measurements add up over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// A quantity held over time: billed as quantity x seconds.
    Held,
    /// A quantity consumed: billed by the unit.
    Sum,
}

/// How the usage of a period becomes the units that are priced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "measure")]
pub enum Measure {
    /// Of what is held: quantity x seconds. Of what is consumed: the sum.
    #[default]
    Total,
    /// Of what is consumed: the number of events. Of what is held: the number of holdings begun.
    Count,
    /// The highest quantity held, or consumed by one event.
    Max,
    /// The quantity held at the end, or consumed by the last event.
    Latest,
    /// The number of different values of an attribute (`None`: of resources) that were seen.
    Unique { attribute: Option<String> },
    /// The highest mean over windows of the period: quantity held x seconds, or consumed, over the
    /// window's seconds.
    Peak { window_seconds: i64 },
    /// A percentile over the means of all windows of the period, in order, the nearest rank: the
    /// 95th of 8,928 windows is the 8,482nd from below. Windows without usage count as zero.
    Percentile { window_seconds: i64, percent: u32 },
}

impl Measure {
    /// Whether the priced units are weighed by the time for which they were held.
    pub fn is_total(&self) -> bool {
        *self == Measure::Total
    }

    /// Whether it looks at what is used in each of the windows of the period, so that it matters when
    /// within its own window a report was used.
    pub fn is_over_windows(&self) -> bool {
        matches!(self, Measure::Peak { .. } | Measure::Percentile { .. })
    }
}

/// A meter whose usage is that of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    pub of: MeterId,
    /// Its quantity is multiplied by what this table says of the resource's class at each instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Conversion>,
}

/// Normalised compute: a factor by the class of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The attribute that names the host class.
    pub attribute: String,
    /// Which number of [`HostClass`](crate::book::HostClass).
    pub factor: Factor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// Rated MIPS of one vCPU.
    MipsPerVcpu,
    /// Rated MIPS of one MHz.
    MipsPerMhz,
}

/// In which states of its resource a held quantity is billable, unless a tariff says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldClass {
    /// Compute: while running or paused.
    Running,
    /// Local disks: until shelved and offloaded, or deleted.
    Allocated,
    /// Volumes, addresses, buckets: as long as they exist.
    Existing,
}

impl HoldClass {
    pub fn holds(self, state: ResourceState) -> bool {
        use ResourceState as S;
        match self {
            HoldClass::Running => matches!(state, S::Active | S::Paused),
            HoldClass::Allocated => {
                !matches!(state, S::Building | S::ShelvedOffloaded | S::Deleted | S::Unknown)
            }
            HoldClass::Existing => !matches!(state, S::Building | S::Deleted | S::Unknown),
        }
    }
}

/// A unit in which a meter is priced and shown: an exact multiple of its base unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PriceUnit {
    pub name: String,
    pub base_units: i64,
}

/// How events become a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    pub id: MeterId,
    pub name: String,
    /// The heading it stands under on an invoice: `Compute`, `Storage`.
    pub service: String,
    /// The base unit: `byte`, `vCPU`.
    pub unit: String,
    /// Decimals at which quantities are stored: 6 for vCPU, 0 for bytes.
    pub scale: u32,
    pub aggregation: Aggregation,
    pub hold: HoldClass,
    /// All units it may be sent, priced and shown in; the base unit is always the first.
    pub units: Vec<PriceUnit>,
    #[serde(default, skip_serializing_if = "Measure::is_total")]
    pub measure: Measure,
    /// Over what `measure` is taken, where it is no sum; the units of several are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<crate::tariff::Pool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    #[error(transparent)]
    Id(#[from] IdError),
    #[error("meter `{meter}` has a scale of {scale} decimals; at most 9 are stored")]
    Scale { meter: MeterId, scale: u32 },
    #[error("unit `{unit}` of meter `{meter}` must be a positive multiple of its base unit")]
    Unit { meter: MeterId, unit: String },
}

/// Decimals a stored quantity may have. At 9 a count still reaches 9.2 thousand million.
pub const SCALE_MAX: u32 = 9;
/// The scale at which quantities of a meter that nobody has declared yet are stored.
pub const SCALE_UNDECLARED: u32 = 6;

impl Meter {
    #[expect(
        clippy::too_many_arguments,
        reason = "a meter is these eight facts, and a builder would admit a half-made one"
    )]
    pub fn new(
        id: MeterId,
        name: &str,
        service: &str,
        unit: &str,
        scale: u32,
        aggregation: Aggregation,
        hold: HoldClass,
        multiples: &[(&str, i64)],
    ) -> Result<Self, MeterError> {
        if scale > SCALE_MAX {
            return Err(MeterError::Scale { meter: id, scale });
        }
        let mut units = vec![PriceUnit { name: unit.to_owned(), base_units: 1 }];
        for (name, base_units) in multiples {
            if *base_units < 1 {
                return Err(MeterError::Unit { meter: id, unit: (*name).to_owned() });
            }
            units.push(PriceUnit { name: (*name).to_owned(), base_units: *base_units });
        }
        Ok(Self {
            id,
            name: name.to_owned(),
            service: service.to_owned(),
            unit: unit.to_owned(),
            scale,
            aggregation,
            hold,
            units,
            measure: Measure::Total,
            over: None,
            derived: None,
        })
    }

    pub fn price_unit(&self, name: &str) -> Option<&PriceUnit> {
        self.units.iter().find(|unit| unit.name == name)
    }
}

pub const KIB: i64 = 1 << 10;
pub const MIB: i64 = 1 << 20;
pub const GIB: i64 = 1 << 30;
pub const TIB: i64 = 1 << 40;
const BYTES: [(&str, i64); 8] = [
    ("KiB", KIB),
    ("MiB", MIB),
    ("GiB", GIB),
    ("TiB", TIB),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A built-in meter: the arguments of [`Meter::new`].
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u32,
    Aggregation,
    HoldClass,
    &'static [(&'static str, i64)],
);

/// Every meter that is known: the built-in ones and those that a book declares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeterCatalogue(BTreeMap<MeterId, Meter>);

impl MeterCatalogue {
    /// The meters that adapters of known systems fill.
    pub fn builtin() -> Self {
        use Aggregation::{Held, Sum};
        use HoldClass::{Allocated, Existing, Running};
        let rows: [Row; 35] = [
            ("vcpu", "vCPU", "Compute", "vCPU", 6, Held, Running, &[]),
            ("memory", "Memory", "Compute", "byte", 0, Held, Running, &BYTES),
            ("instance", "Instance", "Compute", "instance", 0, Held, Running, &[]),
            ("cpu-mhz", "CPU clock", "Compute", "MHz", 6, Held, Running, &[("GHz", 1_000)]),
            ("cpu-time", "CPU time", "Compute", "second", 9, Sum, Existing, &[("hour", 3_600)]),
            ("root-disk", "Root disk", "Storage", "byte", 0, Held, Allocated, &BYTES),
            ("ephemeral-disk", "Ephemeral disk", "Storage", "byte", 0, Held, Allocated, &BYTES),
            ("volume", "Volume", "Storage", "byte", 0, Held, Existing, &BYTES),
            ("snapshot", "Snapshot", "Storage", "byte", 0, Held, Existing, &BYTES),
            ("backup", "Backup", "Storage", "byte", 0, Held, Existing, &BYTES),
            ("image", "Image", "Storage", "byte", 0, Held, Existing, &BYTES),
            ("object-storage", "Object storage", "Storage", "byte", 0, Held, Existing, &BYTES),
            ("vm-snapshot", "Machine snapshot", "Storage", "byte", 0, Held, Existing, &BYTES),
            // What an array stores after it has removed duplicates and compressed.
            ("volume-physical", "Volume, physical", "Storage", "byte", 0, Held, Existing, &BYTES),
            (
                "snapshot-physical",
                "Snapshot, physical",
                "Storage",
                "byte",
                0,
                Held,
                Existing,
                &BYTES,
            ),
            ("backup-physical", "Backup, physical", "Storage", "byte", 0, Held, Existing, &BYTES),
            (
                OBJECT_PHYSICAL,
                "Object storage, physical",
                "Storage",
                "byte",
                0,
                Held,
                Existing,
                &BYTES,
            ),
            ("objects", "Objects", "Storage", "object", 0, Held, Existing, &OBJECTS),
            ("disk-io", "Disk traffic", "Storage", "byte", 0, Sum, Existing, &BYTES),
            ("requests", "Requests", "Storage", "request", 0, Sum, Existing, &REQUESTS),
            ("disk-ops", "Disk operations", "Storage", "operation", 0, Sum, Existing, &OPERATIONS),
            ("egress", "Outgoing traffic", "Network", "byte", 0, Sum, Existing, &BYTES),
            ("ingress", "Incoming traffic", "Network", "byte", 0, Sum, Existing, &BYTES),
            ("public-ip", "Public address", "Network", "address", 0, Held, Existing, &[]),
            ("load-balancer", "Load balancer", "Network", "load balancer", 0, Held, Existing, &[]),
            ("load-balancer-rule", "Load balancer rule", "Network", "rule", 0, Held, Existing, &[]),
            ("port-forwarding-rule", "Port forwarding", "Network", "rule", 0, Held, Existing, &[]),
            ("vpn-user", "VPN user", "Network", "user", 0, Held, Existing, &[]),
            ("network", "Network", "Network", "network", 0, Held, Existing, &[]),
            ("vpc", "Private cloud", "Network", "VPC", 0, Held, Existing, &[]),
            ("nic", "Network interface", "Network", "interface", 0, Held, Existing, &[]),
            ("security-group", "Security group", "Network", "group", 0, Held, Existing, &[]),
            ("db-instance", "Managed database", "Database", "instance", 0, Held, Running, &[]),
            ("os-license", "Operating system", "Compute", "licence", 0, Held, Running, &[]),
            ("db-storage", "Database storage", "Database", "byte", 0, Held, Existing, &BYTES),
        ];
        let mut catalogue = Self::default();
        for (id, name, service, unit, scale, aggregation, hold, multiples) in rows {
            let id = MeterId::new(id).expect("built-in ids are slugs");
            let meter = Meter::new(id, name, service, unit, scale, aggregation, hold, multiples)
                .expect("built-in meters are valid");
            catalogue.insert(meter);
        }
        catalogue.insert_normalised();
        catalogue
    }

    fn insert_normalised(&mut self) {
        for (id, name, of, factor) in NORMALISED {
            let id = MeterId::new(id).expect("built-in ids are slugs");
            let of = MeterId::new(of).expect("built-in ids are slugs");
            let (held, running) = (Aggregation::Held, HoldClass::Running);
            let meter = Meter::new(id, name, "Compute", "MIPS", 6, held, running, &MIPS)
                .expect("built-in meters are valid");
            let convert = Some(Conversion { attribute: HOST_CLASS.to_owned(), factor });
            self.insert(Meter { derived: Some(Derived { of, convert }), ..meter });
        }
    }

    pub fn get(&self, id: &MeterId) -> Option<&Meter> {
        self.0.get(id)
    }

    /// Adds or replaces a meter.
    pub fn insert(&mut self, meter: Meter) {
        self.0.insert(meter.id.clone(), meter);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Meter> {
        self.0.values()
    }
}

/// Normalised compute: what is held, as the rated MIPS of the hosts that hold it. A book that prices
/// none of these is not concerned.
const NORMALISED: [(&str, &str, &str, Factor); 2] = [
    ("mips", "Normalised compute", "vcpu", Factor::MipsPerVcpu),
    ("mips-clock", "Normalised clock", "cpu-mhz", Factor::MipsPerMhz),
];
/// The attribute that names the class of a resource's host.
const HOST_CLASS: &str = "host_class";
const MIPS: [(&str, i64); 1] = [("1000 MIPS", 1_000)];

const OBJECT_PHYSICAL: &str = "object-storage-physical";
const OBJECTS: [(&str, i64); 1] = [("1000 objects", 1_000)];
const REQUESTS: [(&str, i64); 3] =
    [("1000 requests", 1_000), ("10000 requests", 10_000), ("million requests", 1_000_000)];
const OPERATIONS: [(&str, i64); 1] = [("million operations", 1_000_000)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_valid_and_units_are_exact() {
        let catalogue = MeterCatalogue::builtin();
        let memory = catalogue.get(&MeterId::new("memory").expect("id")).expect("memory");
        assert_eq!(memory.price_unit("GiB").map(|unit| unit.base_units), Some(1_073_741_824));
        assert_eq!(memory.price_unit("byte").map(|unit| unit.base_units), Some(1));
        assert!(memory.price_unit("gib").is_none());
    }

    #[test]
    fn normalised_compute_is_derived_of_what_is_held() {
        let catalogue = MeterCatalogue::builtin();
        let check = |id: &str, of: &str, factor: Factor| {
            let meter = catalogue.get(&MeterId::new(id).expect("id")).expect(id);
            let derived = meter.derived.as_ref().expect("derived");
            assert_eq!(derived.of.as_str(), of);
            let convert = derived.convert.as_ref().expect("conversion");
            assert_eq!((convert.attribute.as_str(), convert.factor), ("host_class", factor));
            // A whole number of vCPU times a factor of six decimals ends within the scale.
            assert_eq!(meter.scale, 6);
            let source = catalogue.get(&derived.of).expect("the meter it is derived of");
            assert_eq!(source.aggregation, meter.aggregation);
        };
        check("mips", "vcpu", Factor::MipsPerVcpu);
        check("mips-clock", "cpu-mhz", Factor::MipsPerMhz);
    }

    #[test]
    fn the_hold_matrix_follows_the_state() {
        use ResourceState as S;
        let check = |state, running, allocated, existing| {
            assert_eq!(HoldClass::Running.holds(state), running, "{state:?}");
            assert_eq!(HoldClass::Allocated.holds(state), allocated, "{state:?}");
            assert_eq!(HoldClass::Existing.holds(state), existing, "{state:?}");
        };
        check(S::Active, true, true, true);
        check(S::Paused, true, true, true);
        check(S::Suspended, false, true, true);
        check(S::Stopped, false, true, true);
        check(S::Shelved, false, true, true);
        check(S::ShelvedOffloaded, false, false, true);
        check(S::SoftDeleted, false, true, true);
        check(S::Error, false, true, true);
        check(S::Building, false, false, false);
        check(S::Deleted, false, false, false);
    }
}
