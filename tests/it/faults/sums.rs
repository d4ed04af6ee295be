//! Row F34 at rating: amounts that no 256 bits hold together. An account whose own sum overflows is
//! parked alone; the total of a run never fails it.

use std::fmt::Write as _;

use serde_json::Value;

use super::rated::{RATE, account, book, consumed, install, tariff, version};
use super::row::{Proof, row};

/// Forty primes above a million: fractions over them have nothing in common.
fn primes() -> Vec<u64> {
    let is_prime = |number: &u64| (2..=1_000).all(|factor| !number.is_multiple_of(factor));
    (1_000_001_u64..).step_by(2).filter(is_prime).take(40).collect()
}

/// 1 vCPU for as long as 2 vCPU afterwards make `prime` vCPU-seconds in all.
fn resized(owner: &str, prime: u64) -> String {
    let twice = prime / 3;
    let once = prime - 2 * twice;
    let mut text = String::new();
    for (at, what) in [
        (0, r#""state":"active","held":[{"meter":"vcpu","quantity":1}]"#),
        (once, r#""state":"active","held":[{"meter":"vcpu","quantity":2}]"#),
        (once + twice, r#""terminal":true"#),
    ] {
        let (day, second) = (1 + at / 86_400, at % 86_400);
        let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
        let resource = format!("{owner}-{prime}");
        writeln!(
            text,
            r#"{{"specversion":"1.0","id":"{resource}-{at}","source":"/faults","type":"dev.turnpike.usage.transition.v1","subject":"instance/{resource}","time":"2025-10-{day:02}T{time}Z","data":{{"resource":{{"kind":"instance","id":"{resource}"}},"owner":"{owner}",{what}}}}}"#
        )
        .unwrap();
    }
    text
}

/// Tiers of what is held at once, of which a quarter of a vCPU-hour is free. What is free lowers all
/// tiers in the same ratio, so that an amount is one over the vCPU-seconds held.
const LEVELS: &str = r#"
[[tariff.version.rate]]
meter = "vcpu"
per = "hour"
model = "graduated"
by = "held"
pool = "resource"
tiers = [{ up_to = "1", price = "0.0104" }, { price = "0.0310" }]
tax = "standard"

[[tariff.version.adjustment]]
name = "Included"
adjust = "allowance"
meters = ["vcpu"]
quantity = "0.25"
unit = "vCPU"
pool = "resource"
"#;
const MINIMUM: &str = r#"
[[tariff.version.adjustment]]
name = "Minimum"
adjust = "minimum"
amount = "1"
"#;

#[test]
fn f34_sums_that_no_256_bits_hold() {
    row(
        "F34",
        "an account that overflows is parked alone; a total is marked and fails nothing",
        || {
            let whole = version("2024-01-01", "", "0.01") + LEVELS;
            let text = [
                tariff("levels", "EUR", &whole),
                tariff("minimum", "EUR", &(whole.clone() + MINIMUM)),
                account("a-plain", "EUR", "levels"),
                account("b-large", "EUR", "minimum"),
                account("c-wide", "EUR", "levels"),
            ]
            .concat();
            let mut events = consumed(1, "a-plain", "a-plain", 1_000);
            for prime in primes() {
                events += &resized("b-large", prime);
                events += &resized("c-wide", prime);
            }
            let turnpike = install(&book(&text), &events);
            let run = turnpike.json(&RATE);
            let parked = run["parked"].as_array().unwrap();
            let [only] = &parked[..] else { panic!("{run}") };
            assert_eq!((&only["account"], &only["code"]), (&"b-large".into(), &"overflow".into()));
            // Of each prime p = x + y with x and y vCPU-seconds in the tiers:
            // (0.0104 x + 0.0310 y) / 3600 x (p - 900) / p; and 10 of the plain account. Its denominator
            // has 819 bits. To 30 decimals by fractions of Python: 201.728324931157909219934720349717.
            let total = &run["totals"][0];
            assert_eq!(total["exact"], Value::Bool(false), "{run}");
            assert_eq!(total["amount"], "201.728324931157…", "{run}");
            assert_eq!(total["numerator"], "201728324931157909219934720349717", "{run}");
            assert_eq!(total["denominator"], format!("1{}", "0".repeat(30)), "{run}");
            // Each charge is one amount of one resource, so that everybody else is billed.
            turnpike.ok(&["invoice", "draft", "--period", "2025-10"]);
            let listed = turnpike.json(&["invoice", "list", "--period", "2025-10"]);
            let billed: Vec<&str> = listed
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|row| row["account"].as_str())
                .collect();
            assert_eq!(billed, ["a-plain", "c-wide"], "{listed}");
            // Its sums by account and in all do not fail a comparison either.
            let same = ["compare", "--period", "2025-10", "--tariff", "levels=levels"];
            let compared = turnpike.json(&same);
            assert_eq!(compared["total"][0]["difference"]["numerator"], "0", "{compared}");
            assert_eq!(compared["total"][0]["old"]["exact"], Value::Bool(false), "{compared}");
            turnpike.ok(&["verify"]);
            Proof::Pass("1 parked, 2 billed, a total of 819 bits".to_owned())
        },
    );
}
