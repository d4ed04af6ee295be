//! [`Shell`]: what stands around every page.

use chrono_tz::Tz;
use turnpike_invoices::format;
use turnpike_schemas::Instant;

use crate::access::Operator;
use crate::app::App;
use crate::assets::{ASSETS, Assets};

/// A time for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub text: String,
    pub iso: String,
}

impl Stamp {
    pub fn new(instant: Instant, zone: Tz) -> Self {
        Self { text: format::instant(instant, zone), iso: instant.floored().to_string() }
    }

    /// Pages of the provider speak UTC: accounts of several time zones stand side by side.
    pub fn utc(instant: Instant) -> Self {
        Self::new(instant, Tz::UTC)
    }
}

/// Places of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Overview,
    Accounts,
    Invoices,
    Attention,
    Portal,
    Elsewhere,
}

/// What stands around every page.
pub struct Shell {
    pub assets: &'static Assets,
    pub version: &'static str,
    pub place: Place,
    pub home: &'static str,
    /// Where the sign-out button leads; `None`: there is nothing to sign out of.
    pub sign_out: Option<&'static str>,
    /// When the page was made.
    pub now: Option<Stamp>,
}

impl Shell {
    pub fn provider(app: &App, operator: &Operator, place: Place) -> Self {
        Self {
            home: "/",
            sign_out: operator.session.is_some().then_some("/sign-out"),
            ..Self::bare(app, place)
        }
    }

    pub fn portal(app: &App) -> Self {
        Self { sign_out: Some("/portal/sign-out"), ..Self::bare(app, Place::Portal) }
    }

    /// For somebody who has not signed in.
    pub fn bare(app: &App, place: Place) -> Self {
        Self {
            assets: &ASSETS,
            version: app.state.settings.version,
            place,
            home: if place == Place::Portal { "/portal" } else { "/" },
            sign_out: None,
            now: Some(Stamp::utc(app.state.now().floored())),
        }
    }

    pub fn is(&self, place: &Place) -> bool {
        self.place == *place
    }

    /// Whether the navigation of the provider is shown.
    pub fn is_provider(&self) -> bool {
        !matches!(self.place, Place::Portal | Place::Elsewhere)
    }
}
