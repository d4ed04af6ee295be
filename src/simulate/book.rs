//! The price book that fits the simulated provider, as the TOML that people write.

use std::fmt::Write as _;

use turnpike_schemas::Instant;
use turnpike_schemas::parse::scaled_to_short_decimal;

use super::provider::{Customer, Oddity, Platform, SITES, Site, customers};
use super::{SimulateSettings, month_start, stamp};

/// Meter, price in nano-euro, `per`, unit, condition. Compute becomes dearer with the second
/// version; a condition-less rate stands last, so that nothing is left unpriced.
const RATES: [(&str, i64, &str, &str, &str); 20] = [
    ("vcpu", 11_800_000, "hour", "vCPU", ""),
    ("memory", 3_900_000, "hour", "GiB", ""),
    ("root-disk", 70_000_000, "month", "GiB", ""),
    ("ephemeral-disk", 50_000_000, "month", "GiB", ""),
    ("volume", 180_000_000, "month", "GiB", "tier = \"nvme\""),
    ("volume", 105_000_000, "month", "GiB", "tier = \"ssd\""),
    ("volume", 45_000_000, "month", "GiB", ""),
    ("snapshot", 30_000_000, "month", "GiB", ""),
    ("image", 30_000_000, "month", "GiB", ""),
    ("backup", 25_000_000, "month", "GiB", ""),
    ("object-storage", 19_000_000, "month", "GiB", ""),
    ("requests", 5_000_000, "unit", "10000 requests", ""),
    ("egress", 9_500_000, "unit", "GiB", ""),
    ("public-ip", 3_500_000, "hour", "address", ""),
    ("load-balancer", 21_000_000, "hour", "load balancer", ""),
    ("db-instance", 34_000_000, "hour", "instance", "flavor = \"s1.small\""),
    ("db-instance", 62_000_000, "hour", "instance", "flavor = \"s1.medium\""),
    ("db-instance", 118_000_000, "hour", "instance", ""),
    ("db-storage", 110_000_000, "month", "GiB", ""),
    ("cpu-time", 10_000_000, "unit", "hour", ""),
];

/// Agreement, royalty, and the royalty on storage where it differs.
const ROYALTIES: [(&str, &str, Option<&str>); 3] =
    [("lyon", "12.5%", Some("10%")), ("milano", "15%", None), ("osaka", "33.333%", None)];

/// The book of the provider that these settings make.
pub fn book_text(settings: &SimulateSettings) -> String {
    let mut text = String::with_capacity(64 << 10);
    text.push_str("# A simulated provider: one franchisor, three franchised sites.\n");
    parties(&mut text);
    taxes(&mut text);
    // The middle of the last whole month, at a second that no billing hour starts with.
    let before = settings.months.saturating_sub(1).min(1);
    let change = month_start(settings, before).unwrap_or_default();
    let mut changed_at = String::new();
    stamp::rfc3339(&mut changed_at, change + 14 * stamp::DAY + 10 * stamp::HOUR + 1_807_000_000);
    for site in &SITES {
        for enterprise in [false, true] {
            tariff(&mut text, site, enterprise, &changed_at);
        }
    }
    for customer in customers(settings.seed, settings.accounts) {
        if customer.oddity != Oddity::Unknown {
            account(&mut text, &customer, &changed_at);
        }
    }
    agreements(&mut text);
    text
}

fn parties(text: &mut String) {
    text.push_str(
        r#"
[[party]]
id = "meridian"
name = "Meridian Cloud Franchise SE"
kind = "franchisor"
series = "MER"
tax_id = "LU26375245"
email = "finance@meridian.example"
payment_days = 30
address = { lines = ["4 place de Paris"], postal_code = "2314", city = "Luxembourg", country = "LU" }
"#,
    );
    let franchisees = [
        ("Rhône Hébergement SAS", "LYO", "FR40303265045", "12 quai Perrache", "69002", "Lyon"),
        (
            "Navigli Data S.r.l.",
            "MIL",
            "IT00743110157",
            "Ripa di Porta Ticinese 55",
            "20143",
            "Milano",
        ),
        ("Naniwa Hosting K.K.", "OSA", "T1180301018771", "Nakanoshima 2-3-18", "530-0005", "Osaka"),
    ];
    for (site, (name, series, tax_id, street, postal_code, city)) in SITES.iter().zip(franchisees) {
        let _ = write!(
            text,
            r#"
[[party]]
id = "{party}"
name = "{name}"
kind = "franchisee"
series = "{series}"
tax_id = "{tax_id}"
email = "billing@{party}.example"
payment_days = 30
address = {{ lines = ["{street}"], postal_code = "{postal_code}", city = "{city}", country = "{country}" }}

[[site]]
id = "{site}"
name = "{site_name}"
party = "{party}"
region = "{region}"
"#,
            party = site.party,
            country = site.locale.country,
            site = site.id,
            site_name = site.name,
            region = site.region,
        );
    }
}

fn taxes(text: &mut String) {
    text.push_str(
        r#"
[[tax_category]]
id = "fr-standard"
code = "S"
rate = "20%"

[[tax_category]]
id = "it-standard"
code = "S"
rate = "22%"

[[tax_category]]
id = "jp-standard"
code = "S"
rate = "10%"

[[tax_category]]
id = "reverse-charge"
code = "AE"
rate = "0%"
note = "Reverse charge: the recipient is liable for the tax."
"#,
    );
}

fn tariff(text: &mut String, site: &Site, enterprise: bool, changed_at: &str) {
    let level = if enterprise { "enterprise" } else { "standard" };
    let rounding = if enterprise { "half-even" } else { "half-away-from-zero" };
    let title = if enterprise { "Enterprise" } else { "Standard" };
    let _ = write!(
        text,
        "\n[[tariff]]\nid = \"{party}-{level}\"\nname = \"{name} {title}\"\ncurrency = \"{currency}\"\nrounding = \"{rounding}\"\n",
        party = site.party,
        name = site.name,
        currency = site.currency,
    );
    for later in [false, true] {
        if later {
            let _ = write!(text, "\n[[tariff.version]]\nvalid_from = \"{changed_at}\"\n");
        } else {
            let _ = write!(
                text,
                "\n[[tariff.version]]\nvalid_from = \"2020-01-01T00:00:00Z\"\nvalid_to = \"{changed_at}\"\n"
            );
        }
        text.push_str("included = [\"instance\", \"ingress\", \"disk-ops\"]\n");
        for rate in &RATES {
            rates(text, site, rate, enterprise, later);
        }
        if enterprise {
            // Reserved memory: paid for while stopped as well.
            text.push_str(
                "\n[tariff.version.hold]\nmemory = [\"active\", \"paused\", \"stopped\"]\n",
            );
        }
    }
}

fn rates(
    text: &mut String,
    site: &Site,
    (meter, euro_nano, per, unit, condition): &(&str, i64, &str, &str, &str),
    enterprise: bool,
    later: bool,
) {
    let mut nano = *euro_nano;
    if site.currency == "JPY" {
        nano *= 160;
    }
    if enterprise {
        nano = nano * 85 / 100;
    }
    if later && ["vcpu", "memory"].contains(meter) {
        nano = nano * 105 / 100;
    }
    let price = scaled_to_short_decimal(nano.into(), 9);
    let tax = format!("{}-standard", site.locale.country.to_lowercase());
    let condition =
        if condition.is_empty() { String::new() } else { format!("where = {{ {condition} }}\n") };
    let _ = write!(
        text,
        "\n[[tariff.version.rate]]\nmeter = \"{meter}\"\nprice = \"{price}\"\nper = \"{per}\"\nunit = \"{unit}\"\n{condition}tax = \"{tax}\"\n"
    );
}

fn account(text: &mut String, customer: &Customer, changed_at: &str) {
    let (site, identity) = (customer.site(), &customer.identity);
    let _ = write!(
        text,
        "\n[[account]]\nid = \"{}\"\nname = \"{}\"\nseller = \"{}\"\ntime_zone = \"{}\"\n",
        customer.id, identity.name, site.party, site.time_zone
    );
    let currency = if customer.oddity == Oddity::Parked { "none" } else { site.currency };
    let _ = writeln!(text, "currency = \"{currency}\"");
    if customer.oddity == Oddity::Abroad {
        text.push_str("tax_category = \"reverse-charge\"\n");
    }
    let level = if customer.enterprise { "enterprise" } else { "standard" };
    if customer.oddity != Oddity::Upgrades {
        let _ = writeln!(text, "tariff = \"{}-{level}\"", site.party);
    }
    let _ = write!(
        text,
        "tax_id = \"{}\"\nemail = \"{}\"\naddress = {{ lines = [\"{}\"], postal_code = \"{}\", city = \"{}\", country = \"{}\" }}\n",
        identity.tax_id,
        identity.email,
        identity.street,
        identity.postal_code,
        identity.city,
        identity.country,
    );
    if customer.oddity == Oddity::Upgrades {
        // Not at the instant of the price change, so that both show on the bill.
        let upgraded_at = Instant::parse(changed_at)
            .ok()
            .and_then(|instant| instant.plus_seconds(3 * 86_400 + 4_321))
            .map(|instant| instant.to_string())
            .unwrap_or_default();
        let _ = write!(
            text,
            "\n[[account.tariff_assignment]]\ntariff = \"{party}-standard\"\nvalid_to = \"{upgraded_at}\"\n\n[[account.tariff_assignment]]\ntariff = \"{party}-enterprise\"\nvalid_from = \"{upgraded_at}\"\n",
            party = site.party,
        );
    }
    let _ = write!(text, "\n[[account.owner]]\nowner = \"{}/{}\"\n", site.party, customer.id);
    if site.platform == Platform::OpenStack {
        for project in &customer.projects {
            let _ = write!(text, "\n[[account.owner]]\nowner = \"openstack/{}\"\n", project.tenant);
        }
    }
}

fn agreements(text: &mut String) {
    for (party, royalty, storage) in ROYALTIES {
        let _ = write!(
            text,
            "\n[[agreement]]\nid = \"{party}-2020\"\nfranchisor = \"meridian\"\nfranchisee = \"{party}\"\nvalid_from = \"2020-01-01T00:00:00Z\"\nroyalty = \"{royalty}\"\n"
        );
        if let Some(royalty) = storage {
            let _ = write!(
                text,
                "\n[[agreement.term]]\nservice = \"Storage\"\nroyalty = \"{royalty}\"\n"
            );
        }
    }
}
