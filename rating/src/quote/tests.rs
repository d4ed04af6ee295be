use turnpike_schemas::{Amount, RunId, TariffId};

use super::*;
use crate::gather::tests::book;
use crate::parked::ParkCode;

fn quote_book(month: &str) -> QuoteBook {
    let whom =
        QuoteFor { tariff: Some(TariffId::new("standard").expect("id")), ..QuoteFor::default() };
    let mut book = book();
    book.meters = turnpike_schemas::meter::MeterCatalogue::builtin();
    QuoteBook::new(&book, &whom, Window::parse_month(month).expect("month")).expect("a quote")
}

fn told(meter: &str, quantity: &str, unit: Option<&str>) -> ToldUsage {
    ToldUsage {
        meter: meter.to_owned(),
        quantity: quantity.to_owned(),
        unit: unit.map(str::to_owned),
        ..ToldUsage::default()
    }
}

fn quote(month: &str, usage: &[ToldUsage]) -> Result<Quote, QuoteError> {
    quote_book(month).of_usage(&RunId::new("quote").expect("id"), usage)
}

fn amounts(quote: &Quote) -> Vec<String> {
    quote.lines.iter().map(|line| line.amount.to_string()).collect()
}

#[test]
fn told_usage_is_priced_exactly() {
    let ten_days = ToldUsage { seconds: Some(864_000), ..told("volume", "100", Some("GiB")) };
    let day = ToldUsage { seconds: Some(86_400), ..told("vcpu", "4", None) };
    let egress = told("egress", "1.5", Some("GiB"));
    let quoted = quote("2026-09", &[ten_days, day, egress]).expect("a quote");
    assert_eq!(quoted.parked, None);
    assert_eq!(amounts(&quoted), ["2496/625 EUR", "3/40 EUR", "8/3 EUR"]);
    assert_eq!(quoted.lines[2].resource.as_str(), "quote/usage/volume");
}

#[test]
fn a_quote_is_cut_where_the_tariff_changes() {
    let quoted = quote("2026-10", &[told("vcpu", "1", None)]).expect("a quote");
    let versions: Vec<&str> =
        quoted.lines.iter().map(|line| line.tariff_version.as_str()).collect();
    assert_eq!(versions, ["standard.1", "standard.2"]);
    let seconds: i64 = quoted.lines.iter().map(|line| line.seconds).sum();
    assert_eq!(seconds, 31 * 86_400);
}

#[test]
fn a_sum_is_spread_over_its_events_without_a_rest() {
    let sum = |events| ToldUsage { events: Some(events), ..told("egress", "10", None) };
    let quoted = quote("2026-09", &[sum(3)]).expect("a quote");
    assert_eq!((quoted.lines[0].intervals, quoted.lines[0].quantity), (3, 10));
    let correction = ToldUsage { events: Some(3), ..told("egress", "-10", None) };
    let quoted = quote("2026-09", &[correction, sum(3)]).expect("a quote");
    assert_eq!((quoted.lines[0].intervals, quoted.lines[0].quantity), (6, 0));
    assert!(quote("2026-09", &[sum(0)]).is_err());
}

#[test]
fn held_quantities_of_one_meter_are_resources_of_their_own() {
    let two = [told("vcpu", "1", None), told("vcpu", "2", None)];
    let quoted = quote("2026-09", &two).expect("a quote");
    let resources: Vec<&str> = quoted.lines.iter().map(|line| line.resource.as_str()).collect();
    assert_eq!(resources, ["quote/usage/vcpu", "quote/usage/vcpu-2"]);
}

#[test]
fn what_cannot_be_priced_says_why() {
    let quoted = quote("2026-11", &[told("volume", "1", None)]).expect("a quote");
    assert!(quoted.lines.is_empty());
    assert_eq!(quoted.parked.map(|reason| reason.code), Some(ParkCode::UnpricedMeter));
    let wrong = |usage: ToldUsage| quote("2026-09", &[usage]).expect_err("an error").to_string();
    assert!(wrong(told("colour", "1", None)).contains("`colour`"));
    assert!(wrong(told("volume", "1", Some("ounce"))).contains("KiB"));
    assert!(wrong(told("volume", "0.5", None)).contains("finer"));
    assert!(wrong(told("volume", "9223372037", Some("GiB"))).contains("64 bits"));
    assert!(wrong(ToldUsage { seconds: Some(1), ..told("egress", "1", None) }).contains("last"));
}

#[test]
fn usage_outside_of_the_period_is_counted_and_not_priced() {
    let at = |text: &str| Instant::parse(text).ok();
    let usage = ToldUsage {
        start: at("2026-08-31T23:00:00Z"),
        end: at("2026-09-01T01:00:00Z"),
        ..told("vcpu", "1", None)
    };
    let quoted = quote("2026-09", &[usage]).expect("a quote");
    assert_eq!((quoted.outside, quoted.lines[0].seconds), (1, 3_600));
}

#[test]
fn an_account_is_quoted_on_its_own_terms() {
    let mut book = book();
    book.meters = turnpike_schemas::meter::MeterCatalogue::builtin();
    let account = AccountId::new("a1").expect("id");
    let whom = QuoteFor { account: Some(account.clone()), ..QuoteFor::default() };
    let window = Window::parse_month("2026-09").expect("month");
    let of = QuoteBook::new(&book, &whom, window).expect("a quote");
    let run = RunId::new("quote").expect("id");
    let quoted = of.of_usage(&run, &[told("egress", "1", Some("GiB"))]).expect("a quote");
    assert_eq!(quoted.lines[0].account, account);
    let eur = quoted.lines[0].currency;
    let sum = Amount::sum(quoted.lines.iter().map(|line| &line.amount), eur).expect("sum");
    assert_eq!(sum.to_string(), "1/20 EUR");
    let nobody = QuoteBook::new(&book, &QuoteFor::default(), window);
    assert!(matches!(nobody, Err(QuoteError::Nobody)));
}
