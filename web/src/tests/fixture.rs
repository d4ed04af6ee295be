//! An installation with two months of invoices, served on a free port.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::oneshot;
use turnpike_books::{
    Books, FinalizeRequest, FinalizedInvoice, ParkedRecord, RunRecord, RunStatus, UnassignedRecord,
};
use turnpike_ingest::http::{Slot, SubmitSettings, SubmitWriter, Submitter};
use turnpike_ingest::{IngestMetrics, IngestSettings};
use turnpike_invoices::Audience;
use turnpike_lake::{Lake, LakeSettings};
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{
    Account, AccountId, Aggregation, Amount, Instant, Invoice, InvoiceId, MeterId, OwnerRef, Per,
    Period, PriceBook, PriceUnit, RatedLine, ResourceId, RunId, TaxCategoryId,
};

use crate::{JobStatus, Metrics, Secret, SourceStatus, StatusBoard, WebSettings, WebState, serve};

pub const OPERATOR_TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const NOW: &str = "2026-11-20T12:00:00Z";
const BOOK: &str = include_str!("book.toml");

/// Two runs: the last month and the running one.
const RUNS: [(&str, &str); 2] = [("run_october", "2026-10"), ("run_november", "2026-11")];

pub fn instant(text: &str) -> Instant {
    Instant::parse(text).expect(text)
}

/// A running installation; dropped, it stops.
pub struct Site {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub settings: WebSettings,
    pub board: Arc<StatusBoard>,
    pub books: Books,
    lake: Lake,
    submitter: Submitter,
    writer: Option<SubmitWriter>,
    pub counted: Arc<IngestMetrics>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<(), crate::ServeError>>,
    _data: TempDir,
}

impl Site {
    /// What finally became of all events.
    pub async fn counts(&self) -> turnpike_lake::FinalCounts {
        let snapshot = self.lake.snapshot().await.expect("a snapshot");
        snapshot.final_counts().await.expect("counts")
    }
}

/// What a test wants to be otherwise.
#[derive(Default)]
pub struct Wishes {
    pub open: bool,
    pub admin: bool,
    pub empty: bool,
    pub public_url: Option<&'static str>,
    /// The largest body with events.
    pub body_bytes_max: Option<usize>,
}

impl Site {
    pub async fn start(wishes: Wishes) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", data.path().join("books.sqlite").display());
        let books = Books::open(&url).await.expect("books");
        let lake = LakeSettings { buckets: 2, ..LakeSettings::new(data.path().join("lake")) };
        let lake = Lake::open(lake, instant(NOW)).await.expect("lake");
        if !wishes.empty {
            fill(&books).await;
        }
        let secret = |text: &str| Secret::new(text).expect("a secret");
        let settings = WebSettings {
            operator_token: (!wishes.open).then(|| secret(OPERATOR_TOKEN)),
            public_url: wishes.public_url.map(str::to_owned),
            drain_seconds: 1,
            body_bytes_max: wishes.body_bytes_max.unwrap_or(WebSettings::BODY_BYTES_MAX),
            ..WebSettings::new(secret("the secret of an installation in a test"))
        };
        let board = Arc::new(StatusBoard::default());
        report(&board, wishes.empty);
        let counted = Arc::new(IngestMetrics::default());
        let slot = Slot::take(data.path(), "test").expect("a slot");
        let submit = SubmitSettings::new(IngestSettings::default());
        let clock: crate::Clock = Arc::new(|| instant(NOW));
        let (submitter, writer) =
            Submitter::start(lake.clone(), slot, &submit, clock, Arc::clone(&counted));
        let state = state(&books, &lake, &settings, &board, &submitter);
        state.metrics.ingest(vec![("http", Arc::clone(&counted))]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let admin = wishes.admin.then(|| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let address = listener.local_addr().expect("an address");
        let admin_address = admin.as_ref().map(|one| one.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { stopped.await.unwrap_or_default() };
        let served = tokio::spawn(serve(state, listener, admin, stopped));
        Self {
            address,
            admin: admin_address,
            settings,
            board,
            books,
            lake,
            submitter,
            writer: Some(writer),
            counted,
            stop: Some(stop),
            served,
            _data: data,
        }
    }

    /// What it was served from.
    pub fn state(&self) -> WebState {
        state(&self.books, &self.lake, &self.settings, &self.board, &self.submitter)
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) {
        let stop = self.stop.take().expect("it stops once");
        stop.send(()).expect("it runs");
        self.served.await.expect("it does not panic").expect("it stops cleanly");
        self.writer.take().expect("it ends once").finish().await;
    }
}

fn state(
    books: &Books,
    lake: &Lake,
    settings: &WebSettings,
    board: &Arc<StatusBoard>,
    submitter: &Submitter,
) -> WebState {
    WebState {
        books: books.clone(),
        lake: lake.clone(),
        clock: Arc::new(|| instant(NOW)),
        settings: settings.clone(),
        status: board.clone(),
        metrics: Metrics::new(),
        submitter: submitter.clone(),
    }
}

fn report(board: &StatusBoard, empty: bool) {
    if empty {
        return;
    }
    board.update(|status| {
        status.rated_as_of = Some(instant("2026-11-20T11:59:00Z"));
        status.sources = vec![SourceStatus {
            name: "kafka:usage/0".to_owned(),
            position: 123_456,
            lag: Some(42),
            watermark: Some(instant("2026-11-20T11:58:30Z")),
        }];
        status.jobs = vec![JobStatus { name: "compact", runs: 3, ..JobStatus::default() }];
        status.ingest.read = 10;
        status.ingest.accepted = 10;
    });
    let error = Some("the disk is full".to_owned());
    board.job_done("rate", instant("2026-11-20T11:59:00Z"), 1_234, error);
}

async fn fill(books: &Books) {
    books.import(BOOK, instant("2026-09-01T00:00:00Z"), "test").await.expect("the book imports");
    let book = books.price_book().await.expect("a book");
    for (run, label) in RUNS {
        record_run(books, run, label).await;
        for (index, account) in book.accounts.iter().enumerate() {
            if account.currency.is_none() {
                continue;
            }
            let invoice = draft(&book, account, run, label, index);
            books.put_draft(&invoice).await.expect("the draft is stored");
            if label == "2026-10" && account.id.as_str() != "hostile" {
                finalize(books, &invoice.id).await;
            }
        }
    }
}

async fn record_run(books: &Books, run: &str, label: &str) {
    let record = RunRecord {
        run: RunId::new(run).expect(run),
        label: label.to_owned(),
        as_of: instant("2026-11-20T11:59:00Z"),
        raw_version: 1,
        usage_version: 1,
        book_hash: books.price_book().await.expect("a book").hash(),
        code_version: "test".to_owned(),
        result_hash: "0".repeat(64),
        lines: 1,
        accounts: 4,
        totals: vec![],
        created_at: instant(if label == "2026-10" { "2026-11-01T06:00:00Z" } else { NOW }),
        status: RunStatus::Complete,
    };
    let parked = [ParkedRecord {
        account: AccountId::new("museum").expect("id"),
        code: "no-currency".to_owned(),
        text: "The book gives account museum no currency.".to_owned(),
    }];
    let unassigned = [UnassignedRecord {
        owner: Some(OwnerRef::new("openstack/nobody-<i>knows").expect("owner")),
        resource: ResourceId::new("openstack/instance/6f0c1b5e-lost").expect("resource"),
        meter: "vcpu".to_owned(),
        first_seen: instant("2026-11-03T10:00:00Z"),
        seconds: 86_400,
    }];
    books.record_run(&record, &parked, &unassigned).await.expect("the run is recorded");
}

async fn finalize(books: &Books, id: &InvoiceId) {
    let now = instant("2026-11-02T08:00:00Z");
    let request = FinalizeRequest { id, now, issue_date: None, actor: "test" };
    let made = books.finalize(&turnpike_schemas::Scope::Provider, request, |numbered| {
        let number = numbered.number.to_owned();
        let invoice =
            turnpike_invoices::finalized(numbered.draft, number, numbered.issue_date, true)?;
        let customer_html = turnpike_invoices::html(&invoice, Audience::Customer)?;
        let provider_html = turnpike_invoices::html(&invoice, Audience::Provider)?;
        Ok::<_, turnpike_invoices::InvoiceError>(FinalizedInvoice {
            invoice,
            customer_html,
            provider_html,
        })
    });
    made.await.expect("the draft is finalized");
}

fn draft(book: &PriceBook, account: &Account, run: &str, label: &str, index: usize) -> Invoice {
    let period = Period::parse_month(label, account.time_zone).expect(label);
    let lines = lines(account, run, period, i128::try_from(index).expect("few accounts"));
    let id = InvoiceId::new(format!("inv_{label}_{}", account.id)).expect("id");
    let run = RunId::new(run).expect(run);
    turnpike_invoices::draft(book, &run, &account.id, period, label, &lines, id).expect("a draft")
}

/// Service, meter, kind, held, level, price, unit, base units.
type Usage = (&'static str, &'static str, &'static str, bool, i128, i64, &'static str, i64);

const USAGE: [Usage; 5] = [
    ("Compute", "vcpu", "instance", true, 24, 41_600_000, "vCPU", 1),
    ("Compute", "memory", "instance", true, 96, 5_100_000, "GiB", GIB),
    ("Storage", "volume", "volume", true, 2_000, 120_000, "GiB", GIB),
    ("Network", "egress", "network", false, 812, 90_000_000, "GiB", GIB),
    ("Database", "db-instance", "database", true, 3, 85_000_000, "instance", 1),
];

fn lines(account: &Account, run: &str, period: Period, index: i128) -> Vec<RatedLine> {
    let sites = ["lyon-1", "madrid-1", "osaka-1"];
    let mut lines = Vec::new();
    for (number, usage) in USAGE.into_iter().enumerate() {
        for site in sites.iter().take(if account.id.as_str() == "hotel" { 3 } else { 1 }) {
            let site = if account.id.as_str() == "sushi" { "osaka-1" } else { site };
            lines.push(line(account, run, period, usage, site, number, index + 1));
        }
    }
    lines
}

fn line(
    account: &Account,
    run: &str,
    period: Period,
    usage: Usage,
    site: &str,
    number: usize,
    factor: i128,
) -> RatedLine {
    let (service, meter, kind, held, level, price, unit, base_units) = usage;
    let currency = account.currency.expect("a currency");
    let seconds = if held { 1_209_600 } else { 0 };
    let (aggregation, per, per_seconds) = match held {
        true => (Aggregation::Held, Per::Hour, 3_600),
        false => (Aggregation::Sum, Per::Unit, 1),
    };
    let quantity = level * factor * i128::from(base_units) * i128::from(seconds.max(1));
    let price_nano = if currency.code() == "JPY" { price * 160 } else { price };
    let divisor = i128::from(base_units) * i128::from(per_seconds);
    let name = format!("{}-{meter}-{number}-{site}", account.id);
    RatedLine {
        line_id: name.clone(),
        run: RunId::new(run).expect(run),
        kind: Default::default(),
        account: account.id.clone(),
        seller: account.seller.clone(),
        project: Some(format!("project-of-{}", account.id)),
        site: Some(site.to_owned()),
        resource: ResourceId::new(format!("openstack/{kind}/{name}")).expect("resource"),
        resource_kind: kind.to_owned(),
        meter: MeterId::new(meter).expect(meter),
        service: service.to_owned(),
        detail: String::new(),
        attributes: BTreeMap::new(),
        tariff: account.tariffs[0].tariff.clone(),
        tariff_version: format!("{}.2026-01", account.tariffs[0].tariff).parse().expect("id"),
        agreement: Some(format!("{}-2026", account.seller).parse().expect("id")),
        tax_category: TaxCategoryId::new("standard").expect("id"),
        aggregation,
        quantity,
        scale: 0,
        seconds,
        price_nano,
        unit: PriceUnit { name: unit.to_owned(), base_units },
        per,
        per_seconds,
        currency,
        amount: Amount::from_price(quantity, price_nano, divisor, currency).expect("amount"),
        service_period: period,
        intervals: 1,
        estimated: meter == "db-instance" && account.id.as_str() == "hotel",
    }
}
