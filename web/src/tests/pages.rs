//! What stands on the pages, and around every response.

use super::client::ask;
use super::fixture::{Site, Wishes};
use super::{customer, get, operator};

/// What no customer may read: words of the split, and names of others.
const INSIDE: &[&str] = &[
    "royalty",
    "proceeds",
    "franchis",
    "agreement",
    "acme",
    "shares",
    "weight_ppm",
    "canary",
    "hotel",
    "madrid",
    "rated_lines",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_reads_nothing_of_others_nor_of_the_split() {
    let site = Site::start(Wishes::default()).await;
    let bakery = customer(&site, "bakery").await;
    for path in [
        "/portal",
        "/portal/invoices/LYO-2026-000001",
        "/portal/invoices/LYO-2026-000001/document",
        "/portal/invoices/LYO-2026-000001/json",
        "/portal/invoices/inv_2026-11_bakery",
        "/portal/invoices/inv_2026-11_bakery/document",
        "/portal/invoices/inv_2026-11_bakery/json",
        "/portal/invoices/MAD-2026-000001",
        "/accounts/hotel",
    ] {
        let answer = get(&site, path, &bakery).await;
        let text = answer.body.to_lowercase();
        for word in INSIDE {
            assert!(!text.contains(word), "{word} on {path}");
        }
    }
    let page = get(&site, "/portal/invoices/LYO-2026-000001", &bakery).await.body;
    assert!(page.contains("Boulangerie Martin SARL") && page.contains("Nuage de Lyon SAS"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_exactly_these_fields() {
    let site = Site::start(Wishes::default()).await;
    let bakery = customer(&site, "bakery").await;
    let answer = get(&site, "/portal/invoices/LYO-2026-000001/json", &bakery).await;
    let invoice: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    let mut expect = vec![
        "id",
        "number",
        "status",
        "seller",
        "account",
        "account_name",
        "currency",
        "period",
        "period_label",
        "issue_date",
        "due_date",
        "charges",
        "taxes",
        "net",
        "tax",
        "gross",
        "estimated",
    ];
    expect.sort();
    assert_eq!(keys(&invoice), expect);
    let mut expect = vec![
        "line",
        "kind",
        "service",
        "description",
        "resource",
        "project",
        "site",
        "meter",
        "quantity",
        "scale",
        "seconds",
        "price_nano",
        "unit",
        "per",
        "service_period",
        "net",
        "estimated",
    ];
    expect.sort();
    assert_eq!(keys(&invoice["charges"][0]), expect);
    let expect = ["address", "email", "name", "payment_note", "tax_id"];
    assert_eq!(keys(&invoice["seller"]), expect);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_text() {
    let site = Site::start(Wishes::default()).await;
    let operator = operator(&site).await;
    let hostile = customer(&site, "hostile").await;
    for (path, cookie) in [
        ("/", &operator),
        ("/accounts", &operator),
        ("/accounts?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E", &operator),
        ("/accounts/hostile", &operator),
        ("/attention", &operator),
        ("/invoices?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", &operator),
        ("/invoices/inv_2026-10_hostile", &operator),
        ("/invoices/inv_2026-10_hostile/document", &operator),
        ("/portal", &hostile),
        ("/portal/invoices/inv_2026-10_hostile", &hostile),
        ("/portal/invoices/inv_2026-10_hostile/document", &hostile),
        ("/sign-in?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E", &operator),
    ] {
        let answer = get(&site, path, cookie).await;
        assert_eq!(answer.status, 200, "{path}");
        for raw in ["<script>alert", "<img src=x", "\"><b>", "<i>knows", "<b>tenant"] {
            assert!(!answer.body.contains(raw), "{raw} on {path}");
        }
        assert!(!answer.body.contains(" style=") && !answer.body.contains(" onclick"), "{path}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_carries_the_headers() {
    let site = Site::start(Wishes::default()).await;
    let operator = operator(&site).await;
    let static_file = crate::assets::ASSETS.css.address();
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/sign-in"),
        ("GET", "/portal"),
        ("GET", "/nothing"),
        ("GET", "/accounts?show=nonsense"),
        ("GET", "/invoices/LYO-2026-000001/document"),
        ("GET", "/invoices/LYO-2026-000001/json"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("POST", "/accounts"),
        ("TRACE", "/"),
        ("POST", "/sign-in"),
        ("GET", &static_file),
    ] {
        let answer = ask(site.address, method, path, &[("Cookie", &operator)], "").await;
        let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{name} on {path}"));
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors '") && !policy.contains("unsafe"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-request-id").len(), 16, "{path}");
        let caching = if path == static_file { "immutable" } else { "no-store" };
        assert!(header("cache-control").contains(caching), "{path}");
        assert!(header("content-type").contains("charset") || !answer.body.starts_with("<!"));
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_what_and_nothing_of_why() {
    let site = Site::start(Wishes::default()).await;
    let operator = operator(&site).await;
    let missing = get(&site, "/nothing", &operator).await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains(missing.header("x-request-id").expect("an id")));
    site.books.close().await;
    let failed = get(&site, "/", &operator).await;
    assert!(failed.status == 500 || failed.status == 503, "{}", failed.status);
    assert!(failed.body.contains(failed.header("x-request-id").expect("an id")));
    for inside in ["sqlx", "sqlite", "SELECT", "/tmp", "src/", "panicked", "pool"] {
        assert!(!failed.body.contains(inside), "{inside} in {}", failed.body);
    }
    let headers = [("Cookie", operator.as_str()), ("Accept", "application/json")];
    let json = ask(site.address, "GET", "/invoices/x/json", &headers, "").await;
    let value: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
    assert_eq!(value["request_id"].as_str(), json.header("x-request-id"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_gives_reasons() {
    let site = Site::start(Wishes { admin: true, ..Wishes::default() }).await;
    let admin = site.admin.expect("an admin listener");
    let ready = async || super::client::get(admin, "/readyz", "").await;
    let answer = ready().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ready":true,"reasons":[]}"#));
    site.counted.set_stalled(Some("No space left on device".to_owned()));
    let answer = ready().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, r#"{"ready":false,"reasons":["events of http cannot be committed"]}"#);
    site.counted.set_stalled(None);
    site.board.update(|status| status.draining = true);
    let answer = ready().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, r#"{"ready":false,"reasons":["draining"]}"#);
    site.books.close().await;
    let answer = ready().await;
    assert!(answer.body.contains("the books do not answer"), "{}", answer.body);
    assert_eq!(super::client::get(admin, "/healthz", "").await.status, 200);
    // Kept from the listener of the pages, and the pages from this one.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&site, path, "").await.status, 404, "{path}");
    }
    assert_eq!(super::client::get(admin, "/sign-in", "").await.status, 404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_can_be_read() {
    let site = Site::start(Wishes::default()).await;
    let operator = operator(&site).await;
    get(&site, "/accounts/bakery", &operator).await;
    get(&site, "/accounts/hotel", &operator).await;
    let text = get(&site, "/metrics", "").await.body;
    for line in [
        r#"turnpike_http_requests_total{method="GET",route="/accounts/{account}",status="200"} 2"#,
        "turnpike_ingest_read_total 10",
        r#"turnpike_ingest_events_total{status="accepted"} 10"#,
        r#"turnpike_source_lag{source="kafka:usage/0"} 42"#,
        r#"turnpike_job_failures_total{job="rate"} 1"#,
        "turnpike_rating_as_of_seconds 1795175940",
        "turnpike_draining 0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut names: Vec<&str> = names.collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "a metric is described twice");
    assert!(!text.contains("bakery") && !text.contains("link/"), "no names in metrics");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_are_kept_and_compressed() {
    let site = Site::start(Wishes { empty: true, ..Wishes::default() }).await;
    let css = crate::assets::ASSETS.css.address();
    let answer = get(&site, &css, "").await;
    let tag = answer.header("etag").expect("a tag").to_owned();
    let again = ask(site.address, "GET", &css, &[("If-None-Match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let packed = ask(site.address, "GET", &css, &[("Accept-Encoding", "gzip")], "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_installation_says_what_to_do_next() {
    let site = Site::start(Wishes { open: true, empty: true, ..Wishes::default() }).await;
    for (path, command) in [
        ("/", "turnpike book import"),
        ("/accounts", "turnpike book import"),
        ("/invoices", "turnpike invoice draft"),
        ("/attention", "turnpike rate"),
    ] {
        let answer = get(&site, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.contains(command), "{command} on {path}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_shows_both_months_of_each_currency() {
    let site = Site::start(Wishes::default()).await;
    let page = get(&site, "/", &operator(&site).await).await.body;
    for text in ["In EUR", "In JPY", "2026-11 so far", "provisional", "Rated up to", "no-currency"]
    {
        assert!(page.contains(text), "{text}");
    }
    for text in ["<title id=\"t-EUR\">", "<desc id=\"d-EUR\">", "lyon-1", "madrid-1", "proceeds"] {
        assert!(page.contains(text), "{text}");
    }
    site.stop().await;
}
