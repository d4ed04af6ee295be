use turnpike_schemas::Instant;

use super::*;
use crate::store::testing::TestBooks;

fn at(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

fn new_key(id: &str) -> NewApiKey {
    NewApiKey {
        id: id.to_owned(),
        name: "rack 7".to_owned(),
        hash: format!("{id:0>64}"),
        rights: vec![Right::Ingest],
        site: Some("lyon-1".to_owned()),
        source_prefix: None,
    }
}

#[tokio::test]
async fn keys_are_stored_used_and_revoked() {
    for test in TestBooks::all().await {
        let books = &test.books;
        let (now, later) = (at("2026-11-20T10:00:00Z"), at("2026-11-20T10:00:30Z"));
        books.create_key(&new_key("a"), now, "cli").await.expect("creates");
        books.create_key(&new_key("b"), later, "cli").await.expect("creates");
        assert!(books.create_key(&new_key("a"), now, "cli").await.is_err(), "one id, two keys");
        let key = books.key("a").await.expect("reads").expect("a key");
        assert_eq!((&key.key, key.created_at, key.last_used_at), (&new_key("a"), now, None));
        assert!(key.has(Right::Ingest) && !key.has(Right::Metrics));
        books.key_used(&key, now).await.expect("notes");
        let used = books.key("a").await.expect("reads").expect("a key");
        assert_eq!(used.last_used_at, Some(now));
        // Within the minute nothing is written.
        books.key_used(&used, later).await.expect("notes");
        assert_eq!(books.key("a").await.expect("reads"), Some(used));
        assert!(books.revoke_key("a", later, "cli").await.expect("revokes"));
        assert!(!books.revoke_key("a", later, "cli").await.expect("was revoked"));
        assert!(!books.revoke_key("c", later, "cli").await.expect("is no key"));
        let all = books.keys().await.expect("lists");
        let revoked: Vec<_> = all.iter().map(|key| key.revoked_at).collect();
        assert_eq!(revoked, [Some(later), None]);
        assert!(!all[0].has(Right::Ingest));
        let audit = books.audit(&turnpike_schemas::Scope::Provider, 9).await.expect("audit");
        let actions: Vec<&str> = audit.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["revoke-key", "create-key", "create-key"]);
    }
}

#[tokio::test]
async fn one_request_runs_and_its_answer_is_replayed_for_a_day() {
    for test in TestBooks::all().await {
        let books = &test.books;
        let now = at("2026-11-20T10:00:00Z");
        for id in ["a", "b"] {
            books.create_key(&new_key(id), now, "cli").await.expect("creates");
        }
        let begin = async |api_key: &str, hash: &str, seconds: i64| {
            let then = now.plus_seconds(seconds).expect("then");
            books.begin_request(api_key, "k", hash, "o", then).await.expect("begins")
        };
        assert_eq!(begin("a", "h", 0).await, Begun::New);
        assert_eq!(begin("a", "h", 1).await, Begun::Running);
        assert_eq!(begin("a", "other", 1).await, Begun::Mismatch);
        assert_eq!(begin("b", "other", 1).await, Begun::New, "keys are the sender's own");
        books.abandon_request("a", "k").await.expect("abandons");
        assert_eq!(begin("a", "other", 2).await, Begun::New);
        let answer = StoredAnswer { status: 202, body: "{}".to_owned() };
        books.finish_request("a", "k", &answer).await.expect("finishes");
        assert_eq!(begin("a", "other", 3).await, Begun::Replay(answer.clone()));
        assert_eq!(begin("a", "h", 3).await, Begun::Mismatch);
        books.abandon_request("a", "k").await.expect("there is nothing to abandon");
        assert_eq!(begin("a", "other", 86_401).await, Begun::Replay(answer));
        assert_eq!(begin("a", "other", 86_402).await, Begun::New, "a day after it began");
    }
}

#[tokio::test]
async fn what_was_cut_off_can_be_sent_again() {
    for test in TestBooks::all().await {
        let books = &test.books;
        let now = at("2026-11-20T10:00:00Z");
        books.create_key(&new_key("a"), now, "cli").await.expect("creates");
        let begin = async |key: &str, owner: &str, seconds: i64| {
            let then = now.plus_seconds(seconds).expect("then");
            books.begin_request("a", key, "h", owner, then).await.expect("begins")
        };
        assert_eq!(begin("mine", "me", 0).await, Begun::New);
        assert_eq!(begin("theirs", "you", 0).await, Begun::New);
        assert_eq!(books.abandon_requests_of("me").await.expect("forgets"), 1);
        assert_eq!(begin("mine", "me", 1).await, Begun::New);
        assert_eq!(begin("theirs", "me", 119).await, Begun::Running);
        assert_eq!(begin("theirs", "me", 120).await, Begun::New, "the other is gone for good");
        let later = at("2026-11-21T10:00:02Z");
        assert_eq!(books.purge_requests(later).await.expect("purges"), 1);
    }
}
