//! `Idempotency-Key`: one request, one answer.

use futures::future::join_all;

use super::client::Response;
use super::fixture::{Site, Wishes};
use super::{api_key, event, json, submit};

async fn site() -> (Site, String) {
    let site = Site::start(Wishes { empty: true, ..Wishes::default() }).await;
    let key = api_key(&site, |_| {}).await;
    (site, key)
}

async fn keyed(site: &Site, api_key: &str, key: &str, body: &str) -> Response {
    submit(site, "/v1/events", api_key, &[("Idempotency-Key", key)], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_replayed() {
    let (site, api) = site().await;
    let first = keyed(&site, &api, "k", &event("a")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (202, None));
    let again = keyed(&site, &api, "k", &event("a")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!(again.body, first.body);
    // Packed it is the same request, since it says the same.
    let zstd = zstd::stream::encode_all(event("a").as_bytes(), 3).expect("packs");
    let headers = [("Idempotency-Key", "k"), ("Content-Encoding", "zstd")];
    let packed = submit(&site, "/v1/events", &api, &headers, zstd).await;
    assert_eq!(packed.header("idempotency-replayed"), Some("true"));
    let other = keyed(&site, &api, "k", &event("b")).await;
    assert_eq!((other.status, json(&other)["error"].as_str()), (422, Some("idempotency-mismatch")));
    let elsewhere =
        submit(&site, "/v1/events/native", &api, &[("Idempotency-Key", "k")], event("a")).await;
    assert_eq!(elsewhere.status, 422, "another address is another request");
    assert_eq!(site.counts().await.read, 1);
    // The key is that of one producer.
    let other = api_key(&site, |_| {}).await;
    let answer = keyed(&site, &other, "k", &event("b")).await;
    assert_eq!((answer.status, &json(&answer)["accepted"]), (202, &1.into()));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_done() {
    let (site, api) = site().await;
    let body = event("a");
    let answers = join_all((0..20).map(|_| keyed(&site, &api, "k", &body))).await;
    let new = |answer: &&Response| {
        answer.status == 202 && answer.header("idempotency-replayed").is_none()
    };
    assert_eq!(answers.iter().filter(new).count(), 1);
    for answer in &answers {
        match answer.status {
            202 => assert_eq!(json(answer)["accepted"], 1),
            409 => {
                assert_eq!(json(answer)["error"], "in-progress");
                assert!(answer.header("retry-after").is_some());
            }
            status => panic!("{status}: {}", answer.body),
        }
    }
    assert_eq!(site.counts().await.read, 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_to_nothing_can_be_sent_again() {
    let (site, api) = site().await;
    assert_eq!(keyed(&site, &api, "k", "{\"a\":").await.status, 400);
    let answer = keyed(&site, &api, "k", &event("a")).await;
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (202, None));
    site.stop().await;
}
