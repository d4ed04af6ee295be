//! A Kafka of one test alone, which may be stopped, killed and started again with its data.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tools;

pub struct OwnBroker {
    folder: PathBuf,
    pub bootstrap: String,
}

impl OwnBroker {
    pub fn start() -> OwnBroker {
        let folder = tempfile::Builder::new().prefix("turnpike-broker.").tempdir().unwrap().keep();
        let bootstrap = run(&folder, &["start", "--until-exit", &std::process::id().to_string()]);
        OwnBroker { bootstrap: bootstrap_of(&bootstrap), folder }
    }

    /// SIGKILL: nothing is flushed, the data stays.
    pub fn kill(&self) {
        tools::signal(self.pid(), "KILL");
    }

    /// SIGSTOP: it holds its connections and answers nobody.
    pub fn freeze(&self) {
        tools::signal(self.pid(), "STOP");
    }

    pub fn thaw(&self) {
        tools::signal(self.pid(), "CONT");
    }

    /// Starts it again with the same ports and the same data.
    pub fn restart(&self) {
        let printed = run(&self.folder, &["start"]);
        assert_eq!(bootstrap_of(&printed), self.bootstrap);
    }

    fn pid(&self) -> u32 {
        std::fs::read_to_string(self.folder.join("pid")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        // A failed test has to end it, too, and has nothing to say about how.
        let _ = Command::new(script()).arg("stop").arg(&self.folder).stdin(Stdio::null()).output();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka")
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(script())
        .arg(arguments[0])
        .arg(folder)
        .args(&arguments[1..])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts/kafka {}: {said}", arguments[0]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn bootstrap_of(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix("export TURNPIKE_TEST_KAFKA='"));
    line.unwrap().trim_end_matches('\'').to_owned()
}
