//! [`SameOrigin`]: forms are accepted from our own pages alone.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};

use super::local::host;
use crate::error::WebError;

/// Proof that a request which changes something was sent by one of our own pages.
///
/// Browsers say so on `https` and on loopback addresses (`Sec-Fetch-Site`); where that is absent,
/// `Origin` must be the address asked. Neither can be set by a page.
#[derive(Debug)]
pub struct SameOrigin(());

impl FromRequest for SameOrigin {
    type Error = WebError;
    type Future = Ready<Result<Self, WebError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = |name: &str| request.headers().get(name).and_then(|text| text.to_str().ok());
        let (site, origin) = (header("sec-fetch-site"), header("origin"));
        ready(match is_same_origin(site, origin, host(request)) {
            true => Ok(Self(())),
            false => Err(WebError::Refused(
                "This form did not come from a page of this site, or the browser did not say so. \
                 Use https or a loopback address.",
            )),
        })
    }
}

fn is_same_origin(site: Option<&str>, origin: Option<&str>, host: Option<&str>) -> bool {
    match (site, origin, host) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, named)| named.eq_ignore_ascii_case(host))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same_origin;

    #[test]
    fn forms_come_from_our_own_pages() {
        let check = |site: Option<&str>, origin: Option<&str>, accepted: bool| {
            let host = Some("bill.example:8080");
            assert_eq!(is_same_origin(site, origin, host), accepted, "{site:?} {origin:?}");
        };
        check(Some("same-origin"), None, true);
        check(Some("same-site"), Some("http://bill.example:8080"), false);
        check(Some("cross-site"), None, false);
        check(Some("none"), None, false);
        check(None, Some("http://bill.example:8080"), true);
        check(None, Some("http://bill.example:80"), false);
        check(None, Some("http://evil.example"), false);
        check(None, Some("null"), false);
        check(None, None, false);
    }
}
