use super::process::Call;
use super::{Git, GitError, Result};
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsString;
use std::fs::{File, read_dir};
use std::io::ErrorKind;
use std::path::Path;

/// From so many packs on they are put together. Each one costs every reader a look, and gix has
/// room for a fixed number of them.
const PACKS_MAX: usize = 50;

/// From so many packs on that came without what they name, the small ones are put together.
const PROMISED_MAX: usize = 24;
/// Who holds this file puts them together.
const JOIN_LOCK: &str = "toft-join.lock";

/// Maintenance
impl Git {
    /// Puts together the packs of what a remote was asked for bit by bit, which `git repack` would
    /// take for complete: those that are small beside the others become one.
    pub fn join_promised(&self) -> Result<bool> {
        let dir = self.gitdir().join("objects/pack");
        let all = match promised(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            all => all.map_err(GitError::io(format!("list {}", dir.display())))?,
        };
        let small = small(all);
        if small.len() < 2 {
            return Ok(false);
        }
        let failed = || GitError::io(format!("join packs in {}", dir.display()));
        let lock = File::create(self.gitdir().join(JOIN_LOCK)).map_err(failed())?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(false);
        }
        let names: String = small.iter().map(|name| format!("{name}.pack\n")).collect();
        // As they are: no other deltas are looked for.
        let args = ["pack-objects", "-q", "--stdin-packs", "--window=0", "objects/pack/pack"];
        let call = Call {
            args: args.into_iter().map(OsString::from).collect(),
            stdin: Some(names.into_bytes()),
            ..Call::default()
        };
        let output = self.run(&call)?.success()?;
        let joined = format!("pack-{}", String::from_utf8_lossy(&output.stdout).trim());
        if !dir.join(format!("{joined}.idx")).exists() {
            return Err(GitError::Refused(format!("git made no pack {joined}")));
        }
        File::create(dir.join(format!("{joined}.promisor"))).map_err(failed())?;
        for name in small.into_iter().filter(|name| *name != joined) {
            // The index first: without it the rest is not looked at.
            for end in ["idx", "pack", "rev", "promisor"] {
                match std::fs::remove_file(dir.join(format!("{name}.{end}"))) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(failed()(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    /// Puts small packs together when there are many; alternates are left alone, and so is every
    /// object, reachable or not. True when something was done.
    ///
    /// Git fsyncs the new pack before it removes the old ones. Handles that have the old ones open
    /// go on reading them.
    pub fn consolidate(&self) -> Result<bool> {
        let joined = self.join_promised()?;
        let dir = self.gitdir().join("objects/pack");
        let failed = || GitError::io(format!("list {}", dir.display()));
        let promised = promised(&dir).map_err(failed())?;
        if count_packs(&dir).map_err(failed())? < PACKS_MAX + promised.len() {
            return Ok(joined);
        }
        let args = ["repack", "--geometric=2", "-d", "-l", "-q", "--no-write-bitmap-index"];
        let kept = promised.iter().map(|(_, name)| format!("--keep-pack={name}.pack").into());
        let args = args.into_iter().map(OsString::from).chain(kept).collect();
        self.run(&Call { args, ..Call::default() })?.success()?;
        Ok(true)
    }
}

/// Removes indexes of packs that are not there, which power loss may leave: what they list would count
/// as stored.
pub fn remove_orphan_indexes(gitdir: &Path) -> Result<()> {
    let dir = gitdir.join("objects/pack");
    let failed = || GitError::io(format!("look through {}", dir.display()));
    let entries = match read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed())?,
    };
    for entry in entries {
        let path = entry.map_err(failed())?.path();
        let is_index = path.extension().is_some_and(|extension| extension == "idx");
        if is_index && !path.with_extension("pack").exists() {
            tracing::info!(path = %path.display(), "removed the index of a pack that is gone");
            std::fs::remove_file(&path).map_err(failed())?;
        }
    }
    Ok(())
}

/// Packs that came without what they name, by size.
fn promised(dir: &Path) -> std::io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "promisor")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && let Ok(pack) = std::fs::metadata(path.with_extension("pack"))
        {
            found.push((pack.len(), name.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

/// Those of the promised packs that are to become one: in order of size, as many as are not bigger
/// than all before them, so that what is big is seldom copied.
fn small(promised: Vec<(u64, String)>) -> Vec<String> {
    if promised.len() < PROMISED_MAX {
        return Vec::new();
    }
    let (mut sum, mut small) = (0, Vec::new());
    for (len, name) in promised {
        if len > sum && small.len() >= PROMISED_MAX / 2 {
            break;
        }
        sum += len;
        small.push(name);
    }
    small
}

fn count_packs(dir: &Path) -> std::io::Result<usize> {
    let entries = match read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let is_pack = |name: OsString| name.to_string_lossy().ends_with(".pack");
    Ok(entries.flatten().filter(|entry| is_pack(entry.file_name())).count())
}
