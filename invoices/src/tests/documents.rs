//! Golden documents under `fixtures/`. After a wanted change: `TURNPIKE_ACCEPT=1 cargo test`, then
//! look at each page (on paper, dark, 360 px wide) before it is committed.

use std::path::Path;

use chrono_tz::Tz;
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{Invoice, Per, Period, PriceBook, RatedLine};

use super::{book, currency, draft, instant, line};
use crate::{Audience, document_policy, finalized, html};

const OCTOBER_SECONDS: i64 = 745 * 3_600;

pub(super) fn finalize(book: &PriceBook, lines: &[RatedLine], number: &str) -> Invoice {
    let invoice = draft(book, lines).expect("draft");
    let day = "2026-11-02".parse().expect("day");
    finalized(&invoice, number.to_owned(), day, true).expect("finalized")
}

pub(super) fn accept(name: &str, document: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    if std::env::var_os("TURNPIKE_ACCEPT").is_some() {
        std::fs::write(&path, document).expect("the fixture is written");
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    let changed = expect.lines().zip(document.lines()).find(|(expect, found)| expect != found);
    assert!(
        expect == document,
        "{name} differs (TURNPIKE_ACCEPT=1 accepts it); first change: {changed:#?}"
    );
}

/// An instance with its memory, disk and address, in a project.
fn instance(project: &str, name: &str, level: i128, seconds: i64) -> Vec<RatedLine> {
    let line = |meter: &str, service: &str| {
        line(&format!("{project}-{name}-{meter}"))
            .resource("instance", name)
            .meter(service, meter)
            .with(|line| {
                line.project = Some(project.to_owned());
                line.attributes.insert("flavor".to_owned(), "m1.small".to_owned());
            })
    };
    let month = OCTOBER_SECONDS;
    vec![
        line("vcpu", "Compute").held(level, seconds).done(),
        line("memory", "Compute")
            .gib()
            .price(5_200_000, Per::Hour, 3_600)
            .held(2 * level, seconds)
            .done(),
        line("root-disk", "Storage")
            .gib()
            .price(80_000_000, Per::Month, month)
            .held(20, month)
            .done(),
    ]
}

fn egress(project: &str, bytes: i128) -> RatedLine {
    line(&format!("{project}-egress"))
        .resource("instance", "i-42")
        .meter("Network", "egress")
        .sum(bytes, "GiB", GIB)
        .with(|line| {
            line.project = Some(project.to_owned());
            line.price_nano = 90_000_000;
        })
        .done()
}

fn short() -> Vec<RatedLine> {
    let mut lines = instance("web-shop", "i-42", 2, OCTOBER_SECONDS);
    lines.extend(instance("bookkeeping", "i-7", 4, 1_234_567));
    lines[3].service_period =
        Period::new(instant("2026-10-03T07:12:45Z"), instant("2026-10-17T14:08:52Z"))
            .expect("period");
    lines[4].service_period = lines[3].service_period;
    lines.push(egress("web-shop", 123_456_789_012));
    lines.push(
        line("ip")
            .resource("address", "192.0.2.17")
            .meter("Network", "public-ip")
            .price(3_000_000_000, Per::Month, OCTOBER_SECONDS)
            .with(|line| {
                line.scale = 0;
                line.unit.name = "address".to_owned();
            })
            .held(1, OCTOBER_SECONDS)
            .done(),
    );
    lines
}

/// The seller's and the buyer's addresses, time zone and currency of another country.
fn abroad(zone: Tz, code: &str) -> (PriceBook, impl Fn(RatedLine) -> RatedLine) {
    let mut book = book();
    book.accounts[0].time_zone = zone;
    let currency = currency(code);
    let change = move |mut line: RatedLine| {
        line.currency = currency;
        line.service_period = Period::parse_month("2026-10", zone).expect("month");
        line.amount = turnpike_schemas::Amount::new(
            line.amount.numerator(),
            line.amount.denominator(),
            currency,
        )
        .expect("amount");
        line
    };
    (book, change)
}

fn long() -> Vec<RatedLine> {
    let mut lines = Vec::new();
    for project in ["archive", "bookkeeping", "research", "web-shop"] {
        for n in 0..8_i128 {
            let name = format!("6f1c2a{n}e-4b1d-4c57-9a0e-2f6d8f0b{n}c11");
            lines.extend(instance(project, &name, n + 1, OCTOBER_SECONDS - 7));
        }
        lines.push(egress(project, 987_654_321_098));
    }
    lines
}

#[test]
fn a_customers_invoice() {
    let invoice = finalize(&book(), &short(), "LYO-2026-000001");
    accept("short.html", &html(&invoice, Audience::Customer).expect("html"));
    accept("short-provider.html", &html(&invoice, Audience::Provider).expect("html"));
}

#[test]
fn a_long_invoice() {
    let invoice = finalize(&book(), &long(), "LYO-2026-000002");
    accept("long.html", &html(&invoice, Audience::Customer).expect("html"));
}

#[test]
fn currencies_without_and_with_three_decimals() {
    let (mut book, change) = abroad(Tz::Asia__Tokyo, "JPY");
    book.tax_categories[2].rate_ppm = 100_000;
    let yen: Vec<RatedLine> = [
        line("a").price(6_400_000_000, Per::Hour, 3_600).held(16, 744 * 3_600).done(),
        line("b")
            .meter("Storage", "volume")
            .resource("volume", "v-1")
            .gib()
            .price(12_000_000_000, Per::Month, 744 * 3_600)
            .held(500, 744 * 3_600)
            .done(),
    ]
    .map(change)
    .into();
    let invoice = finalize(&book, &yen, "OSK-2026-000014");
    accept("jpy.html", &html(&invoice, Audience::Customer).expect("html"));

    let (mut book, change) = abroad(Tz::Asia__Kuwait, "KWD");
    book.accounts[0].tax_category = "reverse".parse().ok();
    let dinar = line("a").price(12_345_678, Per::Hour, 3_600).held(3, 744 * 3_600 - 1).done();
    let invoice = finalize(&book, &[change(dinar)], "KWT-2026-000003");
    accept("kwd.html", &html(&invoice, Audience::Customer).expect("html"));
}

#[test]
fn an_estimated_draft() {
    let mut lines = short();
    lines[0].estimated = true;
    lines[1].estimated = true;
    lines[5].tariff_version = "list.2026-10".parse().expect("id");
    let invoice = draft(&book(), &lines).expect("draft");
    accept("draft.html", &html(&invoice, Audience::Customer).expect("html"));
}

#[test]
fn a_credit() {
    let mut lines = short();
    lines.push(
        line("credit")
            .meter("Credits", "instance")
            .sum(-250, "instance", 1)
            .with(|line| line.price_nano = 1_000_000_000)
            .done(),
    );
    let invoice = finalize(&book(), &lines, "LYO-2026-000003");
    assert!(invoice.gross.minor() < 0, "{}", invoice.gross);
    accept("credit.html", &html(&invoice, Audience::Customer).expect("html"));
}

const HOSTILE: &str = "<script>alert('x')</script>\"onload=&amp; \u{202e}gnp.exe";

fn hostile() -> (PriceBook, Vec<RatedLine>) {
    let mut book = book();
    let text = || HOSTILE.to_owned();
    for party in &mut book.parties {
        party.name = text();
        party.address.lines = vec![text()];
        party.address.city = text();
        party.tax_id = Some(text());
        party.email = Some(text());
        party.payment_note = Some(text());
    }
    let account = &mut book.accounts[0];
    account.name = text();
    account.address.lines = vec![text(), "x".repeat(400)];
    account.tax_id = Some(text());
    book.tax_categories[2].code = text();
    book.tax_categories[2].note = Some(text());
    let line = line("a")
        .resource("instance", &HOSTILE.replace(char::is_control, ""))
        .with(|line| {
            line.service = text();
            line.project = Some(text());
            line.site = Some("y".repeat(300));
            line.resource_kind = text();
            line.unit.name = text();
            line.attributes.insert("flavor".to_owned(), text());
        })
        .done();
    (book, vec![line])
}

#[test]
fn hostile_names_stay_text() {
    let (book, lines) = hostile();
    let number = "<img/src=x/onerror=alert(1)>";
    for audience in [Audience::Customer, Audience::Provider] {
        let document = html(&finalize(&book, &lines, number), audience).expect("html");
        assert!(!document.contains("<script"), "{audience:?}");
        assert!(!document.contains("<img"), "{audience:?}");
        assert!(!document.contains("\"onload"), "{audience:?}");
        let footer = r#"content:"Invoice \3c img\2f src\3d x\2f onerror\3d alert\28 1\29 \3e ""#;
        assert!(document.contains(footer), "{audience:?}");
    }
    accept(
        "hostile.html",
        &html(&finalize(&book, &lines, number), Audience::Customer).expect("html"),
    );
}

#[test]
fn a_customers_document_holds_nothing_of_the_split() {
    let invoice = finalize(&book(), &short(), "LYO-2026-000001");
    let customer = html(&invoice, Audience::Customer).expect("html");
    let provider = html(&invoice, Audience::Provider).expect("html");
    let body = |document: &str| document.rsplit_once("</style>").expect("a body").1.to_lowercase();
    for word in ["acme", "royalty", "proceeds", "franchis", "split", "agreement", "lyon-2026"] {
        assert!(!body(&customer).contains(word), "{word}");
    }
    for word in ["acme", "royalty", "proceeds", "split", "33.333 %"] {
        assert!(body(&provider).contains(word), "{word}");
    }
}

#[test]
fn a_document_of_ten_thousand_charges_lists_them_all() {
    let template = line("a").done();
    let lines: Vec<RatedLine> = (0..10_000)
        .map(|n| RatedLine {
            line_id: format!("l{n}"),
            resource: format!("openstack/instance/i-{n:05}").parse().expect("id"),
            project: Some(format!("project-{:02}", n % 40)),
            ..template.clone()
        })
        .collect();
    let invoice = finalize(&book(), &lines, "LYO-2026-000001");
    let document = html(&invoice, Audience::Customer).expect("html");
    assert_eq!(document.matches("<tr id=\"line-").count(), 10_000);
    assert!(document.contains("id=\"line-10000\""));
    // About 400 bytes a row: a browser opens it at once.
    assert!(document.len() < 6_000_000, "{} bytes", document.len());
    if let Some(folder) = std::env::var_os("TURNPIKE_EXAMPLES") {
        std::fs::write(Path::new(&folder).join("ten-thousand.html"), &document).expect("written");
    }
}

#[test]
fn the_same_invoice_gives_the_same_bytes_under_one_policy() {
    let invoice = finalize(&book(), &short(), "LYO-2026-000001");
    let document = html(&invoice, Audience::Customer).expect("html");
    assert_eq!(document, html(&invoice.clone(), Audience::Customer).expect("html"));
    // Two style sheets: the common one, and the number at the foot of printed pages.
    assert_eq!(document_policy(&document).matches("'sha256-").count(), 2);
    assert!(document.contains(r#"@bottom-left{content:"Invoice LYO-2026-000001"}"#));
    for outside in ["http://", "https://", "url(", "@import", " style=", "<script", "<link"] {
        assert!(!document.contains(outside), "{outside}");
    }
}
