//! Charges that are no usage: fees, discounts, true-ups; and usage in tiers and allowances.

use turnpike_schemas::meter::GIB;
use turnpike_schemas::{Amount, Invoice, LineKind, Money, Period, RatedLine};

use super::documents::{accept, finalize};
use super::{Line, book, currency, draft, instant, line};
use crate::{Audience, check, html};

fn cents(value: i64) -> Amount {
    Amount::from_money(Money::from_minor(value, currency("EUR"))).expect("amount")
}

/// An amount that stands for itself.
fn plain(line: Line, kind: LineKind, detail: &str, amount: Amount) -> RatedLine {
    let mut line = line.sum(1, "adjustment", 1).with(|line| line.price_nano = 0).done();
    line.kind = kind;
    line.detail = detail.to_owned();
    line.amount = amount;
    line
}

/// A line of the account as a whole.
fn own(id: &str, service: &str, kind: LineKind, detail: &str, amount: Amount) -> RatedLine {
    let meter = if kind == LineKind::Fee { "fee" } else { "adjustment" };
    let mut line = plain(line(id).meter(service, meter), kind, detail, amount);
    line.resource = "account:bakery".parse().expect("id");
    line.resource_kind = "account".to_owned();
    line.site = None;
    line
}

fn priced(mut line: RatedLine, price_nano: i64, for_what: &str) -> RatedLine {
    line.price_nano = price_nano;
    line.unit.name = for_what.to_owned();
    line
}

fn egress(id: &str) -> Line {
    line(id).resource("instance", "i-42").meter("Network", "egress").with(|line| {
        line.project = Some("web-shop".to_owned());
    })
}

fn traffic(id: &str, gib: i128, price_nano: i64, detail: &str) -> RatedLine {
    egress(id)
        .sum(gib * i128::from(GIB), "GiB", GIB)
        .with(|line| {
            line.price_nano = price_nano;
            line.detail = detail.to_owned();
        })
        .done()
}

/// 100 GiB free, 1,000 at 0.09 and 234 at 0.05, a tenth off; support for 24 of 31 days, a set-up
/// fee, the flat fee of a tier, and what is missing to 250.00.
fn lines() -> Vec<RatedLine> {
    let day = |from: &str, to: &str| Period::new(instant(from), instant(to)).expect("period");
    let mut support = priced(
        own(
            "support",
            "Support",
            LineKind::Fee,
            "Support, 24 of 31 days",
            Amount::new(1_200_i64.into(), 31_i64.into(), currency("EUR")).expect("amount"),
        ),
        50_000_000_000,
        "month",
    );
    support.service_period = day("2026-10-07T22:00:00Z", "2026-10-31T23:00:00Z");
    let mut setup = priced(
        own("setup", "Support", LineKind::Fee, "Set-up", cents(9_900)),
        99_000_000_000,
        "once",
    );
    setup.service_period = day("2026-10-07T22:00:00Z", "2026-10-08T22:00:00Z");
    let tiers = ["Tier 1: up to 1000", "Tier 2: above 1000"];
    let off = |place: usize| format!("Volume discount ({})", tiers[place]);
    vec![
        traffic("free", 100, 0, "Free traffic"),
        traffic("one", 1_000, 90_000_000, tiers[0]),
        traffic("two", 234, 50_000_000, tiers[1]),
        plain(egress("flat"), LineKind::Fee, "Tier 2: above 1000, flat fee", cents(500)),
        plain(egress("off-1"), LineKind::Adjustment, &off(0), cents(-900)),
        plain(egress("off-2"), LineKind::Adjustment, &off(1), cents(-117)),
        support,
        setup,
        own(
            "least",
            "Account",
            LineKind::Adjustment,
            "Minimum spend: true-up to 250.00 EUR",
            cents(1_042),
        ),
    ]
}

fn descriptions(invoice: &Invoice) -> Vec<(&str, i64)> {
    let charges = invoice.charges.iter();
    charges.map(|charge| (charge.description.as_str(), charge.net.minor())).collect()
}

#[test]
fn what_is_no_usage_says_what_it_is() {
    let invoice = draft(&book(), &lines()).expect("draft");
    assert_eq!(
        descriptions(&invoice),
        [
            ("Outgoing traffic, instance i-42: Free traffic", 0),
            ("Outgoing traffic, instance i-42: Tier 1: up to 1000", 9_000),
            ("Outgoing traffic, instance i-42: Tier 2: above 1000", 1_170),
            ("Outgoing traffic, instance i-42: Tier 2: above 1000, flat fee", 500),
            ("Volume discount (Tier 1: up to 1000), on Outgoing traffic, instance i-42", -900),
            ("Volume discount (Tier 2: above 1000), on Outgoing traffic, instance i-42", -117),
            ("Set-up", 9_900),
            ("Support, 24 of 31 days", 3_871),
            ("Minimum spend: true-up to 250.00 EUR", 1_042),
        ]
    );
    assert_eq!(check(&invoice, &lines()), Vec::<String>::new());
    assert_eq!(invoice.net.to_decimal_text(), "244.66");
}

#[test]
fn a_discount_is_shared_as_what_it_is_taken_off() {
    let invoice = draft(&book(), &lines()).expect("draft");
    let shares = |line: usize| -> Vec<i64> {
        invoice.charges[line].shares.iter().map(|share| share.money.minor()).collect()
    };
    // 33.333 % of 9.00 and of 1.17, by largest remainder, with the sign of the whole.
    assert_eq!(shares(4), [-300, -600]);
    assert_eq!(shares(5), [-39, -78]);
    let mut wrong = invoice.clone();
    for (share, minor) in wrong.charges[5].shares.iter_mut().zip([-38, -79]) {
        share.money = Money::from_minor(minor, currency("EUR"));
    }
    let said = "On line 6, acme receives -0.38 EUR as royalty, but 333330 ppm of -1.17 EUR is";
    assert!(check(&wrong, &lines()).iter().any(|finding| finding.starts_with(said)));
    wrong = invoice.clone();
    wrong.charges[5].kind = LineKind::Usage;
    assert!(check(&wrong, &lines()).iter().any(|finding| finding.contains("differ in kind")));
}

#[test]
fn an_invoice_of_discounts_only_is_negative_in_all_its_parts() {
    let lines = vec![plain(egress("off"), LineKind::Adjustment, "Goodwill", cents(-1_001))];
    let invoice = draft(&book(), &lines).expect("draft");
    assert_eq!(
        (invoice.net.minor(), invoice.tax.minor(), invoice.gross.minor()),
        (-1_001, -200, -1_201)
    );
    let shares: Vec<i64> =
        invoice.charges[0].shares.iter().map(|share| share.money.minor()).collect();
    assert_eq!(shares, [-334, -667]);
    assert_eq!(check(&invoice, &lines), Vec::<String>::new());
}

#[test]
fn lines_of_the_account_stand_after_the_projects() {
    let mut lines = lines();
    lines[8].service = "Network".to_owned();
    let invoice = draft(&book(), &lines).expect("draft");
    let network: Vec<&str> = invoice
        .charges
        .iter()
        .filter(|charge| charge.service == "Network")
        .map(|charge| charge.resource.as_str())
        .collect();
    assert_eq!(network.len(), 7);
    assert_eq!(network[6], "account:bakery");
    lines[8].meter = "egress".parse().expect("id");
    assert_eq!(draft(&book(), &lines).expect("draft").charges[6].net.minor(), 1_042);
    let page = html(&invoice, Audience::Customer).expect("html");
    assert!(page.contains("Whole account") && !page.contains("No project"));
}

#[test]
fn a_document_with_fees() {
    let invoice = finalize(&book(), &lines(), "LYO-2026-000004");
    accept("fees.html", &html(&invoice, Audience::Customer).expect("html"));
    accept("fees-provider.html", &html(&invoice, Audience::Provider).expect("html"));
}
