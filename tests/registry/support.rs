use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use toft::registry::{
    FlushPolicy, Registry, SourceRecord, Status, StoreRecord, ViewRecord, WorkspaceRecord,
};
use toft::sys::OsDisk;
use toft::types::WorkspaceId;

pub fn registry() -> (TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = open(dir.path());
    (dir, registry)
}

pub fn open(dir: &Path) -> Registry {
    Registry::open(dir, Arc::new(OsDisk::default())).unwrap()
}

pub fn record(id: WorkspaceId) -> WorkspaceRecord {
    WorkspaceRecord {
        id,
        source: SourceRecord {
            url: "https://host/r.git".into(),
            asked: None,
            depth: Some(1),
            hydrate: Default::default(),
            at: None,
        },
        branch: Some("refs/heads/main".into()),
        base: Some(toft::types::Oid::from_hex(&[b'a'; 40]).unwrap()),
        view: ViewRecord { uid: 1, gid: 2, base_time_s: 3, read_only: false },
        dir: "/mnt".into(),
        store: StoreRecord { key: "k".into(), path: "/cache/stores/k".into() },
        flush_on: FlushPolicy::Idle(30),
        credential: Some("env:TOKEN".into()),
        created_s: 5,
        status: Status::Creating,
        daemon: None,
        made_dir: true,
        spent: false,
        last_error: None,
        last_seal: None,
        last_push: None,
        rolled_back: false,
        fork: None,
        house: None,
        serves: false,
    }
}
