//! What disturbs a process from outside: strace, signals, a small disk of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::cli::Turnpike;
use crate::support::wait;

/// Setting up a namespace takes milliseconds.
const SETUP_MAX: Duration = Duration::from_secs(20);

/// A command started through another program.
pub fn through(prefix: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(prefix[0]);
    outer.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    outer
}

/// Why a program cannot be used here, if so. It is run once, to see that it works.
pub fn lacks(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Some(format!("{program} does not work here: {}", said.lines().last().unwrap_or("")))
        }
        Err(error) => Some(format!("{program}: {error}")),
    }
}

/// Why system calls cannot be tampered with here, if so.
pub fn lacks_strace() -> Option<String> {
    lacks("strace", &["-f", "-qq", "-e", "trace=none", "-e", "inject=chroot:error=EIO", "true"])
}

/// A command under strace with these options.
pub fn strace(turnpike: &Turnpike, options: &[&str], arguments: &[&str]) -> Command {
    let mut prefix = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    prefix.extend(options);
    prefix.push("--");
    through(&prefix, &turnpike.command(arguments.iter().copied()))
}

/// A command whose writes, names, syncs and sends are written into a file, in their order.
pub fn traced(path: &Path, command: &Command) -> Command {
    let calls =
        "trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,sendmsg,sendto,write,writev";
    let to = path.to_string_lossy();
    let prefix = ["strace", "-f", "-qq", "-y", "-x", "-s", "256", "-e", calls, "-o", &to, "--"];
    through(&prefix, command)
}

/// Where SIGKILL meets a command: at the `number`th such call of a thread, on a path where one is
/// given.
pub struct KillPoint<'a> {
    pub call: &'a str,
    pub path: Option<&'a Path>,
    pub number: u64,
}

/// Runs a command to be killed at a point. Whether it came there.
#[track_caller]
pub fn killed_at(turnpike: &Turnpike, point: &KillPoint<'_>, arguments: &[&str]) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let KillPoint { call, path, number } = point;
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=SIGKILL:when={number}");
    let path = path.map(|path| path.to_string_lossy().into_owned());
    let mut options = vec!["-e", &trace, "-e", &inject];
    options.extend(path.iter().flat_map(|path| ["-P", path]));
    let output = strace(turnpike, &options, arguments).output().unwrap();
    let killed = output.status.signal() == Some(9);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(killed || output.status.success(), "{call} {number}: {} {said}", output.status);
    killed
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.unwrap().success(), "kill -{name} {pid}");
}

/// Returns once a process catches SIGTERM: before, the signal would end it as any program.
pub fn wait_until_it_catches(pid: u32) {
    const SIGTERM_BIT: u64 = 1 << 14;
    wait::until("a process that catches SIGTERM", SETUP_MAX, || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & SIGTERM_BIT != 0).then_some(())
    });
}

/// The one child of a process: the traced one of a strace.
pub fn child_of(pid: u32) -> u32 {
    wait::until("the child of a process", SETUP_MAX, || {
        let path = format!("/proc/{pid}/task/{pid}/children");
        std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
    })
}

/// The largest memory that a process ever had, in KiB.
pub fn peak_memory_kib(pid: u32) -> u64 {
    memory_now_kib(pid).expect("a process that runs")
}

/// The largest memory so far of a process that may be ending.
pub fn memory_now_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// A file system of limited size that only those see who enter it.
pub struct SmallDisk {
    holder: std::process::Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `mebibytes` at a folder; why not, where it cannot be had.
    pub fn at(folder: &Path, mebibytes: u32) -> Result<SmallDisk, String> {
        if let Some(reason) = lacks("unshare", &["-m", "true"]) {
            return Err(reason);
        }
        std::fs::create_dir_all(folder).unwrap();
        let ready = folder.with_extension("mounted");
        let script = format!(
            "mount -t tmpfs -o size={mebibytes}m tmpfs '{0}' && touch '{1}' && exec tail -f /dev/null",
            folder.display(),
            ready.display()
        );
        let mut holder = Command::new("unshare")
            .args(["-m", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mounted = wait::until("a disk of its own", SETUP_MAX, || {
            if ready.exists() {
                return Some(true);
            }
            holder.try_wait().unwrap().map(|_| false)
        });
        match mounted {
            true => Ok(SmallDisk { holder, folder: folder.to_owned() }),
            false => Err("tmpfs cannot be mounted here".to_owned()),
        }
    }

    /// A command that sees the disk.
    pub fn inside(&self, command: &Command) -> Command {
        let pid = self.holder.id().to_string();
        through(&["nsenter", "-m", "-t", &pid], command)
    }

    /// The disk's folder, as everybody may reach it.
    pub fn folder(&self) -> PathBuf {
        let path = self.folder.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path)
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let filler = self.folder().join("filler");
        let mut file = std::fs::File::create(filler).unwrap();
        let block = vec![0_u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    pub fn free(&self) {
        std::fs::remove_file(self.folder().join("filler")).unwrap();
    }

    /// Makes a folder in it read-only. Not the whole disk, which is busy for as long as somebody
    /// holds a file open for writing, as leases are.
    pub fn forbid(&self, folder: &str) {
        let path = self.folder.join(folder);
        let path = path.to_string_lossy();
        self.mount("mount", &["--bind", &path, &path]);
        self.mount("mount", &["-o", "remount,bind,ro", &path]);
    }

    /// Undoes it.
    pub fn allow(&self, folder: &str) {
        self.mount("umount", &["--lazy", &self.folder.join(folder).to_string_lossy()]);
    }

    fn mount(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.args(arguments);
        let output = self.inside(&command).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Copies what it holds to where the folder is for everybody else.
    pub fn copy_out(&self) {
        let from = self.folder().join(".");
        let status = Command::new("cp").arg("-a").arg(from).arg(&self.folder).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
