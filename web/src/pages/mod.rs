//! One file per page: a handler that parses, reads and returns a view, and the view.

pub mod account;
pub mod accounts;
pub mod attention;
pub mod bill;
pub mod failure;
pub mod health;
pub mod invoice;
pub mod invoices;
pub mod overview;
pub mod portal;
pub mod portal_invoice;
pub mod portal_link;
pub mod shell;
pub mod sign_in;

use actix_web::HttpResponse;
use actix_web::http::header;
use askama::Template;

use crate::error::WebError;

/// The answer of a handler.
pub type Page = Result<HttpResponse, WebError>;

pub fn html(view: &impl Template) -> Page {
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(view.render()?))
}

/// `GET /robots.txt`: invoices are no business of search engines.
pub async fn robots() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type("text/plain; charset=utf-8")
        .body("User-agent: *\nDisallow: /\n")
}
