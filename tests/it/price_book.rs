//! The book from the command line: checking without a database, and another system's price list.

use crate::support::case;
use crate::support::cli::Turnpike;

fn path(name: &str) -> String {
    case::folder("tariffs").join(name).to_string_lossy().into_owned()
}

#[test]
fn a_book_is_checked_without_being_imported() {
    let turnpike = Turnpike::new();
    let checked = turnpike.json(&["book", "check", &path("book.toml")]);
    assert_eq!(checked["tariffs"], 2, "{checked}");
    assert_eq!(checked["warnings"], 0, "{checked}");
    assert!(turnpike.fails(4, &["book", "show"]).stderr.contains("no book"));
    // The same book, imported, has the same hash.
    let imported = turnpike.json(&["book", "import", &path("book.toml")]);
    assert_eq!(imported["hash"], checked["hash"]);
    let text = std::fs::read_to_string(path("book.toml")).unwrap();
    let broken =
        turnpike.file("broken.toml", text.replacen("percent = \"12.5%\"", "percent = 12.5", 1));
    let line = 1 + text.lines().position(|line| line == "percent = \"12.5%\"").unwrap();
    let broken = broken.to_string_lossy();
    let said = turnpike.fails(4, &["book", "check", &broken]).stderr;
    assert!(said.contains(&format!("broken.toml:{line}: ")), "{said}");
    assert!(!said.contains("imported"), "{said}");
}

#[test]
fn a_hashmap_of_cloudkitty_becomes_a_tariff_of_the_book() {
    let turnpike = Turnpike::new();
    let json = path("hashmap.json");
    let import = |more: &[&'static str]| {
        let mut arguments = vec!["book", "import", json.as_str(), "--from", "cloudkitty"];
        arguments.extend(["--currency", "EUR", "--tax", "standard", "--valid-from", "2026-01-01"]);
        arguments.extend(["--field", "flavor_name=flavor"]);
        arguments.extend(more);
        arguments
    };
    let tariff = turnpike.ok(&import(&["--print"]));
    assert!(tariff.contains("meter = \"volume\""), "{tariff}");
    assert!(turnpike.fails(4, &import(&[])).stderr.contains("no book"));
    turnpike.ok(&["book", "import", &path("book.toml")]);
    let imported = turnpike.json(&import(&[]));
    assert_eq!((&imported["tariffs"], &imported["version"]), (&3.into(), &2.into()), "{imported}");
    // What was printed is what stands in the book, and the id is taken now.
    assert!(turnpike.ok(&["book", "show", "--text"]).contains(&tariff));
    assert!(turnpike.fails(4, &import(&[])).stderr.contains("stands there already"));
    let other = import(&["--tariff", "other", "--service", "compute=desk"]);
    assert!(turnpike.fails(4, &other).stderr.contains("no meter `desk`"));
}
