//! The files of the repository, and how findings in them are reported.

use std::fmt;
use std::fs;
use std::path::Path;

/// Built, fetched or not ours.
const SKIPPED: &[&str] = &["target", "node_modules", "turnpike-data"];

pub struct File {
    /// Relative to the repository, with `/` on every system.
    pub path: String,
    pub text: String,
}

impl File {
    #[cfg(test)]
    pub fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    /// The part of the workspace it belongs to: its first folder, or `""` for the root package.
    pub fn member(&self) -> &str {
        match self.path.split_once('/') {
            Some(("src" | "tests", _)) | None => "",
            Some((folder, _)) => folder,
        }
    }

    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
            || self.path.ends_with("_tests.rs")
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub text: String,
}

impl Finding {
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// All files with one of these endings. Never empty: a rule over nothing would hold for ever.
pub fn files(endings: &[&str]) -> Vec<File> {
    let found = files_if_any(endings);
    assert!(!found.is_empty(), "no file ends in {endings:?}");
    found
}

/// For kinds of files that a tree may do without.
pub fn files_if_any(endings: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(root, root, endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).unwrap().components();
            let parts: Vec<_> = relative.map(|part| part.as_os_str().to_string_lossy()).collect();
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            found.push(File { path: parts.join("/"), text });
        }
    }
}

/// Runs a rule over files and fails with every finding on a line of its own.
pub fn hold<'a>(files: impl IntoIterator<Item = &'a File>, rule: impl Fn(&File) -> Vec<Finding>) {
    let findings: Vec<Finding> = files.into_iter().flat_map(rule).collect();
    hold_none(&findings);
}

pub fn hold_none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", list.len(), list.join("\n"));
}

#[test]
fn a_file_knows_where_it_belongs() {
    for (path, member, is_test) in [
        ("src/main.rs", "", false),
        ("tests/it/tidy.rs", "", true),
        ("schemas/src/money.rs", "schemas", false),
        ("schemas/src/money/tests.rs", "schemas", true),
        ("books/src/invoice/repo_tests.rs", "books", true),
        ("rating/tests/fold.rs", "rating", true),
        ("Cargo.toml", "", false),
    ] {
        let file = File::new(path, "");
        assert_eq!((file.member(), file.is_test()), (member, is_test), "{path}");
    }
}

#[test]
fn the_walk_finds_sources_and_leaves_fetched_ones() {
    let files = files(&[".rs"]);
    assert!(files.iter().any(|file| file.path == "tests/it/tidy/tree.rs"));
    assert!(files.iter().all(|file| !file.path.starts_with("target/")));
}
