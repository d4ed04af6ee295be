//! Every crate opens with a page: what it owns, what it does not own, what always holds.

use super::tree::{File, Finding, files, hold};

/// In this order, each at the start of a line.
const SECTIONS: &[&str] = &["Owns:", "Does not own:", "Invariants:"];
const LINES_MIN: usize = 5;
const LINES_MAX: usize = 30;

fn is_head(file: &File) -> bool {
    file.path == "src/main.rs" || (file.path.ends_with("/src/lib.rs") && !file.is_test())
}

fn rule(file: &File) -> Vec<Finding> {
    // A crate of one line holds no code that a page could be about.
    if file.text.lines().count() <= 1 {
        return Vec::new();
    }
    let page: Vec<&str> =
        file.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut findings = Vec::new();
    let mut find = |line: usize, text: String| findings.push(Finding::new(&file.path, line, text));

    if page.first().is_none_or(|line| line.is_empty()) {
        find(1, "does not open with a `//!` line that says what the crate is".to_owned());
    }
    if !(LINES_MIN..=LINES_MAX).contains(&page.len()) {
        let length = page.len();
        find(1, format!("its page has {length} lines, not {LINES_MIN} to {LINES_MAX}"));
    }
    let starts: Vec<Option<usize>> = SECTIONS
        .iter()
        .map(|section| page.iter().position(|line| line.starts_with(section)))
        .collect();
    for (section, start) in SECTIONS.iter().zip(&starts) {
        let Some(start) = start else {
            find(1, format!("its page has no line that starts with `{section}`"));
            continue;
        };
        let said = page[*start].trim_start_matches(section).trim();
        let below = page.get(start + 1).copied().unwrap_or_default();
        if said.is_empty() && below.is_empty() {
            find(start + 1, format!("`{section}` says nothing"));
        }
    }
    if !starts.iter().flatten().is_sorted() {
        find(1, format!("its page is not in the order {}", SECTIONS.join(" ")));
    }
    findings
}

#[test]
fn every_crate_opens_with_its_page() {
    let files = files(&[".rs"]);
    let heads: Vec<&File> = files.iter().filter(|file| is_head(file)).collect();
    assert_eq!(heads.len(), 8, "seven crates and the binary");
    hold(heads, rule);
}

#[test]
fn the_rule_reads_pages() {
    let good = "//! The lake.\n//!\n//! Owns: tables\n//! and commits.\n//!\n//! Does not own: rating.\n\
                //!\n//! Invariants:\n//! - One commit.\n\npub mod a;\n";
    let check = |text: &str, expect: usize| {
        let findings = rule(&File::new("lake/src/lib.rs", text));
        assert_eq!(findings.len(), expect, "{text}\n{findings:?}");
    };
    check(good, 0);
    check("//! Not begun.\n", 0);
    check("pub mod a;\npub mod b;\n", 5);
    check(&good.replace("//! The lake.", "//!"), 1);
    check(&good.replace("Owns:", "Holds:"), 1);
    check(&good.replace("Does not own: rating.", "It does not own: rating."), 1);
    check(&good.replace("//! - One commit.\n", ""), 1);
    check(
        &good.replace("Owns:", "X:").replace("Invariants:", "Owns:").replace("X:", "Invariants:"),
        1,
    );
    check(&good.replace("//! and commits.\n", &"//! and.\n".repeat(LINES_MAX)), 1);
}
