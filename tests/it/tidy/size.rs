//! No source file over 500 lines, tests left out.

use super::tree::{File, Finding, files, hold_none};

const LINES_MAX: usize = 500;

/// Longer files that are known, with their length: it may only go down, and at 500 the entry goes.
const LONG: &[(&str, usize)] = &[];

fn rule(file: &File, long: &[(&str, usize)]) -> Option<Finding> {
    if file.is_test() {
        return None;
    }
    let lines = file.text.lines().count();
    let known = long.iter().find(|(path, _)| *path == file.path).map(|(_, lines)| *lines);
    let text = match known {
        None if lines > LINES_MAX => format!("{lines} lines, {LINES_MAX} at most"),
        Some(_) if lines <= LINES_MAX => "no longer too long: take it off the list".to_owned(),
        Some(known) if lines > known => format!("grew from {known} to {lines} lines"),
        Some(known) if lines < known => format!("shrank from {known}: put {lines} on the list"),
        _ => return None,
    };
    Some(Finding::new(&file.path, lines, text))
}

/// An entry whose file is gone would let another file of that name be long.
fn gone(files: &[File], long: &[(&str, usize)]) -> Vec<Finding> {
    long.iter()
        .filter(|(path, _)| files.iter().all(|file| file.path != *path))
        .map(|(path, _)| Finding::new(path, 0, "on the list, but there is no such file"))
        .collect()
}

#[test]
fn source_files_are_short() {
    let files = files(&[".rs"]);
    let mut findings: Vec<Finding> = files.iter().filter_map(|file| rule(file, LONG)).collect();
    findings.extend(gone(&files, LONG));
    hold_none(&findings);
}

#[test]
fn the_rule_counts_and_the_list_only_shrinks() {
    let of = |path: &str, lines: usize| File::new(path, &"x\n".repeat(lines));
    let list: &[(&str, usize)] = &[("a.rs", 600)];
    for (file, list, refused) in [
        (of("a.rs", 500), &[][..], false),
        (of("a.rs", 501), &[], true),
        (of("rating/tests/a.rs", 501), &[], false),
        (of("a.rs", 600), list, false),
        (of("a.rs", 601), list, true),
        (of("a.rs", 599), list, true),
        (of("a.rs", 400), list, true),
    ] {
        let lines = file.text.lines().count();
        assert_eq!(rule(&file, list).is_some(), refused, "{} with {lines} lines", file.path);
    }
    assert_eq!(gone(&[of("b.rs", 1)], list).len(), 1);
}
