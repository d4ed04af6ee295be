//! [`Fault`]: what an exit code says about an error.
//!
//! Owns: the exit codes and how an error is printed.
//! Does not own: the errors themselves; each crate has its own.
//! Invariants: every failing road ends in exactly one code; nothing panics on the way.

use std::fmt;

use anyhow::Error;

/// The exit codes of DESIGN section 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something went wrong that no other code names.
    General,
    /// The command line cannot be understood.
    Usage,
    /// Settings are wrong.
    Config,
    /// The data given or stored is wrong: a book with mistakes, a finding of `verify`.
    Data,
    /// A database, a broker or a server that is needed cannot be reached.
    Dependency,
}

impl Kind {
    pub fn code(self) -> u8 {
        match self {
            Kind::General => 1,
            Kind::Usage => 2,
            Kind::Config => 3,
            Kind::Data => 4,
            Kind::Dependency => 5,
        }
    }
}

/// Context of an error that decides the exit code.
#[derive(Debug)]
pub struct Fault {
    kind: Kind,
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// An error of a kind, from its text.
pub fn fault(kind: Kind, text: impl Into<String>) -> Error {
    Error::new(Fault { kind, text: text.into() })
}

/// Names the kind of an error, keeping it as the cause.
pub trait Blame<T> {
    fn blame(self, kind: Kind, text: impl Into<String>) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Blame<T> for Result<T, E> {
    fn blame(self, kind: Kind, text: impl Into<String>) -> Result<T, Error> {
        self.map_err(|error| error.into().context(Fault { kind, text: text.into() }))
    }
}

/// The kind of an error: the outermost that was named.
pub fn kind_of(error: &Error) -> Kind {
    error.downcast_ref::<Fault>().map_or(Kind::General, |fault| fault.kind)
}

/// The error and its causes, one per line. A cause whose text its parent already shows is left out.
pub fn describe(error: &Error) -> String {
    let mut text = format!("error: {error}");
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let line = cause.to_string();
        if !shown.contains(&line) {
            text.push_str("\n  because: ");
            text.push_str(&line);
        }
        shown = line;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_survives_more_context() {
        let inner: Result<(), _> = Err(std::io::Error::other("refused"));
        let error = inner
            .blame(Kind::Dependency, "the broker cannot be reached")
            .map_err(|error| error.context("ingest from Kafka"))
            .expect_err("an error");
        assert_eq!(kind_of(&error), Kind::Dependency);
        assert_eq!(
            describe(&error),
            "error: ingest from Kafka\n  because: the broker cannot be reached\n  because: refused"
        );
        assert_eq!(kind_of(&anyhow::anyhow!("plain")).code(), 1);
    }
}
