//! What is counted together: allowances, capacity fees, flat fees without usage, rounded units.

use turnpike_schemas::Per;
use turnpike_schemas::tariff::{FeeAmount, ZeroUsage};

use super::super::*;
use super::SOUND;

/// The small sound book with more in its first version, and in its second.
fn with(first: &str, second: &str) -> Result<PriceBook, Vec<(usize, String)>> {
    let text = text_with(first, second);
    match read_book(&text) {
        Ok(parsed) => Ok(parsed.book),
        Err(mistakes) => Err(mistakes.into_iter().map(|m| (m.line, m.message)).collect()),
    }
}

fn text_with(first: &str, second: &str) -> String {
    let hold = "[tariff.version.hold]\n";
    let later = "[[tariff.version]]\nvalid_from = 2026-07-01\n";
    SOUND.replacen(hold, &format!("{first}{hold}"), 1).replacen(
        later,
        &format!("{later}{second}"),
        1,
    )
}

fn rate(meter: &str, per: &str, more: &str) -> String {
    format!(
        "[[tariff.version.rate]]\nmeter = \"{meter}\"\nper = \"{per}\"\nunit = \"GiB\"\nprice = \"1\"\n\
         tax = \"standard\"\n{more}"
    )
}

fn allowance(meters: &str) -> String {
    format!(
        "[[tariff.version.adjustment]]\nname = \"Free\"\nadjust = \"allowance\"\nmeters = {meters}\n\
         quantity = \"100\"\nunit = \"GiB\" # free\n"
    )
}

fn refused(first: &str, second: &str, on: &str, message: &str) {
    let text = text_with(first, second);
    let mistakes = with(first, second).expect_err(message);
    let [(line, found)] = &mistakes[..] else { panic!("{mistakes:#?}") };
    let at = text.rfind(on).unwrap_or_else(|| panic!("no {on:?}"));
    assert_eq!(*line, text[..at].matches('\n').count() + 1, "{found}");
    assert!(found.contains(message), "{message:?} is not in {found}");
}

#[test]
fn an_allowance_counts_by_one_per() {
    let both = "[\"volume\", \"snapshot\"]";
    let of = |snapshot: &str| rate("volume", "month", "") + &rate("snapshot", snapshot, "");
    with(&(of("month") + &allowance(both)), "").expect("months add up");
    let message = "counted per month and per hour, which do not add up";
    refused(&(of("hour") + &allowance(both)), "", "\"GiB\" # free", message);
    // Of one meter, too: where a condition decides which rate it is.
    let large = rate("volume", "hour", "where = { kind = \"large\" }\n");
    let one = "[\"volume\"]";
    let message = "counted per hour and per month";
    let text = large + &rate("volume", "month", "") + &allowance(one);
    refused(&text, "", "\"GiB\" # free", message);
    // The allowance goes on in the next version, and its count with it.
    let [month, hour] = ["month", "hour"].map(|per| rate("volume", per, "") + &allowance(one));
    with(&month, &month).expect("goes on");
    refused(&month, &hour, "\"GiB\" # free", "counted per month and per hour");
}

fn capacity(more: &str) -> String {
    format!(
        "[[tariff.version.fee]]\nname = \"Base\"\nservice = \"Base\"\ntax = \"standard\"\n{more}tiers = \
         [\n{{ up_to = {{ gpu = \"10\" }}, amount = \"10\" }},\n{{ amount = \"30\" }},\n]\n"
    )
}

#[test]
fn a_capacity_fee_counts_its_meters() {
    refused(&capacity(""), "", "gpu = \"10\"", "so that it is not counted");
    let rates = "[[tariff.version.rate]]\nmeter = \"gpu\"\nper = \"month\"\nprice = \"0\"\n\
                 tax = \"standard\"\n";
    let priced = with(&format!("{rates}{}", capacity("")), "").expect("is counted");
    // What is included is counted by a rate of its own, which is written the same.
    let included = SOUND.replacen("[\"ingress\"]", "[\"ingress\", \"gpu\"]", 1);
    let hold = "[tariff.version.hold]\n";
    let included = included.replacen(hold, &format!("{}{hold}", capacity("")), 1);
    let included = read_book(&included).expect("is counted").book;
    let version = &included.tariffs[0].versions[0];
    assert_eq!(version, &priced.tariffs[0].versions[0]);
    let last = version.rates.last().expect("a rate");
    assert_eq!((last.meter.as_str(), last.price_nano, last.per), ("gpu", 0, Per::Month));
    let fee = |more: &str| {
        let book = with(&format!("{rates}{}", capacity(more)), "").expect(more);
        book.tariffs[0].versions[0].fees[0].amount.clone()
    };
    let free = fee("zero_usage = \"free\"\n");
    assert!(matches!(free, FeeAmount::Capacity { zero_usage: ZeroUsage::Free, .. }));
    assert_eq!(fee("zero_usage = \"first-tier\"\n"), fee(""));
}

#[test]
fn included_in_a_list_above_the_fee_is_counted_too() {
    let on_top = "[[tariff]]\nid = \"top\"\nname = \"Top\"\ncurrency = \"EUR\"\nbase = \"basic\"\n\
                  [[tariff.version]]\nvalid_from = 2026-02-01\nincluded = [\"gpu\"]\n";
    let rates = "[[tariff.version.rate]]\nmeter = \"gpu\"\nper = \"month\"\nprice = \"5\"\n\
                 tax = \"standard\"\n";
    let text = text_with(&format!("{rates}{}", capacity("")), "");
    let text = text.replacen("[[account]]", &format!("{on_top}[[account]]"), 1);
    let book = read_book(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).book;
    let top = book.tariffs.iter().find(|tariff| tariff.id.as_str() == "top").expect("top");
    let [gpu] = &top.versions[0].rates[..] else { panic!("{top:#?}") };
    assert_eq!((gpu.meter.as_str(), gpu.price_nano), ("gpu", 0));
    assert!(top.versions[0].included.is_empty());
}

#[test]
fn what_cannot_be_defined_is_refused() {
    let graduated = |more: &str| {
        format!(
            "[[tariff.version.rate]]\nmeter = \"volume\"\nper = \"month\"\nunit = \"GiB\"\ntax = \
             \"standard\"\nmodel = \"graduated\"\ntiers = [{{ price = \"1\", flat = \"2\" }}]\n{more}"
        )
    };
    let first_flat = "zero_usage = \"first-flat\"\n";
    with(&graduated(first_flat), "").expect("of the account");
    for narrow in ["pool = \"project\"\n", "window = \"1h\"\n"] {
        let text = graduated(&format!("{narrow}{first_flat}"));
        refused(&text, "", "zero_usage", "without usage nobody knows");
    }
    let rounded = "round_units = { step = \"1\", to = \"up\" }\n";
    with(&graduated(rounded), "").expect("has one price a unit");
    let message = "priced piece by piece";
    refused(&graduated(&format!("by = \"held\"\n{rounded}")), "", "round_units", message);
    let hashmap = format!(
        "[[tariff.version.rate]]\nmeter = \"volume\"\nper = \"month\"\ntax = \"standard\"\nmodel = \
         \"hashmap\"\ncosts = [{{ cost = \"1\" }}]\n{rounded}"
    );
    refused(&hashmap, "", "round_units", message);
    let fees = "[[tariff.version.adjustment]]\nname = \"Off\"\nadjust = \"discount\"\npercent = \
                \"10%\"\n";
    let scope = |more: &str| {
        let book = with(&format!("{fees}{more}"), "").expect(more);
        book.tariffs[0].versions[0].adjustments[0].scope.clone()
    };
    assert!(scope("").is_everything());
    let usage = scope("fees = false\n");
    assert!(!usage.is_everything() && usage.usage_only && !usage.fees);
    assert!(!scope("fees = false\nmeters = [\"vcpu\"]\n").usage_only);
}
