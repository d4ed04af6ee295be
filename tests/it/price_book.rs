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
    // What was printed is what stands in the book.
    assert!(turnpike.ok(&["book", "show", "--text"]).contains(&tariff));
    let other = import(&["--tariff", "other", "--service", "compute=desk"]);
    assert!(turnpike.fails(4, &other).stderr.contains("no meter `desk`"));
}

#[test]
fn a_hashmap_read_again_is_another_version_where_a_price_has_changed() {
    let turnpike = Turnpike::new();
    turnpike.ok(&["book", "import", &path("book.toml")]);
    let text = std::fs::read_to_string(path("hashmap.json")).unwrap();
    let file = turnpike.file("hashmap.json", &text).to_string_lossy().into_owned();
    let import = |from: &str| {
        let arguments = ["book", "import", &file, "--from", "cloudkitty", "--currency", "EUR"];
        let more = ["--tax", "standard", "--valid-from", from, "--field", "flavor_name=flavor"];
        arguments.into_iter().chain(more).map(str::to_owned).collect::<Vec<String>>()
    };
    let run = |from: &str| {
        let arguments = import(from);
        turnpike.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = |from: &str| {
        let arguments = import(from);
        turnpike.fails(4, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).stderr
    };
    let first = run("2026-01-01");
    // The same again, from whatever day on, changes nothing and says so.
    for from in ["2026-01-01", "2026-05-01"] {
        let again = run(from);
        assert_eq!((&again["changed"], &again["hash"]), (&false.into(), &first["hash"]), "{again}");
        assert_eq!(again["version"], first["version"]);
    }
    let changed = text.replacen("\"cost\": \"", "\"cost\": \"9", 1);
    assert_ne!(changed, text);
    std::fs::write(&file, &changed).unwrap();
    assert!(refused("2026-01-01").contains("has a version from 2026-01-01T00:00:00Z on"));
    let later = run("2026-05-01");
    assert_eq!(later["changed"], true, "{later}");
    let versions = |counts: &serde_json::Value| counts["tariff_versions"].as_i64().unwrap();
    assert_eq!(versions(&later), versions(&first) + 1);
    assert_eq!(later["tariffs"], first["tariffs"]);
    assert_eq!(run("2026-06-01")["changed"], false);
    // What people have added would be lost.
    let book = turnpike.ok(&["book", "show", "--text"]);
    let last = "valid_from = \"2026-05-01\"\n";
    assert_eq!(book.matches(last).count(), 1, "{book}");
    assert_eq!(book.matches("valid_to = \"2026-05-01\"\n").count(), 1, "{book}");
    let own = turnpike
        .file("own.toml", book.replace(last, &format!("{last}included = [\"snapshot\"]\n")));
    turnpike.ok(&["book", "import", &own.to_string_lossy()]);
    std::fs::write(&file, &text).unwrap();
    assert!(refused("2026-07-01").contains("says more than a HashMap does"));
}

#[test]
fn prices_of_a_series_are_appended() {
    let turnpike = Turnpike::new();
    let prices = |name: &str, rows: &str| {
        let file = turnpike.file(name, format!("series,from,price\n{rows}"));
        file.to_string_lossy().into_owned()
    };
    let first = prices("a.csv", "spot,2026-10-20,0.0052\nspot,2026-10-20T00:00:01Z,0.0093\n");
    assert!(turnpike.fails(4, &["book", "add-prices", &first]).stderr.contains("no book"));
    let before = turnpike.json(&["book", "import", &path("book.toml")]);
    let text = turnpike.ok(&["book", "show", "--text"]);
    let printed = turnpike.ok(&["book", "add-prices", &first, "--print"]);
    assert_eq!(turnpike.ok(&["book", "show", "--text"]), text);
    let added = turnpike.json(&["book", "add-prices", &first]);
    assert_eq!((&added["changed"], &added["version"]), (&true.into(), &2.into()), "{added}");
    assert_ne!(added["hash"], before["hash"]);
    assert_eq!(turnpike.ok(&["book", "show", "--text"]), printed);
    // All but the new rows is as it was.
    let kept = printed.lines().filter(|line| !line.contains("2026-10-20T")).collect::<Vec<_>>();
    let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(kept.trim_end(), text.trim_end());
    let again = prices("b.csv", "spot,2026-10-21,1\nspot,2026-10-20,2\nspit,2026-10-22,3\n");
    let said = turnpike.fails(4, &["book", "add-prices", &again]).stderr;
    for part in ["b.csv:3: ", "b.csv:4: ", "no price series `spit`", "nothing was imported"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(turnpike.ok(&["book", "show", "--text"]), printed);
}
