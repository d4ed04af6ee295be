//! Rows F12, F15 and F18 of `serve`: what a producer and a supervisor are told while a disk is full,
//! read-only, or has not synced yet.

use std::time::Duration;

use super::events::events;
use super::http::{self, EVENTS, list};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use super::tools::{self, SmallDisk};
use super::trace::Trace;
use crate::http::server::Server;
use crate::support::cli::{Running, Turnpike};
use crate::support::wait;

/// Liveness: a fault that is gone is forgotten within this, by itself.
const READY_MAX: Duration = Duration::from_secs(10);

#[test]
fn f12_synced_before_a_request_is_answered() {
    row("F12", "power loss: all is synced before a request is answered with 202", || {
        if let Some(reason) = tools::lacks_strace() {
            return Proof::Skip(reason);
        }
        let (turnpike, key) = http::install();
        // The tables are made before anybody looks.
        turnpike.ok(&["compact"]);
        let path = turnpike.folder().join("trace");
        let server =
            Server::start_through(&turnpike, &[], |command| tools::traced(&path, &command));
        let mut journal = Journal::default();
        let requests = scaled(40, 10);
        for number in 0..requests {
            let records = events(number * 3..number * 3 + 3);
            let answer = server.post(EVENTS, &key, &[], &list(&records)).unwrap();
            assert_eq!(answer.status, 202, "{}", answer.body);
            journal.add_http(&records);
        }
        tools::signal(tools::child_of(server.id()), "TERM");
        let ran = server.wait();
        assert!(ran.status.success(), "{ran}");
        let trace = Trace::read(&path);
        let commits = trace.check_commits(&turnpike.data().join("lake/usage_events"));
        let answers = trace.check_answers();
        let answers = answers.unwrap_or_else(|reason| panic!("answered too early: {reason}"));
        assert_eq!(u64::try_from(answers).unwrap(), requests, "answers in the trace");
        let report = oracle::check(&turnpike, &journal);
        Proof::Pass(format!(
            "{answers} answers after their {commits} commits; {}",
            oracle::words(&report)
        ))
    });
}

/// `serve` with its data on a small disk.
struct Served {
    turnpike: Turnpike,
    disk: SmallDisk,
    key: String,
    server: Server,
    journal: Journal,
    sent: u64,
}

impl Served {
    fn start() -> Result<Served, String> {
        let turnpike = Turnpike::new();
        let disk = SmallDisk::at(&turnpike.data(), 24)?;
        let inside = |arguments: &[&str]| {
            let command = turnpike.command(arguments.iter().copied());
            let ran = Running::start(disk.inside(&command)).wait(READY_MAX * 6).expect("it ends");
            assert!(ran.status.success(), "{ran}");
            ran.stdout
        };
        inside(&["book", "import", &oracle::book().to_string_lossy()]);
        let created = inside(&["key", "create", "faults", "--format", "json"]);
        let created: serde_json::Value = serde_json::from_str(&created).unwrap();
        let key = created["key"].as_str().unwrap().to_owned();
        let server = Server::start_through(&turnpike, &[], |command| disk.inside(&command));
        Ok(Served { turnpike, disk, key, server, journal: Journal::default(), sent: 0 })
    }

    /// Sends events that nobody has sent before, and again until they are taken.
    fn send(&mut self) {
        let records = events(self.sent..self.sent + 20);
        self.sent += 20;
        wait::until("the events to be taken", READY_MAX, || {
            let answer = self.server.post(EVENTS, &self.key, &[], &list(&records))?;
            (answer.status == 202).then_some(())
        });
        self.journal.add_http(&records);
    }

    /// It takes nothing, says when to come again, and tells its supervisor; it does not end.
    fn refuses(&self, status: u16) {
        let records = events(self.sent..self.sent + 20);
        let answer = self.server.post(EVENTS, &self.key, &[], &list(&records)).unwrap();
        assert_eq!(answer.status, status, "{}", answer.body);
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds > 0);
        let ready = self.server.get("/readyz").unwrap();
        assert_eq!(ready.status, 503, "{}", ready.body);
        assert!(ready.body.contains("the lake takes no writes"), "{}", ready.body);
        assert_eq!(self.server.get("/healthz").unwrap().status, 200);
    }

    fn is_ready(&self) {
        wait::until("the server to be ready", READY_MAX, || {
            self.server.get("/readyz").filter(|answer| answer.status == 200)
        });
    }

    fn finish(self) -> String {
        let ran = self.server.stop();
        assert!(ran.status.success(), "{ran}");
        self.disk.copy_out();
        oracle::words(&oracle::check(&self.turnpike, &self.journal))
    }
}

fn refused_and_resumed(
    status: u16,
    break_it: impl Fn(&SmallDisk),
    mend_it: impl Fn(&SmallDisk),
) -> Proof {
    let mut served = match Served::start() {
        Ok(served) => served,
        Err(reason) => return Proof::Skip(reason),
    };
    served.send();
    let rounds = scaled(3, 1);
    for _ in 0..rounds {
        served.is_ready();
        break_it(&served.disk);
        served.refuses(status);
        mend_it(&served.disk);
        served.is_ready();
        served.send();
    }
    Proof::Pass(format!("{rounds} times {status} and not ready; {}", served.finish()))
}

#[test]
fn f15_a_full_disk_under_a_server() {
    row("F15", "serve on a full disk: 507, not ready, and by itself ready again", || {
        refused_and_resumed(507, SmallDisk::fill, SmallDisk::free)
    });
}

#[test]
fn f18_a_read_only_disk_under_a_server() {
    row("F18", "serve on a read-only disk: 503, not ready, and by itself ready again", || {
        refused_and_resumed(503, |disk| disk.forbid("lake"), |disk| disk.allow("lake"))
    });
}
