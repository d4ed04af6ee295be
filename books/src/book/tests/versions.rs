//! Each import of another book is a version, and the versions before it stay.

use super::super::*;
use super::{NETWORK, SOUND};

#[tokio::test]
async fn importing_the_same_book_again_changes_nothing() {
    let at = |text: &str| Instant::parse(text).expect(text);
    for test in crate::store::testing::TestBooks::all().await {
        let books = &test.books;
        assert!(matches!(books.price_book().await, Err(BooksError::NoBook)));
        assert_eq!(books.newest_book().await.expect("reads"), None);
        let now = at("2026-01-01T00:00:00Z");
        let first = books.import(NETWORK, now, "anna").await.expect("imports");
        assert!(first.changed);
        assert_eq!((first.version, first.counts.accounts), (1, 3));
        let later = at("2026-01-02T00:00:00Z");
        let again = books.import(NETWORK, later, "ben").await.expect("imports");
        assert_eq!(again, ImportReport { changed: false, ..first.clone() });
        // A comment is no other book.
        let commented = format!("# A word.\n{NETWORK}");
        assert!(!books.import(&commented, later, "ben").await.expect("imports").changed);
        let stored = books.newest_book().await.expect("reads").expect("a book");
        assert_eq!((stored.actor.as_str(), stored.imported_at), ("anna", now));
        assert_eq!(stored.text, NETWORK);
        assert_eq!(stored.book, parse_book(NETWORK).expect("sound"));

        // Another book is a new version, and the first one stays readable by its hash.
        let second = books.import(SOUND, later, "ben").await.expect("imports");
        assert_eq!((second.changed, second.version), (true, 2));
        assert_eq!(books.price_book().await.expect("reads").hash(), second.hash);
        let old = books.price_book_by_hash(&first.hash).await.expect("reads");
        assert_eq!(old, Some(stored.book));
        assert_eq!(books.price_book_by_hash("no such").await.expect("reads"), None);
        // Going back is a version too.
        assert_eq!(books.import(NETWORK, later, "ben").await.expect("imports").version, 3);
        // A book with a mistake leaves everything as it was.
        let error = books.import("[[party]]\n", later, "ben").await.expect_err("is refused");
        assert!(
            matches!(&error, ImportError::Mistakes(mistakes) if mistakes.len() == 4),
            "{error}"
        );
        assert_eq!(books.price_book().await.expect("reads").hash(), first.hash);
        assert_eq!(books.verify().await.expect("verifies").findings, []);
    }
}

#[tokio::test]
async fn imports_at_once_become_versions_one_after_the_other() {
    for test in crate::store::testing::TestBooks::all().await {
        let tasks: Vec<_> = (0..8)
            .map(|index| {
                let books = test.books.clone();
                let text = SOUND.replacen("name = \"A1\"", &format!("name = \"A{index}\""), 1);
                tokio::spawn(async move {
                    books.import(&text, Instant::MIN, "test").await.expect("imports").version
                })
            })
            .collect();
        let mut versions = Vec::new();
        for task in tasks {
            versions.push(task.await.expect("joins"));
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=8).collect::<Vec<i64>>());
    }
}
