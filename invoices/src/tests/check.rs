use turnpike_schemas::{Invoice, Money, RatedLine};

use super::{book, currency, draft, line};
use crate::check;

fn euro(minor: i64) -> Money {
    Money::from_minor(minor, currency("EUR"))
}

fn lines() -> Vec<RatedLine> {
    // 0.0416 x 24 h = 0.9984, so 1.00; the second 0.25; 20 % of 1.25 is 0.25.
    vec![line("a").held(1, 86_400).done(), line("b").resource("instance", "i-43").minor(25, "EUR")]
}

fn invoice() -> Invoice {
    draft(&book(), &lines()).expect("draft")
}

#[test]
fn a_right_invoice_has_no_findings_also_among_lines_of_others() {
    let mut all = lines();
    assert_eq!(check(&invoice(), &all), Vec::<String>::new());
    all.push(line("c").with(|line| line.account = "other".parse().expect("id")).done());
    all.push(line("d").with(|line| line.run = "run_2".parse().expect("id")).done());
    assert_eq!(check(&invoice(), &all), Vec::<String>::new());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of changes with one line for each")]
fn every_change_of_a_figure_is_found_with_its_figures() {
    let check = |change: fn(&mut Invoice), expect: &str| {
        let mut invoice = invoice();
        change(&mut invoice);
        let findings = check(&invoice, &lines());
        assert!(findings.iter().any(|finding| finding == expect), "{expect}\n{findings:#?}");
    };
    check(
        |invoice| invoice.charges[0].net = euro(101),
        "Line 1 is 1.01 EUR, but its exact amount 0.9984 rounds to 1.00 EUR.",
    );
    check(
        |invoice| invoice.charges[0].net = euro(101),
        "The shares of line 1 sum to 1.00 EUR, the line is 1.01 EUR.",
    );
    check(
        |invoice| {
            invoice.charges[0].shares[0].money = euro(34);
            invoice.charges[0].shares[1].money = euro(66);
        },
        "On line 1, acme receives 0.34 EUR as royalty, but 333330 ppm of 1.00 EUR is 0.33 EUR.",
    );
    check(
        |invoice| invoice.charges[0].shares[0].weight_ppm = 0,
        "The weights of line 1 do not sum to 1000000 ppm: [0, 666670].",
    );
    check(|invoice| invoice.charges[1].line = 7, "The charge at place 2 is numbered 7.");
    check(
        |invoice| invoice.charges[1].exact = invoice.charges[0].exact,
        "Line 2 states the exact amount 0.9984, its rated lines sum to 0.25.",
    );
    check(
        |invoice| invoice.charges[0].quantity += 1,
        "Line 1 states a quantity of 86400000001, its rated lines sum to 86400000000.",
    );
    check(
        |invoice| invoice.taxes[0].base = euro(126),
        "Tax category standard has a base of 1.26 EUR, its charges sum to 1.25 EUR.",
    );
    check(
        |invoice| invoice.taxes[0].tax = euro(26),
        "Tax category standard charges 0.26 EUR, but 200000 ppm of 1.25 EUR is 0.25 EUR.",
    );
    check(|invoice| invoice.taxes.clear(), "Tax category standard has charges but no tax line.");
    check(|invoice| invoice.net = euro(1), "The net total is 0.01 EUR, its parts sum to 1.25 EUR.");
    check(|invoice| invoice.tax = euro(1), "The tax total is 0.01 EUR, its parts sum to 0.25 EUR.");
    check(
        |invoice| invoice.gross = euro(1),
        "The gross total is 0.01 EUR, its parts sum to 1.50 EUR.",
    );
    check(
        |invoice| invoice.estimated = true,
        "The invoice says estimated = true, its charges say false.",
    );
    check(|invoice| invoice.number = Some("X".to_owned()), "The draft has a number already.");
    check(
        |invoice| invoice.charges[0].net = Money::from_minor(100, currency("JPY")),
        "Line 1 holds JPY, the invoice is in EUR.",
    );
    check(
        |invoice| {
            invoice.charges.pop();
        },
        "Rated line b (vcpu of openstack/instance/i-43, 0.25) is on no line of the invoice.",
    );
    check(
        |invoice| invoice.charges[1].rated_lines = vec!["a".to_owned()],
        "Line 2 names rated line a, which is not among those of run run_0192f0c8 or stands on \
         another line too.",
    );
    check(
        |invoice| invoice.charges[0].price_nano += 1,
        "Line 1 and its rated line a differ in price.",
    );
}

#[test]
fn a_rated_line_must_follow_from_its_price() {
    let mut lines = lines();
    lines[0].quantity += 3_600_000_000;
    let findings = check(&invoice(), &lines);
    let expect = "Rated line a is 0.9984, its quantity and price give 1.04.";
    assert!(findings.iter().any(|finding| finding == expect), "{findings:#?}");
}
