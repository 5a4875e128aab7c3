//! toft mounts a git repo as a folder: clone, ordinary file I/O, umount = one commit, pushed.
//!
//! # The map
//! A room may use only the rooms below it that stand behind its arrow (`types` is open to all,
//! `sys` to all but the pure files). `tests/architecture.rs` keeps these walls.
//!
//! | room | uses | purpose |
//! |---|---|---|
//! | `cli` | daemon and what it wires | argv to exit code; every error becomes message, cause, fix |
//! | `daemon` | every room below | wires a workspace, serves it, flushes, drains, stops |
//! | `fuse` | workspace | the only room that names `fuser`: decode, call, reply |
//! | `workspace` | overlay, base | POSIX meaning: inodes, handles, the merged view |
//! | `commit` | overlay, base, git | a frozen overlay becomes a commit; guards |
//! | `sync` | git | the durable push queue; push, fetch, merge |
//! | `dotgit` | base, git | what stock git sees: gitdir, index |
//! | `store` | git | one bare repository per remote, in the cache |
//! | `registry` | - | which workspaces exist on this host, and who holds them |
//! | `overlay` | journal | the upper layer: a journaled index keyed by inode, file bodies |
//! | `base` | git | the lower layer: trees and blobs, loaded when touched |
//! | `git` | - | the only room that names `gix` or runs `git` |
//! | `journal` | - | the write-ahead log: opaque, checked frames |
//! | `sys` | - | bytes, fsync, time, locks |
//! | `types` | nothing | ids, names, attributes |
//!
//! # How data flows
//! Request → `fuse` (decode) → `workspace::ops` (resolve, POSIX rules, one transaction) →
//! `overlay` (append to the journal, apply, answer) or `base` (read). A flush takes
//! [`overlay::Overlay::freeze`], `commit` writes objects and moves HEAD's branch, `sync` queues and
//! pushes. Nothing below calls up.
//!
//! # Decisions that moved walls of the first plan
//! - D1: a directory of the overlay is a base tree by reference plus a delta by name, not a full
//!   dentry map: an edit in a directory of 100,000 entries costs one record, and replaying the
//!   journal needs no git object.
//! - D2: the lower tree of a workspace never moves; HEAD does. A seal compares the tree of the whole
//!   view with HEAD's tree, so whatever git does inside the mount, nothing is committed wrongly.
//! - D3: the workspace's gitdir is a repository of its own that borrows the store's objects
//!   (`objects/info/alternates`), not a linked worktree of the store: linked worktrees share
//!   branches, stash and config, so two workspaces on one branch would move each other's HEAD.
//! - D4: a file body is a plain file whose size and mtime are the inode's: write(2) costs no record.
//!   (Since D13: of a file that is written in place.)
//! - D5: a freeze copies nothing: what it holds is copied before it is altered.
//! - D6: everything of the base shows the time of its commit, so that git's index can be filled
//!   before any file is looked at.
//! - D7: the base's bytes show as they are stored; clean filters run when sealing.
//! - D8: toft does not commit while git is in the middle of something, nor on a branch that was not
//!   mounted.
//! - D9: history that was rewritten here is a conflict: toft never forces.
//! - D10: the daemon is this program started again, with its request on stdin; its control socket
//!   speaks JSON lines.
//! - D11: bodies and records are two kinds of files, which power loss may tear apart. A sync leaves
//!   a mark in the journal that vouches for the bodies of all records before it; an open after power
//!   loss believes no record behind the last mark (`overlay::replay`). A seal syncs what it froze.
//! - D12: git's index is locked only while a commit is attached, not while it is made; a seal whose
//!   index or HEAD moved meanwhile looks again (`commit::Look`).
//! - D13: the bytes of a small file (up to 128 KiB, written once or from front to back) are a value
//!   in the value log, named by a record like everything else. So a new file costs no file, its
//!   fsync costs two, and what power loss leaves of it is its state after some operation. A file
//!   that is larger or written here and there has a body (D4).
//! - D14: the contents of files may be on the remote only (`--hydrate lazy`). An operation that needs
//!   one fails before it has changed anything (`FsError::Away`) and is asked again, by another
//!   thread, when the content is here: so nothing waits for the network with a lock in its hands,
//!   or in the place of a thread that takes requests.
//! - D15: a fork shares files by hard links, and that a file has two names is what keeps both sides
//!   from altering it; nothing of it is durable before its first sync (`overlay::fork`). Under `toft
//!   serve` one mount shows many workspaces (`daemon::house`), whose inodes are told apart by the upper
//!   bits of what the kernel calls them (`fuse::route`).
//! - D16: the kernel opens and closes files by itself (`FUSE_NO_OPEN_SUPPORT`), so that what it has
//!   read costs no request, and a file is known by its inode alone. That excludes passthrough, which is
//!   an answer to OPEN. Who must see each open is told of it (`fuse::Opens`): `--flush-on close`,
//!   and `allow_root`, where only we know who may.
//! - D17: where root asks for it (`-o passthrough`), each open is told, and the kernel reads and writes
//!   the bodies of large files and of those that are made by itself: at the speed of the disk below, for
//!   a round trip more at each open. Nobody can stop such a writer, so a body that is passed belongs to
//!   its file whatever a freeze, a fork or a merge would have (`overlay::passage`): these take what it
//!   holds when they look, and conclude nothing from it later.
//! - D18: where root has turned on FUSE over io_uring, requests come by it (`fuse::ring`), which halves
//!   a round trip. fuser knows no ring and shows nobody its wire code, so there is our own
//!   (`fuse::wire`) for the ring only; the operations are the same (`fuse::answers`). fuser's session
//!   runs beside it: forgets, notifications, the end. Not where answers come late (lazy mounts, `toft
//!   serve`): each would keep an entry of the ring until then.
//! - D19: small objects that were read lie in the store a second time, their deltas undone, in a ring
//!   file of up to 512 MB that all workspaces of a remote read and write (`base::undone`): to undo the
//!   chain of deltas of a file takes 50 to 300 us, ten times a round trip. Plain files, one each, as
//!   large ones have (`base::shelf`) take longer to make than a small file to undo. With a directory
//!   lie the sizes of its files. It is a cache that nothing is believed of: contents are compared with
//!   their ids, readers take no lock, writers do not wait.
//! - D20: a seal waits for the disk as seldom as order allows. The files of the cut, the pack, its index
//!   and the value of the branch are synced side by side; when all are durable the branch gets its
//!   name, then the record knows of it, while git's index follows (`dotgit::after_seal`).
//! - D21: while requests come within microseconds of each other one thread of the device polls for the
//!   next one, 40 us at most, and yields to whoever wants the CPU (`fuse::device::linger`): to wake a
//!   thread for each took half of a round trip in a virtual machine. An idle mount sleeps as before.
//!
//! # Locks, outermost first
//! a file's content → `overlay::Bodies::writing` (a freeze excludes body writers) →
//! the overlay's index (the namespace lock) → the inode table → the journal's tail → caches.
//! No lock that a file operation needs is held across network, subprocess or fsync. `tests/races` lets a
//! scheduler decide at each of them (`sys::locks`).
//!
//! # What a crash leaves
//! kill -9 of the daemon: the journal holds every acknowledged change, bodies and value log every
//! acknowledged byte; the next open replays. Power loss: the state of the last sync (D11); what was
//! not synced is set aside, not believed.
//! A seal is files and objects (durable) before ref (durable) before record (durable); a push is queued (durable) before it is tried,
//! and each is safe to repeat.
//!
//! # Words
//! workspace, base, overlay, hydrate, autosave, seal: as in the README. *freeze*: the overlay at one
//! record. *body*: a file of its own for the bytes of one file in the overlay. *value*: the bytes of a
//! small one, in the value log. *touch*: give a base entry a node.

pub mod base;
pub mod cli;
pub mod commit;
pub mod daemon;
pub mod dotgit;
pub mod fuse;
pub mod git;
pub mod journal;
pub mod overlay;
pub mod registry;
pub mod store;
pub mod sync;
pub mod sys;
pub mod types;
pub mod workspace;
