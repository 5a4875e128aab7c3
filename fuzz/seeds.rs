//! Writes the seeds of the fuzz targets, each with the real encoder: fuzz/seeds/<target>/<name>.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`. Files that no line here names are
//! what was found once (regressions); they stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use toft::daemon::control::{
    FlushRequest, Hello, LogRequest, Reply, Request, UmountRequest, encode,
};
use toft::daemon::{Failure, Kind};
use toft::dotgit::index::{self, CacheTree, Entry, Index};
use toft::overlay::{
    Change, DirBase, Directory, FileData, Mark, Meta, Node, NodeData, Slot, encode_batch,
    encode_mark,
};
use toft::registry::{
    FlushPolicy, Registry, SourceRecord, Status, StoreRecord, ViewRecord, WorkspaceRecord,
};
use toft::sync::{Known, Outbox, PushIntent};
use toft::sys::OsDisk;
use toft::types::{
    BodyId, BootId, FileKind, HashKind, Ino, Name, Oid, Seq, Timespec, TreeMode, WorkspaceId,
};

fn main() {
    tree_entries();
    indexes();
    overlay();
    journal();
    git_output();
    mount_words();
    local_files();
    workspace();
}

fn seed(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(dir.join(name), bytes).expect("a seed");
}

fn oid(byte: u8) -> Oid {
    Oid::from_bytes_or_panic(&[byte; 20])
}

fn part(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a seed is small");
    [&length.to_le_bytes(), bytes].concat()
}

fn tree_entries() {
    let entry = |mode: &str, name: &[u8]| [mode.as_bytes(), b" ", name, b"\0", &[7; 20]].concat();
    let tree = |entries: &[(&str, &[u8])]| {
        let entries = entries.iter().flat_map(|(mode, name)| entry(mode, name));
        [0].into_iter().chain(entries).collect::<Vec<u8>>()
    };
    let all: &[(&str, &[(&str, &[u8])])] = &[
        (
            "ordinary",
            &[
                ("100644", b"a"),
                ("100755", b"b"),
                ("120000", b"l"),
                ("40000", b"d"),
                ("160000", b"m"),
            ],
        ),
        ("dots", &[("40000", b"."), ("40000", b".."), ("100644", b"fine")]),
        ("slash", &[("100644", b"../x"), ("100644", b"a/b")]),
        ("dotgit", &[("40000", b".git"), ("40000", b".GiT"), ("40000", b"git~1")]),
        (
            "ntfs",
            &[
                ("100644", b".git. ."),
                ("100644", b".git::$INDEX_ALLOCATION"),
                ("100644", b"a\\.git"),
            ],
        ),
        ("hfs", &[("40000", ".g\u{200c}it".as_bytes()), ("40000", "\u{feff}.GIT".as_bytes())]),
        ("twins", &[("100644", b"x"), ("40000", b"x"), ("100644", b"y"), ("100644", b"y")]),
        ("unsorted", &[("100644", b"z"), ("100644", b"a"), ("40000", b"m.c"), ("40000", b"m")]),
        ("modes", &[("100664", b"a"), ("0", b"b"), ("7777777777", b"c"), ("040000", b"d")]),
        ("empty", &[("100644", b"")]),
        ("bytes", &[("100644", b"\xff\xfe"), ("100644", b"\n")]),
        ("long", &[("100644", &[b'n'; 255]), ("100644", &[b'n'; 256])]),
    ];
    for (name, entries) in all {
        seed("tree_entries", name, tree(entries));
    }
    seed("tree_entries", "sha256", [b"\x01100644 a\0".as_slice(), &[7; 32]].concat());
    seed("tree_entries", "cut-off", b"\x00100644 a\0\x07\x07");
}

fn indexes() {
    let file = |name: &str, index: &Index| {
        let kind = u8::from(index.hash == HashKind::Sha256);
        let bytes = index::encode(index);
        let content = &bytes[..bytes.len() - index.hash.len_in_bytes()];
        seed("index", name, [&[kind], content].concat());
    };
    let of =
        |entries: &[Entry]| Index { entries: entries.to_vec(), ..Index::empty(HashKind::Sha1) };
    let entry = |path: &str| Entry::new(path.as_bytes(), TreeMode::Blob, oid(1));
    file("empty", &of(&[]));
    file("one", &of(&[entry("a")]));
    file("some", &of(&[entry("a"), entry("a.b/c"), entry("a/b"), entry("z")]));
    file("long", &of(&[entry(&"n/".repeat(120))]));
    let modes = [("a", TreeMode::BlobExec), ("b", TreeMode::Commit), ("c", TreeMode::Link)];
    file("modes", &of(&modes.map(|(path, mode)| Entry { mode, ..entry(path) })));
    let stages = [1, 2, 3].map(|stage| Entry { stage, ..entry("both") });
    file("conflict", &of(&stages));
    let flags = Entry { skip_worktree: true, assume_valid: true, ..entry("sparse") };
    file("flags", &of(&[flags, Entry { intent_to_add: true, ..entry("wanted") }]));
    let child = CacheTree { name: b"d".to_vec(), valid: Some((1, oid(3))), children: Vec::new() };
    let root = CacheTree { name: Vec::new(), valid: Some((2, oid(2))), children: vec![child] };
    file("tree", &Index { cache_tree: Some(root), ..of(&[entry("a"), entry("d/b")]) });
    let long = Oid::from_bytes_or_panic(&[9; 32]);
    let entries = vec![Entry::new(b"a", TreeMode::Blob, long)];
    file("sha256", &Index { entries, ..Index::empty(HashKind::Sha256) });
    by_git("v4", &["update-index", "--index-version", "4"]);
    by_git("untracked", &["update-index", "--force-untracked-cache"]);
    by_git("split", &["update-index", "--split-index"]);
}

/// What git itself writes, in its other forms.
fn by_git(name: &str, form: &[&str]) {
    let dir = tempfile::tempdir().expect("room");
    let git = |arguments: &[&str]| {
        let ran =
            Command::new("git").arg("-C").arg(dir.path()).args(arguments).output().expect("git");
        assert!(ran.status.success(), "{ran:?}");
    };
    git(&["init", "-q"]);
    for name in ["a", "ab", "abc"] {
        fs::write(dir.path().join(name), name).expect("a file");
    }
    git(&["add", "."]);
    git(form);
    let bytes = fs::read(dir.path().join(".git/index")).expect("an index");
    seed("index", name, [&[0], &bytes[..bytes.len() - 20]].concat());
}

fn meta(nlink: u32) -> Meta {
    let time = Timespec { sec: 1_700_000_000, nsec: 5 };
    Meta { perm: 0o644, uid: 1, gid: 2, nlink, rdev: 0, atime: time, mtime: time, ctime: time }
}

fn node(data: NodeData) -> Node {
    Node { meta: meta(1), data, xattrs: BTreeMap::new() }
}

fn directory(parent: u64, base: DirBase) -> Node {
    let directory = Directory { parent: Ino(parent), base, delta: BTreeMap::new() };
    node(NodeData::Directory(Arc::new(directory)))
}

fn overlay() {
    let name = |text: &str| Name::new(text.as_bytes()).expect("a name");
    let slot = |dir: u64, text: &str, ino: u64| {
        Change::SetSlot(Ino(dir), name(text), Some(Slot::Entry(Ino(ino))))
    };
    let mark = |upto: u64, closed: bool| {
        encode_mark(&Mark { upto: Seq(upto), boot: BootId([3; 16]), closed })
    };
    let file = |body: u64| node(NodeData::Regular(FileData::Body(BodyId(body))));
    let created = vec![Change::PutNode(Ino(2), file(1)), slot(1, "a", 2)];
    let with_xattr = Change::SetXattr(Ino(2), b"user.x".to_vec(), Some(b"value".to_vec()));
    let kinds = [
        NodeData::BaseSymlink(oid(1)),
        NodeData::Symlink(b"../target".to_vec()),
        NodeData::Special(FileKind::Fifo),
        NodeData::Regular(FileData::Blob(oid(2))),
    ];
    let kinds =
        kinds.into_iter().zip(10..).map(|(data, ino)| Change::PutNode(Ino(ino), node(data)));
    let batches: &[(&str, Vec<Change>)] = &[
        ("file", created.clone()),
        (
            "directory",
            vec![Change::PutNode(Ino(3), directory(1, DirBase::Tree(oid(4)))), slot(1, "d", 3)],
        ),
        (
            "gitlink",
            vec![Change::PutNode(Ino(3), directory(1, DirBase::Gitlink(oid(4)))), slot(1, "m", 3)],
        ),
        ("whiteout", vec![Change::SetSlot(Ino(1), name("gone"), Some(Slot::Whiteout))]),
        ("rename", vec![slot(1, "b", 2), Change::SetSlot(Ino(1), name("a"), None)]),
        ("move", vec![Change::SetParent(Ino(3), Ino(4)), Change::SetMeta(Ino(3), meta(1))]),
        ("content", vec![Change::SetFile(Ino(2), FileData::Body(BodyId(7)))]),
        ("xattr", vec![with_xattr, Change::SetXattr(Ino(2), b"user.y".to_vec(), None)]),
        ("unlink", vec![Change::SetMeta(Ino(2), meta(0)), Change::DropNode(Ino(2))]),
        ("kinds", kinds.collect()),
    ];
    let mut whole = Vec::new();
    for (what, changes) in batches {
        let record = part(&encode_batch(20, changes));
        seed("overlay", what, [record.clone(), part(&mark(3, false))].concat());
        whole.extend(record);
    }
    seed("overlay", "mark", part(&mark(2, true)));
    seed("overlay", "unmarked", part(&encode_batch(20, &created)));
    seed("overlay", "loop", {
        let twice = [slot(3, "self", 3), Change::SetParent(Ino(1), Ino(3))];
        [part(&encode_batch(9, &twice)), part(&mark(4, false))].concat()
    });
    whole.extend(part(&mark(13, true)));
    seed("overlay", "whole", whole);
}

fn journal() {
    // Kinds, tags: see fuzz_targets/journal.rs.
    let piece = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8], bytes].concat();
    let file = |kind: u8, number: u8, pieces: &[(u8, &[u8])]| {
        let pieces = pieces.iter().flat_map(|(tag, bytes)| piece(*tag, bytes));
        part(&[kind, number].into_iter().chain(pieces).collect::<Vec<u8>>())
    };
    let two: &[(u8, &[u8])] = &[(0, b"one"), (0, b"two")];
    let all: &[(&str, Vec<Vec<u8>>)] = &[
        ("nothing", vec![]),
        ("one", vec![file(0, 1, two)]),
        ("segments", vec![file(0, 1, two), file(0, 3, two), file(0, 5, &[(0, b"five")])]),
        ("gap", vec![file(0, 1, two), file(0, 9, two)]),
        ("torn", vec![file(0, 1, &[(0, b"one"), (0, b"two"), (168, b"cut")])]),
        ("torn-then-whole", vec![file(0, 1, &[(0, b"one"), (168, b"c")]), file(0, 2, two)]),
        ("snapshot", vec![file(1, 7, two), file(0, 8, two)]),
        ("old-segment", vec![file(1, 2, two), file(0, 1, two), file(0, 3, two)]),
        ("snapshots", vec![file(1, 2, two), file(1, 4, two), file(0, 5, two)]),
        ("torn-snapshot", vec![file(1, 2, &[(0, b"one"), (168, b"x")]), file(0, 3, two)]),
        ("no-head", vec![file(0, 1, &[(160, b"toftl")])]),
        ("newer", vec![file(0, 1, &[(160, b"toftlog\n\x02\0\0\0\0\0\0\0")])]),
        ("out-of-order", vec![file(0, 1, &[(0, b"one"), (140, b"far")])]),
        ("refused", vec![file(0, 1, &[(0, b"refused")])]),
        ("zeroes", vec![file(0, 1, &[(0, b"one"), (255, &[0; 64])])]),
        ("leftover", vec![file(2, 1, two), file(3, 1, two)]),
    ];
    for (name, files) in all {
        seed("journal", name, files.concat());
    }
}

fn git_output() {
    let a = "1".repeat(40);
    let all = [
        ("ls-remote", format!("ref: refs/heads/main\tHEAD\n{a}\tHEAD\n{a}\trefs/heads/main\n{a}\trefs/tags/v^{{}}\n")),
        ("push", format!("To /x\n \t{a}:refs/heads/main\t1..2\n!\t{a}:refs/heads/b\t[rejected] (stale info)\nDone\n")),
        ("refused", format!("!\t{a}:refs/heads/main\t[remote rejected] (pre-receive hook declined)\n")),
        ("trace", "packet: ls-remote< unborn HEAD symref-target:refs/heads/trunk object-format=sha256\npacket: ls-remote< 0000\n".into()),
        ("version", "git version 2.39.5 (Apple Git-154)\n".into()),
        ("401", "remote: denied\nfatal: Authentication failed for 'https://h/x/'\n".into()),
        ("no-space", "error: unable to write file x: No space left on device\n".into()),
        ("escapes", "remote: \x1b[31mred\x1b[0m \x1b]0;title\x07 \u{9b}2J \u{202e}txt\n".into()),
        ("progress", "Receiving objects:  50% (1/2)\nremote: Counting objects: 5, done.\n".into()),
        ("header", "> Authorization: Basic dTpwYXNz\nbearer 0123456789abcdef\n".into()),
        ("token", "saw ghp_0123456789abcdefghij and password=x&y\n".into()),
        ("url", "https://user:secret@host:8443/a/b?access_token=abc#main".into()),
        ("scp", "git@host:a/b.git#feature/x".into()),
        ("ext", "ext::sh -c 'touch /tmp/x'".into()),
        ("dash", "ssh://-oProxyCommand=x/y".into()),
    ];
    for (name, text) in all {
        seed("git_output", name, text);
    }
}

fn mount_words() {
    let all = [
        ("plain", "https://host/r.git\n/mnt\n-o\nrw,branch=main"),
        ("fstab", "toft#https://host/r.git\n/mnt\n-o\nnoauto,user,_netdev,x-systemd.automount"),
        ("flags", "-sfv\n-N\n/proc/1/ns/mnt\nhost:r\n/mnt"),
        ("ids", "/srv/r.git\n/mnt\n-ouid=1000,gid=1000,ro,allow_other,default_permissions"),
        ("quoted", "/srv/r.git\n/mnt\n-o\ncredential=\"file:/a,b\",depth=1"),
        ("dirs", "/srv/r.git\n/mnt\n-o\nstate_dir=/s,cache_dir=/c,runtime_dir=/r"),
        ("setuid", "/srv/r.git\n/mnt\n-o\nsetuid=someone,workspace=w-0123456789"),
        ("refused", "/srv/r.git\n/mnt\n-o\nsuid,dev,remount,token=x"),
        ("password", "https://u:p@host/r\n/mnt"),
        ("options-end", "--\n-x\n/mnt"),
        ("unmount", "-fl\n/mnt\n-t\nfuse.toft"),
        ("help", "--help"),
        ("words", "ro,branch=a b,at=-x,flush_on=idle=30"),
        ("control", "/srv/r\x1b[2J\n/mnt\n-o\nbranch=\t"),
    ];
    for (name, text) in all {
        seed("mount_words", name, text);
    }
}

fn local_files() {
    let line =
        |kind: u8, name: &str, bytes: &[u8]| seed("local_files", name, [&[kind], bytes].concat());
    let flush = FlushRequest {
        seal: true,
        push: true,
        message: Some("m".into()),
        allow: vec!["branch".into()],
        timeout_s: Some(9),
    };
    let requests = [
        ("status", Request::Status),
        ("flush", Request::Flush(flush.clone())),
        ("umount", Request::Umount(UmountRequest { flush, keep: true, discard: false })),
        ("log", Request::Log(LogRequest { limit: 10 })),
    ];
    for (name, request) in requests {
        line(0, name, encode(&request).expect("a request").trim_ascii_end());
    }
    let failed = Reply::Failed(Failure::new(Kind::Usage, "no").cause("because"));
    line(1, "failed", encode(&failed).expect("a reply").trim_ascii_end());
    let hello =
        Hello { toft: 1, version: "0.1.0".into(), pid: 7, workspace: "w-aaaaaaaaaa".into() };
    line(2, "hello", encode(&hello).expect("a hello").trim_ascii_end());
    line(3, "workspace", &workspace_record());
    let (ledger, inbox) = queue();
    line(4, "ledger", &ledger);
    let json = inbox.splitn(2, |byte| *byte == b' ').nth(1).expect("a record").trim_ascii_end();
    line(5, "inbox", json);
    line(6, "raw-inbox", &inbox);
    line(7, "git-mark", format!("\x00{} 1 2 3.4\n", "1".repeat(40)).as_bytes());
    line(7, "git-todo", b"\x01revert 1234\n");
    line(
        7,
        "mountinfo",
        b"36 35 98:0 / /mnt\\040x rw,noatime master:1 - fuse.toft host:r#main rw\n",
    );
}

fn workspace_record() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("room");
    let registry = Registry::open(dir.path(), Arc::new(OsDisk::default())).expect("a list");
    let made = registry.create(|id| record(id)).expect("a record");
    let text = fs::read_to_string(registry.paths(&made.id).record()).expect("its file");
    text.replace(made.id.as_str(), "w-aaaaaaaaaa").into_bytes()
}

fn record(id: WorkspaceId) -> WorkspaceRecord {
    let source = SourceRecord {
        url: "https://host/r".into(),
        asked: None,
        depth: Some(1),
        hydrate: Default::default(),
        at: Some(oid(2)),
    };
    WorkspaceRecord {
        id,
        source,
        branch: Some("refs/heads/main".into()),
        base: Some(oid(1)),
        view: ViewRecord { uid: 1, gid: 2, base_time_s: 3, read_only: false },
        dir: "/mnt".into(),
        store: StoreRecord { key: "k".into(), path: "/cache/k".into() },
        flush_on: FlushPolicy::Idle(30),
        credential: Some("env:TOKEN".into()),
        created_s: 5,
        status: Status::Idle,
        daemon: None,
        made_dir: true,
        spent: false,
        last_error: Some("no".into()),
        last_seal: None,
        last_push: None,
        rolled_back: false,
        fork: None,
    }
}

/// A ledger and an inbox.
fn queue() -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().expect("room");
    let outbox = Outbox::open(dir.path(), Arc::new(OsDisk::default())).expect("a queue");
    let refname = "refs/heads/main";
    outbox.register(refname, Known::At(oid(1)), Some(oid(1))).expect("a ref");
    let intent = PushIntent { refname: refname.into(), new: oid(2), seq: Seq(9) };
    outbox.enqueue(&intent).expect("a push");
    let lane = fs::read_dir(dir.path()).expect("lanes").next().expect("one").expect("lane").path();
    let ledger = fs::read_to_string(lane.join("ledger.json")).expect("a ledger");
    let failure = r#""failure":{"count":3,"message":"no","next_s":99,"next_ms":5}"#;
    let ledger = ledger.replace(r#""failure":null"#, failure);
    let inbox = fs::read(lane.join("inbox")).expect("an inbox");
    (ledger.into_bytes(), inbox.trim_ascii_start().to_vec())
}

/// Each four bytes are an operation.
fn workspace() {
    for number in 0..12_u32 {
        let ops = (0..4 + number * 4)
            .flat_map(|at| (number << 16 | at).wrapping_mul(0x9e37_79b1).to_le_bytes());
        seed("workspace", &format!("{number:02}"), ops.collect::<Vec<u8>>());
    }
}
