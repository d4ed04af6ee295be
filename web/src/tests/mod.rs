//! The pages on a real listener.

mod access;
mod client;
mod fixture;
mod pages;

use client::Response;
use fixture::{OPERATOR_TOKEN, Site, instant};
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

async fn get(site: &Site, path: &str, cookie: &str) -> Response {
    client::get(site.address, path, cookie).await
}
