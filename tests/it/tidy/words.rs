//! One word per thing: names that the field does not use, or uses for something else.

use super::lexer::{Kind, Token, tokens};
use super::tree::{File, Finding, files, files_if_any, hold};

/// (not this, but that). `Client` in front or at the end of another word is a program's client.
const NAMES: &[(&str, &str)] = &[
    ("Tenant", "Account, or OwnerRef for what a source calls so"),
    ("Client", "Account"),
    ("Org", "Party or Account"),
    ("Organization", "Party or Account"),
    ("Organisation", "Party or Account"),
    ("Commission", "Royalty"),
    ("Partner", "Franchisee"),
    ("Pricing", "Tariff or Price"),
    ("Refund", "CreditNote"),
    ("Surcharge", "Adjustment"),
];

/// What may follow a name without making it another one.
const ENDINGS: &[&str] = &["Id", "Ref", "Row", "Kind", "Name", "View", "Page", "Summary", "Record"];

/// Columns and tables, as SQL writes the same words.
const COLUMNS: &[&str] = &["tenant", "tenants", "tenant_id", "client_id", "org_id", "plan_id"];

fn names(file: &File) -> Vec<Finding> {
    let all = tokens(&file.text);
    let declares = |token: &Token| {
        token.kind == Kind::Word
            && ["struct", "enum", "trait", "type", "union"].contains(&token.text.as_str())
    };
    all.windows(2)
        .filter(|pair| declares(&pair[0]) && pair[1].kind == Kind::Word)
        .filter_map(|pair| {
            let name = &pair[1];
            let bare = ENDINGS.iter().find_map(|ending| name.text.strip_suffix(ending));
            let bad = NAMES.iter().find(|(bad, _)| name.text == *bad || bare == Some(bad))?;
            let text = format!("`{}`: say {}", name.text, bad.1);
            Some(Finding::new(&file.path, name.line, text))
        })
        .collect()
}

fn columns(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let code = line.split("--").next().unwrap_or_default().to_lowercase();
        let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let bad = words.filter(|word| COLUMNS.contains(word));
        found.extend(bad.map(|word| Finding::new(&file.path, number, format!("column `{word}`"))));
    }
    found
}

#[test]
fn types_are_called_by_the_words_of_the_field() {
    hold(&files(&[".rs"]), names);
}

#[test]
fn columns_are_called_by_the_words_of_the_field() {
    hold(&files_if_any(&[".sql"]), columns);
}

#[test]
fn the_rules_know_the_words() {
    let count = |source: &str| names(&File::new("a.rs", source)).len();
    for source in
        ["struct Tenant;", "pub enum ClientKind {}", "type OrgId = u8;", "trait Pricing {}"]
    {
        assert_eq!(count(source), 1, "{source}");
    }
    for source in
        ["struct HttpClient;", "struct ExecutionPlan;", "// struct Tenant", "let x: Client;"]
    {
        assert_eq!(count(source), 0, "{source}");
    }
    let count = |source: &str| columns(&File::new("a.sql", source)).len();
    assert_eq!(count("CREATE TABLE a (\n  tenant_id TEXT -- tenant\n);"), 1);
    assert_eq!(count("CREATE TABLE account (account_id TEXT);"), 0);
}
