//! Static files, built into the program and served under the hash of their content.

use std::sync::LazyLock;

use actix_web::http::header::{self, EntityTag, IfNoneMatch};
use actix_web::{HttpResponse, web};
use turnpike_schemas::canonical::sha256_hex;

use crate::error::WebError;

/// One file: its name says its type, its address its content.
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    hash: String,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = sha256_hex(bytes).chars().take(16).collect();
        Self { name, content_type, bytes, hash }
    }

    pub fn address(&self) -> String {
        format!("/static/{}/{}", self.hash, self.name)
    }
}

/// Every static file there is.
pub struct Assets {
    pub css: Asset,
    pub js: Asset,
    pub theme_js: Asset,
    pub logo: Asset,
}

pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    css: Asset::new(
        "turnpike.css",
        "text/css; charset=utf-8",
        include_bytes!("../static/turnpike.css"),
    ),
    js: Asset::new("turnpike.js", JAVASCRIPT, include_bytes!("../static/turnpike.js")),
    theme_js: Asset::new("theme.js", JAVASCRIPT, include_bytes!("../static/theme.js")),
    logo: Asset::new("turnpike.svg", "image/svg+xml", include_bytes!("../static/turnpike.svg")),
});

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

impl Assets {
    fn find(&self, hash: &str, name: &str) -> Option<&Asset> {
        [&self.css, &self.js, &self.theme_js, &self.logo]
            .into_iter()
            .find(|asset| asset.name == name && asset.hash == hash)
    }
}

/// `GET /static/{hash}/{name}`. Another content has another address, so it may be kept for ever.
pub async fn serve_asset(
    path: web::Path<(String, String)>,
    known: web::Header<IfNoneMatch>,
) -> Result<HttpResponse, WebError> {
    let (hash, name) = path.into_inner();
    let asset = ASSETS.find(&hash, &name).ok_or(WebError::NotFound)?;
    // Weak: gzip and plain are one file to whoever keeps it, and not the same bytes.
    let tag = EntityTag::new_weak(asset.hash.clone());
    let unchanged = match known.into_inner() {
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(&tag)),
        IfNoneMatch::Any => false,
    };
    let mut response = match unchanged {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response
        .insert_header(header::ETag(tag))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::CONTENT_TYPE, asset.content_type));
    Ok(if unchanged { response.finish() } else { response.body(asset.bytes) })
}
