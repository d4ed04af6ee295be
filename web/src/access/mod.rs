//! Who asks: operators, customers, and everybody else.
//!
//! There are no user accounts yet. Until there are:
//!
//! - **Operators** sign in with the operator token of the settings. Without one, whoever reaches
//!   the loopback interface is the operator: [`crate::serve`] refuses to listen anywhere else, and
//!   the `Host` header must name this machine, so that a foreign page cannot reach it through a
//!   name of its own (DNS rebinding).
//! - **Customers** get a portal link from their provider: [`portal_link`], an address that only
//!   the holder of the installation's secret can make (256-bit HMAC over account and expiry).
//!   Opening it changes nothing, so mail scanners may; a button exchanges it for a session that is
//!   bound to this one account.
//!
//! Both end in a session cookie: `HttpOnly`, `SameSite=Lax`, signed, with an expiry inside. A
//! session ends on this side when somebody signs out; a list of ended sessions is kept until they
//! would have expired, in memory. Another operator token ends every operator's session, another
//! portal secret every session and link.
//!
//! **Programs** have API keys ([`authorize`]), which are good for `/v1/` and `/metrics` alone.
//!
//! Handlers name [`Operator`] or [`Customer`] as a parameter and read with the [`Scope`] in it;
//! nothing else of a request decides what is seen.

mod forms;
mod key;
mod link;
mod local;
mod mac;
mod session;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Ready, ready};
use turnpike_schemas::{AccountId, Scope};

use crate::app::App;
use crate::error::WebError;

pub use forms::SameOrigin;
pub use key::{KeyCache, MintedKey, authorize, mint_key};
pub use link::{check_link, portal_link};
pub use local::is_local;
pub use mac::equal;
pub use session::{EndedSessions, Kind, Role, Session, session_cookie, sign_out_cookie};

/// Somebody who may see everything.
#[derive(Debug, Clone)]
pub struct Operator {
    pub scope: Scope,
    /// Absent where the loopback interface is trusted: there is nothing to sign out of.
    pub session: Option<Session>,
}

/// Somebody who may see one account.
#[derive(Debug, Clone)]
pub struct Customer {
    pub account: AccountId,
    pub scope: Scope,
    pub session: Session,
}

impl FromRequest for Operator {
    type Error = WebError;
    type Future = Ready<Result<Self, WebError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(operator(request))
    }
}

impl FromRequest for Customer {
    type Error = WebError;
    type Future = Ready<Result<Self, WebError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(customer(request))
    }
}

fn app(request: &HttpRequest) -> Result<&web::Data<App>, WebError> {
    request.app_data::<web::Data<App>>().ok_or(WebError::Broken("the application has no state"))
}

fn operator(request: &HttpRequest) -> Result<Operator, WebError> {
    let app = app(request)?;
    let settings = &app.state.settings;
    if settings.operator_token.is_none() {
        return match local::names_this_machine(request, settings) {
            true => Ok(Operator { scope: Scope::Provider, session: None }),
            false => Err(WebError::Refused(
                "This address does not name the machine the pages are served on.",
            )),
        };
    }
    match session::from_request(request, app, Kind::Operator) {
        Some(session) => Ok(Operator { scope: Scope::Provider, session: Some(session) }),
        None => Err(WebError::SignIn { next: request.uri().to_string() }),
    }
}

fn customer(request: &HttpRequest) -> Result<Customer, WebError> {
    let app = app(request)?;
    let session = session::from_request(request, app, Kind::Customer);
    let session = session.ok_or(WebError::NoPortalSession)?;
    match &session.role {
        Role::Customer(account) => Ok(Customer {
            account: account.clone(),
            scope: Scope::Customer(account.clone()),
            session,
        }),
        Role::Operator => Err(WebError::NoPortalSession),
    }
}
