//! [`App`]: the state of the pages, and which address leads where.

use actix_web::web::{self, Data, ServiceConfig, get, head, post};
use actix_web::{FromRequest, Handler, Resource, Responder};

use crate::WebState;
use crate::access::{EndedSessions, KeyCache};
use crate::api::{self, Purge};
use crate::assets::serve_asset;
use crate::error::WebError;
use crate::pages;
use crate::reads::{BillCache, BreakdownCache, EventCountsCache};

/// What every handler has at hand.
pub struct App {
    pub state: WebState,
    pub ended_sessions: EndedSessions,
    pub bills: BillCache,
    pub breakdowns: BreakdownCache,
    pub event_counts: EventCountsCache,
    pub keys: KeyCache,
    pub purge: Purge,
}

impl App {
    pub fn new(state: WebState) -> Self {
        Self {
            state,
            ended_sessions: EndedSessions::default(),
            bills: BillCache::default(),
            breakdowns: BreakdownCache::default(),
            event_counts: EventCountsCache::default(),
            keys: KeyCache::default(),
            purge: Purge::default(),
        }
    }
}

/// Forms carry a token and no more.
const FORM_BYTES_MAX: usize = 4_096;

/// Addresses that are there on every listener.
pub fn common(config: &mut ServiceConfig, app: &Data<App>) {
    config
        .app_data(app.clone())
        .app_data(web::FormConfig::default().limit(FORM_BYTES_MAX))
        .app_data(web::PayloadConfig::new(FORM_BYTES_MAX))
        .default_service(web::to(|| async { Err::<&str, _>(WebError::NotFound) }));
}

/// Health and metrics.
pub fn admin(config: &mut ServiceConfig) {
    config
        .service(read("/healthz", pages::health::healthz))
        .service(read("/readyz", pages::health::readyz))
        .service(read("/metrics", pages::health::metrics));
}

/// What programs ask for.
pub fn api(config: &mut ServiceConfig) {
    config
        .service(web::resource("/v1/events").route(post().to(api::events::submit)))
        .service(web::resource("/v1/events/{system}").route(post().to(api::events::submit_system)));
}

/// The pages.
pub fn pages(config: &mut ServiceConfig) {
    config
        .service(read("/", pages::overview::overview))
        .service(read("/accounts", pages::accounts::accounts))
        .service(read("/accounts/{account}", pages::account::account))
        .service(read("/accounts/{account}/bill/json", pages::bill::of_account))
        .service(read("/invoices", pages::invoices::invoices))
        .service(read("/invoices/{invoice}", pages::invoice::invoice))
        .service(read("/invoices/{invoice}/document", pages::invoice::document))
        .service(read("/invoices/{invoice}/json", pages::invoice::json))
        .service(read("/attention", pages::attention::attention))
        .service(read("/sign-in", pages::sign_in::form).route(post().to(pages::sign_in::sign_in)))
        .service(web::resource("/sign-out").route(post().to(pages::sign_in::sign_out)))
        .service(read("/portal", pages::portal::portal))
        .service(read("/portal/bill/json", pages::bill::of_customer))
        .service(read("/portal/invoices/{invoice}", pages::portal_invoice::invoice))
        .service(read("/portal/invoices/{invoice}/document", pages::portal_invoice::document))
        .service(read("/portal/invoices/{invoice}/json", pages::portal_invoice::json))
        .service(
            read("/portal/link/{account}/{token}", pages::portal_link::show)
                .route(post().to(pages::portal_link::enter)),
        )
        .service(web::resource("/portal/sign-out").route(post().to(pages::portal_link::sign_out)))
        .service(read("/static/{hash}/{name}", serve_asset))
        .service(read("/robots.txt", pages::robots));
}

/// An address that is only read: `GET`, and `HEAD` by the same handler.
fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(get().to(handler.clone())).route(head().to(handler))
}
