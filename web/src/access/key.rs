//! API keys: `tp_live_<id>_<secret>`, 256 random bits behind a part that may be shown.
//!
//! With so many bits nothing can be guessed, so a plain SHA-256 is kept of it: a slow hash would
//! only cost the one who checks. What was looked up is remembered for [`REMEMBERED`], which is how
//! long a revoked key may still be used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Stopwatch};

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use sha2::{Digest, Sha256};
use turnpike_books::{ApiKey, Right};

use super::mac::equal;
use crate::api::ApiFailure;
use crate::app::App;
use crate::{Secret, SecretError};

/// Lets scanners of repositories and logs find a key that was left there.
const PREFIX: &str = "tp_live_";
const ID_CHARS: usize = 8;
const SECRET_CHARS: usize = 64;

/// How long a look-up is remembered.
const REMEMBERED: Duration = Duration::from_secs(2);
/// Keys remembered at a time; there are fewer producers than that.
const REMEMBERED_MAX: usize = 1_024;

/// A key as it is given to whoever will use it, once.
pub struct MintedKey {
    pub id: String,
    /// The whole key.
    pub secret: Secret,
    /// SHA-256 of the whole key, in hex.
    pub hash: String,
}

/// Makes a new key.
pub fn mint_key() -> Result<MintedKey, SecretError> {
    let id = Secret::generate()?.expose().get(..ID_CHARS).unwrap_or_default().to_owned();
    let whole = format!("{PREFIX}{id}_{}", Secret::generate()?.expose());
    let hash = hash(&whole);
    Ok(MintedKey { id, secret: Secret::new(whole)?, hash })
}

fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// The id within a key, where it has the form of one.
fn id_of(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (id.len() == ID_CHARS && secret.len() == SECRET_CHARS && hex(id) && hex(secret)).then_some(id)
}

/// Keys that were looked up a moment ago.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<HashMap<String, (Stopwatch, Option<ApiKey>)>>);

impl KeyCache {
    fn get(&self, id: &str) -> Option<Option<ApiKey>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, key) = known.get(id)?;
        (since.elapsed() < REMEMBERED).then(|| key.clone())
    }

    fn put(&self, id: &str, key: Option<ApiKey>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(id.to_owned(), (Stopwatch::now(), key));
    }
}

/// The key of a request, if it is genuine, not revoked and has the right.
pub async fn authorize(
    request: &HttpRequest,
    app: &App,
    right: Right,
) -> Result<ApiKey, ApiFailure> {
    let given = bearer(request).ok_or_else(|| {
        ApiFailure::unauthorized("an API key is needed: Authorization: Bearer tp_live_...")
    })?;
    let unknown = || ApiFailure::unauthorized("this API key is not valid here");
    let id = id_of(given).ok_or_else(unknown)?;
    let known = known(app, id).await?;
    // Compared even where there is none, so that time does not tell which ids exist.
    let stored = known.as_ref().map_or("", |key| key.key.hash.as_str());
    let genuine = equal(stored, &hash(given));
    let key = known.filter(|key| genuine && key.revoked_at.is_none()).ok_or_else(unknown)?;
    match key.has(right) {
        true => Ok(key),
        false => Err(ApiFailure::forbidden(format!(
            "this API key has not the right `{}`",
            right.as_str()
        ))),
    }
}

async fn known(app: &App, id: &str) -> Result<Option<ApiKey>, ApiFailure> {
    if let Some(known) = app.keys.get(id) {
        return Ok(known);
    }
    let key = app.state.books.key(id).await.map_err(|error| {
        tracing::error!(cause = ?error, "the books do not answer");
        let message = "The books do not answer; nothing was taken.";
        ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).after(5)
    })?;
    app.keys.put(id, key.clone());
    if let Some(key) = key.clone().filter(|key| key.revoked_at.is_none()) {
        let (books, now) = (app.state.books.clone(), app.state.now());
        tokio::spawn(async move {
            if let Err(error) = books.key_used(&key, now).await {
                tracing::warn!(cause = %error, "the use of a key was not noted");
            }
        });
    }
    Ok(key)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let text = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_different_and_tell_their_id() {
        let (one, two) = (mint_key().expect("a key"), mint_key().expect("a key"));
        assert_ne!(one.hash, two.hash);
        let text = one.secret.expose();
        assert_eq!(text.len(), PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS);
        assert_eq!(id_of(text), Some(one.id.as_str()));
        assert_eq!(hash(text), one.hash);
        assert_eq!(format!("{:?}", one.secret), "Secret(hidden)");
    }

    #[test]
    fn other_texts_are_no_keys() {
        let secret = "a".repeat(SECRET_CHARS);
        let check = |text: &str, expect: Option<&str>| assert_eq!(id_of(text), expect, "{text}");
        check(&format!("tp_live_01234567_{secret}"), Some("01234567"));
        check(&format!("tp_live_0123456_{secret}"), None);
        check(&format!("tp_live_01234567_{secret}0"), None);
        check(&format!("tp_live_0123456/_{secret}"), None);
        check(&format!("tp_test_01234567_{secret}"), None);
        check("", None);
    }
}
