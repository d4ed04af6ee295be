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
}

/// An object of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels<'a> {
    pub text: &'a str,
    pub count: usize,
    /// The text is the canonical one: sorted keys, no white space.
    pub is_canonical: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of the first byte of `word` that is `byte`; of bytes after it nothing is said.
const fn find(word: u64, byte: u64) -> u64 {
    let zero = word ^ (ONES * byte);
    zero.wrapping_sub(ONES) & !zero & HIGHS
}

/// The same of the first byte that ends a string, or that none of ours may hold: an escape, a
/// control character, or what is not ASCII.
const fn find_end(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    find(word, 0x22) | find(word, 0x5c) | find(word, 0x7f) | control | word & HIGHS
}

impl<'a> Scan<'a> {
    /// `None`: not UTF-8.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { text: std::str::from_utf8(bytes).ok()?, at: 0 })
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes a byte that must come here, after white space.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.eat(byte).then_some(())
    }

    /// Takes a byte if it comes next.
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

    /// A string of ASCII without escapes and control characters.
    fn plain(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(word) = bytes.get(self.at..self.at + 8) {
            let end = find_end(u64::from_le_bytes(word.try_into().ok()?));
            if end != 0 {
                self.at += usize::try_from(end.trailing_zeros() / 8).ok()?;
                break;
            }
            self.at += 8;
        }
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | 0..=0x1f | 0x7f.. => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at - 1])
    }

    /// A string without escapes that cannot hold JSON itself.
    pub fn string(&mut self) -> Option<&'a str> {
        let text = self.plain()?;
        match text.as_bytes().first() {
            Some(0..=b' ' | b'{' | b'[') => None,
            _ => Some(text),
        }
    }

    /// A key and its colon.
    pub fn key(&mut self) -> Option<&'a str> {
        let key = self.plain()?;
        self.take(b':')?;
        Some(key)
    }

    /// After an entry: `Some(true)` where another follows, `Some(false)` at the end.
    pub fn more(&mut self, close: u8) -> Option<bool> {
        self.skip_space();
        if self.eat(b',') {
            return Some(true);
        }
        self.eat(close).then_some(false)
    }

    /// Opens an object or a list; `Some(false)` where it closes at once.
    pub fn open(&mut self, open: u8, close: u8) -> Option<bool> {
        self.take(open)?;
        self.skip_space();
        Some(!self.eat(close))
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

fn two(bytes: &[u8], at: usize) -> Option<i64> {
    match bytes.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

/// RFC 3339 as almost everybody writes it: a `T`, at most nine decimals, no leap second.
pub(super) fn instant(bytes: &[u8]) -> Option<Instant> {
    let mark = |at: usize, mark: u8| (bytes.get(at) == Some(&mark)).then_some(());
    let year = two(bytes, 0)? * 100 + two(bytes, 2)?;
    mark(4, b'-').and(mark(7, b'-')).and(mark(10, b'T')).and(mark(13, b':')).and(mark(16, b':'))?;
    let (month, day) = (two(bytes, 5)?, two(bytes, 8)?);
    let (hour, minute, second) = (two(bytes, 11)?, two(bytes, 14)?, two(bytes, 17)?);
    if hour > 23 || minute > 59 || second > 59 || day < 1 || day > days_of(year, month)? {
        return None;
    }
    let (micros, zone) = fraction(bytes, 19)?;
    let seconds = days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let offset = match &bytes[zone..] {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
            let (hours, minutes) = (two(rest, 0)?, two(rest, 3)?);
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

/// The microseconds of a fraction at `at`, if there is one, and where it ends.
fn fraction(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let digit = |place: usize| {
        let byte = if place < digits { bytes[at + 1 + place] } else { b'0' };
        i64::from(byte - b'0')
    };
    Some(((0..6).fold(0, |micros, place| micros * 10 + digit(place)), at + 1 + digits))
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
            for before in 0..9 {
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
