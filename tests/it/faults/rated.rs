//! Rows F06, F14, F50, F53 and F55: a rating run that dies, files that are damaged, price lists that
//! say nothing, currencies of any precision, and an account that is half of everything.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use turnpike_ingest::kill::RATE_POINTS;

use super::events::Random;
use super::points::KILL_AT;
use super::row::{Proof, row, scaled};
use super::tools::{self, KillPoint};
use crate::support::case::{self, Case};
use crate::support::cli::{COMMAND_MAX, Running, Turnpike};
use crate::support::log;

const LIFE: &str = "golden/02-resize-mid-interval";

/// A case with its events in the tables.
fn filled(case: &Case) -> Turnpike {
    let turnpike = case.install();
    for path in case.events() {
        turnpike.ok(&["ingest", "--from", &format!("file:{}", path.display())]);
    }
    turnpike
}

fn killed(turnpike: &Turnpike, point: &str, arguments: &[&str]) {
    let mut command = turnpike.command(arguments.iter().copied());
    command.env(KILL_AT, point);
    let ran = Running::start(command).wait(COMMAND_MAX).expect("it ends");
    assert!(ran.status.signal().is_some(), "{point} was not reached: {ran}");
}

#[test]
fn f06_killed_while_rating() {
    row("F06", "kill -9 at any step of a rating run: nothing half-published", || {
        let case = Case::read(case::folder(LIFE));
        let expected = case.rate(&filled(&case)).0["hash"].clone();
        let turnpike = filled(&case);
        let arguments = ["rate", "--period", &case.period];
        let mut kills = 0;
        for point in RATE_POINTS {
            killed(&turnpike, point, &arguments);
            nothing_is_published(&turnpike, &case);
            kills += 1;
        }
        if tools::lacks_strace().is_none() {
            for call in ["linkat", "rename", "write", "fsync"] {
                for number in 1..=scaled(20, 3) {
                    let point = KillPoint { call, path: None, number };
                    kills += u64::from(tools::killed_at(&turnpike, &point, &arguments));
                }
            }
        }
        // Runs that were faster than their end stand, complete, and are all the same.
        assert_eq!(case.rate(&turnpike).0["hash"], expected);
        let billed = case.bill(&turnpike);
        case.check(&turnpike, &billed);
        assert_eq!(case.rate(&turnpike).0["hash"], expected);
        turnpike.ok(&["verify"]);
        Proof::Pass(format!("{kills} kills; the same hash, the same invoices"))
    });
}

/// What a run that died left behind is seen by nobody: there is nothing to draft from.
#[track_caller]
fn nothing_is_published(turnpike: &Turnpike, case: &Case) {
    let ran = turnpike.run(&["invoice", "draft", "--period", &case.period]);
    assert!(!ran.status.success(), "a draft was made of a run that died: {ran}");
    let listed = turnpike.json(&["invoice", "list", "--period", &case.period]);
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "{listed}");
}

/// A case whose rows came in several commits, and after it an event of nobody's.
fn filled_twice(case: &Case, compacted: bool) -> Turnpike {
    let turnpike = case.install().with("TURNPIKE__INGEST__FLUSH_ROWS", "2");
    let compact = || compacted.then(|| turnpike.ok(&["compact"]));
    for path in case.events() {
        turnpike.ok(&["ingest", "--from", &format!("file:{}", path.display())]);
    }
    compact();
    turnpike.file("nobody.jsonl", consumed(999, "nobody", "nothing", 1));
    turnpike.ok(&["ingest", "--from", "file:nobody.jsonl"]);
    compact();
    turnpike
}

#[test]
fn f14_a_damaged_data_file() {
    row("F14", "a byte flipped in, or nothing left of, a file that is referenced", || {
        let case = Case::read(case::folder("golden/61-corrections-backfill-revert"));
        let mut random = Random(14);
        let mut refused = 0;
        for (compacted, table) in [(false, "usage_events"), (true, "usage")] {
            let turnpike = filled_twice(&case, compacted);
            let expected = case.rate(&turnpike).0["hash"].clone();
            let folder = turnpike.data().join("lake").join(table);
            let mut files = log::settled(&folder);
            // The index of keys and the manifest are read by ingest; months by rating.
            files.retain(|file| !compacted || file.contains("month="));
            assert!(!files.is_empty(), "{table} has no file but the newest");
            for round in 0..scaled(20, 10) {
                let index = random.below(files.len() as u64);
                let file = folder.join(&files[usize::try_from(index).unwrap()]);
                let whole = std::fs::read(&file).unwrap();
                let mut damaged = whole.clone();
                if round == 0 {
                    damaged.clear();
                } else {
                    let at = usize::try_from(random.below(whole.len() as u64)).unwrap();
                    damaged[at] ^= 1 << random.below(8);
                }
                std::fs::write(&file, &damaged).unwrap();
                is_refused(&turnpike, &case, &file);
                refused += 1;
                std::fs::write(&file, &whole).unwrap();
            }
            assert_eq!(case.rate(&turnpike).0["hash"], expected);
        }
        Proof::Pass(format!("{refused} damaged files, each named; nothing was billed"))
    });
}

#[track_caller]
fn is_refused(turnpike: &Turnpike, case: &Case, file: &Path) {
    let ran = turnpike.run(&["rate", "--period", &case.period]);
    let name = file.file_name().unwrap().to_string_lossy();
    assert!(!ran.status.success(), "{name} is damaged, and all the same: {ran}");
    assert!(ran.stderr.contains(&*name), "{name} is not named: {ran}");
    assert!(!ran.stderr.contains("panicked"), "{ran}");
}

/// A book of one seller with `accounts`, each a text of TOML.
pub(super) fn book(accounts: &str) -> String {
    let path = case::folder("golden/16-counter-reset/book.toml");
    let text = std::fs::read_to_string(path).unwrap();
    text[..text.find("[[tariff]]").unwrap()].to_owned() + accounts
}

pub(super) fn tariff(id: &str, currency: &str, versions: &str) -> String {
    let currency = match currency {
        "" => String::new(),
        code => format!("currency = \"{code}\"\n"),
    };
    format!("[[tariff]]\nid = \"{id}\"\nname = \"{id}\"\n{currency}\n{versions}\n")
}

pub(super) fn version(from: &str, more: &str, price: &str) -> String {
    format!(
        "[[tariff.version]]\nvalid_from = \"{from}T00:00:00Z\"\n{more}\n[[tariff.version.rate]]\n\
         meter = \"egress\"\nprice = \"{price}\"\nper = \"unit\"\nunit = \"byte\"\ntax = \"standard\"\n"
    )
}

pub(super) fn account(id: &str, currency: &str, tariff: &str) -> String {
    let currency = match currency {
        "" => String::new(),
        code => format!("currency = \"{code}\"\n"),
    };
    format!(
        "[[account]]\nid = \"{id}\"\nname = \"{id}\"\nseller = \"acme\"\n{currency}\
         time_zone = \"UTC\"\ntariff = \"{tariff}\"\naddress = {{ lines = [\"1 road\"], postal_code = \
         \"1\", city = \"Paris\", country = \"FR\" }}\n\n[[account.owner]]\nowner = \"native/{id}\"\n\n"
    )
}

pub(super) fn consumed(number: usize, owner: &str, resource: &str, bytes: u64) -> String {
    let (day, second) = (1 + number % 28, number % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        r#"{{"specversion":"1.0","id":"e-{number}","source":"/faults","type":"dev.turnpike.usage.delta.v1","time":"2025-10-{day:02}T{hour:02}:{minute:02}:{second:02}Z","data":{{"resource":{{"kind":"instance","id":"{resource}"}},"owner":"{owner}","used":[{{"meter":"egress","quantity":"{bytes}"}}]}}}}"#
    ) + "\n"
}

pub(super) fn install(book: &str, events: &str) -> Turnpike {
    let turnpike = Turnpike::new();
    turnpike.file("book.toml", book);
    turnpike.ok(&["book", "import", "book.toml"]);
    turnpike.file("events.jsonl", events);
    turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);
    turnpike
}

pub(super) const RATE: [&str; 3] = ["rate", "--period", "2025-10"];

/// Price lists that do not say what something costs, or twice, each with a word of what is said of it.
fn refused(whole: &str, overlap: &str) -> Vec<(&'static str, String)> {
    let after_gap = version("2025-02-01", "", "0.01");
    let ended = version("2024-01-01", "valid_to = \"2025-01-01T00:00:00Z\"", "0.01");
    let class =
        |dates: &str| format!("[[host_class]]\nclass = \"gold\"\nmips_per_vcpu = \"1\"\n{dates}\n");
    let assigned =
        |dates: &str| format!("[[account.tariff_assignment]]\ntariff = \"t\"\n{dates}\n");
    let moved = |from: &str| {
        account("a", "EUR", "t").replace("tariff = \"t\"\n", "")
            + &assigned("valid_to = 2025-10-10")
            + &assigned(&format!("valid_from = {from}"))
    };
    let one = tariff("t", "EUR", whole);
    vec![
        ("overlaps", tariff("t", "EUR", &(whole.to_owned() + overlap))),
        ("nothing is in force from 2025-01-01", tariff("t", "EUR", &(ended + &after_gap))),
        ("`currency` is missing", tariff("t", "", whole)),
        ("`currency` is missing", one.clone() + &account("a", "", "t")),
        ("priced in EUR", one.clone() + &account("a", "JPY", "t")),
        (
            "host class `gold`: nothing is in force from 2025-06-01",
            class("valid_to = 2025-06-01") + &class("valid_from = 2025-06-02"),
        ),
        ("overlaps", one.clone() + &moved("2025-10-09")),
        ("nothing is in force from 2025-10-10", one + &moved("2025-10-11")),
    ]
}

#[test]
fn f50_price_lists_that_do_not_say() {
    row("F50", "overlap, gap, no currency: refused when saved, or the account is parked", || {
        let turnpike = Turnpike::new();
        let whole = version("2024-01-01", "", "0.01");
        let overlap = version("2024-06-01", "valid_to = \"2025-01-01T00:00:00Z\"", "0.02");
        let refused = refused(&whole, &overlap);
        for (number, (word, text)) in refused.iter().enumerate() {
            let name = format!("refused-{number}.toml");
            turnpike.file(&name, book(text));
            let said = turnpike.fails(4, &["book", "import", &name]).stderr;
            let place = format!("{name}:");
            let told = said.lines().any(|line| line.contains(&place) && line.contains(word));
            assert!(told, "{word:?} is not among {said}");
        }

        let late = version("2025-10-20", "", "0.01");
        let text = [
            tariff("good", "EUR", &whole),
            tariff("late", "EUR", &late),
            tariff("silent", "none", &whole),
            account("a-good", "EUR", "good"),
            account("b-late", "EUR", "late"),
            account("c-silent", "EUR", "silent"),
            account("d-good", "EUR", "good"),
        ]
        .concat();
        let owners = ["a-good", "b-late", "c-silent", "d-good"];
        let events: String = owners
            .iter()
            .enumerate()
            .map(|(number, owner)| consumed(number, owner, owner, 1_000))
            .collect();
        let turnpike = install(&book(&text), &events);
        let run = turnpike.json(&RATE);
        let parked: Vec<(&str, &str)> = run["parked"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parked| (text_of(parked, "account"), text_of(parked, "code")))
            .collect();
        assert_eq!(parked, [("b-late", "tariff_gap"), ("c-silent", "missing_currency")], "{run}");
        // Neither at zero: there is nothing of them at all, and the others are billed.
        turnpike.ok(&["invoice", "draft", "--period", "2025-10"]);
        let listed = turnpike.json(&["invoice", "list", "--period", "2025-10"]);
        let billed: Vec<(&str, &str)> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (text_of(row, "account"), text_of(row, "net")))
            .collect();
        assert_eq!(billed, [("a-good", "10.00"), ("d-good", "10.00")], "{listed}");
        Proof::Pass(format!("{} refused, 2 parked, 2 billed", refused.len()))
    });
}

fn text_of<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

#[test]
fn f53_currencies_of_any_precision() {
    row("F53", "0, 2, 3 and 4 decimals, prices far below the smallest coin", || {
        // 1,234,567,891 bytes in three pieces, at a price of which none of these has a coin.
        let pieces = [1, 617_283_945, 617_283_945];
        let price = "0.000000001";
        let (mut text, mut events) = (String::new(), String::new());
        for (at, code) in ["JPY", "EUR", "KWD", "CLF"].into_iter().enumerate() {
            let id = code.to_lowercase();
            text += &tariff(&id, code, &version("2024-01-01", "", price));
            for (piece, bytes) in pieces.into_iter().enumerate() {
                events += &consumed(at * 10 + piece, &id, &id, bytes);
            }
        }
        for code in ["JPY", "EUR", "KWD", "CLF"] {
            text += &account(&code.to_lowercase(), code, &code.to_lowercase());
        }
        let turnpike = Turnpike::new();
        turnpike.file("finer.toml", book(&text.replace(price, "0.0000000001")));
        turnpike.fails(4, &["book", "import", "finer.toml"]);

        let turnpike = install(&book(&text), &events);
        let run = turnpike.json(&RATE);
        assert_eq!(run["parked"].as_array().map(Vec::len), Some(0), "{run}");
        turnpike.ok(&["invoice", "draft", "--period", "2025-10"]);
        let listed = turnpike.json(&["invoice", "list", "--period", "2025-10"]);
        let mut found = String::new();
        for row in listed.as_array().unwrap() {
            write!(found, "{} {}; ", text_of(row, "currency"), text_of(row, "net")).unwrap();
        }
        // 1.234567891, rounded once.
        assert_eq!(found, "CLF 1.2346; EUR 1.23; JPY 1; KWD 1.235; ", "{listed}");
        turnpike.ok(&["verify"]);
        Proof::Pass(found)
    });
}

#[test]
fn f55_an_account_that_is_half_of_everything() {
    row("F55", "one account has half of all events: memory is bounded, others do not wait", || {
        let events = usize::try_from(scaled(1_000_000, 20_000)).unwrap();
        let even = half(events, 50);
        let hot = half(events, 2);
        let ratio = hot.0.as_secs_f64() / even.0.as_secs_f64().max(0.2);
        assert!(ratio < 2.0, "{:?} where one is hot, {:?} where all are alike", hot.0, even.0);
        assert!(hot.1 < 700, "{} MiB", hot.1);
        Proof::Pass(format!(
            "{events} events: {:?} and {} MiB, against {:?} and {} MiB where all are alike",
            hot.0, hot.1, even.0, even.1
        ))
    });
}

/// Rates events of which every `of`th is of the first account, each resource with a few: how long it
/// took, and the most memory in MiB.
fn half(events: usize, of: usize) -> (Duration, u64) {
    let names: Vec<String> = (0..50).map(|number| format!("a{number:02}")).collect();
    let mut text = tariff("good", "EUR", &version("2024-01-01", "", "0.000001"));
    names.iter().for_each(|name| text += &account(name, "EUR", "good"));
    let mut lines = String::new();
    for number in 0..events {
        let name = if number % of == 0 { &names[0] } else { &names[1 + number % 49] };
        lines +=
            &consumed(number, name, &format!("r-{name}-{}", number / 7), 1_000 + number as u64);
    }
    let turnpike = install(&book(&text), &lines);
    turnpike.ok(&["compact"]);
    // The better of two, since other tests run beside this one.
    let [first, second] = [0, 1].map(|_| timed(&turnpike));
    (first.0.min(second.0), first.1.max(second.1))
}

fn timed(turnpike: &Turnpike) -> (Duration, u64) {
    let began = Instant::now();
    let mut running = Running::start(turnpike.command(RATE));
    let mut peak = 0;
    let ran = loop {
        peak = peak.max(tools::memory_now_kib(running.id()).unwrap_or(0));
        if let Some(ran) = running.wait(Duration::from_millis(20)) {
            break ran;
        }
        assert!(began.elapsed() < COMMAND_MAX);
    };
    assert!(ran.status.success(), "{ran}");
    (began.elapsed(), peak / 1_024)
}
