//! Big contents as plain files, named by their id: undone once, for all workspaces of a remote, with
//! one page cache for all of them.
//!
//! A file here is never written once it has its name. It was not synced, and others may reach the
//! folder, so that it is read through and compared with its id whenever it is opened; one that is not
//! what it says is made again. What was not used for longest goes when all take too much of the disk;
//! who has it open keeps it.

use crate::git::Repo;
use crate::sys::free_bytes;
use crate::types::Oid;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What all of them may take of the disk, at most.
const BUDGET: u64 = 4 << 30;
/// And of what is free on it beside them: one part in so many.
const SHARE: u64 = 4;
/// A file without a name that is so much older than the last one is written by nobody any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
const UNNAMED: &str = "new-";

pub(super) struct Shelf {
    dir: PathBuf,
    /// In bytes.
    budget: u64,
}

/// A file of the shelf, as the directory shows it.
struct Standing {
    path: PathBuf,
    len: u64,
    used: SystemTime,
}

impl Shelf {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, budget: BUDGET }
    }

    /// The content of `oid`, if it is here and whole.
    pub(super) fn take(&self, repo: &Repo, oid: Oid) -> Option<(File, u64)> {
        let path = self.path(oid);
        let file = File::open(&path).ok()?;
        match repo.is_blob(oid, &file) {
            Ok(len) => {
                self.note_use(&file);
                Some((file, len))
            }
            Err(error) => {
                tracing::warn!(%oid, %error, "a cached content is not what it says; made again");
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Puts the content of `oid` here, by `fill`, and takes it.
    pub(super) fn put<E>(
        &self,
        oid: Oid,
        fill: impl FnOnce(&File) -> Result<u64, E>,
    ) -> io::Result<Result<(File, u64), E>> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let (new, file) = self.unnamed()?;
        let filled = fill(&file).map(|len| (len, std::fs::rename(&new, self.path(oid))));
        match filled {
            Ok((len, Ok(()))) => {
                self.make_room(oid);
                // Not the file that can be written through.
                Ok(Ok((File::open(self.path(oid))?, len)))
            }
            Ok((_, Err(error))) => {
                let _ = std::fs::remove_file(&new);
                Err(error)
            }
            Err(error) => {
                let _ = std::fs::remove_file(&new);
                Ok(Err(error))
            }
        }
    }

    /// A file of our own, whoever else fills one here.
    fn unnamed(&self) -> io::Result<(PathBuf, File)> {
        for number in 0_u64.. {
            let path = self.dir.join(format!("{UNNAMED}{}-{number}", std::process::id()));
            let mut options = OpenOptions::new();
            match options.read(true).write(true).create_new(true).mode(0o400).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => return Ok((path, file?)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn path(&self, oid: Oid) -> PathBuf {
        self.dir.join(oid.to_string())
    }

    /// Best effort: a use that is not seen only lets the file go earlier.
    fn note_use(&self, file: &File) {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times =
            Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        let _ = futimens(file, &times);
    }

    /// Removes what was not used for longest until the rest fits; not `newest`.
    fn make_room(&self, newest: Oid) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        let mut standing: Vec<Standing> =
            entries.flatten().filter_map(|entry| Standing::of(&entry)).collect();
        let mut all: u64 = standing.iter().map(|one| one.len).sum();
        let budget = self.budget.min(share(&self.dir, all));
        standing.sort_by_key(|one| one.used);
        let last = standing.last().map_or(SystemTime::UNIX_EPOCH, |one| one.used);
        for one in standing.iter().filter(|one| one.path != self.path(newest)) {
            let unnamed = one
                .path
                .file_name()
                .is_some_and(|name| name.to_str().is_some_and(|name| name.starts_with(UNNAMED)));
            let abandoned = last.duration_since(one.used).is_ok_and(|age| age > ABANDONED);
            if if unnamed { abandoned } else { all > budget } {
                let _ = std::fs::remove_file(&one.path);
                all -= one.len;
            }
        }
    }
}

impl Standing {
    fn of(entry: &DirEntry) -> Option<Self> {
        let metadata = entry.metadata().ok()?;
        let used = metadata.modified().ok()?;
        Some(Self { path: entry.path(), len: metadata.len(), used })
    }
}

/// What the shelf may take of its disk, of which it takes `now`.
fn share(dir: &Path, now: u64) -> u64 {
    free_bytes(dir).unwrap_or(0).saturating_add(now) / SHARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn oid(digit: char) -> Oid {
        Oid::from_hex(digit.to_string().repeat(40).as_bytes()).expect("40 digits")
    }

    fn put(shelf: &Shelf, oid: Oid, len: usize) -> io::Result<(File, u64)> {
        let fill = |mut file: &File| file.write_all(&vec![b'x'; len]).map(|()| len as u64);
        shelf.put(oid, fill)?
    }

    fn names(shelf: &Shelf) -> Vec<String> {
        let entries = std::fs::read_dir(&shelf.dir).expect("the shelf").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy()[..1].to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_the_newest_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf { dir: dir.path().join("shelf"), budget: 250 };
        for (used_s, digit) in [(10, 'a'), (20, 'b'), (30, 'c')] {
            let (file, _) = put(&shelf, oid(digit), 100).expect("room");
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(used_s);
            file.set_modified(used).expect("its age");
        }
        assert_eq!(names(&shelf), ["b", "c"], "a was the oldest when c came");
        shelf.note_use(&File::open(shelf.path(oid('b'))).expect("b"));
        put(&shelf, oid('d'), 100).expect("room");
        assert_eq!(names(&shelf), ["b", "d"]);
        put(&shelf, oid('e'), 1000).expect("more than the budget");
        assert_eq!(names(&shelf), ["e"]);
    }

    #[test]
    fn what_could_not_be_filled_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::new(dir.path().to_owned());
        let failed = shelf.put(oid('a'), |_| Err::<u64, _>("no"));
        assert_eq!(failed.expect("the folder is there").err(), Some("no"));
        assert_eq!(names(&shelf), Vec::<String>::new());
    }

    #[test]
    fn a_file_of_another_that_is_being_filled_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf { dir: dir.path().to_owned(), budget: 1 };
        let nested = shelf.put(oid('a'), |file| {
            put(&shelf, oid('b'), 100)?;
            { file }.write_all(b"a")?;
            io::Result::Ok(1)
        });
        let (file, len) = nested.expect("the folder is there").expect("filled");
        assert_eq!((len, file.metadata().expect("stat").len()), (1, 1));
        assert_eq!(names(&shelf), ["a"], "b was over the budget");
    }
}
