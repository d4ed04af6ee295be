//! How a rate prices units: one reader per price model, each with the keys of its own.

use turnpike_schemas::tariff::{
    BlockPolicy, BlockTier, Dynamic, DynamicBasis, Package, Percentage, TierBasis, ZeroUsage,
};
use turnpike_schemas::{Aggregation, Meter, PriceModel, RoundTo};

use super::check_rate::ROUND_TO;
use super::check_tariff::Context;
use super::check_tiers;
use super::reader::{At, Log, Place, Table, elements, listed, text_of};
use super::{check_hashmap, number, value};

/// What a model makes of a rate.
pub(super) enum Priced {
    /// A model with `Rate::price_nano`, which is 0 where the model has its own prices.
    One(PriceModel, i64),
    Matrix(Vec<Cell>),
}

/// One row of a matrix.
pub(super) struct Cell {
    /// Attribute and value; what may be anything is left out.
    pub values: Vec<(String, String)>,
    pub price_nano: i64,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PerUnit,
    Graduated,
    Volume,
    Package,
    Percentage,
    GraduatedPercentage,
    Blocks,
    Series,
    Dynamic,
    Matrix,
    HashMap,
}

const KINDS: [(&str, Kind); 11] = [
    ("per-unit", Kind::PerUnit),
    ("graduated", Kind::Graduated),
    ("volume", Kind::Volume),
    ("package", Kind::Package),
    ("percentage", Kind::Percentage),
    ("graduated-percentage", Kind::GraduatedPercentage),
    ("blocks", Kind::Blocks),
    ("series", Kind::Series),
    ("dynamic", Kind::Dynamic),
    ("matrix", Kind::Matrix),
    ("hashmap", Kind::HashMap),
];
/// Every key of every model.
const KEYS: [&str; 21] = [
    "price",
    "tiers",
    "by",
    "zero_usage",
    "size",
    "free",
    "rounding",
    "percent",
    "fixed",
    "free_events",
    "free_units",
    "minimum",
    "maximum",
    "policy",
    "limited",
    "series",
    "attribute",
    "basis",
    "multiplier",
    "prices",
    "costs",
];
const ZERO_USAGES: [(&str, ZeroUsage); 2] =
    [("free", ZeroUsage::Free), ("first-flat", ZeroUsage::FirstFlat)];

/// Reads the model and its keys.
pub(super) fn read(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    context: &Context<'_>,
    meter: Option<&Meter>,
) -> Option<Priced> {
    let kind = kind(table, log)?;
    if let Some(meter) = meter {
        check_meter(table, log, kind, meter);
    }
    let own = |model: PriceModel| Priced::One(model, 0);
    match kind {
        Kind::PerUnit => {
            let price = number::needed(table, log, "price", &number::PRICE)?;
            Some(Priced::One(PriceModel::PerUnit, price))
        }
        Kind::Graduated => {
            check_tiers::tiers(table, log, meter).map(PriceModel::Graduated).map(own)
        }
        Kind::Volume => check_tiers::tiers(table, log, meter).map(PriceModel::Volume).map(own),
        Kind::Package => {
            let price = number::needed(table, log, "price", &number::PRICE);
            let package = package(table, log)?;
            Some(Priced::One(PriceModel::Package(package), price?))
        }
        Kind::Percentage => percentage(table, log).map(PriceModel::Percentage).map(own),
        Kind::GraduatedPercentage => {
            let tiers = check_tiers::percent_tiers(table, log);
            let zero_usage = zero_usage(table, log);
            tiers.map(|tiers| own(PriceModel::GraduatedPercentage { tiers, zero_usage }))
        }
        Kind::Blocks => blocks(table, log).map(own),
        Kind::Series => {
            let series = context.known.series.named(table, log, "series")?;
            Some(own(PriceModel::Series { series: series.value }))
        }
        Kind::Dynamic => dynamic(table, log, meter).map(PriceModel::Dynamic).map(own),
        Kind::Matrix => matrix(table, log, context).map(Priced::Matrix),
        Kind::HashMap => {
            let groups = check_hashmap::groups(table, log)?;
            Some(own(PriceModel::HashMap { groups }))
        }
    }
}

/// Without `model` a price is per unit, and keys of another model ask for its name.
fn kind(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Kind> {
    if table.has("model") {
        let kind = value::word(table, log, "model", &KINDS);
        if kind.is_none() {
            table.pass_over(&KEYS);
        }
        return kind;
    }
    table.pass_over(&["model"]);
    let hint = [
        ("tiers", "`graduated`, `volume`, `graduated-percentage` or `blocks`"),
        ("percent", "`percentage`"),
        ("size", "`package`"),
        ("series", "`series`"),
        ("attribute", "`dynamic`"),
        ("prices", "`matrix`"),
        ("costs", "`hashmap`"),
    ];
    let Some((key, models)) = hint.iter().find(|(key, _)| table.has(key)) else {
        return Some(Kind::PerUnit);
    };
    table.pass_over(&KEYS);
    let place = table.place_of(log, key);
    log.mistake(&place, format!("`{key}` belongs to a `model`: {models}"));
    None
}

/// What looks at each event, or at each second, has no use for a measure of a whole period.
fn check_meter(table: &Table<'_, '_>, log: &mut Log, kind: Kind, meter: &Meter) {
    let consumed = meter.aggregation == Aggregation::Sum;
    let message = match kind {
        Kind::Percentage | Kind::GraduatedPercentage if !consumed || !meter.measure.is_total() => {
            "a percentage is taken of a sum of money that events report"
        }
        Kind::Series | Kind::Dynamic | Kind::HashMap if !meter.measure.is_total() => {
            "its price changes within the period, and the meter measures the period as a whole"
        }
        _ => return,
    };
    let place = table.place_of(log, "model");
    log.mistake(&place, format!("this model does not fit meter `{}`: {message}", meter.id));
}

pub(super) fn zero_usage(table: &mut Table<'_, '_>, log: &mut Log) -> ZeroUsage {
    value::word(table, log, "zero_usage", &ZERO_USAGES).unwrap_or_default()
}

fn package(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Package> {
    let size_nano = number::needed(table, log, "size", &number::SIZE);
    let free_nano = number::optional(table, log, "free", &number::UNITS);
    let rounding = value::word(table, log, "rounding", &ROUND_TO).unwrap_or(RoundTo::Up);
    Some(Package { size_nano: size_nano?, free_nano: free_nano.unwrap_or(0), rounding })
}

fn percentage(table: &mut Table<'_, '_>, log: &mut Log) -> Option<Percentage> {
    let rate_nano = number::percent(table, log, "percent", None);
    let fixed = number::optional(table, log, "fixed", &number::PRICE);
    // Zero is no limit, as where the key is absent.
    let free_events = value::integer(table, log, "free_events", 0..=i64::MAX);
    let free_nano = number::optional(table, log, "free_units", &number::UNITS);
    let minimum_nano = number::optional(table, log, "minimum", &number::PRICE);
    let maximum_nano = number::optional(table, log, "maximum", &number::PRICE);
    if let (Some(minimum), Some(maximum)) = (minimum_nano, maximum_nano)
        && minimum > maximum
    {
        let place = table.place_of(log, "maximum");
        log.mistake(&place, "`maximum` is less than `minimum`");
    }
    let fixed_nano = fixed.unwrap_or(0);
    Some(Percentage {
        rate_nano: rate_nano?,
        fixed_nano,
        free_events: free_events.filter(|count| *count > 0),
        free_nano: free_nano.filter(|units| *units > 0),
        minimum_nano,
        maximum_nano,
    })
}

/// The last tier may be limited, where the rate says so: then what exceeds all blocks parks the
/// account.
fn blocks(table: &mut Table<'_, '_>, log: &mut Log) -> Option<PriceModel> {
    let policies = [("all-tiers", BlockPolicy::AllTiers), ("top-tier", BlockPolicy::TopTier)];
    let policy = value::word_needed(table, log, "policy", &policies);
    let limited_is_meant = table.flag(log, "limited");
    let mut tiers: Vec<BlockTier> = Vec::new();
    let mut last = None;
    let tables = check_tiers::tables(table, log)?;
    let count = tables.len();
    for mut inner in tables {
        let size_nano = number::needed(&mut inner, log, "size", &number::SIZE);
        let price_nano = number::needed(&mut inner, log, "price", &number::PRICE);
        let blocks_max = value::integer(&mut inner, log, "blocks_max", 1..=i64::MAX);
        let limited = inner.has("blocks_max");
        let place = inner.place.clone();
        inner.finish(log);
        if last.as_ref().is_some_and(|(limited, _)| !limited) {
            log.mistake(&place, "never reached: the tier before it has no `blocks_max`");
        }
        last = Some((limited, place));
        if let (Some(size_nano), Some(price_nano)) = (size_nano, price_nano) {
            tiers.push(BlockTier { size_nano, price_nano, blocks_max });
        }
    }
    if let Some((true, place)) = last
        && !limited_is_meant
    {
        let message = "a gap: what exceeds the `blocks_max` of the last tier has no price; leave \
                       it out, or write `limited = true` to park such accounts";
        log.mistake(&place, message);
    }
    (tiers.len() == count).then_some(PriceModel::Blocks { policy: policy?, tiers })
}

fn dynamic(table: &mut Table<'_, '_>, log: &mut Log, meter: Option<&Meter>) -> Option<Dynamic> {
    let attribute = table.text(log, "attribute");
    let bases = [("unit", DynamicBasis::Unit), ("total", DynamicBasis::Total)];
    let basis = value::word_needed(table, log, "basis", &bases);
    let multiplier = number::optional(table, log, "multiplier", &number::FACTOR);
    if basis == Some(DynamicBasis::Total)
        && let Some(meter) = meter.filter(|meter| meter.aggregation == Aggregation::Held)
    {
        let place = table.place_of(log, "basis");
        let message = format!(
            "meter `{}` is held over time, so no event has its total amount: `basis` is `unit`",
            meter.id
        );
        log.mistake(&place, message);
    }
    Some(Dynamic {
        attribute: attribute?.value,
        basis: basis?,
        multiplier_nano: multiplier.unwrap_or(number::WHOLE_NANO),
    })
}

/// `by = ["flavor", "region"]`, `prices = [["m1.small", "fra", "0.01"]]`. `*` is any value.
fn matrix(table: &mut Table<'_, '_>, log: &mut Log, context: &Context<'_>) -> Option<Vec<Cell>> {
    let keys = table.texts(log, "by");
    if keys.is_empty() {
        let allowed = "the attributes that the price depends on; `site`, `region` and `kind` too";
        return table.missing(log, "by", allowed);
    }
    let again = (1..keys.len())
        .find(|index| keys[..*index].iter().any(|other| other.value == keys[*index].value));
    if let Some(again) = again {
        table.pass_over(&["prices"]);
        log.mistake(&keys[again].place, format!("`{}` stands there already", keys[again].value));
        return None;
    }
    let allowed = "rows of a value per attribute and a price, such as [\"m1.small\", \"0.01\"]";
    let Some(raw) = table.raw(log, "prices") else {
        return table.missing(log, "prices", allowed);
    };
    let rows = elements(log, "prices", &raw, allowed)?;
    let mut cells = Vec::new();
    for row in rows {
        let place = row.place.clone();
        let Some(mut fields) = elements(log, "prices", &row, allowed) else { continue };
        let price = fields.pop().filter(|_| fields.len() == keys.len());
        let Some(price) = price else {
            let names = listed(keys.iter().map(|key| &key.value));
            log.mistake(&place, format!("a row holds a value for each of {names}, and a price"));
            continue;
        };
        let price_nano = number::of(log, "price", &price, &number::PRICE);
        let mut values = Vec::new();
        for (key, field) in keys.iter().zip(fields) {
            let Some(text) = text_of(log, &key.value, field) else { continue };
            if text.value == "*" {
                continue;
            }
            let text = if key.value == "site" { site(log, context, text) } else { Some(text) };
            values.extend(text.map(|text| (key.value.clone(), text.value)));
        }
        cells.extend(price_nano.map(|price_nano| Cell { values, price_nano, place }));
    }
    if cells.is_empty() {
        log.mistake(&raw.place, "`prices` holds no price");
        return None;
    }
    Some(cells)
}

fn site(log: &mut Log, context: &Context<'_>, text: At<String>) -> Option<At<String>> {
    let place = text.place.clone();
    let id = super::reader::parse_at(log, text)?;
    let site = context.known.sites.check(log, id)?;
    Some(At { value: site.value.to_string(), place })
}

/// The words of [`TierBasis`].
pub(super) const BASES: [(&str, TierBasis); 2] =
    [("total", TierBasis::Total), ("held", TierBasis::Held)];
