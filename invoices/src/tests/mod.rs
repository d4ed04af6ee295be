//! Tests of the crate, on one small book.

mod check;
mod documents;
mod draft;
mod fees;
mod finalize;
mod format;
mod properties;

use std::collections::BTreeMap;

use turnpike_schemas::book::TaxCategory;
use turnpike_schemas::meter::{GIB, MeterCatalogue};
use turnpike_schemas::{
    Account, AccountId, Address, Aggregation, AgreementId, Amount, Currency, FranchiseAgreement,
    Instant, Invoice, InvoiceId, MeterId, Party, PartyId, PartyKind, Per, Period, PriceBook,
    PriceUnit, Rate, RatedLine, ResourceId, Rounding, RunId, Tariff, TariffId, TariffVersion,
    TariffVersionId, TaxCategoryId,
};

use crate::InvoiceError;

pub(super) fn instant(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

pub(super) fn currency(code: &str) -> Currency {
    Currency::new(code).expect(code)
}

fn address(line: &str, postal_code: &str, city: &str, country: &str) -> Address {
    Address {
        lines: vec![line.to_owned()],
        postal_code: postal_code.to_owned(),
        city: city.to_owned(),
        country: country.to_owned(),
    }
}

fn party(id: &str, name: &str, kind: PartyKind, series: &str, address: Address) -> Party {
    Party {
        id: PartyId::new(id).expect(id),
        name: name.to_owned(),
        kind,
        address,
        tax_id: Some("FR32123456789".to_owned()),
        email: Some(format!("billing@{id}.example")),
        invoice_series: series.to_owned(),
        payment_days: 30,
        payment_note: Some("IBAN FR76 3000 6000 0112 3456 7890 189, BIC AGRIFRPP".to_owned()),
    }
}

fn account() -> Account {
    Account {
        id: AccountId::new("bakery").expect("id"),
        name: "Boulangerie Martin SARL".to_owned(),
        seller: PartyId::new("lyon").expect("id"),
        currency: Some(currency("EUR")),
        time_zone: chrono_tz::Tz::Europe__Paris,
        address: address("8 place Bellecour", "69002", "Lyon", "FR"),
        tax_id: Some("FR83404833048".to_owned()),
        email: Some("compta@martin.example".to_owned()),
        owners: vec![],
        tariffs: vec![],
        tax_category: None,
    }
}

fn tax_category(id: &str, code: &str, rate_ppm: u32, note: Option<&str>) -> TaxCategory {
    let id = TaxCategoryId::new(id).expect(id);
    TaxCategory { id, code: code.to_owned(), rate_ppm, note: note.map(str::to_owned) }
}

fn agreement() -> FranchiseAgreement {
    FranchiseAgreement {
        id: AgreementId::new("lyon-2026").expect("id"),
        franchisor: PartyId::new("acme").expect("id"),
        franchisee: PartyId::new("lyon").expect("id"),
        valid_from: instant("2026-01-01T00:00:00Z"),
        valid_to: None,
        royalty_ppm: 333_330,
        terms: vec![],
    }
}

fn tariff() -> Tariff {
    let os = BTreeMap::from([("os".to_owned(), "windows".to_owned())]);
    let meter = MeterId::new("vcpu").expect("id");
    let unit = PriceUnit { name: "vCPU".to_owned(), base_units: 1 };
    let tax = TaxCategoryId::new("standard").expect("id");
    let linear = Rate::linear(meter, 41_600_000, unit, Per::Hour, tax);
    let rate = |conditions| Rate { conditions, ..linear.clone() };
    Tariff {
        id: TariffId::new("list").expect("id"),
        name: "List".to_owned(),
        currency: None,
        rounding: Rounding::HalfAwayFromZero,
        base: None,
        versions: vec![TariffVersion {
            id: TariffVersionId::new("list.2026-01").expect("id"),
            valid_from: instant("2026-01-01T00:00:00Z"),
            valid_to: None,
            rates: vec![rate(os), rate(BTreeMap::new())],
            included: Default::default(),
            hold: BTreeMap::new(),
            holding: BTreeMap::new(),
            fees: vec![],
            adjustments: vec![],
            detail: Default::default(),
        }],
    }
}

/// A franchisor, a franchisee under 33.333 %, one account of the franchisee, one tariff.
pub(super) fn book() -> PriceBook {
    let street = address("12 rue de la République", "69001", "Lyon", "FR");
    PriceBook {
        parties: vec![
            party("acme", "Acme Franchising SAS", PartyKind::Franchisor, "ACM", street.clone()),
            party("lyon", "Nuage de Lyon SAS", PartyKind::Franchisee, "LYO", street),
        ],
        sites: vec![],
        accounts: vec![account()],
        meters: MeterCatalogue::builtin(),
        tariffs: vec![tariff()],
        agreements: vec![agreement()],
        tax_categories: vec![
            tax_category("reverse", "AE", 0, Some("Reverse charge, article 196")),
            tax_category("reduced", "S", 55_000, None),
            tax_category("standard", "S", 200_000, None),
        ],
        sources: vec![],
        series: vec![],
        host_classes: vec![],
    }
}

pub(super) fn run() -> RunId {
    RunId::new("run_0192f0c8").expect("id")
}

pub(super) fn october() -> Period {
    Period::parse_month("2026-10", chrono_tz::Tz::Europe__Paris).expect("month")
}

pub(super) fn draft(book: &PriceBook, lines: &[RatedLine]) -> Result<Invoice, InvoiceError> {
    let account = book.accounts[0].id.clone();
    let id = InvoiceId::new("inv_0192f0c9").expect("id");
    let period = Period::parse_month("2026-10", book.accounts[0].time_zone).expect("month");
    crate::draft(book, &run(), &account, period, "2026-10", lines, id)
}

/// A rated line of a vCPU held for an hour at 0.0416, to be changed by [`Line`]'s functions.
pub(super) struct Line(RatedLine);

pub(super) fn line(id: &str) -> Line {
    Line(RatedLine {
        line_id: id.to_owned(),
        run: run(),
        kind: Default::default(),
        account: AccountId::new("bakery").expect("id"),
        seller: PartyId::new("lyon").expect("id"),
        project: None,
        site: Some("lyon-1".to_owned()),
        resource: ResourceId::new("openstack/instance/i-42").expect("id"),
        resource_kind: "instance".to_owned(),
        meter: MeterId::new("vcpu").expect("id"),
        service: "Compute".to_owned(),
        detail: String::new(),
        attributes: BTreeMap::new(),
        tariff: TariffId::new("list").expect("id"),
        tariff_version: TariffVersionId::new("list.2026-01").expect("id"),
        agreement: Some(AgreementId::new("lyon-2026").expect("id")),
        tax_category: TaxCategoryId::new("standard").expect("id"),
        aggregation: Aggregation::Held,
        quantity: 3_600_000_000,
        scale: 6,
        seconds: 3_600,
        price_nano: 41_600_000,
        unit: PriceUnit { name: "vCPU".to_owned(), base_units: 1 },
        per: Per::Hour,
        per_seconds: 3_600,
        currency: currency("EUR"),
        amount: Amount::zero(currency("EUR")),
        service_period: october(),
        intervals: 1,
        estimated: false,
    })
}

impl Line {
    /// `level` price units (bytes: GiB) held for `seconds`.
    pub fn held(mut self, level: i128, seconds: i64) -> Self {
        let scale = 10_i128.pow(self.0.scale);
        let base = i128::from(self.0.unit.base_units);
        self.0.quantity = level * scale * base * i128::from(seconds);
        self.0.seconds = seconds;
        self
    }

    /// Consumed units at scale 0, priced by the unit.
    pub fn sum(mut self, quantity: i128, unit: &str, base_units: i64) -> Self {
        self.0.aggregation = Aggregation::Sum;
        self.0.quantity = quantity;
        self.0.scale = 0;
        self.0.seconds = 0;
        self.0.unit = PriceUnit { name: unit.to_owned(), base_units };
        self.0.per = Per::Unit;
        self.0.per_seconds = 1;
        self
    }

    /// Held bytes, priced by the GiB.
    pub fn gib(mut self) -> Self {
        self.0.scale = 0;
        self.0.unit = PriceUnit { name: "GiB".to_owned(), base_units: GIB };
        self
    }

    pub fn price(mut self, price_nano: i64, per: Per, per_seconds: i64) -> Self {
        self.0.price_nano = price_nano;
        self.0.per = per;
        self.0.per_seconds = per_seconds;
        self
    }

    pub fn resource(mut self, kind: &str, name: &str) -> Self {
        let id = format!("openstack/{kind}/{name}");
        self.0.resource = ResourceId::new(id).expect("resource");
        self.0.resource_kind = kind.to_owned();
        self
    }

    pub fn meter(mut self, service: &str, meter: &str) -> Self {
        self.0.service = service.to_owned();
        self.0.meter = MeterId::new(meter).expect(meter);
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut RatedLine)) -> Self {
        change(&mut self.0);
        self
    }

    /// The line with the amount that its quantity and price give.
    pub fn done(mut self) -> RatedLine {
        let line = &mut self.0;
        let divisor = 10_i128.pow(line.scale)
            * i128::from(line.unit.base_units)
            * i128::from(line.per_seconds);
        line.amount = Amount::from_price(line.quantity, line.price_nano, divisor, line.currency)
            .expect("amount");
        self.0
    }

    /// The line with this exact amount: a plain count at a price of one nano or a minor unit.
    pub fn minor(self, minor: i64, code: &str) -> RatedLine {
        let currency = currency(code);
        let price_nano = 1_000_000_000 / currency.minor_per_major();
        self.sum(minor.into(), "request", 1)
            .with(|line| {
                line.currency = currency;
                line.price_nano = price_nano;
            })
            .done()
    }
}
