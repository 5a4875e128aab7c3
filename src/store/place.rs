//! Where stores are, and one of them held.

use super::{Result, StoreError};
use crate::git::{Git, PROMISOR};
use crate::sys::{
    Disk, Reason, make_private_dir, make_private_dir_durably, sync_parent, sync_tree,
};
use crate::types::HashKind;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The folder of the cache that holds the stores.
pub const STORES: &str = "stores";
/// The folder of a store in which other rooms may keep what can be made again.
pub const CACHED_FILES: &str = "toft";

/// Tells backup programs that they need not keep the cache (bford.info/cachedir).
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder is a cache of toft. It may be deleted while nothing is mounted.\n";

/// The one who may change a store, for as long as this value lives.
pub(super) struct Place {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the folders above the store `key` and waits until nobody else changes it.
    pub(super) fn hold(cache: &Path, key: &str, disk: &dyn Disk) -> Result<Self> {
        let stores = cache.join(STORES);
        make_private_dir_durably(disk, &stores, Reason::Manifest)
            .map_err(StoreError::io(&stores))?;
        let tag = cache.join("CACHEDIR.TAG");
        if !tag.exists() {
            std::fs::write(&tag, CACHE_TAG).map_err(StoreError::io(&tag))?;
        }
        let path = stores.join(format!("{key}.lock"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(StoreError::io(&path))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            tracing::info!("waiting for another toft that fetches the same repository");
            rustix::io::retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))
                .map_err(|error| StoreError::io(&path)(error.into()))?;
        }
        Ok(Self { path: path_of(cache, key), _lock: lock })
    }

    /// Makes an empty store. It gets its name when it is whole, and durable. `lazy`: what is missing
    /// in it is on the remote.
    pub(super) fn create(
        &self,
        url: &str,
        hash: HashKind,
        lazy: bool,
        disk: &dyn Disk,
    ) -> Result<()> {
        let making = self.path.with_extension("new");
        for leftover in [&making, &self.path] {
            remove_dir(leftover)?;
        }
        // Before git makes it as wide as the umask is.
        make_private_dir(&making).map_err(StoreError::io(&making))?;
        Git::init_bare(&making, hash)?;
        let config = making.join("config");
        std::fs::write(&config, configuration(url, hash, lazy)).map_err(StoreError::io(&config))?;
        let cached = making.join(CACHED_FILES);
        make_private_dir(&cached).map_err(StoreError::io(&cached))?;
        sync_tree(disk, &making, Reason::Manifest)
            .and_then(|()| disk.rename(&making, &self.path))
            .and_then(|()| sync_parent(disk, &self.path, Reason::Manifest))
            .map_err(StoreError::io(&self.path))
    }
}

/// Where the store `key` is, or will be.
pub(super) fn path_of(cache: &Path, key: &str) -> PathBuf {
    cache.join(STORES).join(key)
}

/// Whether the store was made. After a power failure its files may be there without content.
pub(super) fn exists(store: &Path) -> bool {
    let has_content =
        |name: &str| std::fs::metadata(store.join(name)).is_ok_and(|metadata| metadata.len() > 0);
    has_content("HEAD") && has_content("config") && store.join("objects").is_dir()
}

fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io(path)(error))
        }
        _ => Ok(()),
    }
}

/// All of the store's configuration: nothing cleans it up, as workspaces borrow its objects, and
/// what is fetched comes as packs, which appear whole or not at all.
fn configuration(url: &str, hash: HashKind, lazy: bool) -> String {
    let (version, format) = match hash {
        HashKind::Sha256 => (1, "[extensions]\n\tobjectformat = sha256\n"),
        _ => (0, ""),
    };
    let promisor = if lazy { PROMISOR } else { "" };
    let url = url.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = true\n\
         \tlogAllRefUpdates = false\n\tfsmonitor = false\n\thooksPath = /dev/null\n{format}\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n\
         [transfer]\n\tunpackLimit = 1\n[fetch]\n\tunpackLimit = 1\n\twriteCommitGraph = false\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\
         \tfetch = +refs/heads/*:refs/remotes/origin/*\n{promisor}"
    )
}
