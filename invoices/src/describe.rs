//! [`describe`]: a charge in words, such as `vCPU, instance i-42 (m1.small)`.

use turnpike_schemas::{PriceBook, RatedLine, ResourceId, Tariff};

/// Attributes that name the product, in the order in which they are shown, whether or not the
/// price depends on them.
const NAMING: [&str; 5] = ["flavor", "volume_type", "tier", "storage_class", "direction"];

/// The meter's name, the resource as its source calls it, and what decided the price.
pub(crate) fn describe(book: &PriceBook, tariff: &Tariff, line: &RatedLine) -> String {
    let meter = book.meters.get(&line.meter).map_or(line.meter.as_str(), |meter| &meter.name);
    let resource = match short_name(&line.resource) {
        name if line.resource_kind.is_empty() => name.to_owned(),
        name => format!("{} {name}", line.resource_kind),
    };
    let details = details(tariff, line);
    let mut text = format!("{meter}, {resource}");
    if !details.is_empty() {
        text = format!("{text} ({})", details.join(", "));
    }
    if line.detail.is_empty() { text } else { format!("{text}: {}", line.detail) }
}

/// The id within its namespace and kind: `openstack/instance/i-42` is `i-42`.
fn short_name(resource: &ResourceId) -> &str {
    let text = resource.as_str();
    match text.splitn(3, '/').nth(2) {
        Some(name) if !name.is_empty() => name,
        _ => text,
    }
}

fn details<'a>(tariff: &'a Tariff, line: &'a RatedLine) -> Vec<&'a str> {
    let conditions = tariff
        .versions
        .iter()
        .find(|version| version.id == line.tariff_version)
        .and_then(|version| {
            version.rates.iter().find(|rate| rate.applies(&line.meter, &line.attributes))
        })
        .into_iter()
        .flat_map(|rate| rate.conditions.keys().map(String::as_str))
        .filter(|name| !NAMING.contains(name));
    NAMING
        .into_iter()
        .chain(conditions)
        .filter_map(|name| line.attributes.get(name).map(String::as_str))
        .filter(|value| !value.is_empty())
        .collect()
}
