//! Brings the store of a remote up to date, with as little talk as possible.

use super::choose::{Choice, choose, named};
use super::place::{Place, exists, path_of};
use super::refs::{self, KEEP, REMOTES};
use super::sweep::sweep;
use super::{Result, StoreError, store_key};
use crate::git::{Depth, FetchOptions, Git, GitError, LsRemote, Repo, remove_orphan_indexes};
use crate::sys::{Disk, Reason};
use crate::types::{HashKind, Oid};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is needed of a remote.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The URL, see [`super::Source`].
    pub url: &'a str,
    /// A branch or tag; the remote's own branch when None.
    pub branch: Option<&'a str>,
    /// A commit: its id (whole or abbreviated), a tag, anything that `git rev-parse` knows. It
    /// goes before `branch`.
    pub at: Option<&'a str>,
    /// How much history; all when None.
    pub depth: Option<u32>,
    /// Leave the contents of files on the remote, where it is one that can do that.
    pub lazy: bool,
    /// Commits that a workspace stands on: fetched by their id when they are missing.
    pub needs: &'a [Oid],
    /// What the store has will do when the remote does not answer.
    pub offline: bool,
    /// Shows progress on stderr.
    pub progress: bool,
}

/// A store that has what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its name in the cache.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// The hash of the repository.
    pub hash: HashKind,
    /// The remote's own branch, in full.
    pub default_branch: Option<String>,
    /// The branch that was asked for, in full; None for a tag or commit.
    pub branch: Option<String>,
    /// The commit to stand on; None when the remote has no commit yet.
    pub tip: Option<Oid>,
    /// The remote did not answer: this is what it had when it last did.
    pub offline: bool,
    /// Contents of files are on the remote only, and fetched when they are needed.
    pub partial: bool,
}

/// Makes sure that the store of a remote is there and has what `request` needs.
///
/// `git` gives the user's git for a git directory, with credentials, deadline and the like.
/// Waits while another process fetches into the same store.
pub fn ensure(
    cache: &Path,
    request: &Request<'_>,
    git: &dyn Fn(&Path) -> Git,
    disk: &dyn Disk,
) -> Result<Store> {
    let key = store_key(request.url, request.depth, request.lazy);
    // Asked before the lock is taken: many who mount one remote at once wait for it side by side.
    let Answer { remote, offline, filter } = ask(&path_of(cache, &key), request, git)?;
    let place = Place::hold(cache, &key, disk)?;
    if !exists(&place.path) {
        place.create(request.url, remote.hash, request.lazy, disk)?;
    }
    remove_orphan_indexes(&place.path)?;
    let repo = Repo::open(&place.path)?;
    repo.remove_dangling_refs("refs")?;
    if repo.hash_kind() != remote.hash {
        let (have, want) = (repo.hash_kind(), remote.hash);
        return Err(StoreError::HashChanged { path: place.path, have, want });
    }
    let blobless = request.lazy && filter;
    let depth = request.depth.or_else(|| shallow_instead(&repo, request, filter, offline));
    let work =
        Work { request, remote, offline, blobless, depth, repo, git: git(&place.path), disk };
    let (branch, tip) = work.bring()?;
    let partial = work.repo.is_partial();
    if let Some(head) = &work.remote.head {
        refs::set_head(&work.repo, head, disk)?;
    }
    Ok(Store {
        key,
        hash: work.remote.hash,
        default_branch: work.remote.head,
        branch,
        tip,
        offline,
        partial,
        path: place.path,
    })
}

/// A server that cannot leave contents out is at least spared the history: the tip alone is the
/// next best for somebody who wants to begin at once.
fn shallow_instead(repo: &Repo, request: &Request<'_>, filter: bool, offline: bool) -> Option<u32> {
    let is_shallow = || std::fs::metadata(repo.gitdir().join("shallow")).is_ok();
    let is_new = || repo.refs("refs/").is_ok_and(|refs| refs.is_empty());
    if !request.lazy || filter || offline || !(is_new() || is_shallow()) {
        return None;
    }
    tracing::warn!("the server cannot leave out the contents of files: fetching all, no history");
    Some(1)
}

/// What the remote says.
struct Answer {
    remote: LsRemote,
    /// It said nothing, and this is what it last said.
    offline: bool,
    /// It can leave contents of files out.
    filter: bool,
}

/// What the remote has; what it had, when it does not answer and that will do.
fn ask(store: &Path, request: &Request<'_>, git: &dyn Fn(&Path) -> Git) -> Result<Answer> {
    let git = git(store);
    let answer = match request.lazy {
        true => git.ls_remote_and_filter(request.url),
        false => git.ls_remote(request.url).map(|remote| (remote, false)),
    };
    match answer {
        Err(GitError::Unreachable(why)) if request.offline && exists(store) => {
            tracing::warn!(%why, "the remote does not answer, going on with what is here");
            let remote = refs::remembered(&Repo::open(store)?)?;
            Ok(Answer { remote, offline: true, filter: false })
        }
        answer => answer.map(|(remote, filter)| Answer { remote, offline: false, filter }),
    }
    .map_err(Into::into)
}

struct Work<'a> {
    request: &'a Request<'a>,
    remote: LsRemote,
    offline: bool,
    /// Contents of files stay on the remote.
    blobless: bool,
    /// How much history; all when None.
    depth: Option<u32>,
    repo: Repo,
    git: Git,
    disk: &'a dyn Disk,
}

impl Work<'_> {
    /// The branch, and the commit to stand on.
    fn bring(&self) -> Result<(Option<String>, Option<Oid>)> {
        let found = match self.request.at {
            Some(spec) => (None, Some(self.bring_commit(spec)?)),
            None => match choose(&self.remote, self.request.branch)? {
                Choice::Branch(name, None) => (Some(name), None),
                Choice::Branch(name, Some(tip)) => {
                    let tip = self.bring_ref(&name, tip)?;
                    (Some(name), Some(tip))
                }
                Choice::Tag(name, oid) => (None, Some(self.bring_tag(&name, oid)?)),
            },
        };
        for &oid in self.request.needs {
            self.bring_object(oid)?;
        }
        Ok(found)
    }

    /// Makes the ref `name` of the remote complete here, and gives the object that it names; a
    /// newer one when the remote moved since it was asked.
    fn bring_ref(&self, name: &str, oid: Oid) -> Result<Oid> {
        let gone = || StoreError::NoSuchBranch { name: name.to_owned(), near: Vec::new() };
        let local = refs::local_name(name).ok_or_else(gone)?;
        refs::follow(&self.repo, &self.remote, self.disk)?;
        if self.repo.read_ref(&local)? != Some(oid) || !self.repo.exists(oid) {
            if self.offline {
                return Err(gone());
            }
            self.fetch_refs(name, oid, &local)?;
        }
        self.repo.read_ref(&local)?.ok_or_else(gone)
    }

    /// Fetches the ref `name`, or all of them where all history is wanted.
    ///
    /// What the remote was just heard to have is asked for by id, where the server is one that
    /// gives it: then git need not ask again what there is, which is a round trip.
    fn fetch_refs(&self, name: &str, oid: Oid, local: &str) -> Result<()> {
        let one = self.depth.is_some();
        if self.blobless {
            let all = self.remote.refs.iter();
            let kept = all.filter(|(other, _)| !one || *other == name);
            let by_id = kept.filter_map(|(name, oid)| Some((refs::local_name(name)?, oid)));
            let by_id: Vec<_> = by_id.map(|(local, oid)| format!("+{oid}:{local}")).collect();
            match self.fetch(&by_id, false) {
                // It moved, and the server gives nothing away that no ref names.
                Err(StoreError::Git(GitError::Refused(_) | GitError::Process { .. })) => {}
                done => return done,
            }
        }
        tracing::debug!(name, %oid, "fetching by name");
        let refspecs = if one { vec![format!("+{name}:{local}")] } else { everything() };
        self.fetch(&refspecs, !one)
    }

    fn bring_tag(&self, name: &str, oid: Oid) -> Result<Oid> {
        let oid = self.bring_ref(name, oid)?;
        let commit = self.repo.resolve_commit(&oid.to_string())?;
        commit.ok_or_else(|| StoreError::NoSuchCommit(name.to_owned()))
    }

    /// The commit that `spec` names: by what the remote lists, by what is here, by what the remote
    /// has, by its id alone.
    fn bring_commit(&self, spec: &str) -> Result<Oid> {
        let missing = || StoreError::NoSuchCommit(spec.to_owned());
        match named(&self.remote, spec, spec) {
            Some(Choice::Branch(name, Some(tip))) => return self.bring_ref(&name, tip),
            Some(Choice::Tag(name, oid)) => return self.bring_tag(&name, oid),
            _ => {}
        }
        let id = Oid::from_hex(spec.as_bytes()).ok().filter(|id| id.kind() == self.remote.hash);
        if id.is_some_and(|_| self.depth.is_some()) {
            id.map(|id| self.bring_object(id)).transpose()?;
            return self.resolve(spec)?.ok_or_else(missing);
        }
        // An id means the same for ever; what starts at a branch needs the branch as it is now.
        let is_id = spec.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id && let Some(commit) = self.resolve(spec)? {
            return Ok(commit);
        }
        if let Choice::Branch(name, Some(tip)) = choose(&self.remote, self.request.branch)? {
            self.bring_ref(&name, tip)?;
        }
        if self.resolve(spec)?.is_none() && !self.offline && self.depth.is_none() {
            self.fetch(&everything(), true)?;
            if let (None, Some(id)) = (self.resolve(spec)?, id) {
                self.bring_object(id)?;
            }
        }
        self.resolve(spec)?.ok_or_else(missing)
    }

    /// The commit that `spec` names here.
    fn resolve(&self, spec: &str) -> Result<Option<Oid>> {
        let of_head = self.remote.head.as_deref().and_then(refs::local_name).and_then(|branch| {
            let rest = spec.strip_prefix("HEAD")?;
            Some(format!("{branch}{rest}"))
        });
        for spec in [spec.to_owned(), format!("origin/{spec}")].into_iter().chain(of_head) {
            match self.repo.resolve_commit(&spec) {
                Ok(None) | Err(GitError::NotFound(_)) => {}
                found => return Ok(found?),
            }
        }
        Ok(None)
    }

    /// Fetches an object by its id unless it is here.
    fn bring_object(&self, oid: Oid) -> Result<()> {
        if self.repo.exists(oid) {
            return Ok(());
        }
        let missing = || StoreError::NoSuchCommit(oid.to_string());
        if self.offline {
            return Err(missing());
        }
        match self.fetch(&[format!("{oid}:{KEEP}{oid}")], false) {
            Err(StoreError::Git(
                GitError::Refused(_) | GitError::Process { .. } | GitError::NoSuchBranch(_),
            )) => Err(missing()),
            done => done,
        }
    }

    fn fetch(&self, refspecs: &[String], prune: bool) -> Result<()> {
        sweep(self.repo.gitdir());
        let options = FetchOptions {
            depth: self.depth.map_or(Depth::Default, Depth::Commits),
            progress: self.request.progress,
            prune,
            blobless: self.blobless,
            timeout: None,
        };
        self.git.fetch(self.request.url, refspecs, &options)?;
        self.repo.refresh();
        self.settle().map_err(StoreError::io(self.repo.gitdir()))?;
        refs::pack(&self.repo, self.disk)
    }

    /// Makes durable what git does not sync itself, before any ref says that it is complete.
    fn settle(&self) -> std::io::Result<()> {
        let store = self.repo.gitdir();
        if let Ok(shallow) = File::open(store.join("shallow")) {
            self.disk.fsync_file(&shallow, Reason::Objects)?;
        }
        self.disk.fsync_dir(&store.join("objects/pack"), Reason::Objects)
    }
}

/// All branches and tags.
fn everything() -> Vec<String> {
    vec![format!("+refs/heads/*:{REMOTES}*"), "+refs/tags/*:refs/tags/*".to_owned()]
}
