use chrono::NaiveDate;
use turnpike_schemas::Money;
use turnpike_schemas::invoice::InvoiceStatus;

use super::{book, currency, draft, line};
use crate::{InvoiceError, check, finalized};

fn day(text: &str) -> NaiveDate {
    text.parse().expect("day")
}

#[test]
fn a_draft_gets_its_number_and_dates_and_nothing_else_changes() {
    let lines = [line("a").done()];
    let before = draft(&book(), &lines).expect("draft");
    let number = "LYO-2026-000001".to_owned();
    let after = finalized(&before, number, day("2026-11-02"), false).expect("finalized");
    assert_eq!(after.status, InvoiceStatus::Finalized);
    assert_eq!(after.number.as_deref(), Some("LYO-2026-000001"));
    assert_eq!(after.issue_date, Some(day("2026-11-02")));
    assert_eq!(after.due_date, Some(day("2026-12-02")));
    assert_eq!((&after.charges, after.gross), (&before.charges, before.gross));
    assert_eq!(check(&after, &lines), Vec::<String>::new());

    let error = finalized(&after, "LYO-2026-000002".to_owned(), day("2026-11-02"), false);
    assert!(matches!(error, Err(InvoiceError::AlreadyFinalized { .. })));
}

#[test]
fn estimated_charges_are_finalized_only_when_accepted() {
    let lines = [
        line("a").done(),
        line("b").resource("instance", "i-9").with(|line| line.estimated = true).done(),
    ];
    let before = draft(&book(), &lines).expect("draft");
    let finalize = |accept| finalized(&before, "L-1".to_owned(), day("2026-11-02"), accept);
    assert_eq!(
        finalize(false).expect_err("estimated").to_string(),
        "invoice `inv_0192f0c9` holds estimated usage on 1 of its lines (first: line 2); finalize \
         it only by accepting the estimate"
    );
    assert!(finalize(true).expect("accepted").estimated);
}

#[test]
fn bad_numbers_dates_and_sums_are_refused() {
    let mut before = draft(&book(), &[line("a").done()]).expect("draft");
    for number in ["", "A 1", "A\n1", &"9".repeat(65)] {
        let error = finalized(&before, number.to_owned(), day("2026-11-02"), false);
        assert!(matches!(error, Err(InvoiceError::Number { .. })), "{number:?}");
    }
    let last = finalized(&before, "A".to_owned(), NaiveDate::MAX, false);
    assert!(matches!(last, Err(InvoiceError::DueDate { .. })));
    before.net = Money::from_minor(1, currency("EUR"));
    let wrong = finalized(&before, "A".to_owned(), day("2026-11-02"), false);
    assert!(matches!(wrong, Err(InvoiceError::Inconsistent { .. })));
}
