//! One local repository: opening it and reading its objects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::odb::Odb;
use super::tree::{self, RawEntry};
use super::{Credential, GitError, Result};
use crate::types::{HashKind, Oid};
use gix::bstr::ByteSlice;
use gix::objs::{Find, Kind};
use gix::odb::Header;

/// How often an object that cannot be read is looked for again.
const LOOKS_AGAIN: u32 = 2;

/// A local repository, with its alternates. Cheap to clone; threads share it.
///
/// It reads no worktree and nothing of a mounted tree: configuration is the git directory's own and
/// the user's.
#[derive(Clone)]
pub struct Repo {
    inner: Arc<Inner>,
}

struct Inner {
    gitdir: PathBuf,
    hash: HashKind,
    odb: Odb,
    /// A variable of our environment that holds a secret.
    secret_variable: Option<String>,
}

/// What a commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The tree of the commit.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// When it was committed, in seconds since 1970.
    pub committer_time_s: i64,
    /// The first paragraph of its message on one line; bytes that are no UTF-8 are replaced.
    pub subject: String,
}

impl Repo {
    /// Opens the repository whose git directory is `gitdir`; HEAD may be unborn.
    pub fn open(gitdir: &Path) -> Result<Repo> {
        Self::open_with(gitdir, None)
    }

    /// The same where our environment may hold `credential`, which no filter is to see.
    pub fn open_with(gitdir: &Path, credential: Option<&Credential>) -> Result<Repo> {
        let repository = open_gix(gitdir)?;
        let hash = repository.to_thread_local().object_hash();
        let odb = Odb::new(repository, hash)?;
        let secret_variable = credential.and_then(Credential::variable).map(str::to_owned);
        Ok(Repo {
            inner: Arc::new(Inner { gitdir: gitdir.to_owned(), hash, odb, secret_variable }),
        })
    }

    pub(super) fn secret_variable(&self) -> Option<&str> {
        self.inner.secret_variable.as_deref()
    }

    /// The git directory.
    pub fn gitdir(&self) -> &Path {
        &self.inner.gitdir
    }

    /// SHA-1 or SHA-256.
    pub fn hash_kind(&self) -> HashKind {
        self.inner.hash
    }

    /// The id of the tree without entries. It can be read though it may not be stored.
    pub fn empty_tree(&self) -> Oid {
        Oid::empty_tree(self.inner.hash)
    }

    /// Looks at the disk anew: packs and alternates that other processes wrote are seen.
    pub fn refresh(&self) {
        self.inner.odb.refresh();
    }

    /// The entries of a tree in stored order, not judged; see [`RawEntry`].
    pub fn tree(&self, oid: Oid) -> Result<Vec<RawEntry>> {
        self.parse_tree(oid, &self.object(oid, Kind::Tree)?)
    }

    /// The entries of the tree `oid` whose content is `data`.
    pub fn parse_tree(&self, oid: Oid, data: &[u8]) -> Result<Vec<RawEntry>> {
        tree::parse(data, self.inner.hash).map_err(|why| corrupt(oid, why))
    }

    /// The length of a blob, without reading its content.
    pub fn blob_size(&self, oid: Oid) -> Result<u64> {
        let mut header = self.with(|repo| repo.objects.try_header(&oid));
        // As below, where content is read.
        if !matches!(header, Ok(Some(_))) && self.inner.odb.refresh_if_stale() {
            header = self.with(|repo| repo.objects.try_header(&oid));
        }
        match header.map_err(|error| unreadable(oid, error))? {
            None => Err(GitError::NotFound(oid)),
            Some(header) if header.kind() != Kind::Blob => Err(wrong_kind(oid, header.kind())),
            Some(header) => Ok(header.size()),
        }
    }

    /// The content of a blob. It is checked against its id.
    pub fn blob(&self, oid: Oid) -> Result<Vec<u8>> {
        self.object(oid, Kind::Blob)
    }

    /// Reads a commit.
    pub fn commit(&self, oid: Oid) -> Result<CommitInfo> {
        let data = self.object(oid, Kind::Commit)?;
        let commit = gix::objs::CommitRef::from_bytes(&data, self.inner.hash)
            .map_err(|error| corrupt(oid, error.to_string()))?;
        Ok(CommitInfo {
            tree: commit.tree(),
            parents: commit.parents().collect(),
            committer_time_s: commit
                .time()
                .map_err(|error| corrupt(oid, error.to_string()))?
                .seconds,
            subject: commit.message().summary().to_str_lossy().into_owned(),
        })
    }

    /// Whether the object is here or in an alternate.
    pub fn exists(&self, oid: Oid) -> bool {
        oid == self.empty_tree() || self.with(|repo| gix::objs::Exists::exists(&repo.objects, &oid))
    }

    /// Those of `oids` that are neither here nor in an alternate, as far as the packs go that this
    /// knows of; [`Repo::refresh_if_stale`] comes before.
    pub fn missing(&self, oids: &[Oid]) -> Vec<Oid> {
        oids.iter().copied().filter(|oid| !self.exists_without_refresh(*oid)).collect()
    }

    /// Looks for packs that others wrote; whether there were any.
    pub fn refresh_if_stale(&self) -> bool {
        self.inner.odb.refresh_if_stale()
    }

    /// Whether a remote keeps contents that are not here, for this or an alternate: git marks what
    /// came without them.
    pub fn is_partial(&self) -> bool {
        self.inner.odb.has_promised()
    }

    /// As [`Repo::exists`], but does not look for packs that appeared since; for those who can do
    /// with a false no.
    pub(super) fn exists_without_refresh(&self, oid: Oid) -> bool {
        self.with(|repo| repo.objects.exists_without_refresh(&oid))
    }

    /// Runs `work` with a gix handle.
    pub(super) fn with<T>(&self, work: impl FnOnce(&gix::Repository) -> T) -> T {
        self.inner.odb.with(work)
    }

    /// A handle whose configuration is as it stands now; as it stood at the start where that
    /// cannot be read.
    pub(super) fn reopened(&self) -> gix::Repository {
        match open_gix(&self.inner.gitdir) {
            Ok(repository) => repository.to_thread_local(),
            Err(error) => {
                tracing::warn!(%error, "went on with the configuration read at the start");
                self.inner.odb.detached()
            }
        }
    }

    /// Whether `data` is the content of the object `oid`.
    pub fn is_object(&self, kind: Kind, oid: Oid, data: &[u8]) -> bool {
        gix::objs::compute_hash(self.inner.hash, kind, data).is_ok_and(|actual| actual == oid)
    }

    /// The content of an object of this kind. It is checked against its id.
    ///
    /// What cannot be read is looked for again in the store as it is then: git may just have put it
    /// into another pack and taken the old one away.
    pub fn object(&self, oid: Oid, kind: Kind) -> Result<Vec<u8>> {
        if kind == Kind::Tree && oid == self.empty_tree() {
            return Ok(Vec::new());
        }
        let mut found = self.try_object(oid, kind);
        for _ in 0..LOOKS_AGAIN {
            if found.is_ok() || !self.inner.odb.refresh_if_stale() {
                break;
            }
            found = self.try_object(oid, kind);
        }
        found
    }

    fn try_object(&self, oid: Oid, kind: Kind) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let found = self
            .with(|repo| {
                repo.objects.try_find(&oid, &mut bytes).map(|data| data.map(|data| data.kind))
            })
            .map_err(|error| unreadable(oid, error))?;
        self.inner.odb.spend(bytes.len());
        match found {
            None => return Err(GitError::NotFound(oid)),
            Some(found) if found != kind => return Err(wrong_kind(oid, found)),
            Some(_) => {}
        }
        let actual = gix::objs::compute_hash(self.inner.hash, kind, &bytes)
            .map_err(|error| corrupt(oid, error.to_string()))?;
        if actual != oid {
            return Err(corrupt(oid, format!("its content has the id {actual}")));
        }
        Ok(bytes)
    }
}

fn open_gix(gitdir: &Path) -> Result<gix::ThreadSafeRepository> {
    let mut repository = gix::open::Options::default()
        .with(gix::sec::Trust::Full)
        .open_path_as_is(true)
        .config_overrides(["core.useReplaceRefs=false"])
        .open(gitdir)
        .map_err(|error| GitError::Open { gitdir: gitdir.to_owned(), why: error.to_string() })?;
    // The worktree is our own mount: to look into it would be to wait for ourselves.
    repository.work_tree = None;
    Ok(repository)
}

pub(super) fn corrupt(oid: Oid, why: impl Into<String>) -> GitError {
    GitError::Corrupt { oid, why: why.into() }
}

fn wrong_kind(oid: Oid, kind: Kind) -> GitError {
    corrupt(oid, format!("it is a {kind}"))
}

/// Tells a disk that fails (try again later) from an object that is damaged.
pub(super) fn unreadable(oid: Oid, error: gix::Error) -> GitError {
    let io = error.downcast_any_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    match io {
        Some(code) => GitError::Io {
            what: format!("read object {oid}"),
            source: std::io::Error::from_raw_os_error(code),
        },
        None => corrupt(oid, error.to_string()),
    }
}
