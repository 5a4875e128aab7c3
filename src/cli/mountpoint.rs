//! Whether a folder can be the mount point, and which folder when none is named.

use crate::daemon::mountinfo::{self, FSTYPE, Mount};
use crate::daemon::{Failure, Kind};
use std::io;
use std::path::{Path, PathBuf};

/// A mount point that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// Absolute, without links.
    pub dir: PathBuf,
    /// It has to be made.
    pub missing: bool,
}

/// What a mount must keep clear of.
pub struct Surroundings<'a> {
    /// The kernel's mounts.
    pub mounts: &'a [Mount],
    /// The source, when it is a folder of this host.
    pub source: Option<&'a Path>,
    /// State, cache and runtime directories.
    pub ours: [&'a Path; 3],
}

const FIX_DIRECTORIES: &str =
    "set TOFT_STATE_DIR, TOFT_CACHE_DIR and TOFT_RUNTIME_DIR to folders elsewhere";

/// The folder that `git clone` would make for this source.
pub fn default_dir(source: &str) -> Option<&str> {
    let path = source.trim_end_matches('/');
    let path = path.strip_suffix("/.git").unwrap_or(path).trim_end_matches('/');
    let name = path.rsplit(['/', ':']).next()?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    (!matches!(name, "" | "." | "..")).then_some(name)
}

/// The absolute path of `dir`, links resolved, although its last parts may not exist.
///
/// Never looks into a mount at `dir` itself: its daemon may be dead or stuck.
pub fn resolve(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = || Failure::io(format!("cannot mount at {}", dir.display()));
    let absolute = std::path::absolute(dir).map_err(failed())?;
    let absolute = without_dots(&absolute);
    match absolute.parent().zip(absolute.file_name()) {
        None => Ok(absolute),
        Some((parent, name)) => {
            let parent = real_parent(parent).map_err(failed())?;
            let path = parent.join(name);
            // A link is followed, as mount(8) does; anything else is the name itself.
            match std::fs::read_link(&path) {
                Ok(_) => std::fs::canonicalize(&path).map_err(failed()),
                Err(_) => Ok(path),
            }
        }
    }
}

/// Takes `.` and `..` out, as the shell does: by the text alone.
pub fn without_dots(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn real_parent(parent: &Path) -> io::Result<PathBuf> {
    match std::fs::canonicalize(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match parent.parent().zip(parent.file_name()) {
                Some((above, name)) => Ok(real_parent(above)?.join(name)),
                None => Err(error),
            }
        }
        other => other,
    }
}

/// Checks a resolved `dir` that nothing is mounted at.
pub fn check(dir: &Path, around: &Surroundings<'_>) -> Result<MountPoint, Failure> {
    let refuse = |kind, cause: String, fix: &str| {
        let what = format!("cannot mount at {}", dir.display());
        Err(Failure::new(kind, what).cause(cause).fix(fix))
    };
    let elsewhere = "choose another folder";
    if let Some(mount) = mountinfo::containing(around.mounts, dir).filter(|m| m.fstype == FSTYPE) {
        let cause = format!("it lies inside another toft mount, {}", mount.point.display());
        return refuse(Kind::DirUnusable, cause, elsewhere);
    }
    if let Some(source) = around.source.filter(|source| dir.starts_with(source)) {
        let cause = format!("it lies inside its own source, {}", source.display());
        return refuse(Kind::DirUnusable, cause, elsewhere);
    }
    for ours in around.ours {
        let around = mountinfo::containing(around.mounts, ours).filter(|m| m.fstype == FSTYPE);
        if let Some(mount) = around {
            let cause = format!(
                "toft would keep its own files, {}, in another toft mount, {}",
                ours.display(),
                mount.point.display()
            );
            return refuse(Kind::DirUnusable, cause, FIX_DIRECTORIES);
        }
        if ours.starts_with(dir) || dir.starts_with(ours) {
            let cause = format!("toft keeps its own files in {}", ours.display());
            let fix = format!("choose another folder, or {FIX_DIRECTORIES}");
            return refuse(Kind::DirUnusable, cause, &fix);
        }
    }
    match std::fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(MountPoint { dir: dir.to_owned(), missing: true })
        }
        Err(error) => Err(Failure::io(format!("cannot mount at {}", dir.display()))(error)),
        Ok(meta) if !meta.is_dir() => {
            refuse(Kind::DirNotADirectory, "it is a file, not a folder".into(), elsewhere)
        }
        Ok(_) => match entries(dir)? {
            0 => Ok(MountPoint { dir: dir.to_owned(), missing: false }),
            count => {
                let items = super::output::count(count, "item");
                let cause = format!("the folder holds {items} that the mount would hide");
                refuse(Kind::DirNotEmpty, cause, "choose an empty folder, or one that is not there")
            }
        },
    }
}

fn entries(dir: &Path) -> Result<u64, Failure> {
    let listing = std::fs::read_dir(dir)
        .map_err(Failure::io(format!("cannot look into {}", dir.display())))?;
    Ok(listing.count() as u64)
}
