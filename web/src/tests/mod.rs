//! The pages on a real listener.

mod access;
mod client;
mod dashboard;
mod events;
mod fixture;
mod idempotency;
mod keys;
mod pages;

use client::Response;
use fixture::{OPERATOR_TOKEN, Site, instant};
use serde_json::Value;
use turnpike_books::{NewApiKey, Right};
use turnpike_schemas::AccountId;

/// Signs an operator in; the answer is the cookie.
async fn operator(site: &Site) -> String {
    let body = format!("token={OPERATOR_TOKEN}");
    let answer = client::post(site.address, "/sign-in", "", &body).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.cookies()
}

/// Opens an account's portal link; the answer is the cookie.
async fn customer(site: &Site, account: &str) -> String {
    let account = AccountId::new(account).expect(account);
    let link = crate::portal_link(&site.settings, &account, instant(fixture::NOW));
    let answer = client::post(site.address, &link, "", "").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/portal")));
    answer.cookies()
}

/// A new API key with a right.
async fn api_key(site: &Site, change: impl FnOnce(&mut NewApiKey)) -> String {
    let minted = crate::mint_key().expect("a key");
    let mut key = NewApiKey {
        id: minted.id,
        name: "test".to_owned(),
        hash: minted.hash,
        rights: vec![Right::Ingest],
        site: None,
        source_prefix: None,
    };
    change(&mut key);
    site.books.create_key(&key, instant(fixture::NOW), "test").await.expect("the key is stored");
    minted.secret.expose().to_owned()
}

/// Sends a body with a key; headers may be added.
async fn submit(
    site: &Site,
    path: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Response {
    let authorization = format!("Bearer {key}");
    let mut all = vec![("Authorization", authorization.as_str())];
    all.extend(headers);
    client::send(site.address, path, &all, body.as_ref()).await
}

fn json(response: &Response) -> Value {
    serde_json::from_str(&response.body)
        .unwrap_or_else(|error| panic!("{error}: {} {}", response.status, response.body))
}

/// A native event of a resource that is named as the event is.
fn event(id: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"dev.turnpike.usage.transition.v1","subject":"instance/{id}","time":"2026-11-19T00:00:00Z","data":{{"resource":{{"kind":"instance","id":"{id}"}},"owner":"o","state":"active","held":[{{"meter":"vcpu","quantity":2}}]}}}}"#
    )
}

async fn get(site: &Site, path: &str, cookie: &str) -> Response {
    client::get(site.address, path, cookie).await
}
