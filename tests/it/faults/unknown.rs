//! Row F11: the outcome of a commit is unknown, since the line was cut after the database was told
//! and before it answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use super::events::{PERIOD, events};
use super::oracle::{self, Journal};
use super::row::{Proof, row, scaled};
use crate::support::cli::Turnpike;
use crate::support::wait;

/// A database of its own for this row, as `scripts/postgres` prints it: `postgres://USER@HOST:PORT/NAME`.
const SERVER: &str = "TURNPIKE_TEST_POSTGRES_FAULTS";
/// A commit as the wire has it: a simple query of one word.
const COMMIT: &[u8] = b"COMMIT\0";
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Stands between turnpike and its database, and cuts the line at one commit.
struct Proxy {
    address: SocketAddr,
    /// Commits to let pass; below zero: none is cut any more.
    left: Arc<AtomicI64>,
}

impl Proxy {
    fn start(server: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicI64::new(-1));
        let counter = Arc::clone(&left);
        // Ends with the process; connections end with their peers.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Ok(upstream)) = (stream, TcpStream::connect(&server)) else {
                    break;
                };
                let counter = Arc::clone(&counter);
                thread::spawn(move || relay(&stream, &upstream, &counter));
            }
        });
        Proxy { address, left }
    }

    /// Cuts the line at the commit after so many.
    fn arm(&self, passes: i64) {
        self.left.store(passes, Ordering::SeqCst);
    }

    /// Whether it was cut since.
    fn disarm(&self) -> bool {
        self.left.swap(-1, Ordering::SeqCst) < 0
    }
}

fn relay(client: &TcpStream, server: &TcpStream, left: &AtomicI64) {
    let answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || copy(&answers.0, &answers.1));
    let mut buffer = [0; 16_384];
    let (mut from, mut to) = (client, server);
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let commits = buffer[..count].windows(COMMIT.len()).any(|part| part == COMMIT);
        if commits && left.load(Ordering::SeqCst) >= 0 && left.fetch_sub(1, Ordering::SeqCst) == 0 {
            // The client hears nothing any more; the server is told, and does it.
            let _ = client.shutdown(Shutdown::Both);
            let _ = to.write_all(&buffer[..count]);
            let _ = server.set_read_timeout(Some(ANSWER_MAX));
            let _ = to.write_all(b"X\0\0\0\x04");
            return;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        // Whoever is cut off hears nothing; what the server says is read all the same.
        let _ = to.write_all(&buffer[..count]);
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Runs a command again and again, cut off at a later commit each time, until none is cut.
fn cut_at_every_commit(proxied: &Turnpike, proxy: &Proxy, arguments: &[&str]) -> u64 {
    let mut cuts = 0;
    for passes in 0..i64::try_from(scaled(40, 12)).unwrap() {
        proxy.arm(passes);
        let ran = proxied.run(arguments);
        if !proxy.disarm() {
            assert!(ran.status.success(), "turnpike {}: {ran}", arguments.join(" "));
            return cuts;
        }
        cuts += 1;
    }
    cuts
}

#[test]
fn f11_an_outcome_that_nobody_heard() {
    row("F11", "the line to PostgreSQL is cut after each COMMIT", || {
        let Ok(url) = std::env::var(SERVER) else {
            return Proof::Skip(format!("{SERVER} names no PostgreSQL; scripts/test does"));
        };
        let (user, rest) = url.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let proxy = Proxy::start(server.to_owned());
        let proxied = format!("{user}@{}/{name}", proxy.address);
        let turnpike = Turnpike::new().with("TURNPIKE__BOOKS__URL", &proxied);
        turnpike.ok(&["book", "import", &oracle::book().to_string_lossy()]);
        let mut journal = Journal::default();
        journal.file(&turnpike, "events.jsonl", &events(0..200));
        turnpike.ok(&["ingest", "--from", "file:events.jsonl"]);

        let rate = ["rate", "--period", PERIOD];
        let mut cuts = cut_at_every_commit(&turnpike, &proxy, &rate);
        cuts += cut_at_every_commit(&turnpike, &proxy, &["invoice", "draft", "--period", PERIOD]);
        let report = oracle::check(&turnpike, &journal);
        let finalize = ["invoice", "finalize", "--period", PERIOD];
        cuts += cut_at_every_commit(&turnpike, &proxy, &finalize);
        wait::until("the books to be whole", ANSWER_MAX, || {
            turnpike.run(&finalize).status.success().then_some(())
        });
        turnpike.ok(&["verify"]);
        let listed = turnpike.json(&["invoice", "list", "--period", PERIOD]);
        let mut numbers: Vec<&str> =
            listed.as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap()).collect();
        numbers.sort_unstable();
        // One for each of the three accounts, and no number lost on the way.
        let last: Vec<&str> =
            numbers.iter().map(|number| number.rsplit('-').next().unwrap()).collect();
        let last: Vec<u32> = last.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(last, [1, 2, 3], "{listed:#}");
        assert!(cuts >= 3, "only {cuts} lines were cut");
        Proof::Pass(format!("{cuts} lines cut; {}", oracle::words(&report)))
    });
}
