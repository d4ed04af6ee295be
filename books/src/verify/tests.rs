use super::*;
use crate::invoice::testing::*;
use crate::store::testing::TestBooks;

/// Three invoices in two series, then something is changed behind the back of the books.
async fn check(sql: &'static str, expect: &[(&str, &str, &str)]) {
    for test in TestBooks::all().await {
        let books = &test.books;
        prepare(books).await;
        invoiced(books, "inv-1", "dupont", "2026-09").await;
        invoiced(books, "inv-2", "dupont", "2026-10").await;
        invoiced(books, "inv-3", "sato", "2026-10").await;
        assert_eq!(books.verify().await.expect("verifies").findings, []);
        test.tamper(sql).await;
        let found = books.verify().await.expect("verifies").findings;
        for (check, subject, message) in expect {
            let named = found.iter().any(|finding| {
                finding.check == *check
                    && finding.subject == *subject
                    && finding.message.contains(message)
            });
            assert!(named, "{sql}: no {check} {subject} {message} in {found:#?}");
        }
        assert!(!expect.is_empty());
    }
}

#[tokio::test]
async fn everything_that_holds_is_counted() {
    for test in TestBooks::all().await {
        prepare(&test.books).await;
        invoiced(&test.books, "inv-1", "dupont", "2026-09").await;
        let report = test.books.verify().await.expect("verifies");
        let expect = VerifyCounts {
            books: 1,
            series: 1,
            invoices: 1,
            lines: 2,
            shares: 4,
            taxes: 1,
            documents: 2,
            transactions: 1,
            postings: 5,
        };
        assert_eq!(report, VerifyReport { findings: Vec::new(), checked: expect });
    }
}

#[tokio::test]
async fn a_changed_amount_is_found() {
    let sql = "UPDATE invoice_line SET net = net + 1 WHERE invoice = 'inv-1' AND line = 1";
    check(sql, &[("rows", "LYO-2026-000001", "its lines differ")]).await;
    let sql = "UPDATE invoice_share SET amount = 0 WHERE invoice = 'inv-2' AND line = 2";
    check(sql, &[("rows", "LYO-2026-000002", "its shares differ")]).await;
    let sql = "UPDATE invoice SET gross = gross - 1 WHERE id = 'inv-3'";
    check(sql, &[("rows", "TYO-2026-000001", "column `gross` differs")]).await;
    let sql = "UPDATE posting SET amount = amount + 5 WHERE leg = 1 \
               AND ledger_transaction = 'invoice:inv-1'";
    let expect = [
        ("postings", "LYO-2026-000001", "they differ"),
        ("postings", "invoice:inv-1", "sum to 5 minor units of EUR"),
    ];
    check(sql, &expect).await;
}

#[tokio::test]
async fn a_changed_text_breaks_the_chain() {
    let sql = "UPDATE invoice SET canonical = REPLACE(canonical, 'Dupont', 'Durand'), \
               account_name = 'Durand & Fils SARL' WHERE id = 'inv-1'";
    check(sql, &[("chain", "LYO-2026-000001", "its hash does not come out")]).await;
    // With a new hash of its own it no longer leads to the next one.
    let sql = "UPDATE invoice SET hash = 'forged' WHERE id = 'inv-1'";
    let expect = [
        ("chain", "LYO-2026-000001", "its hash does not come out"),
        ("chain", "LYO-2026-000002", "it does not follow"),
    ];
    check(sql, &expect).await;
    let sql = "UPDATE invoice_document SET html = 'paid' WHERE invoice = 'inv-2'";
    check(sql, &[("documents", "LYO-2026-000002", "another hash")]).await;
    let sql = "UPDATE book_version SET canonical = '{}'";
    check(sql, &[("books", "book 1", "another hash")]).await;
}

#[tokio::test]
async fn what_is_gone_is_found() {
    for (sql, message) in [
        ("DELETE FROM invoice_line WHERE invoice = 'inv-2'", "its lines differ"),
        ("DELETE FROM invoice_share WHERE invoice = 'inv-2'", "its shares differ"),
        ("DELETE FROM invoice_tax WHERE invoice = 'inv-2'", "its taxes differ"),
        ("DELETE FROM invoice_terms WHERE invoice = 'inv-2'", "is not written down as used"),
    ] {
        check(sql, &[("rows", "LYO-2026-000002", message)]).await;
    }
    let sql = "DELETE FROM invoice_document WHERE invoice = 'inv-2' AND audience = 'provider'";
    check(sql, &[("documents", "LYO-2026-000002", "[\"customer\"]")]).await;
    let sql = "UPDATE invoice SET sequence = 3, number = 'LYO-2026-000003' WHERE id = 'inv-2'";
    let expect = [
        ("numbers", "LYO-2026", "LYO-2026-000002 is missing"),
        ("numbers", "LYO-2026", "the series stands at 2, its last invoice is 3"),
        ("rows", "LYO-2026-000003", "column `number` differs"),
    ];
    check(sql, &expect).await;
    let sql = "UPDATE series SET last = 1, last_hash = '' WHERE name = 'TYO-2026'";
    check(sql, &[("chain", "TYO-2026", "ends in another hash")]).await;
    let sql = "DELETE FROM invoice WHERE id = 'inv-2'";
    let expect = [
        ("numbers", "LYO-2026", "the series stands at 2, its last invoice is 1"),
        ("rows", "lines", "6 are stored, 4 belong to an invoice of a series"),
    ];
    check(sql, &expect).await;
    let sql = "DELETE FROM series";
    check(sql, &[("rows", "invoices", "3 are stored, 0 belong")]).await;
}
