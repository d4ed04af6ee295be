//! `/sign-in` and `/sign-out`: an operator shows the operator token.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Form, Query};
use askama::Template;
use serde::Deserialize;

use super::Page;
use super::shell::{Place, Shell};
use crate::access::{
    Kind, Operator, Role, SameOrigin, Session, equal, session_cookie, sign_out_cookie,
};
use crate::app::App;
use crate::envelope::SpeaksForItself;
use crate::error::WebError;
use crate::paging::address as address_with;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInForm {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInView {
    shell: Shell,
    next: String,
    refused: bool,
}

/// A wrong token costs this long. With 128 bits to guess it only keeps the log short.
const REFUSAL_DELAY: Duration = Duration::from_millis(500);

/// Where somebody who must sign in is sent, and sent back from.
pub fn address(next: &str) -> String {
    address_with("/sign-in", &[("next", inside(next))])
}

/// Only a path of this site: `//evil.example` and `/\evil.example` lead elsewhere.
fn inside(next: &str) -> &str {
    let path = next.starts_with('/') && !next.starts_with("//");
    let plain = next.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    if path && plain && next != "/" { next } else { "" }
}

pub async fn form(app: Data<App>, query: Query<SignInQuery>) -> Page {
    page(&app, &query.next, false)
}

fn page(app: &App, next: &str, refused: bool) -> Page {
    if app.state.settings.operator_token.is_none() {
        return Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).finish());
    }
    let shell = Shell::bare(app, Place::Elsewhere);
    let view = SignInView { shell, next: inside(next).to_owned(), refused };
    let status = if refused { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let mut response =
        HttpResponse::build(status).content_type("text/html; charset=utf-8").body(view.render()?);
    response.extensions_mut().insert(SpeaksForItself);
    Ok(response)
}

pub async fn sign_in(_: SameOrigin, app: Data<App>, form: Form<SignInForm>) -> Page {
    let settings = &app.state.settings;
    let given = form.token.trim();
    let right = settings.operator_token.as_ref().is_some_and(|token| equal(token.expose(), given));
    if !right {
        tracing::warn!("an operator token was refused");
        tokio::time::sleep(REFUSAL_DELAY).await;
        return page(&app, &form.next, true);
    }
    let session = Session::start(settings, Role::Operator, app.state.now())
        .map_err(|error| WebError::internal("starting a session", error))?;
    let next = match inside(&form.next) {
        "" => "/",
        next => next,
    };
    Ok(HttpResponse::SeeOther()
        .cookie(session_cookie(settings, &session))
        .insert_header((header::LOCATION, next))
        .finish())
}

pub async fn sign_out(_: SameOrigin, operator: Operator, app: Data<App>) -> Page {
    if let Some(session) = &operator.session {
        app.ended_sessions.end(session, app.state.now());
    }
    Ok(HttpResponse::SeeOther()
        .cookie(sign_out_cookie(&app.state.settings, Kind::Operator))
        .insert_header((header::LOCATION, "/sign-in"))
        .finish())
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let check = |next: &str, kept: bool| assert_eq!(!inside(next).is_empty(), kept, "{next}");
        check("/invoices?status=draft&q=a%20b", true);
        check("/", false);
        check("//evil.example", false);
        check("/\\evil.example", false);
        check("https://evil.example", false);
        check("/a\r\nSet-Cookie: x", false);
        check("", false);
    }
}
