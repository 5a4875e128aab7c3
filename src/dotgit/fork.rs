//! A git directory that begins as another one stands.

use super::{DotgitError, Result};
use crate::sys::{Disk, copy_file, share_file};
use crate::types::Oid;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Files that git and toft only ever replace: both may have the same.
const REPLACED: [&str; 3] = ["index", "packed-refs", "shallow"];

/// Makes the git directory `to` as `from` stands, whose index is locked by the caller. `branch` (its
/// full name and commit) is begun there, and HEAD put on it. Nothing is durable.
///
/// Objects are never altered and are shared; what git appends to or writes over is copied.
pub fn fork(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    branch: Option<(&str, Option<Oid>)>,
) -> Result<()> {
    copy(disk, from, to, false).map_err(DotgitError::io(to))?;
    let Some((name, tip)) = branch else { return Ok(()) };
    if let Some(tip) = tip {
        super::layout::put(disk, to, name, format!("{tip}\n").as_bytes())?;
    }
    super::layout::write(disk, &to.join("HEAD"), format!("ref: {name}\n").as_bytes())?;
    let config = to.join("config");
    let mut text = std::fs::read(&config).map_err(DotgitError::io(&config))?;
    text.extend(super::layout::config_of_branch(name).bytes());
    super::layout::write(disk, &config, &text)
}

fn copy(disk: &dyn Disk, from: &Path, to: &Path, immutable: bool) -> io::Result<()> {
    disk.create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let (kind, to) = (entry.symlink_metadata()?.file_type(), to.join(&name));
        if kind.is_dir() {
            copy(disk, &entry, &to, immutable || name == "objects")?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&entry)?, &to)?;
        } else if kind.is_file() && !is_passing(&name) {
            let shared = is_object(&name, immutable) || REPLACED.iter().any(|known| name == *known);
            let give = if shared { share_file } else { copy_file };
            match give(disk, &entry, &to) {
                // git puts its packs together now and then.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                given => given?,
            }
        }
    }
    Ok(())
}

/// `alternates` and the like are rewritten in place.
fn is_object(name: &OsStr, below_objects: bool) -> bool {
    let name = name.as_encoded_bytes();
    let hex = name.len() >= 38 && name.iter().all(u8::is_ascii_hexdigit);
    below_objects && (hex || name.starts_with(b"pack-"))
}

/// What somebody is writing, or holds.
fn is_passing(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".lock")
        || name.ends_with(b".tmp")
        || name == b"index.toft"
        || name.starts_with(b"tmp_")
}
