//! Removes what a killed git left in a store: lock files, which would stop the next one, and
//! temporary packs, which fill the disk.

use std::io;
use std::path::Path;

/// Sweeps `store`, whose lock the caller holds. Not while an orphan of an earlier toft still works
/// in it: git locks its own files well enough against that.
pub(super) fn sweep(store: &Path) {
    if is_anybody_in(store) {
        tracing::info!(store = %store.display(), "a git of an earlier toft still works here");
        return;
    }
    let lock = |name: &str| name.ends_with(".lock");
    let temporary = |name: &str| name.starts_with("tmp_");
    let swept = sweep_dir(store, &lock)
        .and_then(|()| sweep_tree(&store.join("refs"), &lock))
        .and_then(|()| sweep_dir(&store.join("objects"), &temporary))
        .and_then(|()| sweep_dir(&store.join("objects/pack"), &temporary));
    if let Err(error) = swept {
        tracing::warn!(store = %store.display(), %error, "cannot sweep");
    }
}

fn sweep_dir(dir: &Path, leftover: &dyn Fn(&str) -> bool) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(leftover) {
            tracing::info!(path = %entry.path().display(), "removing what a killed git left");
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

fn sweep_tree(dir: &Path, leftover: &dyn Fn(&str) -> bool) -> io::Result<()> {
    sweep_dir(dir, leftover)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep_tree(&entry.path(), leftover)?;
        }
    }
    Ok(())
}

/// Whether a process has its working directory in `dir`, as children of ours do.
fn is_anybody_in(dir: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    })
}
