//! `/portal/link/{account}/{token}`: a portal link is shown a button, which starts a session.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use askama::Template;

use super::shell::{Place, Shell};
use super::{Page, html};
use crate::access::{
    Customer, Kind, Role, SameOrigin, Session, check_link, session_cookie, sign_out_cookie,
};
use crate::app::App;
use crate::error::WebError;

#[derive(Template)]
#[template(path = "portal_link.html")]
struct PortalLinkView {
    shell: Shell,
    action: String,
}

/// Changes nothing: scanners of mail open links too.
pub async fn show(app: Data<App>, path: Path<(String, String)>) -> Page {
    let (account, token) = path.into_inner();
    let account = check_link(&app.state.settings, &account, &token, app.state.now());
    let account = account.ok_or(WebError::NotFound)?;
    let action = format!("/portal/link/{account}/{token}");
    html(&PortalLinkView { shell: Shell::bare(&app, Place::Portal), action })
}

pub async fn enter(_: SameOrigin, app: Data<App>, path: Path<(String, String)>) -> Page {
    let (account, token) = path.into_inner();
    let settings = &app.state.settings;
    let account = check_link(settings, &account, &token, app.state.now());
    let role = Role::Customer(account.ok_or(WebError::NotFound)?);
    let session = Session::start(settings, role, app.state.now())
        .map_err(|error| WebError::internal("starting a session", error))?;
    Ok(HttpResponse::SeeOther()
        .cookie(session_cookie(settings, &session))
        .insert_header((header::LOCATION, "/portal"))
        .finish())
}

/// `POST /portal/sign-out`.
pub async fn sign_out(_: SameOrigin, customer: Customer, app: Data<App>) -> Page {
    app.ended_sessions.end(&customer.session, app.state.now());
    Ok(HttpResponse::SeeOther()
        .cookie(sign_out_cookie(&app.state.settings, Kind::Customer))
        .insert_header((header::LOCATION, "/portal"))
        .finish())
}
