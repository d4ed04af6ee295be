//! The price book of the month: eleven prices with three tiers each, in three versions.

use std::fmt::Write as _;

use turnpike_schemas::Instant;
use turnpike_schemas::parse::scaled_to_short_decimal;

use super::life::{FLAVORS, MONTH_START, Month};

const FRANCHISEES: u64 = 50;
const ROYALTIES: [&str; 4] = ["2.5%", "5%", "8.75%", "12%"];
/// Nano-euro per unit and hour.
const FLAVOR_PRICES: [i64; 8] = [
    5_800_000,
    23_000_000,
    46_400_000,
    92_800_000,
    185_600_000,
    2_480_000_000,
    9_920_000_000,
    371_200_000,
];
/// Meter, condition, nano-euro per GiB and hour.
const STORAGE_PRICES: [(&str, &str, i64); 3] = [
    ("volume", "tier = \"ssd\"", 137_000),
    ("volume", "tier = \"hdd\"", 61_000),
    ("object-storage", "", 31_507),
];
/// Seconds into the month at which a new version begins.
const VERSIONS: [Option<i64>; 3] = [None, Some(9 * 86_400 + 7 * 3_600), Some(19 * 86_400 + 123)];
/// Units x hours at which a tier ends.
const FLAVOR_TIERS: [&str; 2] = ["200", "2000"];
const STORAGE_TIERS: [&str; 2] = ["50000", "500000"];

pub(super) fn text(month: &Month, detail: &str) -> String {
    let mut text = String::with_capacity(1 << 20);
    let address = r#"address = { lines = ["1 rue Neuve"], postal_code = "75001", city = "Paris", country = "FR" }"#;
    let _ = write!(
        text,
        "[[party]]\nid = \"network\"\nname = \"Network\"\nkind = \"franchisor\"\nseries = \"NET\"\npayment_days = 30\n{address}\n\n[[tax_category]]\nid = \"standard\"\ncode = \"S\"\nrate = \"20%\"\n\n"
    );
    for party in 0..FRANCHISEES {
        let royalty = ROYALTIES[usize::try_from(party % 4).unwrap_or(0)];
        let _ = write!(
            text,
            "[[party]]\nid = \"f-{party:02}\"\nname = \"Franchise {party}\"\nkind = \"franchisee\"\nseries = \"F{party:02}\"\npayment_days = 30\n{address}\n\n[[agreement]]\nid = \"g-{party:02}\"\nfranchisor = \"network\"\nfranchisee = \"f-{party:02}\"\nvalid_from = \"2025-01-01T00:00:00Z\"\nroyalty = \"{royalty}\"\n\n"
        );
    }
    tariff(&mut text, detail);
    for account in 0..month.accounts {
        let seller = account.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let _ = write!(
            text,
            "[[account]]\nid = \"a-{account:06}\"\nname = \"Account {account}\"\nseller = \"f-{:02}\"\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\ntariff = \"standard\"\n{address}\n\n[[account.owner]]\nowner = \"native/a-{account:06}\"\n\n",
            seller % FRANCHISEES,
        );
    }
    text
}

fn tariff(text: &mut String, detail: &str) {
    text.push_str("[[tariff]]\nid = \"standard\"\nname = \"Standard\"\ncurrency = \"EUR\"\n\n");
    for (number, from) in (0_i64..).zip(VERSIONS) {
        let from = MONTH_START + from.unwrap_or(-365 * 86_400);
        let from = Instant::from_seconds(from).map_or_else(|_| String::new(), |at| at.to_string());
        let _ =
            write!(text, "[[tariff.version]]\nvalid_from = \"{from}\"\ndetail = \"{detail}\"\n\n");
        for (flavor, price) in FLAVORS.iter().zip(FLAVOR_PRICES) {
            let condition = format!("flavor = \"{flavor}\"");
            rate(text, "instance", &condition, "instance", price, number, &FLAVOR_TIERS);
        }
        for (meter, condition, price) in STORAGE_PRICES {
            rate(text, meter, condition, "GiB", price, number, &STORAGE_TIERS);
        }
    }
}

fn rate(
    text: &mut String,
    meter: &str,
    condition: &str,
    unit: &str,
    price: i64,
    version: i64,
    tiers: &[&str; 2],
) {
    let price = price * (100 + version * 3) / 100;
    let tier = |percent: i64| scaled_to_short_decimal((price * percent / 100).into(), 9);
    let conditions = match condition {
        "" => String::new(),
        condition => format!("where = {{ {condition} }}\n"),
    };
    let _ = write!(
        text,
        "[[tariff.version.rate]]\nmeter = \"{meter}\"\n{conditions}unit = \"{unit}\"\nper = \"hour\"\ntax = \"standard\"\nmodel = \"graduated\"\ntiers = [{{ up_to = \"{}\", price = \"{}\" }}, {{ up_to = \"{}\", price = \"{}\" }}, {{ price = \"{}\" }}]\n\n",
        tiers[0],
        tier(100),
        tiers[1],
        tier(90),
        tier(80),
    );
}
