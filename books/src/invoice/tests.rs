use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{AccountId, Currency, Money, PartyId, Scope};

use super::testing::*;
use super::*;
use crate::store::testing::TestBooks;
use crate::{BooksError, FinalizeError, ImportError};

/// UPDATE and DELETE of a table, and what they are told.
macro_rules! immutable {
    ($table:literal, $column:literal) => {
        (
            concat!("UPDATE ", $table, " SET ", $column, " = ", $column),
            concat!("DELETE FROM ", $table),
            concat!($table, " is immutable"),
        )
    };
}

fn customer(account: &str) -> Scope {
    Scope::Customer(AccountId::new(account).expect(account))
}

fn franchisee(party: &str) -> Scope {
    Scope::Franchisee(PartyId::new(party).expect(party))
}

#[test]
fn the_drafts_of_these_tests_are_sound() {
    for account in ["dupont", "rossi", "sato"] {
        assert_eq!(check_invoice(&draft("inv-1", account, "2026-10", "run-1")), [""; 0]);
    }
    // 10000/3 and 731/3, each rounded once: 3333.33 + 243.67 and 20 % of the total.
    let dupont = draft("inv-1", "dupont", "2026-10", "run-1");
    assert_eq!(dupont.net.to_string(), "3577.00 EUR");
    assert_eq!(dupont.gross.to_string(), "4292.40 EUR");
    let shares: Vec<String> =
        dupont.charges[0].shares.iter().map(|share| share.money.to_string()).collect();
    assert_eq!(shares, ["1111.10 EUR", "2222.23 EUR"]);
}

#[test]
fn every_sum_that_is_wrong_is_named() {
    let check = |change: fn(&mut turnpike_schemas::Invoice), message: &str| {
        let mut invoice = draft("inv-1", "dupont", "2026-10", "run-1");
        change(&mut invoice);
        let problems = check_invoice(&invoice);
        assert!(problems.iter().any(|problem| problem.contains(message)), "{problems:#?}");
    };
    fn cents(minor: i64) -> Money {
        Money::from_minor(minor, Currency::new("EUR").expect("EUR"))
    }
    check(|invoice| invoice.net = cents(1), "net is stated as 0.01 EUR and comes to 3577.00 EUR");
    check(|invoice| invoice.tax = cents(1), "tax is stated as");
    check(|invoice| invoice.gross = cents(1), "gross is stated as");
    check(|invoice| invoice.charges[0].line = 7, "line 7 stands in place 1");
    check(|invoice| invoice.charges[0].net = cents(1), "its exact sum rounds to 3333.33 EUR");
    check(|invoice| invoice.charges[0].shares[0].money = cents(1), "the sum of its shares,");
    check(|invoice| invoice.charges[0].shares.clear(), "the sum of its shares,");
    check(|invoice| invoice.charges[0].estimated = true, "line 1 is estimated");
    check(|invoice| invoice.taxes[0].base = cents(1), "the sum of its charges,");
    check(|invoice| invoice.taxes[0].tax = cents(1), "its rate makes 715.40 EUR");
    check(|invoice| invoice.taxes.clear(), "has charges and no tax line");
    check(|invoice| invoice.taxes.push(invoice.taxes[0].clone()), "stands twice");
    check(|invoice| invoice.number = Some("X".to_owned()), "a number goes with a finalized");
}

#[tokio::test]
async fn a_draft_replaces_the_one_before_it() {
    for test in TestBooks::all().await {
        let books = &test.books;
        let first = draft("inv-1", "dupont", "2026-10", "run-1");
        let error = books.put_draft(&first).await.expect_err("no run");
        assert!(matches!(error, BooksError::UnknownRun { .. }), "{error}");
        prepare(books).await;
        assert_eq!(books.put_draft(&first).await.expect("stores"), DraftOutcome::Stored);
        let second = draft("inv-2", "dupont", "2026-10", "run-1");
        let outcome = books.put_draft(&second).await.expect("stores");
        assert_eq!(outcome, DraftOutcome::Replaced(first.id.clone()));
        // The same id again is the same draft.
        let outcome = books.put_draft(&second).await.expect("stores");
        assert_eq!(outcome, DraftOutcome::Replaced(second.id.clone()));
        let provider = Scope::Provider;
        assert_eq!(books.invoice(&provider, "inv-1").await.expect("reads"), None);
        assert_eq!(books.invoice(&provider, "inv-2").await.expect("reads"), Some(second.clone()));
        let kept = books.draft_of(&second.account.id, second.period, second.currency).await;
        assert_eq!(kept.expect("reads"), Some(second.id.clone()));
        assert!(!books.remove_draft(&customer("rossi"), &second.id).await.expect("foreign"));
        assert!(books.remove_draft(&provider, &second.id).await.expect("removes"));
        assert!(!books.remove_draft(&provider, &second.id).await.expect("is gone"));
        let mut unsound = second;
        unsound.net = unsound.tax;
        let error = books.put_draft(&unsound).await.expect_err("does not add up");
        assert!(matches!(error, BooksError::Unsound { .. }), "{error}");
    }
}

#[tokio::test]
async fn finalizing_twice_returns_the_same_invoice() {
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        let first = invoiced(books, "inv-1", "dupont", "2026-10").await;
        assert!(first.fresh);
        assert_eq!(first.invoice.number.as_deref(), Some("LYO-2026-000001"));
        assert_eq!(first.invoice.issue_date, Some(day("2026-11-02")));
        assert_eq!(first.hash, first.invoice.chain_hash(""));
        let again = finalize(books, "inv-1").await.expect("again");
        assert_eq!(again, Finalized { fresh: false, ..first.clone() });
        // A second invoice for some of the same time is refused, as a draft already.
        let late = draft("inv-2", "dupont", "2026-10", "run-1");
        let outcome = books.put_draft(&late).await.expect("answers");
        assert_eq!(outcome, DraftOutcome::AlreadyInvoiced { number: "LYO-2026-000001".to_owned() });
        let second = invoiced(books, "inv-3", "dupont", "2026-11").await;
        assert_eq!(second.invoice.number.as_deref(), Some("LYO-2026-000002"));
        assert_eq!(second.hash, second.invoice.chain_hash(&first.hash));
        let missing = finalize(books, "inv-9").await.expect_err("no such draft");
        assert!(matches!(missing, FinalizeError::NotFound(_)), "{missing}");
        let report = books.verify().await.expect("verifies");
        assert_eq!(report.findings, []);
        assert_eq!((report.checked.invoices, report.checked.lines), (2, 4));
    }
}

#[tokio::test]
async fn the_year_of_a_number_is_local_to_the_account() {
    let test = TestBooks::sqlite().await;
    prepare(&test.books).await;
    for (id, account) in [("inv-1", "dupont"), ("inv-2", "sato")] {
        let draft = draft(id, account, "2026-11", "run-1");
        test.books.put_draft(&draft).await.expect("stores");
        let id = draft.id;
        let now = crate::run::tests::instant("2026-12-31T16:00:00Z");
        let request = FinalizeRequest { now, ..request(&id) };
        let made = test.books.finalize(&Scope::Provider, request, make).await.expect("finalizes");
        let expect = if account == "sato" { "TYO-2027-000001" } else { "LYO-2026-000001" };
        assert_eq!(made.invoice.number.as_deref(), Some(expect));
    }
}

#[tokio::test]
async fn twenty_at_once_get_twenty_numbers_without_a_gap() {
    const MONTHS: [&str; 5] = ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12"];
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        // Twenty invoices of one series: five months of four accounts of one seller.
        let mut ids = Vec::new();
        for (index, month) in MONTHS.iter().enumerate() {
            for copy in 0..4 {
                let id = format!("inv-{index}-{copy}");
                let mut invoice = draft(&id, "dupont", month, "run-1");
                invoice.account.id = AccountId::new(format!("dupont-{copy}")).expect("id");
                books.put_draft(&invoice).await.expect("stores");
                ids.push(id);
            }
        }
        // Each is asked for twice, at the same time.
        let tasks: Vec<_> = ids
            .iter()
            .chain(&ids)
            .map(|id| {
                let (books, id) = (books.clone(), id.clone());
                tokio::spawn(async move { finalize(&books, &id).await.expect("finalizes") })
            })
            .collect();
        let mut numbers = std::collections::BTreeMap::<String, usize>::new();
        let mut fresh = 0;
        for task in tasks {
            let made = task.await.expect("joins");
            fresh += usize::from(made.fresh);
            *numbers.entry(made.invoice.number.expect("number")).or_default() += 1;
        }
        let expect: Vec<(String, usize)> =
            (1..=20).map(|n| (format!("LYO-2026-{n:06}"), 2)).collect();
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), expect);
        assert_eq!(fresh, 20);
        assert_eq!(books.verify().await.expect("verifies").findings, []);
    }
}

#[tokio::test]
async fn a_failed_finalization_leaves_no_gap() {
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        let stored = draft("inv-1", "dupont", "2026-10", "run-1");
        books.put_draft(&stored).await.expect("stores");
        let id = &stored.id;
        let provider = Scope::Provider;
        let failed = books
            .finalize(&provider, request(id), |_| Err::<FinalizedInvoice, _>("no ink"))
            .await
            .expect_err("fails");
        assert!(
            matches!(&failed, FinalizeError::Make { number, .. } if number == "LYO-2026-000001")
        );
        // A maker that changes what it was given is not believed.
        let tampered = books
            .finalize(&provider, request(id), |numbered| {
                make(numbered).map(|mut made| {
                    made.invoice.account.name = "Somebody else".to_owned();
                    made
                })
            })
            .await
            .expect_err("is refused");
        assert!(tampered.to_string().contains("`account` differs"), "{tampered}");
        assert_eq!(books.invoice(&provider, "inv-1").await.expect("reads"), Some(stored.clone()));
        // Given up at any moment, it is rolled back, or done.
        for micros in [1, 50, 200, 500, 1_000, 2_000] {
            let patience = std::time::Duration::from_micros(micros);
            drop(tokio::time::timeout(patience, finalize(books, "inv-1")).await);
        }
        let made = finalize(books, "inv-1").await.expect("finalizes");
        assert_eq!(made.invoice.number.as_deref(), Some("LYO-2026-000001"));
        assert_eq!(books.verify().await.expect("verifies").findings, []);
    }
}

#[tokio::test]
async fn what_is_foreign_is_as_absent_as_what_is_missing() {
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        let made = invoiced(books, "inv-1", "dupont", "2026-10").await;
        books.put_draft(&draft("inv-2", "sato", "2026-10", "run-1")).await.expect("stores");
        let number = made.invoice.number.clone().expect("number");
        for foreign in [customer("rossi"), customer("sato"), franchisee("milano")] {
            for name in ["inv-1", &number, "inv-9"] {
                assert_eq!(books.invoice(&foreign, name).await.expect("reads"), None);
                let document = books.document(&foreign, name, Audience::Customer).await;
                assert_eq!(document.expect("reads"), None);
            }
            assert_eq!(books.postings(&foreign, &made.invoice.id).await.expect("reads"), []);
            let error = books.finalize(&foreign, request(&made.invoice.id), make).await;
            assert!(matches!(error, Err(FinalizeError::NotFound(_))));
        }
        // The customer sees its own invoice, and nothing of how it is split.
        let own = customer("dupont");
        let seen = books.invoice(&own, &number).await.expect("reads").expect("its own");
        assert!(seen.charges.iter().all(|line| line.shares.is_empty() && line.agreement.is_none()));
        assert_eq!(seen.gross, made.invoice.gross);
        let document = books.document(&own, &number, Audience::Customer).await.expect("reads");
        assert_eq!(document.map(|found| found.html), Some(format!("<p>{number}</p>")));
        assert_eq!(books.document(&own, &number, Audience::Provider).await.expect("reads"), None);
        assert_eq!(books.postings(&own, &made.invoice.id).await.expect("reads"), []);
        let lyon = franchisee("lyon");
        assert_eq!(books.invoice(&lyon, "inv-1").await.expect("reads"), Some(made.invoice.clone()));
        let legs = books.postings(&lyon, &made.invoice.id).await.expect("reads");
        let shown: Vec<String> = legs
            .iter()
            .map(|leg| format!("{} {} {}", leg.ledger_account, leg.counterpart, leg.amount))
            .collect();
        // Royalty: 33.333 % of 3333.33 and 10 % of 243.67, largest remainder.
        assert_eq!(
            shown,
            [
                "receivable dupont 4292.40 EUR",
                "revenue  -3577.00 EUR",
                "tax fr-standard -715.40 EUR",
                "franchise-fee acme 1135.47 EUR",
                "payable acme -1135.47 EUR",
            ]
        );
    }
}

#[tokio::test]
async fn lists_are_filtered_counted_and_cut_into_pages() {
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        invoiced(books, "inv-1", "dupont", "2026-10").await;
        invoiced(books, "inv-2", "sato", "2026-10").await;
        books.put_draft(&draft("inv-3", "dupont", "2026-11", "run-1")).await.expect("stores");
        let list = async |scope: &Scope, filter: InvoiceFilter| {
            let page = books.invoices(scope, &filter).await.expect("lists");
            let ids: Vec<String> =
                page.invoices.iter().map(|invoice| invoice.id.to_string()).collect();
            (ids.join(" "), page.total)
        };
        let all = InvoiceFilter::default;
        let provider = Scope::Provider;
        let check = |found: (String, i64), ids: &str, total: i64| {
            assert_eq!(found, (ids.to_owned(), total));
        };
        check(list(&provider, all()).await, "inv-3 inv-1 inv-2", 3);
        check(list(&customer("dupont"), all()).await, "inv-3 inv-1", 2);
        check(list(&franchisee("tokyo"), all()).await, "inv-2", 1);
        let filter = InvoiceFilter { status: Some(InvoiceStatus::Draft), ..all() };
        check(list(&provider, filter).await, "inv-3", 1);
        let filter = InvoiceFilter { period_label: Some("2026-10".to_owned()), ..all() };
        check(list(&provider, filter).await, "inv-1 inv-2", 2);
        let filter = InvoiceFilter { limit: 1, offset: 1, ..all() };
        check(list(&provider, filter).await, "inv-1", 3);
        for (text, ids, total) in [
            ("tyo-2026", "inv-2", 1),
            ("DUPONT &", "inv-3 inv-1", 2),
            ("佐藤", "inv-2", 1),
            ("%", "", 0),
            ("' OR 1=1 --", "", 0),
        ] {
            let filter = InvoiceFilter { text: Some(text.to_owned()), ..all() };
            check(list(&provider, filter).await, ids, total);
        }
        let page = books.invoices(&customer("sato"), &all()).await.expect("lists");
        let sato = &page.invoices[0];
        assert_eq!(sato.number.as_deref(), Some("TYO-2026-000001"));
        assert_eq!(sato.gross.to_string(), "3935 JPY");
        assert_eq!(sato.due_date, Some(day("2026-12-17")));
        assert!(sato.finalized_at.is_some());
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_what_is_final() {
    for test in TestBooks::all().await {
        prepare(&test.books).await;
        invoiced(&test.books, "inv-1", "dupont", "2026-10").await;
        let check = async |sql: &'static str, message: &str| {
            let error = test.raw(sql).await.expect_err(sql).to_string();
            assert!(error.contains(message), "{sql}: {error}");
        };
        for (update, delete, message) in [
            immutable!("invoice", "gross"),
            immutable!("invoice_line", "net"),
            immutable!("invoice_share", "amount"),
            immutable!("invoice_tax", "tax"),
            immutable!("invoice_document", "html"),
            immutable!("invoice_terms", "used_to"),
            immutable!("posting", "amount"),
            immutable!("ledger_transaction", "at"),
            immutable!("audit", "actor"),
            immutable!("book_version", "text"),
        ] {
            check(update, message).await;
            check(delete, message).await;
        }
        // What belongs to a finalized invoice cannot be added to either.
        let line = "INSERT INTO invoice_tax (invoice, position, category, code, rate_ppm, base, tax) \
                    VALUES ('inv-1', 9, 'x', 'S', 0, 0, 0)";
        check(line, "invoice_tax is sealed").await;
        let leg = "INSERT INTO posting (ledger_transaction, leg, party, ledger_account, \
                   counterpart, currency, amount) VALUES ('invoice:inv-1', 9, 'x', 'x', '', 'EUR', 1)";
        check(leg, "posting is sealed").await;
        if test.books.backend() == crate::Backend::Postgres {
            check("TRUNCATE audit", "audit is immutable").await;
        }
        assert!(test.raw("DELETE FROM run").await.is_err(), "a run that an invoice names");
    }
}

#[tokio::test]
async fn terms_of_finalized_invoices_stay_in_every_later_book() {
    let now = crate::run::tests::instant("2026-12-01T00:00:00Z");
    let book = include_str!("../../fixtures/network.toml");
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        invoiced(books, "inv-1", "dupont", "2026-10").await;
        let line =
            |text: &str, part: &str| text[..text.find(part).expect(part)].matches('\n').count() + 1;
        let check = async |from: &str, to: &str, on: &str, message: &str| {
            assert!(book.contains(from), "{from}");
            let text = book.replacen(from, to, 1);
            let error = books.import(&text, now, "test").await.expect_err(to);
            let ImportError::Mistakes(mistakes) = error else { panic!("{error}") };
            assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
            assert_eq!(mistakes[0].line, line(&text, on), "{mistakes:#?}");
            assert!(mistakes[0].message.contains(message), "{mistakes:#?}");
        };
        let version = "[[tariff.version]]\nvalid_from = 2026-07-01";
        let last = "tariff version `standard.2026-07` stands in invoice LYO-2026-000001";
        check("price = \"0.0416\"", "price = \"0.0417\"", version, last).await;
        check("\"half-away-from-zero\"", "\"half-even\"", version, last).await;
        let early = format!("{version}\nvalid_to = 2026-10-15");
        check(version, &early, version, "was invoiced up to 2026-10-31T23:00:00Z").await;
        let renamed = format!("{version}\nid = \"other\"");
        check(version, &renamed, "# A franchise network", "must stay in the book").await;
        check("\"33.333%\"", "\"33.334%\"", "[[agreement]]", "agreement `lyon-2026` stands").await;
        // What no invoice was made from may change, and the end may move later.
        let free = book.replacen("price = \"0.0400\"", "price = \"0.0401\"", 1).replacen(
            version,
            &format!("{version}\nvalid_to = 2026-11-01"),
            1,
        );
        let report = books.import(&free, now, "test").await.expect("imports");
        assert!(report.changed);
        assert_eq!(report.version, 2);
    }
}

#[tokio::test]
async fn a_draft_whose_terms_the_book_has_changed_is_not_finalized() {
    let test = TestBooks::sqlite().await;
    let books = &test.books;
    prepare(books).await;
    books.put_draft(&draft("inv-1", "dupont", "2026-10", "run-1")).await.expect("stores");
    let text = include_str!("../../fixtures/network.toml");
    let now = crate::run::tests::instant("2026-11-01T00:00:00Z");
    let other = text.replacen("price = \"0.0416\"", "price = \"0.0417\"", 1);
    books.import(&other, now, "test").await.expect("imports");
    let error = finalize(books, "inv-1").await.expect_err("is refused");
    assert!(matches!(&error, FinalizeError::TermsChanged { id, .. } if id == "standard.2026-07"));
    books.import(text, now, "test").await.expect("imports");
    finalize(books, "inv-1").await.expect("finalizes");
    let trail = books.audit(&Scope::Provider, 10).await.expect("audit");
    let actions: Vec<&str> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["finalize-invoice", "import-book", "import-book", "import-book"]);
    assert_eq!(trail[0].object, "LYO-2026-000001");
    assert_eq!(books.audit(&customer("dupont"), 10).await.expect("audit"), []);
}

#[tokio::test]
async fn a_series_belongs_to_one_seller() {
    let test = TestBooks::sqlite().await;
    prepare(&test.books).await;
    invoiced(&test.books, "inv-1", "dupont", "2026-10").await;
    let mut other = draft("inv-2", "rossi", "2026-10", "run-1");
    other.seller.invoice_series = "LYO".to_owned();
    test.books.put_draft(&other).await.expect("stores");
    let error = finalize(&test.books, "inv-2").await.expect_err("is refused");
    assert!(matches!(error, FinalizeError::SeriesTaken { .. }), "{error}");
}
