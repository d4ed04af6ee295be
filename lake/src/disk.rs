//! [`Disk`]: files that are on the disk before anybody hears of them.
//!
//! The order of one write, each step before the next: folders that were missing and the folders
//! that hold them, the content under a temporary name, the file, its name, the folder of the name.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a write does, in this order; and the removal of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    CreateFolder,
    Write,
    SyncFile,
    Publish,
    SyncFolder,
    Remove,
}

/// Watches the steps of writes, so that tests can see their order and make them fail.
pub(crate) trait Probe: Send + Sync + fmt::Debug {
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;
    fn after(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// The probe of production: none.
#[derive(Debug)]
pub(crate) struct NoProbe;

impl Probe for NoProbe {
    fn before(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, _: Step, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a name may already be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publish {
    /// Fails with `AlreadyExists` where it is, and leaves what is there.
    Create,
    Replace,
}

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    fsync: bool,
    probe: Arc<dyn Probe>,
    /// Folders whose names this process knows to be on disk. That a folder exists says nothing:
    /// whoever made it may not have synced its name yet.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
}

/// Writers of one name at one time; each takes the first temporary name that is free. One more
/// than this means left-overs of many crashes, which an error should show.
const TEMPORARY_NAMES_MAX: u32 = 1000;

impl Disk {
    pub(crate) fn new(fsync: bool, probe: Arc<dyn Probe>) -> Self {
        Self { fsync, probe, durable: Arc::default() }
    }

    /// Writes a whole file and returns when the disk holds it and its name.
    pub(crate) fn write(
        &self,
        path: &Path,
        publish: Publish,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = parent(path)?;
        self.create_folders(folder)?;
        let (mut file, temporary) = create_temporary(path)?;
        let written = self
            .step(Step::Write, path, || fill(&mut file))
            .and_then(|()| self.sync_file(&file, path))
            .and_then(|()| {
                drop(file);
                self.step(Step::Publish, path, || give_name(&temporary, path, publish))
            });
        if publish == Publish::Create || written.is_err() {
            // A left-over name costs disk space and harms nobody.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.sync_folder(folder)
    }

    /// Makes an existing file and its name durable: for writes of which nobody knows how far they
    /// got, and for those that others make.
    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        self.sync_file(&File::open(path)?, path)?;
        self.sync_folder(parent(path)?)
    }

    /// Moves a file, keeping what is at the target.
    pub(crate) fn move_away(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.create_folders(parent(to)?)?;
        fs::hard_link(from, to)?;
        self.sync_folder(parent(to)?)?;
        fs::remove_file(from)?;
        self.sync_folder(parent(from)?)
    }

    /// Removes a file that nothing names. Whether it was there: another may have been faster. What a
    /// power cut brings back is removed the next time.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<bool> {
        let mut found = true;
        self.step(Step::Remove, path, || match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found = false;
                Ok(())
            }
            other => other,
        })?;
        Ok(found)
    }

    /// Creates a folder and those above it where they are missing, and makes their names durable.
    /// Folders above one that was found on the first look are taken as given.
    pub(crate) fn create_root(&self, folder: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut at = folder;
        while !at.try_exists()? {
            missing.push(at);
            at = parent(at)?;
        }
        self.remember(at);
        missing.into_iter().rev().try_for_each(|folder| self.create_folder(folder))?;
        self.remember(folder);
        Ok(())
    }

    /// Creates a folder below the root, with those between, and makes their names durable.
    pub(crate) fn create_folders(&self, folder: &Path) -> io::Result<()> {
        if self.durable.lock().is_ok_and(|durable| durable.contains(folder)) {
            return Ok(());
        }
        self.create_folders(parent(folder)?)?;
        self.create_folder(folder)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder, folder, || match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        })?;
        self.sync_folder(parent(folder)?)?;
        self.remember(folder);
        Ok(())
    }

    fn remember(&self, folder: &Path) {
        // A poisoned lock only costs a sync that was not needed.
        if let Ok(mut durable) = self.durable.lock() {
            durable.insert(folder.to_path_buf());
        }
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        if !self.fsync {
            return Ok(());
        }
        self.step(Step::SyncFile, path, || file.sync_all())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if !self.fsync {
            return Ok(());
        }
        self.step(Step::SyncFolder, folder, || File::open(folder)?.sync_all())
    }

    fn step(
        &self,
        step: Step,
        path: &Path,
        run: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.probe.before(step, path)?;
        run()?;
        self.probe.after(step, path)
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "path has no folder"))
}

/// A hidden name beside the target, so that publishing it stays within one file system. `#` and a
/// number is how object stores on disk mark uploads, and what they leave out of listings.
fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    for number in 1..=TEMPORARY_NAMES_MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no temporary name is free"))
}

fn give_name(temporary: &Path, path: &Path, publish: Publish) -> io::Result<()> {
    match publish {
        // A link fails where the name is taken; a rename would replace what is there.
        Publish::Create => fs::hard_link(temporary, path),
        Publish::Replace => fs::rename(temporary, path),
    }
}
