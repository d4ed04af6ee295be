//! Sessions: a signed cookie with role, expiry and a random id, and the list of those ended.

use std::collections::BTreeMap;
use std::sync::Mutex;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use turnpike_schemas::{AccountId, Instant};

use super::mac::{equal, mac};
use crate::app::App;
use crate::{SecretError, WebSettings};

const PURPOSE: &str = "turnpike session 1";

/// Whom a session speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Operator,
    Customer(AccountId),
}

/// Kinds of sessions have cookies of their own: an operator may look at a portal as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Operator,
    Customer,
}

impl Role {
    pub fn kind(&self) -> Kind {
        match self {
            Role::Operator => Kind::Operator,
            Role::Customer(_) => Kind::Customer,
        }
    }
}

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub role: Role,
    /// 128 random bits in hex.
    pub id: String,
    /// UTC seconds.
    pub expires: i64,
}

impl Session {
    pub fn start(settings: &WebSettings, role: Role, now: Instant) -> Result<Self, SecretError> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
        let seconds = i64::from(settings.session_hours).saturating_mul(3_600);
        let expires = now.floor_seconds().saturating_add(seconds);
        Ok(Self { role, id: hex::encode(bytes), expires })
    }

    /// `ROLE~ID~EXPIRES~MAC`; an account id holds no `~`.
    fn to_text(&self, settings: &WebSettings) -> String {
        let role = match &self.role {
            Role::Operator => "operator".to_owned(),
            Role::Customer(account) => format!("customer:{account}"),
        };
        let expires = self.expires.to_string();
        let signature = sign(settings, &role, &self.id, &expires);
        format!("{role}~{}~{expires}~{signature}", self.id)
    }

    fn from_text(settings: &WebSettings, text: &str, now: Instant) -> Option<Self> {
        let parts: Vec<&str> = text.split('~').collect();
        let [role, id, expires, signature] = parts.as_slice() else {
            return None;
        };
        if !equal(&sign(settings, role, id, expires), signature) {
            return None;
        }
        let role = match role.split_once(':') {
            None if *role == "operator" => Role::Operator,
            Some(("customer", account)) => Role::Customer(AccountId::new(account).ok()?),
            _ => return None,
        };
        let session = Self { role, id: (*id).to_owned(), expires: expires.parse().ok()? };
        (now.floor_seconds() < session.expires).then_some(session)
    }
}

fn sign(settings: &WebSettings, role: &str, id: &str, expires: &str) -> String {
    // The operator token is part of what is signed: another token ends operators' sessions.
    let token = match (&settings.operator_token, role) {
        (Some(token), "operator") => token.expose(),
        _ => "",
    };
    mac(settings.portal_secret.expose(), &[PURPOSE, role, id, expires, token])
}

/// Sessions that ended before their time, with the expiry after which they need no remembering.
#[derive(Debug, Default)]
pub struct EndedSessions(Mutex<BTreeMap<String, i64>>);

impl EndedSessions {
    pub fn end(&self, session: &Session, now: Instant) {
        let mut ended = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.retain(|_, expires| *expires > now.floor_seconds());
        ended.insert(session.id.clone(), session.expires);
    }

    fn contains(&self, session: &Session) -> bool {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains_key(&session.id)
    }
}

/// The session of a kind that a request carries, if it is genuine and still on.
pub fn from_request(request: &HttpRequest, app: &App, kind: Kind) -> Option<Session> {
    let settings = &app.state.settings;
    let cookie = request.cookie(&cookie_name(settings, kind))?;
    let session = Session::from_text(settings, cookie.value(), app.state.now())?;
    (session.role.kind() == kind && !app.ended_sessions.contains(&session)).then_some(session)
}

pub fn session_cookie(settings: &WebSettings, session: &Session) -> Cookie<'static> {
    let seconds = i64::from(settings.session_hours).saturating_mul(3_600);
    cookie(settings, session.role.kind(), session.to_text(settings), seconds)
}

pub fn sign_out_cookie(settings: &WebSettings, kind: Kind) -> Cookie<'static> {
    cookie(settings, kind, String::new(), 0)
}

fn cookie(settings: &WebSettings, kind: Kind, value: String, seconds: i64) -> Cookie<'static> {
    Cookie::build(cookie_name(settings, kind), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(settings.is_https())
        .max_age(Duration::seconds(seconds))
        .finish()
}

/// Browsers take a `__Host-` cookie over https alone, so plain loopback has another name.
fn cookie_name(settings: &WebSettings, kind: Kind) -> String {
    let prefix = if settings.is_https() { "__Host-" } else { "" };
    let name = match kind {
        Kind::Operator => "turnpike-operator",
        Kind::Customer => "turnpike-portal",
    };
    format!("{prefix}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn settings() -> WebSettings {
        let secret = |text: &str| Secret::new(text.repeat(32)).expect("secret");
        WebSettings { operator_token: Some(secret("o")), ..WebSettings::new(secret("s")) }
    }

    #[test]
    fn sessions_come_back_until_they_expire() {
        let settings = settings();
        let now = Instant::parse("2026-11-20T10:00:00Z").expect("now");
        let account = AccountId::new("acme.1").expect("id");
        for role in [Role::Operator, Role::Customer(account)] {
            let session = Session::start(&settings, role, now).expect("session");
            let text = session.to_text(&settings);
            let at = |hours: i64| {
                let then = now.plus_seconds(hours * 3_600).expect("then");
                Session::from_text(&settings, &text, then)
            };
            assert_eq!(at(11), Some(session));
            assert_eq!(at(12), None);
        }
    }

    #[test]
    fn changed_cookies_and_changed_secrets_are_refused() {
        let settings = settings();
        let now = Instant::parse("2026-11-20T10:00:00Z").expect("now");
        let role = Role::Customer(AccountId::new("a").expect("id"));
        let text = Session::start(&settings, role, now).expect("session").to_text(&settings);
        for (from, to) in [("customer:a", "customer:b"), ("customer:a", "operator"), ("~1", "~9")] {
            let changed = text.replacen(from, to, 1);
            assert_eq!(Session::from_text(&settings, &changed, now), None, "{changed}");
        }
        let operator = Session::start(&settings, Role::Operator, now).expect("session");
        let other = Secret::new("p".repeat(32)).expect("secret");
        let changed = WebSettings { operator_token: Some(other), ..settings.clone() };
        assert_eq!(Session::from_text(&changed, &operator.to_text(&settings), now), None);
    }
}
