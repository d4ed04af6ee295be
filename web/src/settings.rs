//! [`WebSettings`]: what the pages need to know besides their data.

use std::fmt;

use thiserror::Error;

/// A shorter secret could be guessed; 32 characters of hex are 128 bits.
pub const SECRET_CHARS_MIN: usize = 32;

#[derive(Debug, Error)]
pub enum SecretError {
    #[error("a secret of {0} characters is too short: at least {SECRET_CHARS_MIN} are needed")]
    Short(usize),
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
}

/// A text that is never printed. Equality takes the same time for every text of one length.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        match text.chars().count() {
            count if count < SECRET_CHARS_MIN => Err(SecretError::Short(count)),
            _ => Ok(Self(text)),
        }
    }

    /// 256 random bits in hex.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// For the one place that stores it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What the pages need to know besides their data.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// What an operator signs in with. `None`: whoever reaches the loopback interface is the
    /// operator; [`crate::serve`] refuses any other interface then.
    pub operator_token: Option<Secret>,
    /// Signs portal links and sessions. Of this installation alone; stored in its data folder.
    pub portal_secret: Secret,
    /// Where people reach the pages, such as `https://billing.example`. With `https` cookies are
    /// marked secure and browsers are told to stay with it.
    pub public_url: Option<String>,
    /// How long somebody stays signed in.
    pub session_hours: u32,
    /// How long a portal link can be used.
    pub portal_link_days: u32,
    /// How long running requests are given when the server stops, in seconds.
    pub drain_seconds: u64,
    /// The largest body with usage events, unpacked, in bytes.
    pub body_bytes_max: usize,
    /// The most items of such a body.
    pub items_max: usize,
    /// Threads that answer requests.
    pub workers: usize,
    /// Of the program, shown in the foot of every page.
    pub version: &'static str,
}

impl WebSettings {
    /// A quarter of the queue that it waits in.
    pub const BODY_BYTES_MAX: usize = 16 << 20;
    /// At 1.6 KiB an event as large as the largest body.
    pub const ITEMS_MAX: usize = 10_000;

    /// The defaults of an installation with this secret.
    pub fn new(portal_secret: Secret) -> Self {
        Self {
            operator_token: None,
            portal_secret,
            public_url: None,
            session_hours: 12,
            portal_link_days: 30,
            drain_seconds: 30,
            body_bytes_max: Self::BODY_BYTES_MAX,
            items_max: Self::ITEMS_MAX,
            workers: 2,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Whether people reach the pages by https only.
    pub fn is_https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}
