use turnpike_schemas::{Amount, Currency, PartyId, PriceBook, Total};

use super::*;
use crate::store::testing::TestBooks;
use crate::{Books, BooksError, parse_book};

const BOOK: &str = include_str!("../../fixtures/network.toml");

pub(crate) fn instant(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

/// A run over the fixture's book.
pub(crate) fn run(id: &str, label: &str, created_at: &str) -> RunRecord {
    let book: PriceBook = parse_book(BOOK).expect("the fixture is sound");
    let euro = Currency::new("EUR").expect("EUR");
    let yen = Currency::new("JPY").expect("JPY");
    RunRecord {
        run: RunId::new(id).expect(id),
        label: label.to_owned(),
        as_of: instant("2026-11-01T00:00:00Z"),
        raw_version: 7,
        usage_version: 3,
        book_hash: book.hash(),
        code_version: "0.0.0".to_owned(),
        result_hash: format!("result of {id}"),
        lines: 2,
        accounts: 1,
        totals: vec![
            Amount::from_text("1", "3", euro).expect("amount").into(),
            Total { amount: Amount::from_text("2", "7", yen).expect("amount"), is_exact: false },
        ],
        created_at: instant(created_at),
        status: RunStatus::Complete,
    }
}

pub(crate) async fn import(books: &Books) {
    books.import(BOOK, instant("2026-01-01T00:00:00Z"), "test").await.expect("imports");
}

fn parked(account: &str) -> ParkedRecord {
    ParkedRecord {
        account: AccountId::new(account).expect(account),
        code: "tariff-gap".to_owned(),
        text: "no rate for gpu".to_owned(),
    }
}

#[tokio::test]
async fn a_run_is_recorded_once_and_read_within_its_scope() {
    for test in TestBooks::all().await {
        let books = &test.books;
        let record = run("run-1", "2026-10", "2026-11-01T01:00:00Z");
        let unknown = books.record_run(&record, &[], &[]).await;
        assert!(matches!(unknown, Err(BooksError::UnknownBook { .. })));
        import(books).await;
        let unassigned = UnassignedRecord {
            owner: None,
            resource: ResourceId::new("openstack/instance/i-9").expect("id"),
            meter: "vcpu".to_owned(),
            first_seen: instant("2026-10-05T00:00:00.5Z"),
            seconds: 60,
        };
        let both = [parked("dupont"), parked("sato")];
        let entries = [unassigned];
        books.record_run(&record, &both, &entries).await.expect("records");
        books.record_run(&record, &both, &entries).await.expect("again");
        let other = RunRecord { result_hash: "other".to_owned(), ..record.clone() };
        let error = books.record_run(&other, &[], &[]).await.expect_err("differs");
        assert!(matches!(error, BooksError::RunExists { .. }), "{error}");

        let entry = RunEntry { record: record.clone(), parked: 2, unassigned: 1 };
        let provider = Scope::Provider;
        let lyon = Scope::Franchisee(PartyId::new("lyon").expect("id"));
        let sato = Scope::Customer(AccountId::new("sato").expect("id"));
        assert_eq!(books.runs(&provider, 10).await.expect("runs"), std::slice::from_ref(&entry));
        assert_eq!(books.latest_run(&provider, Some("2026-10")).await.expect("run"), Some(entry));
        assert_eq!(books.latest_run(&provider, Some("2026-09")).await.expect("run"), None);
        assert_eq!(books.latest_run(&lyon, None).await.expect("run"), None);
        assert_eq!(books.runs(&sato, 10).await.expect("runs"), []);
        assert_eq!(books.parked(&provider, None).await.expect("parked"), both);
        assert_eq!(books.parked(&lyon, None).await.expect("parked"), [parked("dupont")]);
        assert_eq!(books.parked(&sato, None).await.expect("parked"), [parked("sato")]);
        assert_eq!(books.unassigned(&provider, None).await.expect("unassigned"), entries);
        assert_eq!(books.unassigned(&lyon, None).await.expect("unassigned"), []);
    }
}

#[tokio::test]
async fn the_newest_complete_run_counts() {
    let test = TestBooks::sqlite().await;
    import(&test.books).await;
    let first = run("run-1", "2026-10", "2026-11-01T01:00:00Z");
    let failed =
        RunRecord { status: RunStatus::Failed, ..run("run-2", "2026-10", "2026-11-01T02:00:00Z") };
    test.books.record_run(&first, &[parked("rossi")], &[]).await.expect("records");
    test.books.record_run(&failed, &[], &[]).await.expect("records");
    let latest = test.books.latest_run(&Scope::Provider, None).await.expect("run");
    assert_eq!(latest.map(|entry| entry.record.run), Some(first.run));
    let parked_now = test.books.parked(&Scope::Provider, None).await.expect("parked");
    assert_eq!(parked_now, [parked("rossi")]);
    let runs = test.books.runs(&Scope::Provider, 10).await.expect("runs");
    assert_eq!(runs[0].record.run, failed.run);
}
