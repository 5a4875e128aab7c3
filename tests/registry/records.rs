use crate::support::{open, record, registry};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use toft::registry::{FlushPolicy, RegistryError, Status};
use toft::types::WorkspaceId;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let (dir, registry) = registry();
    let made = registry
        .create(|id| {
            let mut record = record(id);
            record.dir = OsStr::from_bytes(b"/mnt/caf\xe9").into();
            record
        })
        .unwrap();
    assert!(made.id.as_str().len() == 12 && made.id.as_str().starts_with("w-"));
    assert_eq!(open(dir.path()).load(&made.id).unwrap(), made);
    assert_eq!(open(dir.path()).list().unwrap().workspaces, [made]);
}

#[test]
fn directories_are_0700_and_files_0600() {
    let (dir, registry) = registry();
    let made = registry.create(record).unwrap();
    let paths = registry.paths(&made.id);
    assert_eq!(mode(&dir.path().join("workspaces")), 0o700);
    assert_eq!(mode(paths.root()), 0o700);
    assert_eq!(mode(&paths.record()), 0o600);
}

#[test]
fn an_update_changes_what_it_says_and_never_the_id() {
    let (_dir, registry) = registry();
    let made = registry.create(record).unwrap();
    let updated = registry
        .update(&made.id, |record| {
            record.status = Status::Failed;
            record.last_error = Some("disk full".into());
            record.id = WorkspaceId::parse("w-other").unwrap();
        })
        .unwrap();
    assert_eq!((updated.status, &updated.id), (Status::Failed, &made.id));
    assert_eq!(registry.load(&made.id).unwrap(), updated);
}

#[test]
fn updates_of_two_processes_lose_nothing() {
    let (dir, registry) = registry();
    let id = registry.create(record).unwrap().id;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let registry = open(dir.path());
                for _ in 0..25 {
                    registry.update(&id, |record| record.created_s += 1).unwrap();
                }
            });
        }
    });
    assert_eq!(registry.load(&id).unwrap().created_s, 105);
}

#[test]
fn a_damaged_record_is_told_and_hides_no_other_one() {
    let (_dir, registry) = registry();
    let good = registry.create(record).unwrap();
    let bad =
        [&b"{\"schema\": \"toft.work"[..], b"", b"{\"schema\":\"toft.workspace/9\"}"].map(|text| {
            let id = registry.create(record).unwrap().id;
            std::fs::write(registry.paths(&id).record(), text).unwrap();
            id
        });
    let listing = registry.list().unwrap();
    assert_eq!(listing.workspaces, [good]);
    let mut told: Vec<_> = listing.problems.iter().map(|problem| problem.id.clone()).collect();
    told.sort();
    let mut expected = bad.to_vec();
    expected.sort();
    assert_eq!(told, expected);
    let newer = registry.load(&bad[2]).unwrap_err().to_string();
    assert!(newer.contains("toft.workspace/9") && newer.contains("workspace.json"), "{newer}");
}

#[test]
fn a_record_that_is_about_another_workspace_is_not_believed() {
    let (_dir, registry) = registry();
    let [one, two] = [0; 2].map(|_| registry.create(record).unwrap().id);
    std::fs::copy(registry.paths(&one).record(), registry.paths(&two).record()).unwrap();
    assert!(matches!(registry.load(&two), Err(RegistryError::Corrupt { .. })));
}

#[test]
fn what_is_not_there_is_told_by_name() {
    let (_dir, registry) = registry();
    let id = WorkspaceId::parse("w-nothere").unwrap();
    for error in [
        registry.load(&id).unwrap_err(),
        registry.update(&id, |_| {}).unwrap_err(),
        registry.remove(&id).unwrap_err(),
    ] {
        assert!(matches!(error, RegistryError::NoSuchWorkspace(ref named) if *named == id));
    }
}

#[test]
fn a_removed_workspace_leaves_nothing() {
    let (dir, registry) = registry();
    let id = registry.create(record).unwrap().id;
    std::fs::create_dir_all(registry.paths(&id).gitdir().join("objects")).unwrap();
    registry.remove(&id).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("workspaces")).unwrap().count(), 0);
}

#[test]
fn the_next_open_sweeps_what_a_crash_left_half_made_or_half_removed() {
    let (dir, registry) = registry();
    let kept = registry.create(record).unwrap();
    let root = dir.path().join("workspaces");
    for left in [".new-w-abc", ".gone-w-def"] {
        std::fs::create_dir_all(root.join(left).join("gitdir")).unwrap();
    }
    let registry = open(dir.path());
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    assert_eq!(registry.list().unwrap().workspaces, [kept]);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("workspaces");
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    open(dir.path());
    assert_eq!(mode(&root), 0o700);
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o777)).unwrap();
    let disk = std::sync::Arc::new(toft::sys::OsDisk::default());
    let refused = toft::registry::Registry::open(dir.path(), disk);
    let refused = refused.err().unwrap();
    assert!(matches!(refused, toft::registry::RegistryError::Unsafe { .. }));
    let told = refused.to_string();
    assert!(told.contains("other users") && told.contains("chmod 700"), "{told}");
}

#[test]
fn flush_policies_are_read_as_they_are_shown() {
    for text in ["umount", "close", "idle=5", "interval=60", "manual"] {
        assert_eq!(text.parse::<FlushPolicy>().unwrap().to_string(), text);
    }
    for text in ["", "idle", "idle=0", "idle=x", "never", "interval=-1"] {
        assert!(text.parse::<FlushPolicy>().is_err(), "{text}");
    }
}

#[test]
fn a_workspace_whose_record_is_missing_is_told() {
    let (_dir, registry) = registry();
    let good = registry.create(record).unwrap();
    let bad = registry.create(record).unwrap().id;
    std::fs::remove_file(registry.paths(&bad).record()).unwrap();
    let listing = registry.list().unwrap();
    assert_eq!(listing.workspaces, [good]);
    let told: Vec<_> = listing.problems.iter().map(|problem| &problem.id).collect();
    assert_eq!(told, [&bad]);
}

#[test]
fn a_state_directory_that_is_not_there_is_made_and_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("not/there/yet");
    let listing = open(&state).list().unwrap();
    assert!(listing.workspaces.is_empty() && listing.problems.is_empty());
    let made = open(&state).create(record).unwrap();
    assert_eq!(open(&state).list().unwrap().workspaces, [made]);
}

#[test]
fn a_state_directory_that_is_a_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("file");
    std::fs::write(&state, "").unwrap();
    let disk = std::sync::Arc::new(toft::sys::OsDisk::default());
    let told = toft::registry::Registry::open(&state, disk).err().unwrap().to_string();
    assert!(told.contains(state.to_str().unwrap()), "{told}");
    assert_eq!(std::fs::read(&state).unwrap(), b"");
}
