//! Pages of long lists: the page's number stands in the address.

/// Rows of one page.
pub const PAGE_ROWS: usize = 50;

/// Where a list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: usize,
    pub pages: usize,
    pub total: usize,
    /// Addresses of the pages around.
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Paging {
    /// `address` is the list's own with its filters, such as `/invoices?q=acme`.
    pub fn new(page: usize, total: usize, address: &str) -> Self {
        let pages = total.div_ceil(PAGE_ROWS).max(1);
        let page = page.clamp(1, pages);
        let separator = if address.contains('?') { '&' } else { '?' };
        let of = |number: usize| format!("{address}{separator}page={number}");
        Self {
            page,
            pages,
            total,
            previous: (page > 1).then(|| of(page.saturating_sub(1))),
            next: (page < pages).then(|| of(page.saturating_add(1))),
        }
    }

    pub fn offset(page: usize) -> usize {
        page.max(1).saturating_sub(1).saturating_mul(PAGE_ROWS)
    }
}

/// An address with those parameters that say something.
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", query.join("&")),
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stay_within_the_list() {
        let check = |page, total, at, pages, previous: Option<&str>, next: Option<&str>| {
            let paging = Paging::new(page, total, "/a?q=x");
            assert_eq!((paging.page, paging.pages), (at, pages), "{page} of {total}");
            assert_eq!((paging.previous.as_deref(), paging.next.as_deref()), (previous, next));
        };
        check(1, 0, 1, 1, None, None);
        check(0, 50, 1, 1, None, None);
        check(1, 51, 1, 2, None, Some("/a?q=x&page=2"));
        check(9, 51, 2, 2, Some("/a?q=x&page=1"), None);
        assert_eq!((Paging::offset(0), Paging::offset(1), Paging::offset(3)), (0, 0, 100));
    }

    #[test]
    fn addresses_carry_what_was_asked() {
        let check = |parameters: &[(&str, &str)], expect: &str| {
            assert_eq!(address("/invoices", parameters), expect);
        };
        check(&[("q", ""), ("status", "")], "/invoices");
        check(
            &[("q", "a b&c=ä"), ("status", "draft")],
            "/invoices?q=a%20b%26c%3D%C3%A4&status=draft",
        );
    }
}
