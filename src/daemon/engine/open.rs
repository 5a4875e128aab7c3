//! Opening a workspace: under its lease, with what a crash left put right.

use super::promisor::Remote;
use super::{Engine, tenant};
use crate::base::{Base, SizeTable};
use crate::commit::Sealer;
use crate::daemon::failure::{Failure, Kind};
use crate::daemon::host::Host;
use crate::dotgit::{self, Files, LastRead};
use crate::git::{Credential, Repo};
use crate::overlay::{Overlay, Recovered};
use crate::registry::{Lease, Milestone, Status, WorkspacePaths, WorkspaceRecord};
use crate::store;
use crate::sync::{Known, Outbox, Pusher, RefState, Target};
use crate::sys::Cancel;
use crate::types::{Ino, Oid, Seq, Timespec, WorkspaceId};
use crate::workspace::{ViewConfig, Workspace};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// What an engine is made around.
pub(in crate::daemon) struct Opened {
    pub overlay: Arc<Overlay>,
    pub recovered: Recovered,
    /// The last change when it was opened.
    pub opened_at: Seq,
    /// The files, where they are shown already.
    pub shown: Option<Arc<Workspace>>,
}

impl Engine {
    /// Opens the workspace; refused ([`Kind::Held`]) while anybody else has it.
    pub fn open(host: &Host, id: &WorkspaceId) -> Result<Self, Failure> {
        let paths = host.registry.paths(id);
        let record = host.registry.load(id)?;
        let lease = Arc::new(Lease::acquire(&paths)?);
        if record.status == Status::Creating {
            let what = format!("{id} was never finished");
            return Err(Failure::new(Kind::Corrupt, what).fix(format!("toft rm --discard {id}")));
        }
        let (overlay, recovered) = Overlay::open(paths.root(), host.disk.clone())?;
        let (opened_at, overlay) = (overlay.seq(), Arc::new(overlay));
        Self::over(host, record, lease, Opened { overlay, recovered, opened_at, shown: None })
    }

    /// The engine of a workspace whose overlay is open.
    pub(in crate::daemon) fn over(
        host: &Host,
        mut record: WorkspaceRecord,
        lease: Arc<Lease>,
        opened: Opened,
    ) -> Result<Self, Failure> {
        let Opened { overlay, recovered, opened_at, shown } = opened;
        let (id, paths) = (&record.id.clone(), host.registry.paths(&record.id));
        tenant::make_gitdir(host, &record)?;
        if recovered.other_boot {
            dotgit::clear_after_power_loss(&paths.gitdir())?;
        }
        let credential = record.credential.as_deref().map(Credential::parse).transpose()?;
        let repo = Repo::open_with(&paths.gitdir(), credential.as_ref())?;
        // What it cannot know of files, git finds out by reading them.
        let unknown = Files { stat: &|_| None, at: host.clock.now() };
        if let Err(error) = dotgit::mend_index(&paths.gitdir(), &repo, &unknown) {
            tracing::warn!(%error, "git's index could not be mended");
        }
        let remote = remote(&record, credential.clone())?;
        let base = Arc::new(base(&record, &paths, &repo, base_tree(&overlay), remote.clone())?);
        let outbox = Arc::new(Outbox::open(&paths.outbox(), host.disk.clone())?);
        register_fork(&record, &outbox)?;
        if recovered.void_batches + recovered.void_segments > 0 {
            let sealed = queued_head(&repo, &outbox)?;
            let at_s = host.clock.now().sec;
            record = host.registry.update(id, |record| {
                // A flush that was cut short had no time to note its commit.
                if let Some(commit) = sealed.filter(|_| !record.rolled_back) {
                    record.last_seal = Some(Milestone { commit, at_s });
                }
                record.rolled_back = true;
            })?;
        }
        let workspace = shown.unwrap_or_else(|| {
            let (overlay, base, clock) = (overlay.clone(), base.clone(), host.clock.clone());
            Arc::new(Workspace::new(overlay, base, clock, view_config(&record, &paths)))
        });
        tracing::debug!(?recovered, workspace = %id, "opened");
        let target = target(host, &record, &repo, credential);
        let (disk, clock, dir) = (host.disk.clone(), host.clock.clone(), record.dir.clone());
        Ok(Self {
            host: host.clone(),
            rolled_back: record.rolled_back.into(),
            lost_bodies: recovered.lost_bodies,
            record,
            repo,
            opened_at: (opened_at, recovered.last_batch),
            overlay,
            sealer: Sealer::new(base.clone(), disk, clock, dir),
            base,
            remote,
            pusher: Arc::new(Pusher::new(target, outbox.clone())),
            outbox,
            flushing: Mutex::new(()),
            last_index: LastRead::default(),
            hurry: Cancel::new().map_err(Failure::io("cannot wait"))?,
            workspace,
            notifier: OnceLock::new(),
            requests: OnceLock::new(),
            transport: OnceLock::new(),
            nudge: OnceLock::new(),
            lease,
        })
    }
}

/// Tells the queue of a fork, once, where the remote's branch stands.
fn register_fork(record: &WorkspaceRecord, outbox: &Outbox) -> Result<(), Failure> {
    let (Some(fork), Some(branch)) = (&record.fork, &record.branch) else { return Ok(()) };
    let remote = fork.remote.map_or(Known::Absent, Known::At);
    Ok(outbox.register(branch, remote, fork.delivered)?)
}

/// Where its commits go.
fn target(
    host: &Host,
    record: &WorkspaceRecord,
    repo: &Repo,
    credential: Option<Credential>,
) -> Target {
    Target {
        repo: repo.clone(),
        url: record.source.url.clone(),
        credential,
        workspace: record.id.clone(),
        disk: host.disk.clone(),
        clock: host.clock.clone(),
    }
}

/// The way to the contents that are on the remote only; None where all are here.
fn remote(
    record: &WorkspaceRecord,
    credential: Option<Credential>,
) -> Result<Option<Arc<Remote>>, Failure> {
    let lazy = record.source.hydrate.is_lazy();
    let remote = lazy.then(|| Remote::new(record, credential)).transpose();
    Ok(remote.map_err(Failure::io("cannot wait for the remote"))?.map(Arc::new))
}

/// The tree that the workspace stands on.
fn base_tree(overlay: &Overlay) -> Option<Oid> {
    overlay.read().node(Ino::ROOT)?.directory()?.base.tree()
}

fn base(
    record: &WorkspaceRecord,
    paths: &WorkspacePaths,
    repo: &Repo,
    tree: Option<Oid>,
    remote: Option<Arc<Remote>>,
) -> Result<Base, Failure> {
    let hash = repo.hash_kind();
    let (repo, spill) = (repo.clone(), paths.root().to_owned());
    let base = match remote {
        None => Base::new(repo, spill),
        Some(remote) => {
            Base::lazy(repo, spill, remote).map_err(Failure::io("cannot wait for the remote"))?
        }
    };
    let cache = record.store.path.join(store::CACHED_FILES);
    let base = base.sharing(&cache);
    // Where nobody made one, sizes are asked of the objects.
    let table = tree.map(|tree| SizeTable::open(&dotgit::size_table(&cache, tree), hash));
    Ok(match table {
        Some(Ok(table)) => base.knowing(table),
        _ => base,
    })
}

/// HEAD's commit, if it went to the queue: the files were synced before that.
fn queued_head(repo: &Repo, outbox: &Outbox) -> Result<Option<Oid>, Failure> {
    // One that cannot be read is told by fsck.
    let Ok(Some(tip)) = repo.head().map(|head| head.tip()) else { return Ok(None) };
    let knows = |state: &RefState| {
        let pending = state.pending.as_ref().map(|record| record.new);
        let aside = state.conflict.as_ref().map(|conflict| conflict.record.new);
        [pending, aside, state.delivered].contains(&Some(tip))
    };
    Ok(outbox.states()?.iter().any(knows).then_some(tip))
}

/// How the workspace shows; making one takes the same as opening it.
pub(in crate::daemon) fn view_config(
    record: &WorkspaceRecord,
    paths: &WorkspacePaths,
) -> ViewConfig {
    ViewConfig {
        uid: record.view.uid,
        gid: record.view.gid,
        base_time: Timespec::from_sec(record.view.base_time_s),
        gitfile: dotgit::gitfile(&paths.gitdir()),
        read_only: record.view.read_only,
        state_dir: paths.root().to_owned(),
    }
}
