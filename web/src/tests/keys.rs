//! API keys: who may send, and what.

use turnpike_books::Right;

use super::client::{ask, send};
use super::fixture::{Site, Wishes, instant};
use super::{api_key, event, json, submit};

async fn site() -> Site {
    Site::start(Wishes { empty: true, ..Wishes::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sends_without_a_key() {
    let site = site().await;
    let key = api_key(&site, |_| {}).await;
    let other = crate::mint_key().expect("a key").secret;
    let (last, rest) = (&key[key.len() - 1..], &key[..key.len() - 1]);
    let forged = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    let cookie = super::operator(&site).await;
    let check = async |name: &str, value: &str, expect: u16| {
        let body = event("a");
        let answer = send(site.address, "/v1/events", &[(name, value)], body.as_bytes()).await;
        assert_eq!(answer.status, expect, "{}", answer.body);
        if expect == 401 {
            assert_eq!(json(&answer)["error"], "no-valid-key");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        for secret in [key.as_str(), &forged, other.expose()] {
            assert!(!answer.body.contains(secret));
        }
    };
    check("X-Nothing", "1", 401).await;
    check("Cookie", &cookie, 401).await;
    check("Authorization", &format!("Basic {key}"), 401).await;
    check("Authorization", "Bearer", 401).await;
    check("Authorization", "Bearer tp_live_x", 401).await;
    check("Authorization", &format!("Bearer {forged}"), 401).await;
    check("Authorization", &format!("Bearer {}", other.expose()), 401).await;
    assert_eq!(site.counts().await.read, 0);
    check("Authorization", &format!("bearer {key}"), 202).await;
    // A key opens no page.
    let bearer = format!("Bearer {key}");
    let page = ask(site.address, "GET", "/", &[("Authorization", &bearer)], "").await;
    assert_eq!(page.status, 303);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sends_what_it_was_made_for() {
    let site = site().await;
    let metrics = api_key(&site, |key| key.rights = vec![Right::Metrics]).await;
    let lyon = api_key(&site, |key| key.site = Some("lyon-1".to_owned())).await;
    let rack = api_key(&site, |key| key.source_prefix = Some("/test/".to_owned())).await;
    let check = async |key: &str, body: String, expect: u16, part: &str| {
        let answer = submit(&site, "/v1/events", key, &[], body).await;
        assert_eq!(answer.status, expect, "{}", answer.body);
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    };
    check(&metrics, event("a"), 403, "has not the right `ingest`").await;
    let elsewhere = event("b").replace("\"owner\"", "\"site\":\"madrid-1\",\"owner\"");
    let both = format!("[{},{elsewhere}]", event("a"));
    check(&lyon, both, 403, "item 1 is of the site `madrid-1`").await;
    check(&rack, event("a"), 403, "item 0 has the source `/test`").await;
    // What is taken back must be as much the key's as what takes it back.
    let taking = |source: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"r","source":"{source}","time":"2026-10-02T00:00:00Z",
            "type":"dev.turnpike.usage.correction.v1","data":{{"correction":{{"action":"retract",
            "target":{{"source":"/test","id":"a"}}}}}}}}"#
        )
    };
    check(&rack, taking("/test/7"), 403, "item 0 corrects an event of the source `/test`").await;
    check(&lyon, taking("/test"), 403, "item 0 corrects another event").await;
    assert_eq!(site.counts().await.read, 0, "a request is refused whole");
    check(&lyon, event("a"), 202, "accepted").await;
    check(&rack, event("b").replace("\"/test\"", "\"/test/7\""), 202, "accepted").await;
    let snapshot = site.state().lake.snapshot().await.expect("a snapshot");
    let filter = turnpike_lake::EventFilter::default();
    let rows = snapshot.events(&filter, Some(&["site"]), 10).await.expect("rows");
    let shown = format!("{rows:?}");
    assert!(shown.contains("lyon-1"), "{shown}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_seconds() {
    let site = site().await;
    let key = api_key(&site, |_| {}).await;
    assert_eq!(submit(&site, "/v1/events", &key, &[], event("a")).await.status, 202);
    let id = site.books.keys().await.expect("keys")[0].key.id.clone();
    let now = instant(super::fixture::NOW);
    assert!(site.books.revoke_key(&id, now, "test").await.expect("revokes"));
    let began = std::time::Instant::now();
    let mut number = 0;
    while submit(&site, "/v1/events", &key, &[], event(&format!("n{number}"))).await.status == 202 {
        number += 1;
        assert!(began.elapsed().as_secs() < 10, "a revoked key still works");
    }
    let used = site.books.key(&id).await.expect("reads").expect("a key").last_used_at;
    assert_eq!(used, Some(now));
    site.stop().await;
}
