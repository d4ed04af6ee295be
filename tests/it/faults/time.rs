//! Rows F43 to F45: clocks that jump, a second that does not exist, calendars of every kind.

use turnpike_schemas::{Instant, Period, RunId};

use super::row::{Proof, row};
use crate::exact::lines;
use crate::support::case::{self, Case};
use crate::support::cli::Turnpike;

#[test]
fn f43_clocks_that_jump() {
    row("F43", "the clock jumps: rating knows event time only, issue dates never go back", || {
        let case = Case::read(case::folder("golden/02-resize-mid-interval"));
        let turnpike = case.install();
        for path in case.events() {
            turnpike.ok(&["ingest", "--from", &format!("file:{}", path.display())]);
        }
        let as_of = "2027-01-01T00:00:00Z";
        let arguments = ["rate", "--period", &case.period, "--as-of", as_of];
        let mut turnpike = turnpike;
        let mut hashes = std::collections::BTreeSet::new();
        // An hour on, an hour back, ten minutes back, a year on.
        for now in [
            "2027-02-01T01:00:00Z",
            "2027-02-01T00:00:00Z",
            "2027-01-31T23:50:00Z",
            "2028-02-01T00:00:00Z",
        ] {
            turnpike = turnpike.at(Some(now));
            hashes.insert(turnpike.json(&arguments)["hash"].to_string());
        }
        assert_eq!(hashes.len(), 1, "{hashes:?}");

        // The first invoice is of February 2nd; with the clock put back nothing follows it.
        let other = case::folder("golden/01-stop-and-start-inside-an-hour");
        let two = two_accounts(&other);
        let turnpike = two.at(Some("2027-02-02T08:00:00Z"));
        turnpike.ok(&["invoice", "draft", "--period", "2026-10"]);
        let listed = turnpike.json(&["invoice", "list", "--period", "2026-10"]);
        let ids: Vec<&str> =
            listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 2, "{listed}");
        turnpike.ok(&["invoice", "finalize", ids[0]]);
        let turnpike = turnpike.at(Some("2027-02-01T20:00:00Z"));
        let ran = turnpike.run(&["invoice", "finalize", ids[1]]);
        assert!(!ran.status.success() && ran.stderr.contains("clock"), "{ran}");
        let turnpike = turnpike.at(Some("2027-02-02T07:00:00Z"));
        turnpike.ok(&["invoice", "finalize", ids[1]]);
        turnpike.ok(&["verify"]);
        Proof::Pass("one hash; a finalisation refused while the clock was back".to_owned())
    });
}

/// Two accounts of one seller with something to bill in October 2026, rated.
fn two_accounts(folder: &std::path::Path) -> Turnpike {
    let book = std::fs::read_to_string(folder.join("book.toml")).unwrap();
    let at = book.find("[[account]]").unwrap();
    let twin = book[at..].replace("\"a1\"", "\"a2\"").replace("t-1\"", "t-2\"");
    let turnpike = Turnpike::new().at(Some("2027-02-01T00:00:00Z"));
    turnpike.file("book.toml", book + "\n" + &twin);
    turnpike.ok(&["book", "import", "book.toml"]);
    let life = |owner: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"e-{owner}","source":"/clock","type":"dev.turnpike.usage.transition.v1","time":"2026-10-05T00:00:00Z","data":{{"resource":{{"kind":"instance","id":"i-{owner}"}},"owner":"t-{owner}","state":"active","held":[{{"meter":"vcpu","quantity":2}}]}}}}"#
        )
    };
    turnpike.file("events.jsonl", format!("{}\n{}\n", life(1), life(2)));
    turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);
    turnpike.ok(&["rate", "--period", "2026-10"]);
    turnpike
}

#[test]
fn f44_a_leap_second() {
    row("F44", "23:59:60Z is the last second of its day, and a day has 86,400", || {
        let second = Instant::parse("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(second.floor_seconds(), 1_483_228_799);
        let smeared = Instant::parse("2016-12-31T23:59:60.999999Z").unwrap();
        assert_eq!(smeared.floor_seconds(), 1_483_228_799);
        let turnpike = calendar(&["UTC"], "2016-12-01T00:00:00Z", "2016-12-31T23:59:60Z");
        let december = held(&turnpike, "2016-12");
        assert_eq!(december, [("z00".to_owned(), 31 * 86_400 - 1)]);
        assert_eq!(held(&turnpike, "2017-01"), []);
        Proof::Pass("2,678,399 s are billed up to it".to_owned())
    });
}

/// From the furthest west to the furthest east, with halves of hours and of changes.
const ZONES: [&str; 12] = [
    "Etc/GMT+12",
    "Etc/GMT-14",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "America/New_York",
    "Europe/Paris",
    "Africa/Cairo",
    "America/Santiago",
    "UTC",
];

/// Over this year, a leap year, something is held.
const YEAR: i32 = 2024;

#[test]
fn f45_calendars_of_every_kind() {
    row("F45", "23 and 25 hours, ends of months, a leap day, zones of 14 hours", || {
        let turnpike = calendar(&ZONES, "2023-12-30T00:00:00Z", "2025-01-03T00:00:00Z");
        let mut sums = vec![0; ZONES.len()];
        for month in 1..=12 {
            for (account, seconds) in held(&turnpike, &format!("{YEAR}-{month:02}")) {
                let at: usize = account[1..].parse().unwrap();
                let whole = Period::month(YEAR, month, ZONES[at].parse().unwrap()).unwrap();
                assert_eq!(seconds, whole.seconds(), "{} in month {month}", ZONES[at]);
                sums[at] += seconds;
            }
        }
        assert!(sums.iter().all(|sum| *sum == 366 * 86_400), "{sums:?}");
        Proof::Pass(format!("12 months tile {YEAR} in {} zones", ZONES.len()))
    });
}

/// An account in each zone, and an instance of each that is held from one instant to another.
fn calendar(zones: &[&str], from: &str, to: &str) -> Turnpike {
    let path = case::folder("golden/16-counter-reset/book.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut book = text[..text.find("[[tariff]]").unwrap()].to_owned();
    book += "[[tariff]]\nid = \"t\"\nname = \"T\"\ncurrency = \"EUR\"\n\n[[tariff.version]]\n\
             valid_from = \"2010-01-01T00:00:00Z\"\n\n[[tariff.version.rate]]\nmeter = \"vcpu\"\n\
             price = \"0.0416\"\nper = \"month\"\nunit = \"vCPU\"\ntax = \"standard\"\n\n";
    let mut events = String::new();
    for (at, zone) in zones.iter().enumerate() {
        book += &format!(
            "[[account]]\nid = \"z{at:02}\"\nname = \"Z\"\nseller = \"acme\"\ncurrency = \"EUR\"\n\
             time_zone = \"{zone}\"\ntariff = \"t\"\naddress = {{ lines = [\"1 road\"], postal_code = \
             \"1\", city = \"Paris\", country = \"FR\" }}\n\n[[account.owner]]\nowner = \
             \"native/o-{at}\"\n\n"
        );
        for (number, time, what) in [
            (0, from, r#""state":"active","held":[{"meter":"vcpu","quantity":1}]"#),
            (1, to, r#""terminal":true"#),
        ] {
            events += &format!(
                r#"{{"specversion":"1.0","id":"e-{at}-{number}","source":"/zones","type":"dev.turnpike.usage.transition.v1","time":"{time}","data":{{"resource":{{"kind":"instance","id":"i-{at}"}},"owner":"o-{at}",{what}}}}}"#
            );
            events.push('\n');
        }
    }
    let turnpike = Turnpike::new();
    turnpike.file("book.toml", book);
    turnpike.ok(&["book", "import", "book.toml"]);
    turnpike.file("events.jsonl", events);
    turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);
    turnpike
}

/// Seconds by account of a month's lines.
fn held(turnpike: &Turnpike, period: &str) -> Vec<(String, i64)> {
    let run = turnpike.json(&["rate", "--period", period]);
    let id = RunId::new(run["run"].as_str().unwrap()).unwrap();
    let now = Instant::parse("2026-01-01T00:00:00Z").unwrap();
    let found = lines(turnpike, &id, now);
    found.iter().map(|line| (line.account.to_string(), line.seconds)).collect()
}
