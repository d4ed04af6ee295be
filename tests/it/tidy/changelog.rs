//! CHANGELOG.md is for the operator: per release what changes bills, what is new, what is mended
//! and what has to be done, in that order.

use super::tree::{File, Finding, files, hold};

const GROUPS: &[&str] = &["Money-affecting", "Added", "Fixed", "Migration"];

fn rule(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, text: String| findings.push(Finding::new(&file.path, line, text));
    let mut releases = 0;
    let mut group: Option<usize> = None;
    // Where a heading stands that still needs an entry below it.
    let mut empty: Option<usize> = None;

    for (number, line) in (1..).zip(file.text.lines()) {
        if number == 1 && line != "# Changelog" {
            find(1, "does not open with `# Changelog`".to_owned());
        }
        if line.starts_with("- ") && group.is_some() {
            empty = None;
        }
        if !line.starts_with('#') || number == 1 {
            continue;
        }
        // A release's first entries are its groups.
        let below = line.starts_with("### ") && group.is_none();
        if let Some(heading) = empty.take().filter(|_| !below) {
            find(heading, "a heading with nothing below it".to_owned());
        }
        empty = Some(number);
        if let Some(name) = line.strip_prefix("## ") {
            if !(is_release(name) || (name == "Unreleased" && releases == 0)) {
                find(number, format!("`{name}` is neither Unreleased, on top, nor X.Y.Z - date"));
            }
            releases += 1;
            group = None;
        } else if let Some(name) = line.strip_prefix("### ") {
            let at = GROUPS.iter().position(|known| *known == name);
            if at.is_none() {
                find(number, format!("`{name}` is none of {}", GROUPS.join(", ")));
            } else if at <= group {
                find(number, format!("`{name}` comes twice or too late: {}", GROUPS.join(", ")));
            }
            group = at.or(group).or(Some(0));
        } else {
            find(number, format!("`{line}` is no heading of a changelog"));
        }
    }
    if let Some(heading) = empty {
        find(heading, "a heading with nothing below it".to_owned());
    }
    if releases == 0 {
        find(1, "names no release".to_owned());
    }
    findings
}

/// `0.1.0 - 2026-11-21`
fn is_release(name: &str) -> bool {
    let Some((version, date)) = name.split_once(" - ") else { return false };
    let shape = |text: &str, separator: char, lengths: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(part, length)| {
                part.bytes().all(|b| b.is_ascii_digit())
                    && !part.is_empty()
                    && (*length == 0 || part.len() == *length)
            })
    };
    shape(version, '.', &[0, 0, 0]) && shape(date, '-', &[4, 2, 2])
}

#[test]
fn the_changelog_has_its_form() {
    let files = files(&["CHANGELOG.md"]);
    assert_eq!(files[0].path, "CHANGELOG.md");
    hold(&files, rule);
}

#[test]
fn the_rule_tells_forms_apart() {
    let check = |text: &str, expect: usize| {
        let findings = rule(&File::new("CHANGELOG.md", text));
        assert_eq!(findings.len(), expect, "{text}\n{findings:?}");
    };
    let good = "# Changelog\n\nFor operators.\n\n## Unreleased\n\n### Money-affecting\n\n- x\n\n\
                ### Fixed\n\n- y\n\n## 0.1.0 - 2026-11-21\n\n### Added\n\n- z\n";
    check(good, 0);
    check(&good.replace("# Changelog\n", "Changes\n"), 1);
    check(&good.replace("### Fixed", "### Improved"), 1);
    check(&good.replace("- y\n", ""), 1);
    check(&good.replace("- z\n", ""), 1);
    check(&good.replace("### Fixed", "### Money-affecting"), 1);
    check(&good.replace("### Money-affecting", "### Migration"), 1);
    check(&good.replace("0.1.0 - 2026-11-21", "0.1 - 2026-11-21"), 1);
    check(&good.replace("0.1.0 - 2026-11-21", "0.1.0"), 1);
    check(&good.replace("0.1.0 - 2026-11-21", "Unreleased"), 1);
    check(&good.replace("## Unreleased", "#### Unreleased"), 1);
    check("# Changelog\n", 1);
}
