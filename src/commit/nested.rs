//! Repositories inside the mount: which directory is one, and which commit its HEAD names.
//!
//! Read from the frozen view, as git reads them from files (`resolve_gitlink_ref`); to read them
//! through the mount would be to wait for ourselves (T12).

use super::error::CommitError;
use super::view::{Dir, Item, View, join};
use crate::git::Repo;
use crate::types::{HashKind, Oid};
use std::os::unix::ffi::OsStrExt;

/// How many symbolic refs are followed (git: SYMREF_MAXDEPTH).
const SYMBOLIC_DEPTH: usize = 5;
/// The largest HEAD, ref or gitfile that is read.
const SMALL: u64 = 64 << 10;
/// The largest packed-refs file that is read.
const PACKED_REFS: u64 = 256 << 20;

/// What a directory is to git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// No repository.
    No,
    /// A repository with this commit checked out.
    At(Oid),
    /// A repository without one, or whose HEAD cannot be told, and why.
    Unknown(&'static str),
}

/// Looks at the directory `dir` at `path`.
pub(super) fn nested(view: View<'_>, path: &[u8], dir: &Dir) -> Result<Nested, CommitError> {
    let at = join(path, b".git");
    match view.find(path, dir, b".git")? {
        Some(Item::Dir(gitdir)) => Gitdir { view, path: at, dir: gitdir }.examine(),
        Some(Item::File { data, .. }) => match view.read(&at, data, SMALL)? {
            Some(bytes) => gitfile(view, path, &bytes),
            None => Ok(Nested::No),
        },
        Some(Item::BaseLink(_) | Item::Link(_)) => {
            Ok(Nested::Unknown("its .git is a symbolic link"))
        }
        Some(Item::Special) | None => Ok(Nested::No),
    }
}

/// Looks where a `.git` file in the directory `dir` points to: into the mount, or to a submodule's
/// place in our own git directory. Other places are not looked at: the way there may lead through
/// this very mount.
fn gitfile(view: View<'_>, dir: &[u8], bytes: &[u8]) -> Result<Nested, CommitError> {
    let Some(target) = bytes.strip_prefix(b"gitdir: ") else { return Ok(Nested::No) };
    let target = target.trim_ascii_end();
    if let Some(path) = inside(view.mount_dir.as_os_str().as_bytes(), dir, target) {
        let root = Item::Dir(view.root()?);
        return match below(view, b"", root, &path)? {
            Some(Item::Dir(dir)) => Gitdir { view, path, dir }.examine(),
            _ => Ok(Nested::No),
        };
    }
    let repo = view.base.repo();
    let elsewhere = Nested::Unknown("its repository is elsewhere");
    let Some(module) = submodule(repo, target) else { return Ok(elsewhere) };
    let head = Repo::open(&repo.gitdir().join("modules").join(module)).and_then(|it| it.head());
    Ok(match head.map(|head| head.tip()) {
        Ok(Some(oid)) => at(oid, repo.hash_kind()),
        _ => Nested::Unknown("a submodule without a commit checked out"),
    })
}

/// The path in the view that `target`, seen from the directory `dir`, stands for.
fn inside(mount_dir: &[u8], dir: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let slash = |byte: &u8| *byte == b'/';
    let mut parts: Vec<&[u8]> = Vec::new();
    let target = match target.strip_prefix(b"/") {
        Some(_) => target.strip_prefix(mount_dir)?.strip_prefix(b"/")?,
        None => {
            parts.extend(dir.split(slash));
            target
        }
    };
    for part in target.split(slash) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The name of the submodule whose git directory `target` is: `.../gitdir/modules/NAME`. Told by
/// the end of the path, because one that was written relative is wrong after a mount elsewhere.
fn submodule<'a>(repo: &Repo, target: &'a [u8]) -> Option<&'a str> {
    let gitdir = repo.gitdir().file_name()?.to_str()?;
    let (_, name) = std::str::from_utf8(target).ok()?.rsplit_once(&format!("{gitdir}/modules/"))?;
    let plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    plain.then_some(name)
}

/// A `.git` that is a directory of the view.
struct Gitdir<'a> {
    view: View<'a>,
    path: Vec<u8>,
    dir: Dir,
}

impl Gitdir<'_> {
    fn examine(&self) -> Result<Nested, CommitError> {
        let is_dir = |item: Option<Item>| matches!(item, Some(Item::Dir(_)));
        let Some(head) = self.read("HEAD", SMALL)? else { return Ok(Nested::No) };
        let valid = match target(&head) {
            Target::Ref(name) => name.starts_with("refs/"),
            Target::Id(_) => true,
            Target::Neither => false,
        };
        if !valid || !is_dir(self.find("objects")?) || !is_dir(self.find("refs")?) {
            return Ok(Nested::No);
        }
        let hash = self.view.base.repo().hash_kind();
        let none = Nested::Unknown("a repository without a commit checked out");
        Ok(self.resolve(head)?.map_or(none, |oid| at(oid, hash)))
    }

    /// Follows HEAD to a commit.
    fn resolve(&self, mut value: Vec<u8>) -> Result<Option<Oid>, CommitError> {
        for _ in 0..=SYMBOLIC_DEPTH {
            let name = match target(&value) {
                Target::Id(oid) => return Ok(Some(oid)),
                Target::Ref(name) => name.to_owned(),
                Target::Neither => return Ok(None),
            };
            match self.read(&name, SMALL)? {
                Some(next) => value = next,
                None => return self.packed(&name),
            }
        }
        Ok(None)
    }

    fn packed(&self, name: &str) -> Result<Option<Oid>, CommitError> {
        let packed = self.read("packed-refs", PACKED_REFS)?.unwrap_or_default();
        let line = packed.split(|byte| *byte == b'\n').find_map(|line| {
            let (id, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
            (&rest[1..] == name.as_bytes()).then_some(id)
        });
        Ok(line.and_then(|id| Oid::from_hex(id).ok()))
    }

    /// The bytes of a regular file below.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, CommitError> {
        match self.find(name)? {
            Some(Item::File { data, .. }) => {
                self.view.read(&join(&self.path, name.as_bytes()), data, limit)
            }
            _ => Ok(None),
        }
    }

    fn find(&self, name: &str) -> Result<Option<Item>, CommitError> {
        below(self.view, &self.path, Item::Dir(self.dir.clone()), name.as_bytes())
    }
}

/// What stands at `path` below `item`, which stands at `from`. Links are not followed.
fn below(
    view: View<'_>,
    from: &[u8],
    mut item: Item,
    path: &[u8],
) -> Result<Option<Item>, CommitError> {
    let mut at = from.to_vec();
    for name in path.split(|byte| *byte == b'/') {
        let Item::Dir(dir) = &item else { return Ok(None) };
        let Some(next) = view.find(&at, dir, name)? else { return Ok(None) };
        at = join(&at, name);
        item = next;
    }
    Ok(Some(item))
}

/// What HEAD or a ref file holds.
enum Target<'a> {
    Ref(&'a str),
    Id(Oid),
    Neither,
}

fn target(bytes: &[u8]) -> Target<'_> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_ascii_end();
    if let Some(name) = text.strip_prefix("ref:") {
        return Target::Ref(name.trim_ascii_start());
    }
    let id = text.split(|char: char| char.is_ascii_whitespace()).next().unwrap_or_default();
    Oid::from_hex(id.as_bytes()).map_or(Target::Neither, Target::Id)
}

fn at(oid: Oid, hash: HashKind) -> Nested {
    if oid.kind() == hash {
        Nested::At(oid)
    } else {
        Nested::Unknown("a repository with another kind of hash")
    }
}
