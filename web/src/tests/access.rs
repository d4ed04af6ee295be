//! Who may see what: every address by every role, and the ways in and out.

use super::client::{ask, post};
use super::fixture::{Site, Wishes};
use super::{customer, get, operator};

/// Addresses, and the status that nobody, the customers bakery and hotel and an operator get.
const TABLE: &[(&str, [u16; 4])] = &[
    ("/", [303, 303, 303, 200]),
    ("/accounts", [303, 303, 303, 200]),
    ("/accounts?q=bak&show=parked", [303, 303, 303, 200]),
    ("/accounts?show=nonsense", [303, 303, 303, 400]),
    ("/accounts?tenant=hotel", [303, 303, 303, 400]),
    ("/accounts/bakery", [303, 303, 303, 200]),
    ("/accounts/nobody", [303, 303, 303, 404]),
    ("/accounts/NOT%20A%20SLUG", [303, 303, 303, 404]),
    ("/invoices", [303, 303, 303, 200]),
    ("/invoices?status=draft&period=2026-11&q=x&page=99", [303, 303, 303, 200]),
    ("/invoices?status=paid", [303, 303, 303, 400]),
    ("/invoices?page=-1", [303, 303, 303, 400]),
    ("/invoices/LYO-2026-000001", [303, 303, 303, 200]),
    ("/invoices/inv_2026-11_bakery", [303, 303, 303, 200]),
    ("/invoices/LYO-2026-999999", [303, 303, 303, 404]),
    ("/invoices/LYO-2026-000001/document", [303, 303, 303, 200]),
    ("/invoices/inv_2026-11_bakery/document", [303, 303, 303, 200]),
    ("/invoices/nothing/document", [303, 303, 303, 404]),
    ("/invoices/LYO-2026-000001/json", [303, 303, 303, 200]),
    ("/invoices/nothing/json", [303, 303, 303, 404]),
    ("/attention", [303, 303, 303, 200]),
    ("/sign-in", [200, 200, 200, 200]),
    ("/sign-in?next=/accounts", [200, 200, 200, 200]),
    ("/portal", [401, 200, 200, 401]),
    ("/portal/invoices/LYO-2026-000001", [401, 200, 404, 401]),
    ("/portal/invoices/LYO-2026-000001/document", [401, 200, 404, 401]),
    ("/portal/invoices/LYO-2026-000001/json", [401, 200, 404, 401]),
    ("/portal/invoices/MAD-2026-000001", [401, 404, 200, 401]),
    ("/portal/invoices/MAD-2026-000001/document", [401, 404, 200, 401]),
    ("/portal/invoices/MAD-2026-000001/json", [401, 404, 200, 401]),
    ("/portal/invoices/inv_2026-11_bakery", [401, 200, 404, 401]),
    ("/portal/invoices/inv_2026-11_bakery/document", [401, 200, 404, 401]),
    ("/portal/invoices/inv_2026-11_hotel", [401, 404, 200, 401]),
    ("/portal/invoices/nothing", [401, 404, 404, 401]),
    ("/portal/invoices/%27%20OR%201=1--", [401, 404, 404, 401]),
    ("/portal/link/bakery/1-2", [404, 404, 404, 404]),
    ("/portal/link/nobody/1-2", [404, 404, 404, 404]),
    ("/healthz", [200, 200, 200, 200]),
    ("/readyz", [200, 200, 200, 200]),
    ("/metrics", [200, 200, 200, 200]),
    ("/robots.txt", [200, 200, 200, 200]),
    ("/static/0000/turnpike.css", [404, 404, 404, 404]),
    ("/static/../Cargo.toml", [404, 404, 404, 404]),
    ("/sign-out", [405, 405, 405, 405]),
    ("/portal/sign-out", [405, 405, 405, 405]),
    ("/v1/events", [405, 405, 405, 405]),
    ("/v1/events/native", [405, 405, 405, 405]),
    ("/v1/nothing", [404, 404, 404, 404]),
    ("/nothing", [404, 404, 404, 404]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_address_answers_every_role() {
    let site = Site::start(Wishes::default()).await;
    let (bakery, hotel) = (customer(&site, "bakery").await, customer(&site, "hotel").await);
    let cookies = [String::new(), bakery, hotel, operator(&site).await];
    let mut wrong = Vec::new();
    for (path, expect) in TABLE {
        for (cookie, expect) in cookies.iter().zip(expect) {
            let found = get(&site, path, cookie).await.status;
            if found != *expect {
                wrong.push(format!("{path} as `{cookie:.24}`: {found}, not {expect}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_invoice_looks_exactly_like_a_missing_one() {
    let site = Site::start(Wishes::default()).await;
    let bakery = customer(&site, "bakery").await;
    let body = |text: &str| {
        // Request ids differ.
        let (head, tail) = text.split_once("<code>").expect("a request id");
        format!("{head}{}", tail.split_once("</code>").expect("its end").1)
    };
    for tail in ["", "/document", "/json"] {
        let foreign = get(&site, &format!("/portal/invoices/MAD-2026-000001{tail}"), &bakery).await;
        let missing = get(&site, &format!("/portal/invoices/MAD-2026-900009{tail}"), &bakery).await;
        assert_eq!(foreign.status, missing.status);
        if tail != "/json" {
            assert_eq!(body(&foreign.body), body(&missing.body), "{tail}");
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_cannot_be_made_up_and_end() {
    let site = Site::start(Wishes::default()).await;
    let bakery = customer(&site, "bakery").await;
    let status = async |path: &str, cookie: &str| get(&site, path, cookie).await.status;
    assert_eq!(status("/portal", &bakery).await, 200);
    assert_eq!(status("/portal", &bakery.replace("bakery", "hotel")).await, 401);
    assert_eq!(status("/", &bakery.replace("portal", "operator")).await, 303);
    let headers =
        [("Cookie", bakery.as_str()), ("X-Account", "hotel"), ("X-Forwarded-User", "admin")];
    let path = "/portal/invoices/MAD-2026-000001";
    assert_eq!(ask(site.address, "GET", path, &headers, "").await.status, 404);
    // A session that was signed out of is no use to whoever kept its cookie.
    let answer = post(site.address, "/portal/sign-out", &bakery, "").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/portal")));
    assert_eq!(status("/portal", &bakery).await, 401);
    let operator = operator(&site).await;
    assert_eq!(status("/", &operator).await, 200);
    assert_eq!(post(site.address, "/sign-out", &operator, "").await.status, 303);
    assert_eq!(status("/", &operator).await, 303);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_others_are_refused() {
    let site = Site::start(Wishes::default()).await;
    let body = format!("token={}", super::OPERATOR_TOKEN);
    let host = format!("http://{}", site.address);
    let check = async |headers: &[(&str, &str)], expect: u16| {
        let answer = ask(site.address, "POST", "/sign-in", headers, &body).await;
        assert_eq!(answer.status, expect, "{headers:?}");
    };
    check(&[("Sec-Fetch-Site", "same-origin")], 303).await;
    check(&[("Origin", &host)], 303).await;
    check(&[("Sec-Fetch-Site", "cross-site"), ("Origin", &host)], 403).await;
    check(&[("Origin", "https://evil.example")], 403).await;
    check(&[], 403).await;
    let wrong = "token=0123456789abcdef0123456789abcdee";
    let answer = post(site.address, "/sign-in", "", wrong).await;
    assert_eq!((answer.status, answer.cookies()), (401, String::new()));
    let extra = format!("{body}&role=admin");
    assert_eq!(post(site.address, "/sign-in", "", &extra).await.status, 400);
    let large = format!("{body}&next={}", "x".repeat(10_000));
    assert_eq!(post(site.address, "/sign-in", "", &large).await.status, 413);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_kept_from_scripts_and_secure_over_https() {
    let site = Site::start(Wishes::default()).await;
    let body = format!("token={}", super::OPERATOR_TOKEN);
    let answer = post(site.address, "/sign-in", "", &body).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
    site.stop().await;
    let wishes = Wishes { public_url: Some("https://bill.example"), ..Wishes::default() };
    let site = Site::start(wishes).await;
    let answer = post(site.address, "/sign-in", "", &body).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
    assert!(answer.header("strict-transport-security").is_some());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_this_machine_is_served() {
    let site = Site::start(Wishes { open: true, ..Wishes::default() }).await;
    let check = async |host: &str, path: &str, expect: u16| {
        let answer = ask(site.address, "GET", path, &[("Host", host)], "").await;
        assert_eq!(answer.status, expect, "{host}{path}");
    };
    check("localhost:8080", "/", 200).await;
    check("127.0.0.1", "/accounts/bakery", 200).await;
    // A page of evil.example that points its own name here.
    check("evil.example", "/", 403).await;
    check("evil.example", "/invoices/LYO-2026-000001/json", 403).await;
    check("evil.example", "/metrics", 404).await;
    check("localhost", "/sign-in", 303).await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_interfaces_need_a_token() {
    let open = Site::start(Wishes { open: true, empty: true, ..Wishes::default() }).await;
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let state = open.state();
    let served = crate::serve(state, listener, None, async {}).await;
    assert!(matches!(served, Err(crate::ServeError::OperatorToken(_))), "{served:?}");
    open.stop().await;
}
