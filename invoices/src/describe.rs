//! [`describe`]: a charge in words, such as `vCPU, instance i-42 (m1.small)`, or of what is no usage
//! `Support, 24 of 31 days` and `Volume discount, on vCPU, instance i-42`.

use turnpike_schemas::{LineKind, PriceBook, RatedLine, ResourceId, Tariff};

use crate::group::is_of_account;

/// Attributes that name the product, in the order in which they are shown, whether or not the
/// price depends on them.
const NAMING: [&str; 5] = ["flavor", "volume_type", "tier", "storage_class", "direction"];

/// Meters of lines that belong to none.
const NO_METERS: [&str; 2] = ["fee", "adjustment"];

/// The meter's name, the resource as its source calls it, and what decided the price; of a fee or
/// an adjustment its name first.
pub(crate) fn describe(book: &PriceBook, tariff: &Tariff, line: &RatedLine) -> String {
    let subject = subject(book, tariff, line);
    let detail = line.detail.as_str();
    match (subject.as_str(), detail, line.kind) {
        (text, "", _) | ("", text, _) => text.to_owned(),
        (subject, detail, LineKind::Adjustment) => format!("{detail}, on {subject}"),
        (subject, detail, _) => format!("{subject}: {detail}"),
    }
}

/// What a line is about; empty where it is about the account as such.
fn subject(book: &PriceBook, tariff: &Tariff, line: &RatedLine) -> String {
    let meter = book.meters.get(&line.meter).map_or(line.meter.as_str(), |meter| &meter.name);
    let meter = Some(meter).filter(|_| !NO_METERS.contains(&line.meter.as_str()));
    let resource = resource_name(line);
    let named: Vec<&str> = meter.into_iter().chain(resource.as_deref()).collect();
    let text = named.join(", ");
    let details = details(tariff, line);
    if details.is_empty() { text } else { format!("{text} ({})", details.join(", ")) }
}

/// `instance i-42`, `project web-shop`; nothing for the account as a whole.
fn resource_name(line: &RatedLine) -> Option<String> {
    let id = line.resource.as_str();
    if is_of_account(&line.resource) {
        return None;
    }
    if let Some(project) = id.strip_prefix("project:") {
        return Some(format!("project {project}"));
    }
    let name = short_name(&line.resource);
    let kind = line.resource_kind.as_str();
    Some(if kind.is_empty() { name.to_owned() } else { format!("{kind} {name}") })
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
