//! A small network: two sites, two tariffs, two accounts.

use crate::support::cli::Turnpike;

pub const BOOK: &str = r#"
[[party]]
id = "acme"
name = "Acme Cloud Network"
kind = "franchisor"
series = "ACM"
payment_days = 30
address = { lines = ["1 place du Marché"], postal_code = "75001", city = "Paris", country = "FR" }

[[site]]
id = "lyon-1"
name = "Lyon 1"
party = "acme"

[[site]]
id = "milano-1"
name = "Milano 1"
party = "acme"

[[tax_category]]
id = "standard"
code = "S"
rate = "20%"

[[tariff]]
id = "standard"
name = "Standard"
currency = "EUR"

[[tariff.version]]
valid_from = "2026-01-01T00:00:00Z"
rate = [
  { meter = "requests", price = "10", per = "unit", unit = "request", tax = "standard" },
  { meter = "vcpu", price = "0.0416", per = "hour", unit = "vCPU", tax = "standard" },
]

[[tariff]]
id = "cheap"
name = "Cheap"
currency = "EUR"

[[tariff.version]]
valid_from = "2026-01-01T00:00:00Z"
rate = [
  { meter = "requests", price = "7.5", per = "unit", unit = "request", tax = "standard" },
  { meter = "vcpu", price = "0.1", per = "hour", unit = "vCPU", tax = "standard" },
]

[[tariff]]
id = "bare"
name = "Bare"
currency = "EUR"

[[tariff.version]]
valid_from = "2026-01-01T00:00:00Z"
rate = [
  { meter = "requests", price = "1", per = "unit", unit = "request", tax = "standard" },
]

[[account]]
id = "a1"
name = "Atelier Un SARL"
seller = "acme"
currency = "EUR"
time_zone = "UTC"
tariff = "standard"
address = { lines = ["10 quai Nord"], postal_code = "69001", city = "Lyon", country = "FR" }
owner = [{ owner = "native/t-1" }]

[[account]]
id = "a2"
name = "Beacon SARL"
seller = "acme"
currency = "EUR"
time_zone = "Europe/Paris"
tariff = "standard"
address = { lines = ["11 quai Nord"], postal_code = "69001", city = "Lyon", country = "FR" }
owner = [{ owner = "native/t-2" }]
"#;

/// An installation with this book.
pub fn install() -> Turnpike {
    let turnpike = Turnpike::new().at(Some("2026-11-20T00:00:00Z"));
    let book = turnpike.file("book.toml", BOOK);
    turnpike.ok(&["book", "import", &book.to_string_lossy()]);
    turnpike
}

/// So many requests at an instant.
pub fn requests(id: &str, owner: &str, time: &str, count: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/site/lyon-1/agent","type":"dev.turnpike.usage.delta.v1","subject":"bucket/{owner}","time":"{time}","data":{{"resource":{{"kind":"bucket","id":"{owner}"}},"owner":"{owner}","site":"lyon-1","used":[{{"meter":"requests","quantity":{count}}}]}}}}"#
    )
}

/// A machine of so many vCPU from an instant on.
pub fn machine(id: &str, owner: &str, time: &str, vcpu: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/site/lyon-1/agent","type":"dev.turnpike.usage.transition.v1","subject":"instance/{owner}","time":"{time}","data":{{"resource":{{"kind":"instance","id":"{owner}"}},"owner":"{owner}","site":"lyon-1","state":"active","held":[{{"meter":"vcpu","quantity":{vcpu}}}]}}}}"#
    )
}

pub fn ingest(turnpike: &Turnpike, name: &str, events: &[String]) {
    turnpike.file(name, events.join("\n"));
    turnpike.ok(&["ingest", "--from", &format!("file:{name}")]);
}
