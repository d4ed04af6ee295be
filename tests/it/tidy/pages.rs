//! Templates escape everything, and pages load nothing from elsewhere.

use super::lexer::{Kind, tokens};
use super::tree::{File, Finding, files, files_if_any, hold};

/// Names of XML vocabularies: they look like addresses and nobody fetches them.
const VOCABULARIES: &[&str] =
    &["http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1999/xhtml"];

fn in_lines(file: &File, rule: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    (1..)
        .zip(file.text.lines())
        .filter_map(|(number, line)| Some(Finding::new(&file.path, number, rule(line)?)))
        .collect()
}

fn unescaped(file: &File) -> Vec<Finding> {
    in_lines(file, |line| {
        let filters = line.split('|').skip(1).map(str::trim_start);
        let mut safe = filters.filter_map(|rest| rest.strip_prefix("safe"));
        safe.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            .then(|| "`|safe` turns escaping off".to_owned())
    })
}

/// `#[template(escape = "none")]` does it for a whole page.
fn escaping_off(file: &File) -> Vec<Finding> {
    tokens(&file.text)
        .windows(3)
        .filter(|window| {
            window[0].is("escape")
                && window[1].is("=")
                && window[2].kind == Kind::Text
                && window[2].text == "none"
        })
        .map(|window| Finding::new(&file.path, window[0].line, "escaping is off"))
        .collect()
}

fn elsewhere(file: &File) -> Vec<Finding> {
    in_lines(file, |line| {
        let mut line = line.to_owned();
        for name in VOCABULARIES {
            line = line.replace(name, "");
        }
        let address = ["https://", "http://", "=\"//", "='//", "url(//", "@import \"//"];
        let bad = address.iter().find(|address| line.contains(*address))?;
        Some(format!("`{bad}`: a page loads nothing from elsewhere"))
    })
}

/// Files of others, kept as they came; the header that forbids foreign sources covers them.
fn is_vendored(file: &File) -> bool {
    file.path.split('/').any(|part| part == "vendor")
}

fn pages(endings: &[&str]) -> Vec<File> {
    let mut all = files_if_any(endings);
    all.retain(|file| !file.is_test() && !is_vendored(file));
    all
}

#[test]
fn templates_escape_everything() {
    hold(&pages(&[".html", ".txt", ".xml", ".svg"]), unescaped);
    hold(&files(&[".rs"]), escaping_off);
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    hold(&pages(&[".html", ".css", ".js", ".svg"]), elsewhere);
}

#[test]
fn the_rules_tell_pages_apart() {
    let check = |rule: fn(&File) -> Vec<Finding>, line: &str, expect: usize| {
        assert_eq!(rule(&File::new("web/templates/a.html", line)).len(), expect, "{line}");
    };
    check(unescaped, "<td>{{ name|safe }}</td>", 1);
    check(unescaped, "<td>{{ name|upper | safe|trim }}</td>", 1);
    check(unescaped, "<td>{{ name|money }} is safe | {{ safe }} {{ x|safely }}</td>", 0);
    check(escaping_off, "#[template(path = \"a.html\", escape = \"none\")]", 1);
    check(escaping_off, "#[template(path = \"a.html\", escape = \"html\")]", 0);
    check(elsewhere, "<script src=\"https://example.org/x.js\"></script>", 1);
    check(elsewhere, "<link href='//example.org/x.css'>", 1);
    check(elsewhere, "a { background: url(//example.org/x) }", 1);
    check(elsewhere, "<svg xmlns=\"http://www.w3.org/2000/svg\"><a href=\"/accounts\"/></svg>", 0);
    check(elsewhere, "// a comment of a script", 0);
}

#[test]
fn vendored_files_are_known_by_their_folder() {
    assert!(is_vendored(&File::new("web/static/vendor/htmx.min.js", "")));
    assert!(!is_vendored(&File::new("web/static/vendored.js", "")));
}
