//! The real binary, with a data folder of its own.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::wait;

/// A command of a test works on a handful of events. The bound is for a machine that compiles beside.
pub const COMMAND_MAX: Duration = Duration::from_secs(120);

/// Few, since each costs a file: what depends on their number is tested in the properties.
pub const BUCKETS: u32 = 4;

/// An installation: the binary, a data folder and settings in the environment.
pub struct Turnpike {
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// `--now`, where the events of a test lie in the future.
    now: Option<String>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Turnpike {
    pub fn new() -> Turnpike {
        let folder = tempfile::Builder::new().prefix("turnpike-test.").tempdir().unwrap();
        let installation = Turnpike { folder, variables: Vec::new(), now: None };
        installation
            .with("TURNPIKE__DATA__BUCKETS", &BUCKETS.to_string())
            .with("TURNPIKE__RATING__THREADS", "1")
    }

    /// The same with a setting or another variable in the environment.
    pub fn with(mut self, name: &str, value: &str) -> Turnpike {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn at(mut self, now: Option<&str>) -> Turnpike {
        self.now = now.map(str::to_owned);
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Writes a file of the test beside the data folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command, ready to be started, with nothing of our own environment's settings.
    pub fn command<S: Into<OsString>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnpike"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TURNPIKE_") {
                command.env_remove(name);
            }
        }
        if let Some(now) = &self.now {
            command.args(["--now", now]);
        }
        command
            .args(arguments.into_iter().map(Into::into))
            .current_dir(self.folder())
            .env("TURNPIKE__DATA__DIR", self.data())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, however it ends.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut running = Running::start(self.command(arguments.iter().copied()));
        running.wait(COMMAND_MAX).unwrap_or_else(|| {
            let ran = running.kill();
            panic!("turnpike {} ran for {COMMAND_MAX:?}: {ran}", arguments.join(" "))
        })
    }

    /// Runs a command that has to succeed; what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert!(ran.status.success(), "turnpike {}: {ran}", arguments.join(" "));
        ran.stdout
    }

    /// Runs a command that has to succeed and prints JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
        let text = self.ok(&arguments);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("turnpike {}: {error}: {text}", arguments.join(" ")))
    }

    /// Runs a command that has to fail with this exit code; what it said.
    #[track_caller]
    pub fn fails(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.status.code(), Some(code), "turnpike {}: {ran}", arguments.join(" "));
        ran
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A command that was started. Killed when it is dropped.
pub struct Running {
    child: Child,
    readers: Option<[JoinHandle<()>; 2]>,
    said: [Arc<Mutex<Vec<u8>>>; 2],
    ended: Receiver<()>,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        // Read beside the waiting, or a child that fills a pipe would wait for us. The pipes close
        // when the child ends: that is what is waited for.
        let (sender, ended) = channel();
        let said = [Arc::default(), Arc::default()];
        let stdout = read(child.stdout.take().unwrap(), Arc::clone(&said[0]), sender.clone());
        let stderr = read(child.stderr.take().unwrap(), Arc::clone(&said[1]), sender);
        Running { child, readers: Some([stdout, stderr]), said, ended }
    }

    /// Returns once it has written this to standard error.
    pub fn wait_for_stderr(&self, words: &str, limit: Duration) {
        let end = Instant::now() + limit;
        wait::until(&format!("{words:?} on standard error"), limit + limit, || {
            let said = self.text(1);
            assert!(Instant::now() < end, "waited {limit:?} for {words:?}: it said {said}");
            said.contains(words).then_some(())
        });
    }

    fn text(&self, stream: usize) -> String {
        String::from_utf8_lossy(&self.said[stream].lock().unwrap()).into_owned()
    }

    /// Of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end, if it comes within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<Ran> {
        match self.ended.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => None,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Some(self.finish()),
        }
    }

    /// SIGKILL: nothing is unwound, flushed or closed.
    pub fn kill(&mut self) -> Ran {
        self.child.kill().unwrap();
        self.finish()
    }

    fn finish(&mut self) -> Ran {
        let readers = self.readers.take().unwrap();
        let status = self.child.wait().unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        Ran { status, stdout: self.text(0), stderr: self.text(1) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.readers.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read(
    mut pipe: impl Read + Send + 'static,
    said: Arc<Mutex<Vec<u8>>>,
    ended: Sender<()>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match pipe.read(&mut buffer).unwrap() {
                0 => break,
                count => said.lock().unwrap().extend_from_slice(&buffer[..count]),
            }
        }
        // Nobody may listen any more.
        let _ = ended.send(());
    })
}
