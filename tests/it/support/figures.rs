//! The figures of an invoice in the shape of a case's `expected.json`, and how two are compared.

use serde_json::{Map, Value, json};
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{Charge, Invoice, Period, Share, canonical};

/// Reads what `invoice show --format json` printed, which has to be the invoice as it is hashed.
pub fn invoice_of(printed: &Value) -> Invoice {
    let invoice: Invoice = serde_json::from_value(printed.clone())
        .unwrap_or_else(|error| panic!("not an invoice: {error}: {printed}"));
    let canonical: Value = serde_json::from_str(&canonical::to_json(&invoice)).unwrap();
    assert_eq!(&canonical, printed, "what is printed is not the canonical form");
    invoice
}

/// The figures that a case expects of an account.
pub fn of(invoice: &Invoice) -> Value {
    let mut charges: Vec<Value> = invoice.charges.iter().map(of_charge).collect();
    sort_charges(&mut charges);
    let taxes: Vec<Value> = invoice
        .taxes
        .iter()
        .map(|tax| {
            json!({
                "category": tax.category.as_str(),
                "rate_ppm": tax.rate_ppm,
                "base": tax.base.to_decimal_text(),
                "tax": tax.tax.to_decimal_text(),
            })
        })
        .collect();
    json!({
        "currency": invoice.currency.code(),
        "period": of_period(&invoice.period),
        "charges": charges,
        "taxes": taxes,
        "net": invoice.net.to_decimal_text(),
        "tax": invoice.tax.to_decimal_text(),
        "gross": invoice.gross.to_decimal_text(),
    })
}

fn of_period(period: &Period) -> Value {
    json!([period.start().to_string(), period.end().to_string()])
}

fn of_charge(charge: &Charge) -> Value {
    json!({
        "resource": charge.resource.as_str(),
        "service": charge.service,
        "meter": charge.meter.as_str(),
        "project": charge.project,
        "site": charge.site,
        "attributes": charge.attributes,
        "tariff_version": charge.tariff_version.as_str(),
        "agreement": charge.agreement.as_ref().map(|id| id.as_str()),
        "tax_category": charge.tax_category.as_str(),
        "price": scaled_to_short_decimal(charge.price_nano.into(), 9),
        "unit": charge.unit.name,
        "per": charge.per.as_str(),
        "seconds": charge.seconds,
        "quantity": charge.quantity.to_string(),
        "scale": charge.scale,
        "numerator": charge.exact.numerator().to_string(),
        "denominator": charge.exact.denominator().to_string(),
        "net": charge.net.to_decimal_text(),
        "shares": charge.shares.iter().map(of_share).collect::<Vec<_>>(),
        "service_period": of_period(&charge.service_period),
    })
}

fn of_share(share: &Share) -> Value {
    json!({
        "party": share.party.as_str(),
        "role": share.role,
        "weight_ppm": share.weight_ppm,
        "money": share.money.to_decimal_text(),
    })
}

/// The order of charges is for readers and not a figure.
pub fn sort_charges(charges: &mut [Value]) {
    const KEY: [&str; 9] = [
        "service",
        "resource",
        "meter",
        "tariff_version",
        "agreement",
        "project",
        "site",
        "attributes",
        "price",
    ];
    let key = |charge: &Value| KEY.map(|name| charge[name].to_string());
    charges.sort_by_key(key);
}

/// Where two figures differ, as paths with both values.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut list = Vec::new();
    compare("", expected, found, &mut list);
    list
}

fn compare(path: &str, expected: &Value, found: &Value, list: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            for key in keys {
                // What counts at one instant has no place in its window that a case could expect.
                if key == "service_period" && !left.contains_key(key) {
                    continue;
                }
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&format!("{path}.{key}"), &of(left), &of(right), list);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{index}]"), left, right, list);
            }
        }
        _ if expected != found => {
            list.push(format!("{path}: expected {expected}, found {found}"));
        }
        _ => {}
    }
}
