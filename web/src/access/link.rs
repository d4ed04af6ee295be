//! Portal links: an account and an expiry, signed.

use turnpike_schemas::{AccountId, Instant};

use super::mac::{equal, mac};
use crate::WebSettings;

const PURPOSE: &str = "turnpike portal link 1";

/// The path of an account's portal link, to put behind the address of the pages:
/// `/portal/link/ACCOUNT/EXPIRY-MAC`. Whoever has it sees this account's invoices until it
/// expires.
pub fn portal_link(settings: &WebSettings, account: &AccountId, now: Instant) -> String {
    // Links made within one day are the same, so a page can be reloaded without making new ones.
    let today = now.floor_seconds().div_euclid(DAY_SECONDS);
    let days = today.saturating_add(i64::from(settings.portal_link_days));
    let expires = days.saturating_add(1).saturating_mul(DAY_SECONDS);
    format!("/portal/link/{account}/{expires}-{}", sign(settings, account, expires))
}

const DAY_SECONDS: i64 = 86_400;

/// The account of a link that is valid now. Nothing is looked up, so the answer says nothing about
/// which accounts there are.
pub fn check_link(
    settings: &WebSettings,
    account: &str,
    token: &str,
    now: Instant,
) -> Option<AccountId> {
    let account = AccountId::new(account).ok()?;
    let (expires, given) = token.split_once('-')?;
    let expires: i64 = expires.parse().ok()?;
    let valid = equal(&sign(settings, &account, expires), given);
    (valid && now.floor_seconds() < expires).then_some(account)
}

fn sign(settings: &WebSettings, account: &AccountId, expires: i64) -> String {
    let secret = settings.portal_secret.expose();
    mac(secret, &[PURPOSE, account.as_str(), &expires.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn a_link_is_for_its_account_and_its_time() {
        let settings = WebSettings::new(Secret::new("s".repeat(32)).expect("secret"));
        let other = WebSettings::new(Secret::new("t".repeat(32)).expect("secret"));
        let at = |text: &str| Instant::parse(text).expect(text);
        let (a, b) = (AccountId::new("a").expect("id"), AccountId::new("b").expect("id"));
        let link = portal_link(&settings, &a, at("2026-11-20T10:00:00Z"));
        let token = link.strip_prefix("/portal/link/a/").expect("the path of the link");
        let check = |settings: &WebSettings, account: &AccountId, now: &str, ok: bool| {
            let found = check_link(settings, account.as_str(), token, at(now));
            assert_eq!(found.is_some(), ok, "{account} {now}");
        };
        check(&settings, &a, "2026-11-20T10:00:00Z", true);
        check(&settings, &a, "2026-12-20T23:59:59Z", true);
        check(&settings, &a, "2026-12-21T00:00:00Z", false);
        check(&settings, &b, "2026-11-20T10:00:00Z", false);
        check(&other, &a, "2026-11-20T10:00:00Z", false);
        for bad in ["", "-", "1-", "99999999999-00", "x", "../../etc/passwd"] {
            assert!(check_link(&settings, "a", bad, at("2026-11-20T10:00:00Z")).is_none());
        }
    }
}
