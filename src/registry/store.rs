//! The list itself: one directory for each workspace below `<state>/workspaces`.

use super::record::{self, WorkspaceRecord};
use super::{Holder, Lease, RegistryError, Result, WorkspacePaths};
use crate::sys::{
    Disk, Reason, is_unsettled, make_private_dir_durably, mark_unsettled, replace_file,
};
use crate::types::WorkspaceId;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Letters and digits of a new id behind `w-`: 51 bits.
const ID_LENGTH: usize = 10;
/// Longest record that we read.
const RECORD_MAX: u64 = 1 << 20;
/// Being made.
const NEW: &str = ".new-";
/// Being removed.
const GONE: &str = ".gone-";

/// The workspaces of one state directory.
#[derive(Clone)]
pub struct Registry {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

/// All workspaces, oldest first, and what cannot be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// The records.
    pub workspaces: Vec<WorkspaceRecord>,
    /// Workspaces that exist but whose record is damaged or missing.
    pub problems: Vec<Problem>,
}

/// A workspace that cannot be listed.
#[derive(Debug)]
pub struct Problem {
    /// Which one.
    pub id: WorkspaceId,
    /// What is wrong.
    pub error: RegistryError,
}

impl Registry {
    /// Opens the list, makes its directory when it is missing, and sweeps what a crash left.
    pub fn open(state: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        let root = state.join("workspaces");
        make_private_dir_durably(&*disk, &root, Reason::Manifest)
            .map_err(RegistryError::private(&root))?;
        let registry = Self { root, disk };
        registry.sweep()?;
        Ok(registry)
    }

    /// Where the files of a workspace are.
    pub fn paths(&self, id: &WorkspaceId) -> WorkspacePaths {
        WorkspacePaths::new(self.root.join(id.as_str()))
    }

    /// Makes a workspace with a new id and the record that `describe` gives for it.
    pub fn create(
        &self,
        describe: impl FnOnce(WorkspaceId) -> WorkspaceRecord,
    ) -> Result<WorkspaceRecord> {
        let (id, making, _held) = self.reserve()?;
        let record = describe(id);
        self.write(&WorkspacePaths::new(making.clone()), &record)?;
        let path = self.paths(&record.id).root().to_owned();
        let named = self.disk.rename(&making, &path);
        named
            .and_then(|()| self.disk.fsync_dir(&self.root, Reason::Manifest))
            .map_err(RegistryError::io(&path))?;
        Ok(record)
    }

    /// Makes a workspace with a new id and the files that `fill` puts into its folder: it is there
    /// with all of them or not at all. Not durable before `sys::settle`; should power loss take the
    /// record only, the rest goes with the next [`Registry::list`].
    pub fn create_filled<E: From<RegistryError>>(
        &self,
        fill: impl FnOnce(WorkspaceId, &WorkspacePaths) -> Result<WorkspaceRecord, E>,
    ) -> Result<WorkspaceRecord, E> {
        let (id, making, _held) = self.reserve()?;
        let path = self.paths(&id).root().to_owned();
        let made = mark_unsettled(&*self.disk, &making)
            .map_err(RegistryError::io(&making))
            .map_err(E::from)
            .and_then(|()| fill(id, &WorkspacePaths::new(making.clone())))
            .and_then(|record| {
                self.put(&WorkspacePaths::new(making.clone()), &record)?;
                self.disk.rename(&making, &path).map_err(RegistryError::io(&path))?;
                Ok(record)
            });
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&making);
        }
        made
    }

    /// Reads one record.
    pub fn load(&self, id: &WorkspaceId) -> Result<WorkspaceRecord> {
        let paths = self.paths(id);
        let path = paths.record();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound if paths.root().is_dir() => {
                RegistryError::corrupt(&path, "missing")
            }
            io::ErrorKind::NotFound => RegistryError::NoSuchWorkspace(id.clone()),
            _ => RegistryError::io(&path)(error),
        };
        let mut text = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(RECORD_MAX).read_to_end(&mut text).map_err(RegistryError::io(&path))?;
        let record = record::decode(&text).map_err(|why| RegistryError::corrupt(&path, why))?;
        if record.id != *id {
            return Err(RegistryError::corrupt(&path, format!("it is about {}", record.id)));
        }
        Ok(record)
    }

    /// Changes a record, durably, and gives the new one. Others who change it wait.
    pub fn update(
        &self,
        id: &WorkspaceId,
        change: impl FnOnce(&mut WorkspaceRecord),
    ) -> Result<WorkspaceRecord> {
        let paths = self.paths(id);
        let _held = match hold(paths.root()) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(RegistryError::NoSuchWorkspace(id.clone()));
            }
            held => held?,
        };
        let old = self.load(id)?;
        let mut new = old.clone();
        change(&mut new);
        new.id = id.clone();
        if new != old {
            self.write(&paths, &new)?;
        }
        Ok(new)
    }

    /// All workspaces. One that cannot be read hides no other one.
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for name in self.names()? {
            let Some(id) = WorkspaceId::parse(&name) else { continue };
            match self.load(&id) {
                Ok(record) => listing.workspaces.push(record),
                // Removed since the directory was read.
                Err(RegistryError::NoSuchWorkspace(_)) => {}
                // Power loss took a fork of which nothing was promised yet.
                Err(RegistryError::Corrupt { .. })
                    if is_unsettled(self.paths(&id).root()) && self.remove(&id).is_ok() => {}
                Err(error) => listing.problems.push(Problem { id, error }),
            }
        }
        listing.workspaces.sort_by(|a, b| (a.created_s, &a.id).cmp(&(b.created_s, &b.id)));
        Ok(listing)
    }

    /// Who serves a workspace now.
    pub fn holder(&self, id: &WorkspaceId) -> Result<Option<Holder>> {
        Lease::holder(&self.paths(id))
    }

    /// Removes a workspace and everything in it; refused while it is held.
    pub fn remove(&self, id: &WorkspaceId) -> Result<()> {
        let path = self.paths(id).root().to_owned();
        if !path.is_dir() {
            return Err(RegistryError::NoSuchWorkspace(id.clone()));
        }
        self.remove_held(id, &Lease::acquire(&self.paths(id))?)
    }

    /// The same, by the one who holds it.
    pub fn remove_held(&self, id: &WorkspaceId, _lease: &Lease) -> Result<()> {
        let path = self.paths(id).root().to_owned();
        let gone = self.root.join(format!("{GONE}{id}"));
        let named = self.disk.rename(&path, &gone);
        named
            .and_then(|()| self.disk.fsync_dir(&self.root, Reason::Manifest))
            .and_then(|()| std::fs::remove_dir_all(&gone))
            .map_err(RegistryError::io(&path))
    }

    /// The record of a workspace that is not durable.
    fn put(&self, paths: &WorkspacePaths, record: &WorkspaceRecord) -> Result<()> {
        let path = paths.record();
        let text = record::encode(record).map_err(|why| RegistryError::corrupt(&path, why))?;
        let written = self.disk.create_file(&path);
        written
            .and_then(|file| self.disk.write_all_at(&file, &text, 0))
            .map_err(RegistryError::io(&path))
    }

    fn write(&self, paths: &WorkspacePaths, record: &WorkspaceRecord) -> Result<()> {
        let path = paths.record();
        let text = record::encode(record).map_err(|why| RegistryError::corrupt(&path, why))?;
        replace_file(&*self.disk, &path, &text, Reason::Manifest).map_err(RegistryError::io(&path))
    }

    /// A directory for a new workspace, held so that the sweep of another process leaves it alone.
    fn reserve(&self) -> Result<(WorkspaceId, PathBuf, File)> {
        loop {
            let id = random_id()?;
            let making = self.root.join(format!("{NEW}{id}"));
            if self.paths(&id).root().exists() {
                continue;
            }
            DirBuilder::new().mode(0o700).create(&making).map_err(RegistryError::io(&making))?;
            match hold(&making) {
                Ok(held) if making.is_dir() => return Ok((id, making, held)),
                // Swept between the two calls.
                _ if !making.exists() => {}
                Ok(_) => return Err(RegistryError::corrupt(&making, "no directory")),
                Err(error) => return Err(error),
            }
        }
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = || RegistryError::io(&self.root);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed())? {
            names.extend(entry.map_err(failed())?.file_name().into_string());
        }
        Ok(names)
    }

    /// Removes what was half made or half removed, unless somebody is at it right now.
    fn sweep(&self) -> Result<()> {
        for name in self.names()? {
            let path = self.root.join(&name);
            let leftover = match (name.starts_with(NEW), name.starts_with(GONE)) {
                (true, _) => is_free(&path),
                (_, gone) => gone,
            };
            if leftover && let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove a leftover");
            }
        }
        Ok(())
    }
}

/// An id that nobody can guess.
fn random_id() -> Result<WorkspaceId> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let path = Path::new("/dev/urandom");
    let mut random = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(RegistryError::io(path))?;
    let mut value = u64::from_le_bytes(random);
    let mut id = String::from("w-");
    for _ in 0..ID_LENGTH {
        id.push(char::from(DIGITS[(value % 36) as usize]));
        value /= 36;
    }
    Ok(WorkspaceId::parse(&id).expect("made of lower-case letters and digits"))
}

/// Locks a directory against others who write its record.
fn hold(dir: &Path) -> Result<File> {
    let file = File::open(dir).map_err(RegistryError::io(dir))?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|error| RegistryError::io(dir)(error.into()))?;
    Ok(file)
}

fn is_free(dir: &Path) -> bool {
    File::open(dir).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}
