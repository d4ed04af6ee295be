//! Just enough of Rust's lexer that a rule does not trip over comments, strings and lifetimes.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Integer,
    Float,
    /// The text is what stands between the quotes, escapes unread.
    Text,
    Sign,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Sign)
    }
}

/// Comments, lifetimes and characters are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source.chars().peekable(), line: 1, tokens: Vec::new() };
    while let Some(c) = lexer.peek() {
        lexer.step(c);
    }
    lexer.tokens
}

/// The first position where `pattern` stands, word for word.
pub fn find(tokens: &[Token], pattern: &[&str]) -> Option<usize> {
    tokens
        .windows(pattern.len())
        .position(|window| window.iter().zip(pattern).all(|(token, expected)| token.is(expected)))
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn second(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next();
        if c == Some('\n') {
            self.line += 1;
        }
        c
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.tokens.push(Token { kind, text, line });
    }

    fn take_while(&mut self, mut accepted: impl FnMut(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| accepted(*c)) {
            text.push(c);
            self.bump();
        }
        text
    }

    fn step(&mut self, c: char) {
        let line = self.line;
        match (c, self.second()) {
            ('/', Some('/')) => {
                self.take_while(|c| c != '\n');
            }
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.text(),
            ('\'', _) => self.quote(),
            _ if c.is_ascii_digit() => self.number(),
            _ if c.is_alphabetic() || c == '_' => self.word(),
            _ => {
                self.bump();
                if !c.is_whitespace() {
                    self.push(Kind::Sign, c.to_string(), line);
                }
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.bump() {
            match (c, self.peek()) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => continue,
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    fn text(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.bump();
        while let Some(c) = self.bump().filter(|c| *c != '"') {
            text.push(c);
            if c == '\\' {
                text.extend(self.bump());
            }
        }
        self.push(Kind::Text, text, line);
    }

    /// After `r`, `br` or `cr`: only a quote behind the hashes makes it a string.
    fn raw_text(&mut self) {
        let line = self.line;
        let hashes = self.take_while(|c| c == '#').len();
        if self.peek() != Some('"') {
            return;
        }
        self.bump();
        let end = format!("\"{}", "#".repeat(hashes));
        let mut text = String::new();
        while let Some(c) = self.bump() {
            text.push(c);
            if text.ends_with(&end) {
                text.truncate(text.len() - end.len());
                break;
            }
        }
        self.push(Kind::Text, text, line);
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        self.bump();
        let escaped = self.peek() == Some('\\');
        if escaped || self.second() == Some('\'') {
            self.bump();
            if escaped {
                self.bump();
            }
            self.take_while(|c| c != '\'');
            self.bump();
        } else {
            self.take_while(|c| c.is_alphanumeric() || c == '_');
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_');
        match (word.as_str(), self.peek()) {
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw_text(),
            ("b" | "c", Some('"')) => self.text(),
            ("b", Some('\'')) => self.quote(),
            _ => self.push(Kind::Word, word, line),
        }
    }

    fn number(&mut self) {
        let line = self.line;
        // `pair.0.1` is two fields and no fraction; `0..1.5` ends in one.
        let signs = self.tokens.iter().rev().take(2).map(|token| token.is(".")).collect::<Vec<_>>();
        if signs.first() == Some(&true) && signs.get(1) != Some(&true) {
            let text = self.take_while(|c| c.is_ascii_digit());
            return self.push(Kind::Integer, text, line);
        }
        let mut text = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let based = text.starts_with("0x") || text.starts_with("0b") || text.starts_with("0o");
        let mut float = text.ends_with("f32") || text.ends_with("f64");
        let after = self.second();
        let method = after.is_some_and(|c| c == '.' || c == '_' || c.is_alphabetic());
        if self.peek() == Some('.') && !method {
            float = true;
            text.push('.');
            self.bump();
            text += &self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        }
        let exponent = text.trim_end_matches("f64").trim_end_matches("f32").contains(['e', 'E']);
        float = !based && (float || (exponent && !text.ends_with("size")));
        self.push(if float { Kind::Float } else { Kind::Integer }, text, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &[(Kind, &str)]) {
        let found = tokens(source);
        let found: Vec<_> = found.iter().map(|token| (token.kind, token.text.as_str())).collect();
        assert_eq!(found, expect, "{source}");
    }

    #[test]
    fn comments_strings_and_lifetimes_hide_nothing_and_show_nothing() {
        use Kind::{Sign, Text, Word};
        check("a // f64\nb", &[(Word, "a"), (Word, "b")]);
        check("a /* f64 /* 1.0 */ f32 */ b", &[(Word, "a"), (Word, "b")]);
        check(r#""f64 \" f32" x"#, &[(Text, r#"f64 \" f32"#), (Word, "x")]);
        check(r###"r#"f64 " f32"# x"###, &[(Text, r#"f64 " f32"#), (Word, "x")]);
        check(r#"b"f64" c"x" br"y""#, &[(Text, "f64"), (Text, "x"), (Text, "y")]);
        check("&'a f64", &[(Sign, "&"), (Word, "f64")]);
        check(r"'x' '\'' '\u{1f}' b'\n' y", &[(Word, "y")]);
        check("r#type", &[(Word, "type")]);
    }

    #[test]
    fn numbers_are_told_apart() {
        for (source, kind) in [
            ("1", Kind::Integer),
            ("1_000u64", Kind::Integer),
            ("0xfe", Kind::Integer),
            ("0x1f32", Kind::Integer),
            ("1usize", Kind::Integer),
            ("1.0", Kind::Float),
            ("1.", Kind::Float),
            ("1e9", Kind::Float),
            ("1.5e3f64", Kind::Float),
            ("2f32", Kind::Float),
        ] {
            check(source, &[(kind, source)]);
        }
        let floats = |source: &str| tokens(source).iter().any(|token| token.kind == Kind::Float);
        for source in ["pair.0.1", "0..1", "0..=9", "1.max(2)", "[0; 3].len()"] {
            assert!(!floats(source), "{source}");
        }
        for source in ["0..1.5", "x - 1.0", "1e-9", "f(.0, 2.5)"] {
            assert!(floats(source), "{source}");
        }
    }

    #[test]
    fn a_token_knows_its_line_behind_what_spans_lines() {
        let found = tokens("/*\n\n*/ \"\n\" x");
        assert_eq!((found[1].text.as_str(), found[1].line), ("x", 4));
        assert_eq!(find(&found, &["x"]), Some(1));
    }
}
