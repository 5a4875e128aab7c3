//! The files of a git directory, written one by one: starting git would take longer than the rest
//! of a mount.

use super::{DotgitError, Result};
use crate::git::{Head, PROMISOR, Repo};
use crate::sys::{Disk, Reason, create_anew, create_dirs, make_private_dir, sync_tree};
use crate::types::{HashKind, Oid};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a git directory is made from.
#[derive(Clone, Debug)]
pub struct GitdirSpec<'a> {
    /// The store, a bare repository whose refs are in `packed-refs`.
    pub store: &'a Path,
    /// The hash of the repository.
    pub hash: HashKind,
    /// The URL of the remote, without secrets.
    pub url: &'a str,
    /// Where HEAD begins: on a branch with or without a commit, or on a commit.
    pub head: &'a Head,
    /// The remote's own branch, in full.
    pub default_branch: Option<&'a str>,
    /// What is missing in the store is on the remote: git fetches it when it needs it.
    pub partial: bool,
}

/// Makes the git directory, without an index.
///
/// What is there already, and not empty, stays: called again for a workspace that is resumed, it
/// puts back what a power failure took, and follows a store that moved. Nothing is durable before
/// [`settle`].
pub fn create(disk: &dyn Disk, gitdir: &Path, spec: &GitdirSpec<'_>) -> Result<()> {
    create_dirs(disk, gitdir)
        .and_then(|()| make_private_dir(gitdir))
        .map_err(DotgitError::io(gitdir))?;
    for dir in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        let dir = gitdir.join(dir);
        create_dirs(disk, &dir).map_err(DotgitError::io(&dir))?;
    }
    let put = |name: &str, content: &[u8]| put(disk, gitdir, name, content);
    let is_new = !has_content(&gitdir.join("HEAD"));
    put("config", config(spec).as_bytes())?;
    put("info/exclude", b"# Files that git and toft ignore in this workspace alone.\n")?;
    borrow_objects(disk, gitdir, spec.store)?;
    share_refs(disk, gitdir, spec.store)?;
    if let Some(branch) = spec.default_branch.and_then(|name| name.strip_prefix("refs/heads/")) {
        let target = format!("ref: refs/remotes/origin/{branch}\n");
        put("refs/remotes/origin/HEAD", target.as_bytes())?;
    }
    let head = match spec.head {
        Head::Branch { name, tip } => {
            // A branch that git packed or deleted is not put back.
            if let Some(tip) = tip.filter(|_| is_new || gitdir.join(name).exists()) {
                put(name, format!("{tip}\n").as_bytes())?;
            }
            format!("ref: {name}\n")
        }
        Head::Detached(commit) => format!("{commit}\n"),
    };
    // Last: with it the directory is a repository.
    put("HEAD", head.as_bytes())
}

/// Makes a git directory that was just made durable, with its index: a commit that is promised later
/// stands on it. An fsync of each file, but what the first one does spares the others most.
pub fn settle(disk: &dyn Disk, gitdir: &Path) -> Result<()> {
    sync_tree(disk, gitdir, Reason::Manifest).map_err(DotgitError::io(gitdir))
}

/// The content of the file `.git` at the root of the mount.
pub fn gitfile(gitdir: &Path) -> Vec<u8> {
    [b"gitdir: ", gitdir.as_os_str().as_bytes(), b"\n"].concat()
}

/// Says where the branch `name` (in full) of the remote is known to stand, as a push or fetch by git
/// would.
pub fn set_tracking(repo: &Repo, disk: &dyn Disk, name: &str, tip: Oid, log: &str) -> Result<()> {
    let Some(branch) = name.strip_prefix("refs/heads/") else { return Ok(()) };
    let tracking = format!("refs/remotes/origin/{branch}");
    let old = repo.read_ref(&tracking)?;
    if old != Some(tip) {
        repo.cas_ref(disk, &tracking, tip, old, log)?;
    }
    Ok(())
}

fn has_content(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

pub(super) fn put(disk: &dyn Disk, gitdir: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = gitdir.join(name);
    if has_content(&path) {
        return Ok(());
    }
    let made = create_dirs(disk, path.parent().unwrap_or(gitdir));
    made.map_err(DotgitError::io(&path))?;
    write(disk, &path, content)
}

pub(super) fn write(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    create_anew(disk, path)
        .and_then(|file| disk.write_all_at(&file, content, 0))
        .map_err(DotgitError::io(path))
}

/// Objects are looked for in the store too (gitrepository-layout: objects/info/alternates). Where
/// its history is cut off, so is ours.
fn borrow_objects(disk: &dyn Disk, gitdir: &Path, store: &Path) -> Result<()> {
    let path = gitdir.join("objects/info/alternates");
    let objects = store.join("objects");
    let line = [objects.as_os_str().as_bytes(), b"\n"].concat();
    let failed = || DotgitError::io(&path);
    if line[..line.len() - 1].contains(&b'\n') {
        let why = "the path of the store holds a line break";
        return Err(failed()(io::Error::new(io::ErrorKind::InvalidInput, why)));
    }
    if std::fs::read(&path).map_or(true, |old| old != line) {
        write(disk, &path, &line)?;
    }
    let (ours, theirs) = (gitdir.join("shallow"), store.join("shallow"));
    let Ok(cut_off) = std::fs::read_to_string(&theirs) else { return Ok(()) };
    let mut lines = std::fs::read_to_string(&ours).unwrap_or_default();
    for line in cut_off.lines().filter(|line| !line.is_empty()) {
        if !lines.lines().any(|known| known == line) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    write(disk, &ours, lines.as_bytes())
}

/// The remote's branches and tags as the store has them. git replaces `packed-refs` as a whole and
/// so does the store: both may have the same file.
fn share_refs(disk: &dyn Disk, gitdir: &Path, store: &Path) -> Result<()> {
    let (theirs, ours) = (store.join("packed-refs"), gitdir.join("packed-refs"));
    if has_content(&ours) || !theirs.exists() {
        return Ok(());
    }
    if ours.exists() {
        disk.remove_file(&ours).map_err(DotgitError::io(&ours))?;
    }
    if disk.hard_link(&theirs, &ours).is_ok() {
        return Ok(());
    }
    let refs = std::fs::read(&theirs).map_err(DotgitError::io(&theirs))?;
    write(disk, &ours, &refs)
}

/// The repository's own configuration; it is the workspace's for good, and git may change it.
fn config(spec: &GitdirSpec<'_>) -> String {
    let (version, format) = match spec.hash {
        HashKind::Sha256 => (1, "[extensions]\n\tobjectformat = sha256\n"),
        _ => (0, ""),
    };
    let mut text = format!(
        "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n\
         \tlogAllRefUpdates = true\n\tsymlinks = true\n\tignoreCase = false\n\
         \tfsmonitor = false\n\tcheckStat = default\n\ttrustctime = true\n\
         {format}[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
         [remote \"origin\"]\n\turl = {}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n{}",
        quoted(spec.url),
        if spec.partial { PROMISOR } else { "" },
    );
    if let Head::Branch { name, .. } = spec.head {
        text.push_str(&config_of_branch(name));
    }
    text
}

/// Says that the branch `name` (in full) is the remote's of the same name.
pub(super) fn config_of_branch(name: &str) -> String {
    let short = quoted(name.strip_prefix("refs/heads/").unwrap_or(name));
    format!("[branch {short}]\n\tremote = origin\n\tmerge = {}\n", quoted(name))
}

/// A value that git reads back as it is.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
