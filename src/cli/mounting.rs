//! The front of `toft mount`: checks, the workspace to mount, the daemon, the look through the
//! kernel.

use super::args::Global;
use super::ask;
use super::forking::{Fork, fork};
use super::launch::start;
use super::mountpoint::{self, Surroundings};
use super::options::Options;
use super::target::Target;
use crate::daemon::create::{Source, Wish, create};
use crate::daemon::mountinfo::{self, Mount};
use crate::daemon::presence::Presence;
use crate::daemon::serve::{ServeRequest, serve};
use crate::daemon::spawn::Ready;
use crate::daemon::{Access, Failure, FlushReport, Host, Kind, clear_dead, fuse_access, restore};
use crate::git::Repo;
use crate::registry::{Hydrate, WorkspaceRecord};
use crate::types::WorkspaceId;
use serde::Serialize;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What was asked for.
pub struct Plan {
    /// Where it comes from; None with a workspace.
    pub source: Option<String>,
    /// Where to.
    pub dir: Option<PathBuf>,
    /// How.
    pub options: Options,
    /// It is to be a house, whose root shows workspaces as folders.
    pub serves: bool,
    /// Device and inode number of the folder that the mount helper checked.
    pub checked_dir: Option<(u64, u64)>,
}

/// A workspace that is mounted.
#[derive(Debug, Serialize)]
pub struct Mounted {
    schema: &'static str,
    /// `w-…`
    pub workspace: String,
    /// The mount point.
    pub dir: String,
    /// Where it comes from.
    pub url: String,
    /// Short name.
    pub branch: Option<String>,
    /// The commit below.
    pub base: Option<String>,
    /// Nothing can be changed.
    pub read_only: bool,
    /// `full`, or `lazy` where files are fetched when they are looked at.
    pub hydrate: Hydrate,
    /// That was asked for, and the server cannot do it.
    #[serde(skip)]
    pub declined: bool,
    /// Workspaces show as folders of it.
    pub serves: bool,
    /// It was there before.
    pub resumed: bool,
    /// It was mounted before; nothing was done.
    pub already: bool,
    /// The daemon.
    pub pid: Option<u32>,
}

/// The workspace to mount, and whether it was there before.
struct Chosen {
    record: WorkspaceRecord,
    resumed: bool,
}

impl Plan {
    /// Mounts and tells `show`. In the foreground it serves as well, and gives the last report.
    pub fn mount(
        self,
        global: &Global,
        foreground: bool,
        show: impl Fn(&Mounted),
    ) -> Result<Option<FlushReport>, Failure> {
        fuse_access::check()?;
        let access = self.options.access()?;
        self.check_passthrough()?;
        let mut directories = global.directories();
        directories = directories.or(self.options.directories());
        let host = Host::open(directories)?;
        let source = self.source.as_deref().map(parse_source).transpose()?;
        let dir = self.resolved_dir(&host, source.as_ref())?;
        self.refuse_swapped(&dir)?;
        if let Some(mounted) = self.existing(&host, &dir, source.as_ref())? {
            show(&mounted);
            return Ok(None);
        }
        let chosen = self.choose(&host, &dir, source.as_ref(), global)?;
        let request = self.serve_request(&host, &chosen.record, access);
        if foreground {
            let ready = |ready: &Ready| {
                let Ready::Mounted { pid } = ready else { return Ok(()) };
                show(&chosen.mounted(false, Some(*pid)));
                Ok(())
            };
            return serve(&request, ready).map(Some).inspect_err(|_| undo_dir(&chosen.record));
        }
        let pid =
            start(&host, &request, &chosen.record).inspect_err(|_| undo_dir(&chosen.record))?;
        show(&chosen.mounted(false, Some(pid)));
        Ok(None)
    }

    fn resolved_dir(&self, host: &Host, source: Option<&Source>) -> Result<PathBuf, Failure> {
        let no_dir = || Failure::new(Kind::Usage, "name the folder to mount at");
        match (&self.dir, &self.options.workspace, source) {
            (Some(dir), ..) => mountpoint::resolve(dir),
            (None, Some(id), _) => Ok(load(host, id)?.dir),
            (None, None, Some(source)) => {
                let name = mountpoint::default_dir(&source.url).ok_or_else(no_dir)?;
                mountpoint::resolve(Path::new(name))
            }
            (None, None, None) => Err(no_dir()),
        }
    }

    /// The mount helper checked one folder; another one may stand there now.
    fn refuse_swapped(&self, dir: &Path) -> Result<(), Failure> {
        let Some(checked) = self.checked_dir else { return Ok(()) };
        let now = std::fs::symlink_metadata(dir).map(|meta| (meta.dev(), meta.ino()));
        if now.is_ok_and(|now| now == checked) {
            return Ok(());
        }
        let what = format!("{} was replaced while it was being mounted", dir.display());
        Err(Failure::new(Kind::DirUnusable, what))
    }

    /// The mount that is there already: the one asked for, or an error.
    fn existing(
        &self,
        host: &Host,
        dir: &Path,
        source: Option<&Source>,
    ) -> Result<Option<Mounted>, Failure> {
        let mounts = mountinfo::read()?;
        let Some(mount) = mountinfo::ours_at(&mounts, dir) else { return Ok(None) };
        for record in host.registry.list()?.workspaces {
            if record.dir != dir {
                continue;
            }
            let presence = Presence::of(&record, &host.registry, &mounts)?;
            if presence.mount.is_none() {
                continue;
            }
            return match ask::client(host, &record)? {
                Some(client) if self.means(&record, source) => {
                    let pid = Some(client.hello().pid);
                    Ok(Some(Chosen { record, resumed: true }.mounted(true, pid)))
                }
                Some(_) => Err(taken(dir, &record.source.url, record.id.as_str())),
                None => clear_dead(host, &record.id).map(|_| None),
            };
        }
        Err(taken(dir, &mount.source.to_string_lossy(), "of another user or state directory"))
    }

    /// Whether `record` is what was asked for.
    fn means(&self, record: &WorkspaceRecord, source: Option<&Source>) -> bool {
        if self.serves || record.serves {
            return self.serves && record.serves;
        }
        if let Some(id) = &self.options.workspace {
            return record.id.as_str() == id;
        }
        let Some(source) = source.filter(|_| self.options.fork_of.is_none()) else { return false };
        let same_branch = match &self.options.new_branch {
            Some(new) => record.branch.as_deref() == Some(&*format!("refs/heads/{new}")),
            None => record.source.asked.as_deref() == self.wanted_branch(source),
        };
        let same_commit = match (&self.options.at, record.source.at) {
            (Some(at), Some(oid)) => oid.to_string().starts_with(at.as_str()),
            (None, None) => true,
            _ => false,
        };
        record.source.url == source.url
            && same_branch
            && same_commit
            && record.source.depth == self.options.depth
            && (self.options.hydrate.is_none() || record.source.hydrate == self.hydrate(source))
    }

    /// A remote on this host is fetched in full: that is cheap, and what is here needs no remote.
    fn hydrate(&self, source: &Source) -> Hydrate {
        let asked = self.options.hydrate.unwrap_or_default();
        if source.is_local() { Hydrate::Full } else { asked }
    }

    fn wanted_branch<'a>(&'a self, source: &'a Source) -> Option<&'a str> {
        self.options.branch.as_deref().or(source.reference.as_deref())
    }

    /// Finds the workspace to go on with, or makes one.
    fn choose(
        &self,
        host: &Host,
        dir: &Path,
        source: Option<&Source>,
        global: &Global,
    ) -> Result<Chosen, Failure> {
        let begun = if self.serves { self.house_left_here(host, dir)? } else { None };
        let record = match (&self.options.workspace, &self.options.fork_of) {
            _ if begun.is_some() => begun,
            (Some(id), _) => Some(load(host, id)?),
            (None, Some(of)) => {
                let record = self.fork(host, dir, source, of)?;
                let chosen = self.resume(host, record, dir, source, global)?;
                return Ok(Chosen { resumed: false, ..chosen });
            }
            (None, None) => self.left_here(host, dir, source)?,
        };
        match record {
            Some(record) if self.options.workspace.is_none() && record.spent && !self.serves => {
                let made = self.make(host, dir, source, global)?;
                // The remote has all of it, and somebody may look at it: then it stays.
                if let Err(error) = host.registry.remove(&record.id) {
                    tracing::debug!(%error, id = %record.id, "an old workspace stays");
                }
                Ok(Chosen { record: made, resumed: false })
            }
            Some(record) => self.resume(host, record, dir, source, global),
            None => {
                let record = self.make(host, dir, source, global)?;
                Ok(Chosen { record, resumed: false })
            }
        }
    }

    /// A new workspace that begins as `of` stands.
    fn fork(
        &self,
        host: &Host,
        dir: &Path,
        source: Option<&Source>,
        of: &Path,
    ) -> Result<WorkspaceRecord, Failure> {
        let of = Target { target: Some(of.to_owned()) }.find(host)?;
        if source.is_some_and(|source| source.url != of.source.url) {
            let what = format!("{} comes from {}", of.id, of.source.url);
            return Err(Failure::new(Kind::Usage, what).fix("leave the source out"));
        }
        check_dir(host, dir, None)?;
        let branch = self.options.new_branch.clone();
        let house = self.serves;
        let made = fork(host, &of, Fork { dir: dir.to_owned(), branch, same: house, house })?;
        load(host, &made.workspace)
    }

    /// The house that was served at this folder.
    fn house_left_here(&self, host: &Host, dir: &Path) -> Result<Option<WorkspaceRecord>, Failure> {
        let mut all = host.registry.list()?.workspaces.into_iter();
        Ok(all.rfind(|record| record.serves && record.dir == dir))
    }

    /// The newest workspace of the same source, branch and folder.
    fn left_here(
        &self,
        host: &Host,
        dir: &Path,
        source: Option<&Source>,
    ) -> Result<Option<WorkspaceRecord>, Failure> {
        let mut all = host.registry.list()?.workspaces.into_iter();
        Ok(all.rfind(|record| record.dir == dir && self.means(record, source)))
    }

    fn resume(
        &self,
        host: &Host,
        record: WorkspaceRecord,
        dir: &Path,
        source: Option<&Source>,
        global: &Global,
    ) -> Result<Chosen, Failure> {
        if source.is_some_and(|source| source.url != record.source.url) {
            let what = format!("{} comes from {}", record.id, record.source.url);
            return Err(Failure::new(Kind::Usage, what).fix("leave the source out"));
        }
        // One that is finishing, or dying, lets go in a moment.
        if let Some(client) = ask::client(host, &record)? {
            let pid = client.hello().pid;
            let presence = Presence::of(&record, &host.registry, &mountinfo::read()?)?;
            if presence.mount.is_some() {
                return Err(held(&record, pid));
            }
            drop(client);
            ask::wait_until_free(host, &record).map_err(|_| held(&record, pid))?;
        }
        clear_dead(host, &record.id)?;
        restore(host, &record.id, is_interactive(global))?;
        let missing = check_dir(host, dir, None)?;
        make_dir(dir, missing)?;
        let flush_on = self.options.flush_on;
        let record = host.registry.update(&record.id, |record| {
            record.made_dir = missing || (record.made_dir && record.dir == dir);
            record.dir = dir.to_owned();
            record.flush_on = flush_on.unwrap_or(record.flush_on);
            if self.options.credential.is_some() {
                record.credential.clone_from(&self.options.credential);
            }
        })?;
        Ok(Chosen { record, resumed: true })
    }

    fn make(
        &self,
        host: &Host,
        dir: &Path,
        source: Option<&Source>,
        global: &Global,
    ) -> Result<WorkspaceRecord, Failure> {
        let source = source.ok_or_else(|| Failure::new(Kind::Usage, "name the source to mount"))?;
        let missing = check_dir(host, dir, local_source(source))?;
        let wish = Wish {
            url: source.url.clone(),
            branch: self.wanted_branch(source).map(str::to_owned),
            new_branch: self.options.new_branch.clone(),
            at: self.options.at.clone(),
            read_only: self.options.ro,
            depth: self.options.depth,
            hydrate: self.hydrate(source),
            credential: self.options.credential.clone(),
            offline: self.options.offline,
            flush_on: self.options.flush_on.unwrap_or_default(),
            uid: self.options.uid.unwrap_or(rustix::process::geteuid().as_raw()),
            gid: self.options.gid.unwrap_or(rustix::process::getegid().as_raw()),
            dir: dir.to_owned(),
            made_dir: missing,
            interactive: is_interactive(global),
        };
        let mut record = create(host, &wish)?;
        if self.serves {
            record = host.registry.update(&record.id, |record| {
                (record.serves, record.view.read_only) = (true, true);
            })?;
        }
        make_dir(dir, missing)?;
        Ok(record)
    }

    /// Where it cannot be had: the kernel gives it to root, for a mount of one workspace.
    fn check_passthrough(&self) -> Result<(), Failure> {
        let why = match self.options.passthrough {
            true if !rustix::process::geteuid().is_root() => "only root may",
            true if self.serves => "a mount of many workspaces cannot",
            _ => return Ok(()),
        };
        let fix = "leave out -o passthrough: everything works without it";
        Err(Failure::new(Kind::Usage, "cannot mount with passthrough").cause(why).fix(fix))
    }

    fn serve_request(&self, host: &Host, record: &WorkspaceRecord, access: Access) -> ServeRequest {
        ServeRequest {
            state: host.directories.state.clone(),
            cache: host.directories.cache.clone(),
            runtime: host.directories.runtime.clone(),
            workspace: record.id.clone(),
            access,
            flags: self.options.mount_flags(),
        }
    }
}

impl Chosen {
    fn mounted(&self, already: bool, pid: Option<u32>) -> Mounted {
        let record = &self.record;
        let asked = record.source.hydrate;
        // It may be damaged: whoever mounts it tells that.
        let partial = Repo::open(&record.store.path).is_ok_and(|store| store.is_partial());
        let short = |name: &String| name.trim_start_matches("refs/heads/").to_owned();
        Mounted {
            schema: "toft.mount/1",
            workspace: record.id.to_string(),
            dir: record.dir.display().to_string(),
            url: record.source.url.clone(),
            branch: record.branch.as_ref().map(short),
            base: record.base.map(|oid| oid.to_string()),
            read_only: record.view.read_only,
            hydrate: if partial { asked } else { Hydrate::Full },
            declined: asked.is_lazy() && !partial && record.base.is_some(),
            serves: record.serves,
            resumed: self.resumed,
            already,
            pid,
        }
    }
}

/// Somebody watches, who may be shown progress and asked for a password.
fn is_interactive(global: &Global) -> bool {
    std::io::stderr().is_terminal() && !global.quiet && !global.json
}

fn parse_source(text: &str) -> Result<Source, Failure> {
    let here = std::env::current_dir().map_err(Failure::io("cannot tell where we are"))?;
    let home = std::env::var_os("HOME").map(PathBuf::from);
    Ok(Source::parse(text, &here, home.as_deref())?)
}

/// The source's folder on this host, if it is one.
fn local_source(source: &Source) -> Option<PathBuf> {
    let path = source.url.strip_prefix("file://").unwrap_or(&source.url);
    Path::new(path).is_absolute().then(|| std::fs::canonicalize(path).ok()).flatten()
}

fn load(host: &Host, id: &str) -> Result<WorkspaceRecord, Failure> {
    let id = WorkspaceId::parse(id)
        .ok_or_else(|| Failure::new(Kind::Usage, format!("'{id}' is no workspace id")))?;
    Ok(host.registry.load(&id)?)
}

/// Checks the folder; true when it has to be made.
fn check_dir(host: &Host, dir: &Path, source: Option<PathBuf>) -> Result<bool, Failure> {
    let mounts: Vec<Mount> = mountinfo::read()?;
    let places = &host.directories;
    let real = [&places.state, &places.cache, &places.runtime]
        .map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    let around = Surroundings {
        mounts: &mounts,
        source: source.as_deref(),
        ours: [&real[0], &real[1], &real[2]],
    };
    Ok(mountpoint::check(dir, &around)?.missing)
}

fn make_dir(dir: &Path, missing: bool) -> Result<(), Failure> {
    if !missing {
        return Ok(());
    }
    std::fs::create_dir_all(dir)
        .map_err(Failure::io(format!("cannot make the folder {}", dir.display())))
}

/// Nothing was mounted: a folder that we made is in the way.
fn undo_dir(record: &WorkspaceRecord) {
    if record.made_dir {
        let _ = std::fs::remove_dir(&record.dir);
    }
}

fn taken(dir: &Path, by: &str, whose: &str) -> Failure {
    let what = format!("{} is a toft mount already", dir.display());
    Failure::new(Kind::AlreadyMounted, what)
        .cause(format!("of {by} ({whose})"))
        .fix(format!("toft umount {}, or choose another folder", dir.display()))
}

fn held(record: &WorkspaceRecord, pid: u32) -> Failure {
    let what = format!("{} is mounted already", record.id);
    Failure::new(Kind::Held, what)
        .cause(format!("process {pid} serves it at {}", record.dir.display()))
        .fix(format!("toft umount {}", record.id))
}
