//! Whether a request comes from this machine and means this machine.

use actix_web::HttpRequest;

use crate::WebSettings;

/// From the loopback interface, to an address that names it. A proxy on this machine passes the
/// public name on, so what it forwards is not local.
pub fn is_local(request: &HttpRequest) -> bool {
    let peer = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    peer && host(request).is_some_and(is_loopback_name)
}

/// Whether the `Host` header names this machine, or the address that the settings say.
pub fn names_this_machine(request: &HttpRequest, settings: &WebSettings) -> bool {
    let Some(host) = host(request) else {
        return false;
    };
    let public = settings.public_url.as_deref().and_then(authority);
    is_loopback_name(host) || public.is_some_and(|public| public.eq_ignore_ascii_case(host))
}

pub fn host(request: &HttpRequest) -> Option<&str> {
    // HTTP/1.1 may carry the authority in the request line, where it wins (RFC 9112, 3.2.2).
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get("host")?.to_str().ok(),
    }
}

fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next()
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        let check = |host: &str, local: bool| assert_eq!(is_loopback_name(host), local, "{host}");
        check("localhost", true);
        check("LOCALHOST:8080", true);
        check("127.0.0.1:8080", true);
        check("127.8.8.8", true);
        check("[::1]:8080", true);
        check("[::1]", true);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example:80", false);
        check("192.168.1.5:8080", false);
        check("0.0.0.0", false);
        check("", false);
    }
}
