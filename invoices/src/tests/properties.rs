use proptest::prelude::*;
use turnpike_schemas::{Money, RatedLine};

use super::{book, currency, draft, line};
use crate::check;

const CODES: [&str; 4] = ["EUR", "JPY", "KWD", "CLF"];

/// Quantity, price, resource and category of each line: wide enough for halves and credits.
fn arbitrary_lines() -> impl Strategy<Value = Vec<(i64, i64, u8, bool)>> {
    let one = (-1_000_000_000..1_000_000_000_i64, -50_000_000_000..50_000_000_000_i64, 0..6_u8);
    prop::collection::vec((one, any::<bool>()).prop_map(|((q, p, r), t)| (q, p, r, t)), 1..30)
}

fn rated(parts: &[(i64, i64, u8, bool)], code: &str) -> Vec<RatedLine> {
    let lines = parts.iter().enumerate().map(|(n, (quantity, price_nano, resource, reduced))| {
        line(&format!("l{n}"))
            .resource("instance", &format!("i-{resource}"))
            .sum((*quantity).into(), "1000 requests", 1_000)
            .with(|line| {
                line.currency = currency(code);
                line.price_nano = *price_nano;
                if *reduced {
                    line.tax_category = "reduced".parse().expect("id");
                }
            })
            .done()
    });
    lines.collect()
}

proptest! {
    #[test]
    fn shares_sum_to_the_charge_and_charges_to_the_total(
        parts in arbitrary_lines(),
        code in prop::sample::select(&CODES[..]),
        royalty_ppm in 0..=1_000_000_u32,
    ) {
        let mut book = book();
        book.agreements[0].royalty_ppm = royalty_ppm;
        let lines = rated(&parts, code);
        let invoice = draft(&book, &lines).expect("draft");
        for charge in &invoice.charges {
            let shares = Money::sum(charge.shares.iter().map(|s| &s.money), invoice.currency);
            prop_assert_eq!(shares.expect("sum"), charge.net);
        }
        let net = Money::sum(invoice.charges.iter().map(|c| &c.net), invoice.currency);
        prop_assert_eq!(net.expect("sum"), invoice.net);
        prop_assert_eq!(check(&invoice, &lines), Vec::<String>::new());
    }

    #[test]
    fn the_order_of_lines_changes_nothing(parts in arbitrary_lines(), seed in any::<u64>()) {
        let lines = rated(&parts, "EUR");
        let mut shuffled = lines.clone();
        let length = u64::try_from(shuffled.len()).expect("short");
        shuffled.rotate_left(usize::try_from(seed % length).expect("short"));
        shuffled.reverse();
        prop_assert_eq!(draft(&book(), &lines).expect("draft"), draft(&book(), &shuffled).expect("draft"));
    }

    #[test]
    fn a_credit_of_everything_cancels_the_invoice(parts in arbitrary_lines()) {
        let lines = rated(&parts, "EUR");
        let negated: Vec<_> = parts.iter().map(|(q, p, r, t)| (-q, *p, *r, *t)).collect();
        let bill = draft(&book(), &lines).expect("draft");
        let credit = draft(&book(), &rated(&negated, "EUR")).expect("draft");
        prop_assert_eq!(bill.gross.minor() + credit.gross.minor(), 0);
        prop_assert_eq!(bill.tax.minor() + credit.tax.minor(), 0);
    }
}
