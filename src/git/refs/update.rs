//! Moving a ref by compare-and-swap, as git does it (lock, compare, log, rename), but durable.

use super::lock::{RefLock, RefValue};
use super::{Head, broken};
use crate::git::{GitError, Repo, Result, Signature};
use crate::sys::{Disk, Reason, create_dirs, sync_parent};
use crate::types::{Oid, Timespec};
use gix::refs::FullName;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl Repo {
    /// Moves the ref `name` from `expected` (None: it must not exist) to `new`.
    ///
    /// A ref that is at `new` already is fine. When this returns, the ref survives a power loss; the
    /// objects must have been made durable before. `log` goes to the reflog where git keeps one. A
    /// symbolic ref is not followed but refused.
    pub fn cas_ref(
        &self,
        disk: &dyn Disk,
        name: &str,
        new: Oid,
        expected: Option<Oid>,
        log: &str,
    ) -> Result<()> {
        self.move_ref(name, self.ref_value(disk, new)?, expected, log)
    }

    /// A value for a ref, not durable yet.
    pub fn ref_value<'a>(&self, disk: &'a dyn Disk, oid: Oid) -> Result<RefValue<'a>> {
        RefValue::new(disk, self.gitdir(), oid).map_err(GitError::io("write a ref"))
    }

    /// Makes the value durable, so that the ref that gets it is locked for less long.
    pub fn sync_value(&self, value: &mut RefValue<'_>) -> Result<()> {
        value.sync().map_err(GitError::io("write a ref"))
    }

    /// As [`Repo::cas_ref`], with a value that was prepared.
    pub fn move_ref(
        &self,
        name: &str,
        value: RefValue<'_>,
        expected: Option<Oid>,
        log: &str,
    ) -> Result<()> {
        let (disk, new) = (value.disk(), value.oid());
        FullName::try_from(name).map_err(|error| broken(name, error))?;
        if self.find(name)?.is_some_and(|found| found.target.try_name().is_some()) {
            return Err(broken(name, "it is symbolic"));
        }
        let path = self.gitdir().join(name);
        let failed = || GitError::io(format!("write ref {name}"));
        let made = self.make_room(disk, name, &path)?;
        let mut lock = RefLock::acquire(value, self.gitdir(), &path).map_err(failed())?;
        let actual = self.read_ref(name)?;
        if actual == Some(new) {
            // Perhaps from a run that was killed before its fsync.
            drop(lock);
            return self.settle(disk, &path, &made).map_err(failed());
        }
        if actual != expected {
            return Err(GitError::RefMoved { name: name.to_owned(), actual });
        }
        lock.value().sync().map_err(failed())?;
        self.append_reflogs(disk, name, lock.file(), (actual, new), log);
        remove_empty_dirs(&path).map_err(failed())?;
        disk.rename(lock.path(), &path).map_err(failed())?;
        lock.became_the_ref();
        sync_dirs(disk, &path, &made).map_err(failed())
    }

    /// Creates the directories above the ref; returns those that are new, the innermost last.
    fn make_room(&self, disk: &dyn Disk, name: &str, path: &Path) -> Result<Vec<PathBuf>> {
        let parents = || name.match_indices('/').map(|(slash, _)| &name[..slash]);
        for parent in parents().skip(1) {
            if self.find(parent)?.is_some() {
                return Err(broken(name, format!("the ref {parent} is in its way")));
            }
        }
        if let Some((inner, _)) = self.refs(&format!("{name}/"))?.first() {
            return Err(broken(name, format!("the ref {inner} is in its way")));
        }
        let dirs = parents().map(|parent| self.gitdir().join(parent));
        let made: Vec<_> = dirs.filter(|dir| !dir.is_dir()).collect();
        create_dirs(disk, path.parent().unwrap_or(self.gitdir()))
            .map_err(GitError::io(format!("write ref {name}")))?;
        Ok(made)
    }

    /// Makes a ref durable that has its value already.
    fn settle(&self, disk: &dyn Disk, path: &Path, made: &[PathBuf]) -> io::Result<()> {
        match File::open(path) {
            Ok(file) => disk.fsync_file(&file, Reason::Refs)?,
            // Packed, by a git that fsyncs packed-refs.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        sync_dirs(disk, path, made)
    }

    /// Appends to the logs of the ref and of a HEAD that points to it. Logs carry no promise, so a
    /// failure is told and not an error.
    fn append_reflogs(
        &self,
        disk: &dyn Disk,
        name: &str,
        lock: &File,
        (old, new): (Option<Oid>, Oid),
        log: &str,
    ) {
        let is_head =
            matches!(self.head(), Ok(Head::Branch { name: branch, .. }) if branch == name);
        let line = || -> io::Result<Vec<u8>> {
            let written = lock.metadata()?;
            let now = Timespec { sec: written.mtime(), nsec: 0 };
            let (_, committer) = self.identity().sign(now);
            Ok(log_line(old.unwrap_or(Oid::null(new.kind())), new, &committer, log))
        };
        let keep = self.log_policy();
        let append = |line: &[u8]| -> io::Result<()> {
            for name in [Some(name), is_head.then_some("HEAD")].into_iter().flatten() {
                let path = self.gitdir().join("logs").join(name);
                if keep.creates(name) || path.is_file() {
                    append(disk, &path, line)?;
                }
            }
            Ok(())
        };
        if let Err(error) = line().and_then(|line| append(&line)) {
            tracing::warn!(%error, name, "the reflog was not written");
        }
    }

    fn log_policy(&self) -> LogPolicy {
        let repository = self.reopened();
        let config = repository.config_snapshot();
        match config.string("core.logAllRefUpdates") {
            Some(value) if value.eq_ignore_ascii_case(b"always") => LogPolicy::Always,
            Some(_) => match config.boolean("core.logAllRefUpdates") {
                Some(true) => LogPolicy::Branches,
                _ => LogPolicy::Existing,
            },
            None if config.boolean("core.bare") == Some(true) => LogPolicy::Existing,
            None => LogPolicy::Branches,
        }
    }
}

/// Which refs get a log that have none yet (core.logAllRefUpdates).
enum LogPolicy {
    Existing,
    Branches,
    Always,
}

impl LogPolicy {
    fn creates(&self, name: &str) -> bool {
        let logged = ["refs/heads/", "refs/remotes/", "refs/notes/"];
        match self {
            LogPolicy::Existing => false,
            LogPolicy::Branches => {
                name == "HEAD" || logged.iter().any(|prefix| name.starts_with(prefix))
            }
            LogPolicy::Always => true,
        }
    }
}

fn log_line(old: Oid, new: Oid, committer: &Signature, log: &str) -> Vec<u8> {
    let mut line = format!("{old} {new} ").into_bytes();
    line.extend_from_slice(&committer.to_bytes());
    let log: Vec<_> = log.split_whitespace().collect();
    if !log.is_empty() {
        line.push(b'\t');
        line.extend_from_slice(log.join(" ").as_bytes());
    }
    line.push(b'\n');
    line
}

fn append(disk: &dyn Disk, path: &Path, line: &[u8]) -> io::Result<()> {
    create_dirs(disk, path.parent().unwrap_or(path))?;
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create_file(path)?,
        opened => opened?,
    };
    disk.write_all_at(&file, line, file.metadata()?.len())
}

/// Removes empty directories that stand where the ref is to be (git leaves them behind).
fn remove_empty_dirs(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        remove_empty_dirs(&entry?.path())?;
    }
    std::fs::remove_dir(path)
}

/// Makes the name of the ref durable, and the names of the directories made for it.
fn sync_dirs(disk: &dyn Disk, path: &Path, made: &[PathBuf]) -> io::Result<()> {
    sync_parent(disk, path, Reason::Refs)?;
    for dir in made.iter().rev() {
        sync_parent(disk, dir, Reason::Refs)?;
    }
    Ok(())
}
