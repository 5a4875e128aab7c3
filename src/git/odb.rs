//! Handles to the object database, pooled, and given up when their mappings have grown.

use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{GitError, Result};
use crate::types::HashKind;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;

/// File-backed pages this process may hold before the store is opened anew.
///
/// gix maps whole packs, and every page it ever touched counts as ours until it is unmapped: a walk
/// over a big repository would show as hundreds of megabytes.
const RESIDENT_LIMIT: u64 = 16 << 20;
/// How much they must have grown since the last time, so that pages of others cannot make us spin.
const RESIDENT_GROWTH: u64 = 8 << 20;
/// Objects read between two looks at the resident set; a big one counts for several.
const LOOK_EVERY: u64 = 256;
/// Bytes that count for one object.
const OBJECT_BYTES: u64 = 64 << 10;
/// Delta bases kept by each handle, however many: files that are read in the order of their paths come
/// back to a base after hundreds of others.
const PACK_CACHE_BYTES: usize = 4 << 20;
/// Objects kept by a merge, which looks at trees again and again.
const MERGE_CACHE_BYTES: usize = 16 << 20;
/// Handles kept when nobody uses them.
const IDLE_HANDLES: usize = 8;
/// Packs that can be open at once; gix fails beyond its default of 32 more than at the start.
const SLOTS: u16 = 1024;
/// The largest object that is decoded in memory: git makes no deltas beyond (core.bigFileThreshold).
const ALLOCATION_LIMIT: usize = 512 << 20;

/// Packs, by path and length.
type PackList = BTreeSet<(PathBuf, u64)>;

/// Thread-safe access to the objects of one repository and its alternates.
pub(super) struct Odb {
    template: gix::ThreadSafeRepository,
    hash: HashKind,
    current: RwLock<Arc<Generation>>,
    spent: AtomicU64,
    floor: AtomicU64,
}

/// One opening of the store. Its mappings go when the last handle is dropped.
struct Generation {
    /// The packs that were there just before.
    packs: PackList,
    shared: gix::ThreadSafeRepository,
    idle: Mutex<Vec<gix::Repository>>,
}

impl Odb {
    pub(super) fn new(template: gix::ThreadSafeRepository, hash: HashKind) -> Result<Self> {
        let first = Generation::open(&template, hash)?;
        Ok(Self {
            template,
            hash,
            current: RwLock::new(Arc::new(first)),
            spent: AtomicU64::new(0),
            floor: AtomicU64::new(0),
        })
    }

    /// Runs `work` with a handle that nobody else uses meanwhile.
    pub(super) fn with<T>(&self, work: impl FnOnce(&gix::Repository) -> T) -> T {
        if self.spent.fetch_add(1, Ordering::Relaxed) >= LOOK_EVERY {
            self.spent.store(0, Ordering::Relaxed);
            self.trim();
        }
        let generation = Arc::clone(&self.current.read());
        let handle = generation.take();
        let result = work(&handle);
        generation.put_back(handle);
        result
    }

    /// Tells that an object of `bytes` was read.
    pub(super) fn spend(&self, bytes: usize) {
        self.spent.fetch_add(bytes as u64 / OBJECT_BYTES, Ordering::Relaxed);
    }

    /// A handle of the caller's own, for long work such as a merge.
    pub(super) fn detached(&self) -> gix::Repository {
        let generation = Arc::clone(&self.current.read());
        generation.take()
    }

    /// Gives a handle larger caches, and keeps in memory what is written to it.
    pub(super) fn prepare_for_merge(handle: &mut gix::Repository) {
        bound_pack_cache(handle);
        handle.object_cache_size_if_unset(MERGE_CACHE_BYTES);
        handle.objects.enable_object_memory();
    }

    /// Opens the store anew: packs that others wrote are seen, all mappings are given up.
    pub(super) fn refresh(&self) {
        match Generation::open(&self.template, self.hash) {
            Ok(next) => *self.current.write() = Arc::new(next),
            Err(error) => tracing::warn!(%error, "kept the object store that was open"),
        }
    }

    /// The same, if packs came or went since it was opened. Whether it was opened.
    pub(super) fn refresh_if_stale(&self) -> bool {
        let current = Arc::clone(&self.current.read());
        let stale = pack_list(&objects_dir(&self.template)) != current.packs;
        if stale {
            self.refresh();
        }
        stale
    }

    /// Whether some pack names objects that a remote keeps.
    pub(super) fn has_promised(&self) -> bool {
        let packs = pack_list(&objects_dir(&self.template));
        packs.iter().any(|(path, _)| path.extension().is_some_and(|end| end == "promisor"))
    }

    fn trim(&self) {
        let resident = resident_file_bytes();
        let floor = self.floor.load(Ordering::Relaxed);
        if resident > RESIDENT_LIMIT.max(floor + RESIDENT_GROWTH) {
            self.refresh();
            self.floor.store(resident_file_bytes(), Ordering::Relaxed);
        }
    }
}

impl Generation {
    fn open(template: &gix::ThreadSafeRepository, hash: HashKind) -> Result<Self> {
        let dir = objects_dir(template);
        let packs = pack_list(&dir);
        let options = gix::odb::store::init::Options {
            slots: gix::odb::store::init::Slots::Given(SLOTS),
            alloc_limit_bytes: Some(ALLOCATION_LIMIT),
            current_dir: Some("/".into()),
            ..Default::default()
        };
        // No replacement objects: a tree shows what its id says.
        let store = gix::odb::Store::at_opts(dir, hash, &mut std::iter::empty(), options)
            .map_err(GitError::io("open the object store"))?;
        let mut shared = template.clone();
        shared.objects = Arc::new(store);
        Ok(Self { packs, shared, idle: Mutex::new(Vec::new()) })
    }

    fn take(&self) -> gix::Repository {
        if let Some(handle) = self.idle.lock().pop() {
            return handle;
        }
        let mut handle = self.shared.to_thread_local();
        bound_pack_cache(&mut handle);
        handle
    }

    fn put_back(&self, handle: gix::Repository) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_HANDLES {
            idle.push(handle);
        }
    }
}

fn objects_dir(repository: &gix::ThreadSafeRepository) -> PathBuf {
    repository.objects.path().to_owned()
}

/// Names and lengths of all packs of the store and its alternates. A pack's name tells its objects.
fn pack_list(objects: &Path) -> PackList {
    let alternates = gix::odb::alternate::resolve(objects.to_owned(), Path::new("/"));
    let dirs = alternates.unwrap_or_default().into_iter().chain([objects.to_owned()]);
    let packs = dirs.filter_map(|dir| std::fs::read_dir(dir.join("pack")).ok()).flatten().flatten();
    packs.map(|pack| (pack.path(), pack.metadata().map_or(0, |metadata| metadata.len()))).collect()
}

/// gix would keep up to 96 MiB, for each handle.
fn bound_pack_cache(handle: &mut gix::Repository) {
    handle.objects.set_pack_cache(|| Box::new(MemoryCappedHashmap::new(PACK_CACHE_BYTES)));
}

/// Bytes of mapped files that count as resident; 0 when the kernel does not tell.
fn resident_file_bytes() -> u64 {
    let pages = std::fs::read_to_string(Path::new("/proc/self/statm"))
        .ok()
        .and_then(|line| line.split(' ').nth(2)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
