//! The sums that the pages about tariffs state are what `turnpike quote` says of the TOML beside them.
//!
//! Behind a block stands a comment that readers do not see:
//!
//! ```text
//! <!-- rates to 83.00: egress=1200GB -->
//! <!-- rates to 18.00, where all-tiers is top-tier: disk-ops=125 million operations -->
//! <!-- rates to 28000, in 2026-07: vcpu=2@host_class=gold,for=1h
//! [[tariff.version.rate]]
//! meter = "compute-mips" ... -->
//! ```
//!
//! Uses are those of `--use`, parted by ` | `. The book is the page's head, the blocks of the section up
//! to the comment and the comment's own; `<!-- after Graduated -->` puts the blocks of another section
//! before them. Every block, with a sum or without, has to be a sound book.

use std::fmt::Write as _;

use serde_json::Value;
use turnpike_schemas::{Fraction, parse};

use crate::support::case;
use crate::support::cli::Turnpike;

const NETWORK: &str = r#"
[[party]]
id = "acme"
name = "Acme"
kind = "franchisor"
series = "ACM"
payment_days = 30
address = { lines = ["1 road"], postal_code = "1", city = "Paris", country = "FR" }

[[site]]
id = "fra"
name = "Frankfurt"
party = "acme"

[[site]]
id = "lyon-1"
name = "Lyon 1"
party = "acme"

[[tax_category]]
id = "standard"
code = "S"
rate = "20%"

"#;
const HEAD: &str = r#"
[[tariff]]
id = "network"
name = "Network list"
currency = "EUR"

[[tariff.version]]
valid_from = 2026-01-01
"#;

#[derive(Debug, Default)]
struct Section {
    name: String,
    blocks: Vec<String>,
    sums: Vec<Sum>,
}

#[derive(Debug)]
struct Sum {
    line: usize,
    amount: String,
    period: String,
    replaced: Option<(String, String)>,
    uses: Vec<String>,
    /// The TOML of the section so far.
    toml: String,
}

/// `83.00`, or `467/36000`.
fn exact(text: &str) -> Fraction {
    let decimal = |text: &str| {
        let (digits, decimals) = parse::decimal_parts(text).unwrap();
        Fraction::ratio(digits, 10_i128.pow(decimals)).unwrap()
    };
    match text.split_once('/') {
        Some((over, under)) => decimal(over).checked_div(&decimal(under)).unwrap(),
        None => decimal(text),
    }
}

fn sum(line: usize, comment: &str, own: String) -> Sum {
    let (first, toml) = comment.split_once('\n').unwrap_or((comment, ""));
    let (head, uses) = first.split_once(": ").unwrap_or_else(|| panic!("line {line}: no uses"));
    let mut words = head.split(", ");
    let mut sum = Sum {
        line,
        amount: words.next().unwrap().trim().to_owned(),
        period: "2026-10".to_owned(),
        replaced: None,
        uses: uses.split(" | ").map(|each| each.trim().to_owned()).collect(),
        toml: format!("{own}\n{toml}"),
    };
    for word in words {
        if let Some(period) = word.strip_prefix("in ") {
            period.clone_into(&mut sum.period);
        } else {
            let replaced = word.strip_prefix("where ").and_then(|word| word.split_once(" is "));
            let (old, new) = replaced.unwrap_or_else(|| panic!("line {line}: `{word}`"));
            // `\\n` begins another line.
            let old = old.replace("\\n", "\n");
            sum.replaced = Some((old, new.replace("\\n", "\n")));
        }
    }
    sum
}

/// The sections of a page that have TOML or sums. The first block of the page is its head.
fn sections(page: &str) -> Vec<Section> {
    let mut found = vec![Section::default()];
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let last = found.last_mut().unwrap();
        if line.starts_with("```toml") {
            let block: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            last.blocks.push(block.join("\n") + "\n");
        } else if let Some(comment) = line.strip_prefix("<!-- ") {
            let mut text = comment.to_owned();
            while !text.contains("-->") {
                text = text + "\n" + lines.next().expect("the comment ends").1;
            }
            let text = text.replace("-->", "");
            if let Some(name) = text.strip_prefix("after ") {
                let own = found.iter().find(|section| section.name == name.trim());
                let own = own.unwrap_or_else(|| panic!("no section {name}")).blocks.clone();
                found.last_mut().unwrap().blocks.extend(own);
            } else if let Some(text) = text.strip_prefix("rates to ") {
                let own = last.blocks.concat();
                last.sums.push(sum(number + 1, text, own));
            }
        } else if line.starts_with("```") && line.len() > 3 {
            lines.by_ref().take_while(|(_, line)| *line != "```").for_each(drop);
        } else if line.starts_with('#') {
            let name = line.trim_start_matches('#').trim().to_owned();
            found.push(Section { name, ..Section::default() });
        }
    }
    found.retain(|section| !section.blocks.is_empty() || !section.sums.is_empty());
    found
}

fn check(page: &str, least: usize) {
    let path = case::folder("../docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let turnpike = Turnpike::new().at(Some("2026-11-20T00:00:00Z"));
    let (mut wrong, mut count) = (String::new(), 0);
    for section in sections(&text) {
        if !section.name.is_empty() && !section.blocks.is_empty() {
            let own = section.blocks.concat();
            let head = if own.contains("[[tariff]]") { "" } else { HEAD };
            let book = turnpike.file("book.toml", format!("{NETWORK}{head}{own}"));
            let ran = turnpike.run(&["book", "check", &book.to_string_lossy()]);
            if !ran.status.success() {
                writeln!(wrong, "{page}, {}: {}", section.name, ran.stderr).unwrap();
            }
        }
        for sum in &section.sums {
            count += 1;
            let mut toml = format!("{NETWORK}{HEAD}{}", sum.toml);
            if let Some((old, new)) = &sum.replaced {
                assert!(toml.contains(old.as_str()), "{page}:{}: no {old}", sum.line);
                toml = toml.replace(old, new);
            }
            let book = turnpike.file("book.toml", toml).to_string_lossy().into_owned();
            let quote = ["quote", "--tariff", "network", "--book", &book, "--period", &sum.period];
            let uses = sum.uses.iter().flat_map(|each| ["--use", each.as_str()]);
            let arguments: Vec<&str> =
                quote.into_iter().chain(uses).chain(["--format", "json"]).collect();
            let ran = turnpike.run(&arguments);
            let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            let part = |name: &str| told["total"][name].as_str().unwrap_or("0/0").to_owned();
            let found = if ran.status.success() {
                exact(&format!("{}/{}", part("numerator"), part("denominator")))
            } else {
                writeln!(wrong, "{page}:{}: {}", sum.line, ran.stderr).unwrap();
                continue;
            };
            if found != exact(&sum.amount) {
                let told = part("amount");
                writeln!(wrong, "{page}:{}: {} stated, {told} rated", sum.line, sum.amount)
                    .unwrap();
            }
        }
    }
    println!("{page}: {count} sums");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= least, "only {count} sums of {page} are rated");
}

#[test]
fn the_sums_of_the_pages_are_what_is_rated() {
    check("tariffs.md", 30);
    check("price-models.md", 6);
    check("fees-and-adjustments.md", 6);
}
