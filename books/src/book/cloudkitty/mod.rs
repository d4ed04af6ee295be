//! CloudKitty's HashMap as a tariff of the book, written as text of our own grammar.
//!
//! Owns: which service becomes which meter, how a collect period's cost becomes a price, the text.
//! Does not own: reading the export (`export`), nor whether the text is a sound book: it is read by
//! the same reader as any other.
//! Invariants: every number is carried over exactly or refused; a service without a meter, or two
//! that would price one meter, are refused, so that nothing of the HashMap is lost silently.

mod export;
mod last;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::parse::{decimal_wide, scaled_to_short_decimal};
use turnpike_schemas::tariff::COST_DECIMALS;
use turnpike_schemas::{
    Aggregation, Currency, Meter, MeterId, Per, PriceBook, PriceModel, Rate, TariffId,
    TariffVersion, TaxCategoryId,
};

use export::Entry;

/// What a HashMap does not say itself.
#[derive(Debug, Clone)]
pub struct CloudKittyImport {
    pub tariff: TariffId,
    pub name: String,
    pub currency: Currency,
    pub tax: TaxCategoryId,
    /// An instant or a day, as the book writes them.
    pub valid_from: String,
    /// Seconds for which a cost is due.
    pub period_seconds: i64,
    /// Service to meter and unit, before those that are known.
    pub services: BTreeMap<String, (MeterId, Option<String>)>,
    /// Field to attribute.
    pub fields: BTreeMap<String, String>,
}

/// Why a HashMap cannot be written as a tariff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CloudKittyError(String);

/// Services as CloudKitty's own metrics and its documentation call them: meter and unit.
const SERVICES: [(&[&str], &str, &str); 11] = [
    (&["instance", "compute", "cpu"], "instance", "instance"),
    (&["vcpu", "vcpus"], "vcpu", "vCPU"),
    (&["memory", "ram"], "memory", "MiB"),
    (&["volume", "volume.size"], "volume", "GiB"),
    (&["snapshot", "snapshot.size", "volume.snapshot.size"], "snapshot", "GiB"),
    (&["image", "image.size"], "image", "MiB"),
    (&["network.outgoing.bytes", "network.bw.out"], "egress", "MB"),
    (&["network.incoming.bytes", "network.bw.in"], "ingress", "MB"),
    (&["ip.floating", "network.floating", "floating_ip"], "public-ip", "address"),
    (&["radosgw.objects.size", "storage.objects.size"], "object-storage", "GiB"),
    (&["radosgw.objects", "storage.objects"], "objects", "object"),
];

/// A tariff with one rate for each service of a HashMap, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTariff {
    /// `[[tariff]]` with its keys.
    pub head: String,
    /// Its only `[[tariff.version]]` with its rates.
    pub version: String,
}

impl MadeTariff {
    pub fn text(&self) -> String {
        format!("{}\n{}", self.head, self.version)
    }
}

/// What becomes of a book that has a tariff of this id already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// Its last version has the same rates.
    Unchanged,
    /// The book's text with another version.
    Version(String),
}

/// The tariff that a HashMap becomes.
pub fn tariff_of(
    json: &str,
    import: &CloudKittyImport,
    meters: &MeterCatalogue,
) -> Result<MadeTariff, CloudKittyError> {
    let mut services: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in export::entries(json).map_err(CloudKittyError)? {
        services.entry(entry.service.clone()).or_default().push(entry);
    }
    if services.is_empty() {
        return refuse("the HashMap holds no mapping and no threshold");
    }
    let head = head(import, import.tariff.as_str());
    let mut text = format!("[[tariff.version]]\nvalid_from = {}\n", quoted(&import.valid_from));
    let mut priced: BTreeMap<MeterId, &str> = BTreeMap::new();
    for (service, entries) in &services {
        let (meter, unit) = meter_of(service, import, meters)?;
        if let Some(other) = priced.insert(meter.id.clone(), service) {
            return refuse(format!(
                "services `{other}` and `{service}` are both meter `{}`: name another for one \
                 with --service",
                meter.id
            ));
        }
        rate(&mut text, service, &last::kept(entries)?, (meter, &unit), import)?;
    }
    Ok(MadeTariff { head, version: text })
}

fn head(import: &CloudKittyImport, id: &str) -> String {
    format!(
        "[[tariff]]\nid = {}\nname = {}\ncurrency = {}\n",
        quoted(id),
        quoted(&import.name),
        quoted(&import.currency.to_string()),
    )
}

/// The HashMap read once more for a tariff that the book has: a version from its instant on, where a
/// price differs. What people have added to the last version (fees, rates of their own, what is
/// included) would not be in the next: then only they can write it.
pub fn again(
    text: &str,
    book: &PriceBook,
    import: &CloudKittyImport,
    made: &MadeTariff,
) -> Result<Again, CloudKittyError> {
    let id = &import.tariff;
    let known = book.tariff(id).ok_or_else(|| CloudKittyError(format!("no tariff `{id}`")))?;
    if known.currency != Some(import.currency) {
        return refuse(format!("tariff `{id}` of the book is not in {}", import.currency));
    }
    // Read by the reader of books, beside the tariff that is there.
    let beside = (0..).map(|number| format!("{id}-{number}"));
    let beside = beside.filter_map(|id| TariffId::new(id).ok());
    let free = beside.filter(|id| book.tariff(id).is_none()).take(1).next();
    let Some(other) = free else { return refuse(format!("no id beside `{id}` is free")) };
    let both = format!("{text}\n{}\n{}", head(import, other.as_str()), made.version);
    let parsed = super::parse_book(&both).map_err(|mistakes| {
        let messages: Vec<&str> = mistakes.iter().map(|found| found.message.as_str()).collect();
        CloudKittyError(messages.join("; "))
    })?;
    let last = |tariff: &TariffId| {
        let tariff = parsed.tariff(tariff);
        tariff.and_then(|tariff| tariff.versions.last())
    };
    let (Some(last), Some(next)) = (last(id), last(&other)) else {
        return refuse(format!("tariff `{id}` of the book has no version"));
    };
    if last.rates == next.rates {
        return Ok(Again::Unchanged);
    }
    if next.valid_from <= last.valid_from {
        return refuse(format!(
            "tariff `{id}` has a version from {} on: say with --valid-from from when on the \
             changed prices are valid, after that",
            last.valid_from
        ));
    }
    let of_hashmap = |rate: &Rate| matches!(rate.model, PriceModel::HashMap { .. });
    let bare = TariffVersion {
        id: next.id.clone(),
        valid_from: next.valid_from,
        valid_to: next.valid_to,
        rates: next.rates.clone(),
        ..last.clone()
    };
    if bare != *next || !last.rates.iter().all(of_hashmap) {
        return refuse(format!(
            "version `{}` says more than a HashMap does, and a version made of one would not: \
             write the next one yourself, from what --print prints",
            last.id
        ));
    }
    let changed = super::edit::with_version(text, id.as_str(), &made.version, &import.valid_from);
    changed.map(Again::Version).map_err(|error| CloudKittyError(error.to_string()))
}

/// Decimals of the level of a threshold.
const LEVEL_DECIMALS: u32 = 9;

fn refuse<T>(message: impl Into<String>) -> Result<T, CloudKittyError> {
    Err(CloudKittyError(message.into()))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn meter_of<'a>(
    service: &str,
    import: &CloudKittyImport,
    meters: &'a MeterCatalogue,
) -> Result<(&'a Meter, String), CloudKittyError> {
    let known = || {
        let (_, meter, unit) = SERVICES.iter().find(|(names, ..)| names.contains(&service))?;
        Some((MeterId::new(*meter).ok()?, Some((*unit).to_owned())))
    };
    let Some((id, unit)) = import.services.get(service).cloned().or_else(known) else {
        return refuse(format!(
            "which meter is service `{service}`? Say it with --service {service}=METER:UNIT"
        ));
    };
    let Some(meter) = meters.get(&id) else {
        return refuse(format!("service `{service}`: the book has no meter `{id}`"));
    };
    let unit = unit.unwrap_or_else(|| meter.unit.clone());
    if meter.price_unit(&unit).is_none() {
        let units: Vec<&str> = meter.units.iter().map(|unit| unit.name.as_str()).collect();
        return refuse(format!(
            "service `{service}`: meter `{id}` has no unit `{unit}`; it has {}",
            units.join(", ")
        ));
    }
    Ok((meter, unit))
}

fn rate(
    text: &mut String,
    service: &str,
    entries: &[Entry],
    (meter, unit): (&Meter, &str),
    import: &CloudKittyImport,
) -> Result<(), CloudKittyError> {
    let per = per(meter, import.period_seconds);
    let _ = write!(
        text,
        "\n[[tariff.version.rate]]\nname = {}\nmeter = {}\nunit = {}\nper = {}\nmodel = \
         \"hashmap\"\ntax = {}\ncosts = [\n",
        quoted(service),
        quoted(meter.id.as_str()),
        quoted(unit),
        quoted(per.as_str()),
        quoted(import.tax.as_str())
    );
    for entry in entries {
        let cost = cost(entry, per, import)?;
        let _ = writeln!(text, "    {{ {} }},", cost.join(", "));
    }
    text.push_str("]\n");
    Ok(())
}

/// A period that is a `per` itself needs no other number.
fn per(meter: &Meter, period_seconds: i64) -> Per {
    if meter.aggregation == Aggregation::Sum || !meter.measure.is_total() {
        return Per::Unit;
    }
    let same = |per: &Per| per.seconds() == Some(period_seconds);
    [Per::Second, Per::Day].into_iter().find(same).unwrap_or(Per::Hour)
}

/// The keys of one cost.
fn cost(
    entry: &Entry,
    per: Per,
    import: &CloudKittyImport,
) -> Result<Vec<String>, CloudKittyError> {
    let mut keys = Vec::new();
    let mut key = |key: &str, value: &str| keys.push(format!("{key} = {}", quoted(value)));
    if let Some(field) = &entry.field {
        key("field", import.fields.get(field).unwrap_or(field));
    }
    if let Some(value) = &entry.value {
        key("value", value);
    }
    if let Some(level) = &entry.level {
        let (level, decimals) = exact(entry, "level", level, LEVEL_DECIMALS)?;
        key("at_least", &scaled_to_short_decimal(level, decimals));
    }
    let (cost, decimals) = exact(entry, "cost", &entry.cost, COST_DECIMALS)?;
    match entry.kind.as_str() {
        "flat" => key("cost", &per_period(entry, (cost, decimals), per, import.period_seconds)?),
        "rate" => key("factor", &scaled_to_short_decimal(cost, decimals)),
        other => {
            return refuse(format!(
                "service `{}`: a cost of type `{other}`; known are flat and rate",
                entry.service
            ));
        }
    }
    let dated = [("valid_from", &entry.start), ("valid_to", &entry.end)];
    let named = [("group", &entry.group), ("project", &entry.project)];
    for (name, value) in named.into_iter().chain(dated) {
        if let Some(value) = value {
            key(name, value);
        }
    }
    Ok(keys)
}

/// A number and its decimals, or why it is none.
fn exact(
    entry: &Entry,
    what: &str,
    text: &str,
    decimals_max: u32,
) -> Result<(i128, u32), CloudKittyError> {
    match decimal_wide(text, decimals_max) {
        Ok(number) => Ok(number),
        Err(error) => {
            refuse(format!("service `{}`: a {what} cannot be kept exactly: {error}", entry.service))
        }
    }
}

/// The cost of a collect period as one of the rate's `per`.
fn per_period(
    entry: &Entry,
    (cost, decimals): (i128, u32),
    per: Per,
    period_seconds: i64,
) -> Result<String, CloudKittyError> {
    let Some(seconds) = per.seconds() else {
        return Ok(scaled_to_short_decimal(cost, decimals));
    };
    let period = i128::from(period_seconds);
    let scaled = cost.checked_mul(i128::from(seconds));
    // As many decimals as it takes for the division to end.
    let exact = (decimals..=COST_DECIMALS).find_map(|more| {
        let scaled = scaled?.checked_mul(10_i128.checked_pow(more - decimals)?)?;
        (period > 0 && scaled % period == 0).then(|| scaled_to_short_decimal(scaled / period, more))
    });
    exact.ok_or_else(|| {
        CloudKittyError(format!(
            "service `{}`: a cost of {} per {period_seconds} s has no exact price per {} with \
             {COST_DECIMALS} decimals",
            entry.service,
            entry.cost,
            per.as_str()
        ))
    })
}

#[cfg(test)]
mod tests;
