//! What may not stand in Rust sources, beyond what clippy can forbid.

use super::lexer::{Kind, Token, find, tokens};
use super::tree::{File, Finding, files, hold};

/// From the wire to the document no quantity and no price is ever a float.
const EXACT: &[&str] = &["schemas", "ingest", "rating", "books", "invoices"];

/// Files that may build SQL from text, each because its dialect has no other way. Only shrinks.
const SQL_FROM_TEXT: &[&str] = &[];

/// The pause between two looks at a condition.
const SLEEPERS: &[&str] = &["tests/it/support/wait.rs"];

/// A rule on tokens: the line and what is wrong there.
type Rule = fn(&[Token]) -> Vec<(usize, String)>;

fn apply(rule: Rule) -> impl Fn(&File) -> Vec<Finding> {
    move |file| {
        let found = rule(&tokens(&file.text));
        found.into_iter().map(|(line, text)| Finding::new(&file.path, line, text)).collect()
    }
}

fn is_float_name(name: &str) -> bool {
    name.split('_').any(|part| part == "f32" || part == "f64")
        || name.starts_with("Float32")
        || name.starts_with("Float64")
}

fn floats(tokens: &[Token]) -> Vec<(usize, String)> {
    let bad = |token: &&Token| match token.kind {
        Kind::Float => true,
        Kind::Word => is_float_name(&token.text),
        _ => false,
    };
    tokens.iter().filter(bad).map(|token| (token.line, format!("float: {}", token.text))).collect()
}

fn sql_from_text(tokens: &[Token]) -> Vec<(usize, String)> {
    let bad = tokens.iter().filter(|token| token.is("AssertSqlSafe"));
    bad.map(|token| (token.line, "SQL built from text".to_owned())).collect()
}

/// Tests that do not run, or that pass on a panic from anywhere.
fn untested(all: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in all.iter().enumerate() {
        let opens = at > 0 && token.is("[") && (all[at - 1].is("#") || depth > 0);
        // `#![...]` has its bracket one further.
        let opens_inner = at > 1 && token.is("[") && all[at - 1].is("!") && all[at - 2].is("#");
        if opens || opens_inner {
            depth += 1;
        } else if token.is("]") {
            depth = depth.saturating_sub(1);
        } else if depth > 0 && (token.is("ignore") || token.is("should_panic")) {
            found.push((token.line, format!("a test that is marked {}", token.text)));
        }
    }
    found
}

fn sleeps(tokens: &[Token]) -> Vec<(usize, String)> {
    const CALLS: &[&str] = &["sleep", "sleep_ms", "sleep_until"];
    let calls = |pair: &&[Token]| CALLS.contains(&pair[0].text.as_str()) && pair[1].is("(");
    tokens
        .windows(2)
        .filter(calls)
        .map(|pair| (pair[0].line, "a sleep: wait on a condition instead".to_owned()))
        .collect()
}

/// The web shows figures; it does not make any.
fn rounding(tokens: &[Token]) -> Vec<(usize, String)> {
    tokens
        .windows(2)
        .filter(|pair| (pair[0].is("round") || pair[0].is("allocate")) && pair[1].is("("))
        .map(|pair| (pair[0].line, format!("the web does not {} money", pair[0].text)))
        .collect()
}

/// The tests of a file: all of it, or its unit tests.
fn test_tokens(file: &File) -> Vec<Token> {
    let mut all = tokens(&file.text);
    if file.is_test() {
        return all;
    }
    let start = find(&all, &["#", "[", "cfg", "(", "test", ")", "]", "mod"]);
    all.split_off(start.unwrap_or(all.len()))
}

fn in_tests(rule: Rule) -> impl Fn(&File) -> Vec<Finding> {
    move |file| {
        let found = rule(&test_tokens(file));
        found.into_iter().map(|(line, text)| Finding::new(&file.path, line, text)).collect()
    }
}

/// The files of `list`; an entry without a file would excuse a later one of that name.
fn except<'a>(files: &'a [File], list: &[&str]) -> Vec<&'a File> {
    for path in list {
        assert!(files.iter().any(|file| file.path == *path), "{path} is excused, but not there");
    }
    files.iter().filter(|file| !list.contains(&file.path.as_str())).collect()
}

#[test]
fn exact_crates_have_no_floats() {
    let files = files(&[".rs"]);
    let exact = |file: &&File| EXACT.contains(&file.member()) && !file.is_test();
    hold(files.iter().filter(exact), apply(floats));
}

#[test]
fn sql_is_never_built_from_text() {
    hold(except(&files(&[".rs"]), SQL_FROM_TEXT), apply(sql_from_text));
}

#[test]
fn every_test_runs_and_says_what_it_expects() {
    hold(&files(&[".rs"]), apply(untested));
}

#[test]
fn tests_wait_on_conditions() {
    hold(except(&files(&[".rs"]), SLEEPERS), in_tests(sleeps));
}

#[test]
fn the_web_rounds_and_splits_nothing() {
    let files = files(&[".rs"]);
    hold(files.iter().filter(|file| file.member() == "web" && !file.is_test()), apply(rounding));
}

fn check(rule: Rule, source: &str, expect: usize) {
    let found = rule(&tokens(source));
    assert_eq!(found.len(), expect, "{source}\n{found:?}");
}

#[test]
fn floats_are_found() {
    check(floats, "let x: f64 = 1.0;", 2);
    check(floats, "value.to_f64() + as_f32(2e3)", 3);
    check(floats, "DataType::Float64; Float32Array", 2);
    check(floats, "// 1.0 f64\nlet x = \"f64\"; a.0.1; 0..10; buf64; half", 0);
}

#[test]
fn sql_from_text_is_found() {
    check(sql_from_text, "sqlx::query(AssertSqlSafe(text))", 1);
    check(sql_from_text, "// AssertSqlSafe\nsqlx::query(\"SELECT 1\")", 0);
}

#[test]
fn tests_that_prove_nothing_are_found() {
    check(untested, "#[ignore]\nfn a() {}", 1);
    check(untested, "#[ignore = \"slow\"]\nfn a() {}", 1);
    check(untested, "#[cfg_attr(miri, ignore)]\nfn a() {}", 1);
    check(untested, "#[should_panic(expected = \"x\")]\nfn a() {}", 1);
    check(untested, "#![cfg_attr(x, ignore)]", 1);
    check(untested, "#[test]\nfn ignore() { let ignore = [0]; ignore[0]; } // #[ignore]", 0);
}

#[test]
fn sleeps_are_found() {
    check(sleeps, "std::thread::sleep(d); tokio::time::sleep(d).await; sleep_until(t);", 3);
    check(sleeps, "let sleep = 1; // sleep(1)\nasleep(2)", 0);
}

#[test]
fn only_tests_are_searched_for_sleeps() {
    let source = "fn backoff() { sleep(d); }\n#[cfg(test)]\nmod tests { fn t() { sleep(d); } }";
    let lines = |path: &str| -> Vec<usize> {
        in_tests(sleeps)(&File::new(path, source)).iter().map(|found| found.line).collect()
    };
    assert_eq!(lines("lake/src/lake.rs"), [3]);
    assert_eq!(lines("tests/it/faults.rs"), [1, 3]);
}

#[test]
fn rounding_is_found() {
    check(rounding, "amount.round(rule, currency); allocate(total, &weights)", 2);
    check(rounding, "let round = 1; background(round)", 0);
}
