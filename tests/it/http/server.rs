//! `turnpike serve` on a free port, and requests to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use crate::support::cli::{COMMAND_MAX, Ran, Running, Turnpike};
use crate::support::wait;

/// A running server. Killed when it is dropped.
pub struct Server {
    pub port: u16,
    pid: u32,
    running: Running,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Server {
    /// Starts a server without background jobs and waits until it answers.
    pub fn start(turnpike: &Turnpike, variables: &[(&str, &str)]) -> Server {
        Server::start_through(turnpike, variables, |command| command)
    }

    /// The same with the command inside another one: a tracer, a file system of its own.
    pub fn start_through(
        turnpike: &Turnpike,
        variables: &[(&str, &str)],
        through: impl FnOnce(Command) -> Command,
    ) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = port.to_string();
        let mut command = turnpike.command(["serve", "--listen", listen.as_str()]);
        command
            .env("TURNPIKE__SCHEDULER__COMPACT_SECONDS", "0")
            .env("TURNPIKE__SCHEDULER__RATE_SECONDS", "0")
            .envs(variables.iter().copied());
        let mut running = Running::start(through(command));
        wait::until("the server", COMMAND_MAX, || {
            let early = running.wait(std::time::Duration::ZERO);
            assert!(early.is_none(), "it ended: {}", early.unwrap());
            get(port, "/healthz").filter(|answer| answer.status == 200)
        });
        Server { port, pid: running.id(), running }
    }

    pub fn post(
        &self,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        post(self.port, path, key, headers, body)
    }

    pub fn get(&self, path: &str) -> Option<Answer> {
        get(self.port, path)
    }

    /// Of the process.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The end that comes by itself.
    pub fn wait(mut self) -> Ran {
        self.running.wait(COMMAND_MAX).expect("it ends")
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> Ran {
        let sent = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().unwrap();
        assert!(sent.success());
        self.wait()
    }
}

/// A POST on a connection of its own; `None` where it was not answered.
pub fn post(
    port: u16,
    path: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    ask(port, &[head.as_bytes(), b"\r\n", body].concat())
}

pub fn get(port: u16, path: &str) -> Option<Answer> {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    ask(port, head.as_bytes())
}

fn ask(port: u16, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(COMMAND_MAX)).unwrap();
    stream.write_all(request).ok()?;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, body: body.to_owned() })
}
