//! [`Scan`]: one pass over JSON whose strings are ASCII. What it does not know for certain it refuses with `None`,
//! and the general parser says what is wrong, if anything is.

use turnpike_schemas::Instant;

/// Entries of one object that are compared pair by pair to find a key that stands twice.
const LABELS_MAX: usize = 16;

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Where the window begins that `ends` is about.
    window: usize,
    /// The bytes of the window that end a string, a bit each.
    ends: u64,
}

/// Bytes that are looked at together.
const WINDOW: usize = 64;

/// An object of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels<'a> {
    pub text: &'a str,
    pub count: usize,
    /// The text is the canonical one: sorted keys, no white space.
    pub is_canonical: bool,
}

/// Whether a byte ends a string, or is none that ours may hold: an escape, a control character, or
/// what is not ASCII.
const fn is_end(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20 || byte >= 0x7f
}

/// The bytes of a window that end a string, the first in the lowest bit.
fn ends(window: &[u8; WINDOW]) -> u64 {
    let mut found = [0; WINDOW];
    for (found, byte) in found.iter_mut().zip(window) {
        *found = u8::from(is_end(*byte));
    }
    let (eights, _) = found.as_chunks::<8>();
    // Brings the lowest bits of eight bytes together in the highest byte.
    let bits =
        |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
}

impl<'a> Scan<'a> {
    /// `None`: not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut scan = Self { text: std::str::from_utf8(bytes).ok()?, at: 0, window: 0, ends: 0 };
        scan.look(0);
        Some(scan)
    }

    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes a byte that must come here, after white space.
    #[inline]
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.find(byte).then_some(())
    }

    /// The same of a byte that may come here. Machines write no white space before it.
    #[inline]
    fn find(&mut self, byte: u8) -> bool {
        if self.eat(byte) {
            return true;
        }
        if self.peek().is_none_or(|byte| byte > b' ') {
            return false;
        }
        self.skip_space();
        self.eat(byte)
    }

    /// Takes a byte if it comes next.
    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Whether nothing but white space follows.
    pub fn is_done(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    /// Looks at the window that begins at `window`. What follows the text ends every string.
    fn look(&mut self, window: usize) {
        let bytes = self.text.as_bytes().get(window..).unwrap_or_default();
        self.window = window;
        self.ends = match bytes.first_chunk() {
            Some(bytes) => ends(bytes),
            None => {
                let mut last = [0; WINDOW];
                last[..bytes.len()].copy_from_slice(bytes);
                ends(&last)
            }
        };
    }

    /// A string of ASCII without escapes and control characters.
    #[inline]
    fn plain(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let mut from = start;
        loop {
            let window = from - from % WINDOW;
            if window != self.window {
                self.look(window);
            }
            let ends = self.ends >> (from - window);
            if ends != 0 {
                self.at = from + ends.trailing_zeros() as usize;
                break;
            }
            from = window + WINDOW;
        }
        let end = self.at;
        self.eat(b'"').then(|| &self.text[start..end])
    }

    /// A string without escapes that cannot hold JSON itself.
    #[inline]
    pub fn string(&mut self) -> Option<&'a str> {
        let text = self.plain()?;
        match text.as_bytes().first() {
            Some(0..=b' ' | b'{' | b'[') => None,
            _ => Some(text),
        }
    }

    /// A key and its colon.
    #[inline]
    pub fn key(&mut self) -> Option<&'a str> {
        let key = self.plain()?;
        self.take(b':')?;
        Some(key)
    }

    /// After an entry: `Some(true)` where another follows, `Some(false)` at the end.
    #[inline]
    pub fn more(&mut self, close: u8) -> Option<bool> {
        if self.find(b',') {
            return Some(true);
        }
        self.eat(close).then_some(false)
    }

    /// Opens an object or a list; `Some(false)` where it closes at once.
    #[inline]
    pub fn open(&mut self, open: u8, close: u8) -> Option<bool> {
        self.take(open)?;
        Some(!self.find(close))
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let (word, value) = match rest.as_bytes().first()? {
            b't' => ("true", true),
            b'f' => ("false", false),
            _ => return None,
        };
        rest.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    /// A JSON number of a few digits, without sign or exponent: (mantissa, decimals).
    pub fn number(&mut self) -> Option<(u64, u32)> {
        self.skip_space();
        let (number, length) = decimal(&self.text.as_bytes()[self.at..])?;
        self.at += length;
        Some(number)
    }

    /// A quantity: a number, or one in a string.
    pub fn quantity(&mut self) -> Option<(u64, u32)> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.number();
        }
        let text = self.plain()?;
        let (number, length) = decimal(text.as_bytes())?;
        (length == text.len()).then_some(number)
    }

    pub fn instant(&mut self) -> Option<Instant> {
        instant(self.plain()?.as_bytes())
    }

    /// An object of strings, none of whose keys names a secret or stands twice.
    pub fn labels(&mut self, is_sensitive: impl Fn(&str) -> bool) -> Option<Labels<'a>> {
        self.skip_space();
        let start = self.at;
        let mut keys = [""; LABELS_MAX];
        let (mut count, mut written, mut is_sorted) = (0, 2, true);
        let mut more = self.open(b'{', b'}')?;
        while more {
            let key = self.key()?;
            let value = self.string()?;
            if count == LABELS_MAX || keys[..count].contains(&key) || is_sensitive(key) {
                return None;
            }
            is_sorted &= count == 0 || keys[count - 1] < key;
            keys[count] = key;
            count += 1;
            // Four quotes, a colon, and a comma after all but the last.
            written += key.len() + value.len() + 5 + usize::from(count > 1);
            more = self.more(b'}')?;
        }
        let text = self.since(start);
        Some(Labels { text, count, is_canonical: is_sorted && written == text.len() })
    }
}

/// Digits, which 18 of fit in 64 bits in any case, with at most one point: what they are and how
/// long. Leading zeros are left to the general parser: they are no JSON.
fn decimal(bytes: &[u8]) -> Option<((u64, u32), usize)> {
    let (mut mantissa, mut decimals, mut digits) = (0_u64, 0_u32, 0_usize);
    let (mut at, mut point) = (0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if digits > 18 {
                    return None;
                }
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                decimals += u32::from(point);
            }
            b'.' if !point && digits > 0 => point = true,
            b'.' | b'e' | b'E' => return None,
            _ => break,
        }
        at += 1;
    }
    let zeros = bytes.first() == Some(&b'0') && matches!(bytes.get(1), Some(b'0'..=b'9'));
    (digits > 0 && !zeros && (!point || decimals > 0)).then_some(((mantissa, decimals), at))
}

/// Two digits; anything else is more than any part of an instant.
#[inline]
fn two(a: u8, b: u8) -> i64 {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if a > 9 || b > 9 { 10_000 } else { i64::from(a) * 10 + i64::from(b) }
}

/// RFC 3339 as almost everybody writes it: a `T`, at most nine decimals, no leap second.
pub(super) fn instant(bytes: &[u8]) -> Option<Instant> {
    let [c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2, b'T', rest @ ..] = bytes else { return None };
    let [h1, h2, b':', n1, n2, b':', s1, s2, zone @ ..] = rest else { return None };
    let (century, year) = (two(*c1, *c2), two(*y1, *y2));
    let (month, day) = (two(*m1, *m2), two(*d1, *d2));
    let (hour, minute, second) = (two(*h1, *h2), two(*n1, *n2), two(*s1, *s2));
    if century > 99 || year > 99 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let year = century * 100 + year;
    if day < 1 || day > days_of(year, month)? {
        return None;
    }
    let (micros, zone) = fraction(zone)?;
    let seconds = days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let offset = match zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(*h1, *h2), two(*m1, *m2));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3_600 + minutes * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    Instant::from_micros((seconds - offset) * 1_000_000 + micros).ok()
}

/// The microseconds of a fraction, if there is one, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = bytes else { return Some((0, bytes)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (digits, rest) = rest.split_at(digits);
    let digit = |place: usize| i64::from(digits.get(place).map_or(0, |byte| byte - b'0'));
    Some(((0..6).fold(0, |micros, place| micros * 10 + digit(place)), rest))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> Option<i64> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => return None,
    })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings_end_where_they_end() {
        for text in ["", "a", "1234567", "12345678", "123456789abcdef0", "!\u{20}~"] {
            for before in 0..70 {
                let json = format!("{}\"{text}\" ", " ".repeat(before));
                let mut scan = Scan::new(json.as_bytes()).expect("UTF-8");
                assert_eq!(scan.plain(), Some(text), "{json}");
                assert!(scan.is_done());
            }
        }
        for json in [
            "\"",
            "\"abcdefgh",
            "\"ab\\\"",
            "\"\u{1}\"",
            "\"abcdefg\u{1f}\"",
            "1",
            "",
            "\"\u{7f}\"",
            "\"12345678\u{7f}\"",
            "\"\u{e9}\"",
            "\"1234567\u{e9}\"",
            "\"12345678\u{80}12345678\"",
        ] {
            assert_eq!(Scan::new(json.as_bytes()).expect("UTF-8").plain(), None, "{json}");
        }
    }

    #[test]
    fn labels_know_whether_they_are_canonical() {
        let check = |text: &str, expect: Option<(usize, bool)>| {
            let found = Scan::new(text.as_bytes()).expect("UTF-8").labels(|key| key == "secret");
            assert_eq!(found.map(|labels| (labels.count, labels.is_canonical)), expect, "{text}");
        };
        check("{}", Some((0, true)));
        check(r#"{"a":"1","b":""}"#, Some((2, true)));
        check(r#"{"a":"1", "b":""}"#, Some((2, false)));
        check(r#"{"b":"1","a":""}"#, Some((2, false)));
        check(r#"{"a":"1","a":""}"#, None);
        check(r#"{"secret":"1"}"#, None);
        check(r#"{"a":1}"#, None);
        check(r#"{"a":"{"}"#, None);
        check(r#"{"a":"1",}"#, None);
    }

    #[test]
    fn every_day_of_the_range_is_where_the_calendar_has_it() {
        let mut micros = 0;
        while let Ok(expect) = Instant::from_micros(micros) {
            let text = expect.to_string();
            assert_eq!(instant(text.as_bytes()), Some(expect), "{text}");
            micros += 86_400_000_000 * 7 / 5 + 1_001;
        }
    }

    proptest! {
        /// What it reads, chrono reads alike; what it does not read may still be an instant.
        #[test]
        fn instants_agree(
            text in "(19[67]|20[02]|299)[0-9]-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])?"
        ) {
            if let Some(ours) = instant(text.as_bytes()) {
                prop_assert_eq!(Instant::parse(&text).ok(), Some(ours));
            }
        }

        #[test]
        fn numbers_agree(text in "[0-9]{1,12}(\\.[0-9]{0,9})?(e1)?") {
            let ours = decimal(text.as_bytes()).filter(|(_, length)| *length == text.len());
            if let Some(((mantissa, decimals), _)) = ours {
                let (value, scale) = turnpike_schemas::parse::decimal_parts(&text).expect("a number");
                let scaled = value * 10_i128.pow(decimals - scale);
                prop_assert_eq!(i128::from(mantissa), scaled);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
