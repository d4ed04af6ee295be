//! Drafts over the fixture's book, for tests.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::{Days, NaiveDate};
use turnpike_schemas::invoice::{InvoiceStatus, TaxLine};
use turnpike_schemas::*;

use super::{FinalizeRequest, Finalized, FinalizedInvoice, NumberedDraft};
use crate::run::tests::{import, instant, run};
use crate::{Books, FinalizeError, parse_book};

const BOOK: &str = include_str!("../../fixtures/network.toml");

/// The account's book entries and the invoice's charges of a month: two lines at prices of thirds,
/// so that rounding and splitting have something to do.
pub(crate) fn draft(id: &str, account: &str, month: &str, run: &str) -> Invoice {
    let book = parse_book(BOOK).expect("the fixture is sound");
    let account = AccountId::new(account).expect(account);
    let account = book.account(&account).expect("of the fixture").clone();
    let seller = book.party(&account.seller).expect("its seller").clone();
    let currency = account.currency.expect("its currency");
    let period = Period::parse_month(month, account.time_zone).expect(month);
    let charges: Vec<Charge> = [(1, "vcpu", "10000"), (2, "volume", "731")]
        .map(|(line, meter, thirds)| charge(&book, &account, period, line, meter, thirds))
        .into();
    let net = Money::sum(charges.iter().map(|charge| &charge.net), currency).expect("net");
    let category = book.tax_category(&charges[0].tax_category).expect("category").clone();
    let rate = i64::from(category.rate_ppm) * 1_000;
    let per_major = currency.minor_per_major().into();
    let tax = Amount::from_price(net.minor().into(), rate, per_major, currency)
        .and_then(|amount| amount.round(Rounding::HalfAwayFromZero))
        .expect("tax");
    let tax_line = TaxLine {
        category: category.id,
        code: category.code,
        rate_ppm: category.rate_ppm,
        note: category.note,
        base: net,
        tax,
    };
    Invoice {
        id: InvoiceId::new(id).expect(id),
        status: InvoiceStatus::Draft,
        number: None,
        seller,
        account,
        currency,
        period,
        period_label: month.to_owned(),
        issue_date: None,
        due_date: None,
        run: RunId::new(run).expect(run),
        charges,
        taxes: vec![tax_line],
        net,
        tax,
        gross: net.checked_add(&tax).expect("gross"),
        estimated: false,
    }
}

fn charge(
    book: &PriceBook,
    account: &Account,
    period: Period,
    line: u32,
    meter: &str,
    thirds: &str,
) -> Charge {
    let currency = account.currency.expect("currency");
    let meter = book.meters.get(&MeterId::new(meter).expect(meter)).expect("a meter");
    let tariff = book.tariff(&account.tariffs[0].tariff).expect("tariff");
    let version =
        tariff.versions.iter().find(|version| version.in_force(period.start())).expect("version");
    let rate = version.rates.iter().rfind(|rate| rate.meter == meter.id).expect("rate");
    let agreement = book
        .agreements
        .iter()
        .find(|agreement| agreement.franchisee == account.seller)
        .expect("agreement");
    let exact = Amount::from_text(thirds, "3", currency).expect("exact");
    let net = exact.round(tariff.rounding).expect("net");
    let weights = agreement.weights(&meter.id, &meter.service).expect("weights");
    let parts = allocate(net, &weights).expect("shares");
    let parties = [(&agreement.franchisor, "royalty"), (&agreement.franchisee, "proceeds")];
    let shares = parties
        .into_iter()
        .zip(weights)
        .zip(parts)
        .map(|(((party, role), weight), money)| Share {
            party: party.clone(),
            role: role.to_owned(),
            weight_ppm: u32::try_from(weight).expect("ppm"),
            money,
        })
        .collect();
    Charge {
        line,
        kind: Default::default(),
        service: meter.service.clone(),
        description: meter.name.clone(),
        resource: ResourceId::new(format!("openstack/instance/i-{line}")).expect("resource"),
        resource_kind: "instance".to_owned(),
        project: Some("web".to_owned()),
        site: None,
        meter: meter.id.clone(),
        attributes: BTreeMap::new(),
        tariff: tariff.id.clone(),
        tariff_version: version.id.clone(),
        agreement: Some(agreement.id.clone()),
        tax_category: account.tax_category.clone().unwrap_or(rate.tax_category.clone()),
        aggregation: meter.aggregation,
        quantity: i128::from(i64::MAX) * 1_000,
        scale: meter.scale,
        seconds: period.seconds(),
        price_nano: rate.price_nano,
        unit: rate.unit.clone(),
        per: rate.per,
        per_seconds: 3_600,
        service_period: period,
        exact,
        rounding: tariff.rounding,
        net,
        shares,
        rated_lines: vec![format!("line-{line}")],
        estimated: false,
    }
}

/// What the invoice builder does with a number.
pub(crate) fn make(numbered: NumberedDraft<'_>) -> Result<FinalizedInvoice, Infallible> {
    let mut invoice = numbered.draft.clone();
    invoice.status = InvoiceStatus::Finalized;
    invoice.number = Some(numbered.number.to_owned());
    invoice.issue_date = Some(numbered.issue_date);
    let days = Days::new(invoice.seller.payment_days.into());
    invoice.due_date = numbered.issue_date.checked_add_days(days);
    let customer_html = format!("<p>{}</p>", numbered.number);
    Ok(FinalizedInvoice { invoice, provider_html: format!("{customer_html}<p/>"), customer_html })
}

/// A book with a run over it.
pub(crate) async fn prepare(books: &Books) {
    import(books).await;
    let record = run("run-1", "2026-10", "2026-11-01T01:00:00Z");
    books.record_run(&record, &[], &[]).await.expect("records");
}

pub(crate) fn request(id: &InvoiceId) -> FinalizeRequest<'_> {
    FinalizeRequest { id, now: instant("2026-11-02T09:30:00Z"), issue_date: None, actor: "test" }
}

pub(crate) async fn finalize(books: &Books, id: &str) -> Result<Finalized, FinalizeError> {
    let id = InvoiceId::new(id).expect(id);
    books.finalize(&Scope::Provider, request(&id), make).await
}

/// Stores a draft and finalizes it.
pub(crate) async fn invoiced(books: &Books, id: &str, account: &str, month: &str) -> Finalized {
    books.put_draft(&draft(id, account, month, "run-1")).await.expect("stores");
    finalize(books, id).await.expect("finalizes")
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().expect(text)
}
