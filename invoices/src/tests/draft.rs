use std::collections::BTreeMap;

use turnpike_schemas::{
    AccountId, AgreementId, Amount, Invoice, Money, PartyId, Per, Period, RatedLine, Rounding,
    RunId, TariffVersionId, TaxCategoryId,
};

use super::{book, currency, draft, instant, line};
use crate::InvoiceError;

fn nets(invoice: &Invoice) -> Vec<String> {
    invoice.charges.iter().map(|charge| charge.net.to_decimal_text()).collect()
}

fn period(start: &str, end: &str) -> Period {
    Period::new(instant(start), instant(end)).expect("period")
}

#[test]
fn lines_of_one_price_are_summed_before_they_are_rounded() {
    // 0.0416 x 10 s / 3600 s = 0.000115555..., 60 times: 0.006933... rounds to 0.01, where 60
    // roundings would give 0.00.
    let lines: Vec<RatedLine> =
        (0..60).map(|n| line(&format!("l{n:02}")).held(1, 10).done()).collect();
    let invoice = draft(&book(), &lines).expect("draft");
    assert_eq!(nets(&invoice), ["0.01"]);
    let charge = &invoice.charges[0];
    assert_eq!(charge.exact.to_string(), "13/1875 EUR");
    assert_eq!((charge.quantity, charge.seconds), (600_000_000, 600));
    assert_eq!(charge.rated_lines.len(), 60);
}

#[test]
fn each_term_of_the_key_makes_a_charge_of_its_own() {
    let change = |name: &str, change: fn(&mut RatedLine)| {
        let lines = [line("a").done(), line("b").with(change).done()];
        let mut book = book();
        let mut other = super::agreement();
        other.id = AgreementId::new("other").expect("id");
        book.agreements.push(other);
        let invoice = draft(&book, &lines).expect(name);
        assert_eq!(invoice.charges.len(), 2, "{name}");
        assert_eq!(crate::check(&invoice, &lines), Vec::<String>::new(), "{name}");
    };
    change("service", |line| line.service = "Storage".to_owned());
    change("project", |line| line.project = Some("shop".to_owned()));
    change("site", |line| line.site = None);
    change("resource kind", |line| line.resource_kind = "server".to_owned());
    change("price", |line| line.price_nano += 1);
    change("per", |line| (line.per, line.per_seconds) = (Per::Day, 86_400));
    change("month length", |line| (line.per, line.per_seconds) = (Per::Month, 2_419_200));
    change("unit", |line| line.unit.base_units = 2);
    change("scale", |line| line.scale = 3);
    change("agreement", |line| line.agreement = AgreementId::new("other").ok());
    change("tariff version", |line| {
        line.tariff_version = TariffVersionId::new("list.2026-10").expect("id");
    });
    change("tax", |line| line.tax_category = TaxCategoryId::new("reduced").expect("id"));
    change("attributes", |line| {
        line.attributes = BTreeMap::from([("flavor".to_owned(), "m1.small".to_owned())]);
    });
}

#[test]
fn what_is_not_in_the_key_does_not_part_lines() {
    let lines = [
        line("a").done(),
        line("b")
            .with(|line| {
                line.estimated = true;
                line.intervals = 7;
                line.service_period = period("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z");
            })
            .done(),
    ];
    let invoice = draft(&book(), &lines).expect("draft");
    assert_eq!(invoice.charges.len(), 1);
    assert!(invoice.charges[0].estimated && invoice.estimated);
    assert_eq!(invoice.charges[0].service_period, super::october());
}

#[test]
fn charges_stand_in_reading_order_whatever_the_order_of_lines() {
    let mut lines = vec![
        line("1").meter("Compute", "memory").gib().held(2, 60).done(),
        line("2").done(),
        line("3").with(|line| line.project = Some("a".to_owned())).done(),
        line("4").meter("Storage", "volume").resource("volume", "v-1").gib().held(9, 60).done(),
        line("5")
            .with(|line| {
                line.tariff_version = TariffVersionId::new("list.2025").expect("id");
                line.service_period = period("2026-10-20T00:00:00Z", "2026-10-21T00:00:00Z");
            })
            .done(),
    ];
    let expect = draft(&book(), &lines).expect("draft");
    let order: Vec<&str> =
        expect.charges.iter().map(|charge| charge.rated_lines[0].as_str()).collect();
    assert_eq!(order, ["1", "2", "5", "3", "4"]);
    let numbers: Vec<u32> = expect.charges.iter().map(|charge| charge.line).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    lines.reverse();
    assert_eq!(draft(&book(), &lines).expect("draft"), expect);
}

#[test]
fn charges_are_rounded_by_the_rule_of_their_tariff() {
    let check = |nano: i64, code: &str, rule: Rounding, expect: &str| {
        let mut book = book();
        book.tariffs[0].rounding = rule;
        let lines = [line("a")
            .sum(1, "request", 1)
            .with(|line| (line.price_nano, line.currency) = (nano, currency(code)))
            .done()];
        let invoice = draft(&book, &lines).expect("draft");
        assert_eq!(nets(&invoice), [expect], "{nano} {code} {rule:?}");
        assert_eq!(crate::check(&invoice, &lines), Vec::<String>::new());
    };
    use Rounding::{HalfAwayFromZero as Away, HalfEven as Even};
    check(5_000_000, "EUR", Away, "0.01");
    check(5_000_000, "EUR", Even, "0.00");
    check(15_000_000, "EUR", Even, "0.02");
    check(4_999_999, "EUR", Away, "0.00");
    check(-5_000_000, "EUR", Away, "-0.01");
    check(-5_000_000, "EUR", Even, "0.00");
    check(-15_000_000, "EUR", Even, "-0.02");
    check(500_000_000, "JPY", Away, "1");
    check(499_999_999, "JPY", Away, "0");
    check(2_500_000_000, "JPY", Even, "2");
    check(500_000, "KWD", Away, "0.001");
    check(1_500_000, "KWD", Even, "0.002");
    check(0, "EUR", Away, "0.00");
}

#[test]
fn a_charge_is_split_royalty_first_by_largest_remainder() {
    let check = |minor: i64, code: &str, royalty_ppm: u32, expect: [i64; 2]| {
        let mut book = book();
        book.agreements[0].royalty_ppm = royalty_ppm;
        let lines = [line("a").minor(minor, code)];
        let invoice = draft(&book, &lines).expect("draft");
        let shares = &invoice.charges[0].shares;
        let minors: Vec<i64> = shares.iter().map(|share| share.money.minor()).collect();
        assert_eq!(minors, expect, "{minor} {code} at {royalty_ppm} ppm");
        assert_eq!((shares[0].role.as_str(), shares[0].party.as_str()), ("royalty", "acme"));
        assert_eq!((shares[1].role.as_str(), shares[1].party.as_str()), ("proceeds", "lyon"));
        assert_eq!(shares[0].weight_ppm, royalty_ppm);
        assert_eq!(crate::check(&invoice, &lines), Vec::<String>::new());
    };
    // 33.333 % of 100.00 is 33.333: the larger remainder is the franchisee's .667.
    check(10_000, "EUR", 333_330, [3_333, 6_667]);
    check(-10_000, "EUR", 333_330, [-3_333, -6_667]);
    check(1, "EUR", 333_330, [0, 1]);
    // A tie goes to the first in the fixed order.
    check(1, "EUR", 500_000, [1, 0]);
    check(-1, "EUR", 500_000, [-1, 0]);
    check(1_000, "JPY", 333_330, [333, 667]);
    check(5, "JPY", 333_330, [2, 3]);
    check(1_001, "KWD", 333_330, [334, 667]);
    check(10_000, "EUR", 0, [0, 10_000]);
    check(10_000, "EUR", 1_000_000, [10_000, 0]);
    check(0, "EUR", 333_330, [0, 0]);
}

#[test]
fn a_term_of_the_agreement_replaces_its_royalty() {
    let mut book = book();
    book.agreements[0].terms = vec![turnpike_schemas::agreement::RoyaltyTerm {
        meter: None,
        service: Some("Storage".to_owned()),
        royalty_ppm: 100_000,
    }];
    let lines =
        [line("a").minor(1_000, "EUR"), line("b").meter("Storage", "requests").minor(1_000, "EUR")];
    let invoice = draft(&book, &lines).expect("draft");
    let royalties: Vec<i64> =
        invoice.charges.iter().map(|charge| charge.shares[0].money.minor()).collect();
    assert_eq!(royalties, [333, 100]);
}

#[test]
fn a_franchisor_that_sells_keeps_the_whole_and_a_franchisee_needs_an_agreement() {
    let mut book = book();
    let lines = [line("a").with(|line| line.agreement = None).minor(1_000, "EUR")];
    let error = draft(&book, &lines).expect_err("no agreement");
    assert_eq!(
        error.to_string(),
        "franchisee `lyon` sells to account `bakery` without an agreement: rated line a cannot be \
         split"
    );
    book.accounts[0].seller = PartyId::new("acme").expect("id");
    let lines = [line("a")
        .with(|line| {
            line.agreement = None;
            line.seller = PartyId::new("acme").expect("id");
        })
        .minor(1_000, "EUR")];
    let invoice = draft(&book, &lines).expect("draft");
    let shares = &invoice.charges[0].shares;
    assert_eq!(shares.len(), 1);
    assert_eq!((shares[0].weight_ppm, shares[0].money.minor()), (1_000_000, 1_000));
    assert_eq!(invoice.seller.id.as_str(), "acme");
}

#[test]
fn tax_is_computed_per_category_on_the_total() {
    // Two lines of 0.03 at 20 %: 20 % of 0.06 is 0.012, so 0.01; per line it would be 0.02.
    let lines = [
        line("a").minor(3, "EUR"),
        line("b").resource("instance", "i-43").minor(3, "EUR"),
        line("c")
            .with(|line| line.tax_category = TaxCategoryId::new("reduced").expect("id"))
            .minor(1_000, "EUR"),
    ];
    let invoice = draft(&book(), &lines).expect("draft");
    let taxes: Vec<(&str, i64, i64)> = invoice
        .taxes
        .iter()
        .map(|line| (line.category.as_str(), line.base.minor(), line.tax.minor()))
        .collect();
    assert_eq!(taxes, [("reduced", 1_000, 55), ("standard", 6, 1)]);
    assert_eq!(
        (invoice.net.minor(), invoice.tax.minor(), invoice.gross.minor()),
        (1_006, 56, 1_062)
    );
}

#[test]
fn tax_halves_go_away_from_zero() {
    let check = |minor: i64, code: &str, rate_ppm: u32, expect: i64| {
        let base = Money::from_minor(minor, currency(code));
        assert_eq!(crate::tax::tax(base, rate_ppm).expect("tax").minor(), expect, "{base}");
    };
    check(1_000, "EUR", 200_000, 200);
    check(1_250, "EUR", 1_000, 1);
    check(500, "EUR", 1_000, 1);
    check(499, "EUR", 1_000, 0);
    check(-500, "EUR", 1_000, -1);
    check(-499, "EUR", 1_000, 0);
    check(5, "JPY", 100_000, 1);
    check(15, "JPY", 100_000, 2);
    check(1_005, "KWD", 100_000, 101);
    check(i64::MAX, "EUR", 0, 0);
    let most = Money::from_minor(i64::MAX, currency("EUR"));
    assert!(crate::tax::tax(most, 2_000_000).is_err());
}

#[test]
fn the_account_can_replace_the_tax_category() {
    let mut book = book();
    book.accounts[0].tax_category = TaxCategoryId::new("reverse").ok();
    let lines = [line("a").minor(1_000, "EUR")];
    let invoice = draft(&book, &lines).expect("draft");
    assert_eq!(invoice.charges[0].tax_category.as_str(), "reverse");
    assert_eq!(invoice.taxes.len(), 1);
    assert_eq!(invoice.taxes[0].note.as_deref(), Some("Reverse charge, article 196"));
    assert_eq!((invoice.tax.minor(), invoice.gross.minor()), (0, 1_000));
    assert_eq!(crate::check(&invoice, &lines), Vec::<String>::new());
}

#[test]
fn a_credit_mirrors_its_charge() {
    let bill = draft(&book(), &[line("a").minor(9_999, "EUR")]).expect("draft");
    let credit = draft(&book(), &[line("a").minor(-9_999, "EUR")]).expect("draft");
    assert_eq!(bill.gross.checked_add(&credit.gross).expect("sum").minor(), 0);
    assert_eq!(bill.tax.checked_add(&credit.tax).expect("sum").minor(), 0);
    for (left, right) in bill.charges[0].shares.iter().zip(&credit.charges[0].shares) {
        assert_eq!(left.money.checked_add(&right.money).expect("sum").minor(), 0);
    }
}

#[test]
fn a_price_of_zero_is_a_line_of_zero() {
    let lines = [line("a").price(0, Per::Hour, 3_600).held(2, 3_600).done()];
    let invoice = draft(&book(), &lines).expect("draft");
    assert_eq!(nets(&invoice), ["0.00"]);
    assert_eq!(invoice.charges[0].quantity, 7_200_000_000);
}

#[test]
fn descriptions_say_what_it_is_and_what_decided_its_price() {
    let check = |resource: (&str, &str), attributes: &[(&str, &str)], expect: &str| {
        let lines = [line("a")
            .resource(resource.0, resource.1)
            .with(|line| {
                line.attributes =
                    attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            })
            .done()];
        let invoice = draft(&book(), &lines).expect("draft");
        assert_eq!(invoice.charges[0].description, expect);
    };
    check(("instance", "i-42"), &[], "vCPU, instance i-42");
    check(("instance", "i-42"), &[("flavor", "m1.small")], "vCPU, instance i-42 (m1.small)");
    check(
        ("instance", "i-42"),
        &[("os", "windows"), ("flavor", "m1.small"), ("host", "n1")],
        "vCPU, instance i-42 (m1.small, windows)",
    );
    // The price did not depend on this system.
    check(("instance", "i-42"), &[("os", "linux")], "vCPU, instance i-42");
    check(("bucket", "a/b/c"), &[], "vCPU, bucket a/b/c");
}

#[test]
fn lines_that_do_not_belong_together_are_refused() {
    let check = |change: fn(&mut RatedLine), expect: &str| {
        let lines = [line("a").done(), line("b").with(change).done()];
        let error = draft(&book(), &lines).expect_err(expect);
        assert_eq!(error.to_string(), expect);
    };
    check(
        |line| line.account = AccountId::new("other").expect("id"),
        "rated line b belongs to account `other`, not to `bakery`",
    );
    check(
        |line| line.seller = PartyId::new("acme").expect("id"),
        "rated line b is sold by `acme`, but account `bakery` buys from `lyon`",
    );
    check(
        |line| line.run = RunId::new("run_2").expect("id"),
        "rated line b comes from run `run_2`, not from `run_0192f0c8`",
    );
    check(
        |line| line.currency = currency("JPY"),
        "rated line b is in JPY, others of account `bakery` in EUR",
    );
    check(|line| line.line_id = "a".to_owned(), "rated line a is listed twice");
    check(
        |line| line.tax_category = TaxCategoryId::new("none").expect("id"),
        "the book has no tax category `none`, needed for account `bakery`",
    );
    check(
        |line| line.agreement = AgreementId::new("none").ok(),
        "the book has no agreement `none`, named by rated line b",
    );
    check(
        |line| {
            line.quantity = i128::MAX;
            line.scale = 0;
        },
        "the rated lines of charge `vCPU, instance i-42` cannot be summed and rounded",
    );
    let error = draft(&book(), &[]).expect_err("no lines");
    assert_eq!(
        error.to_string(),
        "account `bakery` has no rated lines for 2026-10: there is nothing to invoice"
    );
    let most = Amount::from_money(Money::from_minor(i64::MAX, currency("EUR"))).expect("amount");
    let lines = [
        line("a").with(|line| line.amount = most).0,
        line("b").resource("instance", "i-43").with(|line| line.amount = most).0,
    ];
    assert!(matches!(draft(&book(), &lines), Err(InvoiceError::Total { .. })));
}
