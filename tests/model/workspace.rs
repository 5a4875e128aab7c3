//! The workspace room without a kernel: what the kernel would ask, asked directly.

use crate::harness::{Seen, System, lower};
use crate::ops::{Dir, Place, Rename, Step, Time, Xattr};
use crate::reference::{Errno, Id, Kind, Model};
use crate::view::{BASE_TIME, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use toft::fuse::errno;
use toft::overlay::{FileData, Freeze, NodeData, OverlayError};
use toft::types::{Attr, Fh, FileKind, Ino, Timespec};
use toft::workspace::{
    Caller, DirEntry, FsError, OpenMode, RenameMode, SetAttr, SetTime, Workspace, WriteMode,
    XattrMode,
};

const ROOT_USER: Caller = Caller { uid: 0, gid: 0, pid: 0 };

/// A workspace, driven as the kernel drives it.
pub struct Direct {
    state: State<'static>,
    workspace: Arc<Workspace>,
    files: [Option<(Ino, Fh, bool)>; crate::ops::FILE_SLOTS],
    /// Each with a lookup of its own, as the kernel keeps one of what is open.
    dirs: [Option<Ino>; crate::ops::DIR_SLOTS],
    /// Lookups that were not forgotten yet.
    held: Vec<Ino>,
    frozen: Option<(Freeze, BTreeMap<Ino, Vec<u8>>)>,
    broken: bool,
}

impl Direct {
    pub fn new() -> Direct {
        let dir = match tempfile::tempdir_in("/dev/shm") {
            Ok(dir) => dir,
            Err(_) => tempfile::tempdir().unwrap(),
        };
        Direct::over(State::in_dir(lower(), dir))
    }

    pub fn over(state: State<'static>) -> Direct {
        Direct {
            workspace: state.open(),
            state,
            files: [None; _],
            dirs: [None; _],
            held: Vec::new(),
            frozen: None,
            broken: false,
        }
    }

    /// One that shows a byte wrongly, to see that somebody notices.
    pub fn broken() -> Direct {
        Direct { broken: true, ..Direct::new() }
    }

    fn find(&mut self, dir: Ino, name: &[u8]) -> Result<Ino, FsError> {
        let attr = self.workspace.lookup(dir, name)?.ok_or_else(|| FsError::NotFound {
            dir,
            name: toft::types::Name::new(name).unwrap(),
        })?;
        self.held.push(attr.ino);
        Ok(attr.ino)
    }

    fn walk(&mut self, path: &[Vec<u8>]) -> Ino {
        path.iter().fold(Ino::ROOT, |dir, name| self.find(dir, name).unwrap())
    }

    fn dir(&mut self, dir: &Dir) -> Ino {
        match dir {
            Dir::Path(path) => self.walk(path),
            Dir::Slot(slot) => self.dirs[*slot].unwrap(),
        }
    }

    fn at(&mut self, place: &Place) -> Result<Ino, FsError> {
        let dir = self.dir(&place.dir);
        self.find(dir, &place.name)
    }

    /// The kernel looks at both ends before it asks for a rename or a link.
    fn peek(&mut self, place: &Place) -> Ino {
        let dir = self.dir(&place.dir);
        // What it finds does not matter here.
        let _ = self.find(dir, &place.name);
        dir
    }

    fn setattr(&mut self, place: &Place, set: SetAttr) -> Result<u64, FsError> {
        let ino = self.at(place)?;
        self.workspace.setattr(ROOT_USER, ino, &set).map(|_| 0)
    }

    fn made(&mut self, attr: Result<Attr, FsError>) -> Result<u64, FsError> {
        self.held.push(attr?.ino);
        Ok(0)
    }

    fn close_dir(&mut self, slot: usize) {
        if let Some(ino) = self.dirs[slot].take().filter(|ino| *ino != Ino::ROOT) {
            self.workspace.forget([(ino, 1)]);
        }
    }

    fn close_all(&mut self) {
        self.files = [None; _];
        self.dirs = [None; _];
        self.held.clear();
    }

    fn freeze(&mut self, model: &Model) {
        self.thaw();
        let mut bytes = BTreeMap::new();
        for place in model.all_places(|node| matches!(node.kind, Kind::File(_))) {
            let id: Id = model.find(&place).unwrap();
            let ino = self.at(&place).unwrap();
            bytes.insert(ino, model.bytes(id).clone());
        }
        self.frozen = Some((self.workspace.overlay().freeze(), bytes));
    }

    /// The freeze shows what was there when it was taken.
    fn thaw(&mut self) {
        let Some((freeze, files)) = self.frozen.take() else { return };
        for (ino, bytes) in files {
            let Some(node) = freeze.node(ino) else { continue };
            if let NodeData::Regular(FileData::Body(id)) = node.data {
                let body = freeze.body(id).unwrap();
                let mut got = vec![0; body.stat().unwrap().len as usize];
                body.read_at(&mut got, 0).unwrap();
                assert!(got == bytes, "the freeze does not hold inode {} as it was", ino.0);
            }
        }
    }

    fn try_apply(&mut self, step: &Step, model: &Model) -> Result<u64, FsError> {
        let workspace = self.workspace.clone();
        match step {
            Step::Create(place, perm) => {
                let dir = self.dir(&place.dir);
                let (attr, fh) = workspace.create(ROOT_USER, dir, &place.name, *perm)?;
                workspace.release(fh);
                self.made(Ok(attr))
            }
            Step::Mkdir(place, perm) => {
                let dir = self.dir(&place.dir);
                self.made(workspace.mkdir(ROOT_USER, dir, &place.name, *perm))
            }
            Step::Symlink(place, target) => {
                let dir = self.dir(&place.dir);
                self.made(workspace.symlink(ROOT_USER, dir, &place.name, target))
            }
            Step::Mknod(place, kind, perm) => {
                let dir = self.dir(&place.dir);
                self.made(workspace.mknod(ROOT_USER, dir, &place.name, *kind, *perm, 0x103))
            }
            Step::Unlink(place) => {
                let dir = self.peek(place);
                workspace.unlink(dir, &place.name).map(|()| 0)
            }
            Step::Rmdir(place) => {
                let dir = self.peek(place);
                workspace.rmdir(dir, &place.name).map(|()| 0)
            }
            Step::Rename(from, to, mode) => {
                let (from_dir, to_dir) = (self.peek(from), self.peek(to));
                let mode = match mode {
                    Rename::Replace => RenameMode::Replace,
                    Rename::NoReplace => RenameMode::NoReplace,
                    Rename::Exchange => RenameMode::Exchange,
                };
                workspace.rename(from_dir, &from.name, to_dir, &to.name, mode, None).map(|()| 0)
            }
            Step::Link(from, to) => {
                let (ino, dir) = (self.at(from)?, self.dir(&to.dir));
                let made = workspace.link(ino, dir, &to.name);
                self.made(made)
            }
            Step::Open { slot, place, truncate, append } => {
                let ino = self.at(place)?;
                let mode = OpenMode { write: true, truncate: *truncate, kill_suid: false };
                let fh = workspace.open(ino, mode)?;
                if let Some((_, fh, _)) = self.files[*slot].replace((ino, fh, *append)) {
                    workspace.release(fh);
                }
                Ok(0)
            }
            Step::Close(slot) => {
                let (_, fh, _) = self.files[*slot].take().unwrap();
                workspace.release(fh);
                Ok(0)
            }
            Step::Write { slot, offset, bytes } => {
                let (_, fh, append) = self.files[*slot].unwrap();
                let mode = WriteMode { append, ..WriteMode::default() };
                workspace.write(fh, bytes, *offset, mode).map(|written| written.count as u64)
            }
            Step::Fallocate { slot, mode, offset, len } => {
                let (_, fh, _) = self.files[*slot].unwrap();
                workspace.fallocate(fh, *mode, (*offset, *len), false).map(|()| 0)
            }
            Step::Copy { from, to, len } => {
                let from = (self.files[from.0].unwrap().1, from.1);
                let to = (self.files[to.0].unwrap().1, to.1);
                workspace.copy_file_range(from, to, *len, false)
            }
            Step::Truncate(place, size) => {
                self.setattr(place, SetAttr { size: Some(*size), ..SetAttr::default() })
            }
            Step::Chmod(place, perm) => {
                self.setattr(place, SetAttr { perm: Some(*perm), ..SetAttr::default() })
            }
            Step::Chown(place, uid, gid) => {
                self.setattr(place, SetAttr { uid: *uid, gid: *gid, ..SetAttr::default() })
            }
            Step::Utimens(place, atime, mtime) => {
                let (atime, mtime) = (atime.map(set_time), mtime.map(set_time));
                self.setattr(place, SetAttr { atime, mtime, ..SetAttr::default() })
            }
            Step::SetXattr(place, name, value, mode) => {
                let mode = match mode {
                    Xattr::Any => XattrMode::Any,
                    Xattr::Create => XattrMode::Create,
                    Xattr::Replace => XattrMode::Replace,
                };
                let ino = self.at(place)?;
                workspace.setxattr(ino, name, value, mode).map(|()| 0)
            }
            Step::RemoveXattr(place, name) => {
                let ino = self.at(place)?;
                workspace.removexattr(ino, name).map(|()| 0)
            }
            Step::OpenDir(slot, path) => {
                let ino = self.walk(path);
                if ino != Ino::ROOT {
                    assert_eq!(self.held.pop(), Some(ino));
                }
                self.close_dir(*slot);
                self.dirs[*slot] = Some(ino);
                Ok(0)
            }
            Step::CloseDir(slot) => {
                self.close_dir(*slot);
                Ok(0)
            }
            Step::Fsync(slot) => workspace.fsync(self.files[*slot].unwrap().1).map(|()| 0),
            Step::Freeze => {
                self.freeze(model);
                Ok(0)
            }
            Step::Thaw => {
                self.thaw();
                Ok(0)
            }
            Step::Forget => {
                workspace.forget(self.held.drain(..).map(|ino| (ino, 1)));
                Ok(0)
            }
            Step::Remount => {
                self.thaw();
                self.close_all();
                drop(workspace);
                // The old one is not told: it is as if it had been killed.
                self.workspace = self.state.try_open()?;
                Ok(0)
            }
        }
    }

    fn see_ino(&mut self, ino: Ino, fh: Option<Fh>) -> Seen {
        let workspace = self.workspace.clone();
        let attr = workspace.getattr(ino).unwrap();
        let mut seen =
            Seen { attr, bytes: None, target: None, xattrs: BTreeMap::new(), listed: None };
        match attr.kind {
            FileKind::Regular => seen.bytes = Some(self.read(ino, fh, attr.size)),
            FileKind::Symlink => seen.target = Some(workspace.readlink(ino).unwrap()),
            FileKind::Directory => seen.listed = Some(list(&workspace, ino)),
            _ => {}
        }
        let names = workspace.listxattr(ino).unwrap();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            seen.xattrs.insert(name.to_vec(), workspace.getxattr(ino, name).unwrap());
        }
        seen
    }

    fn read(&self, ino: Ino, fh: Option<Fh>, size: u64) -> Vec<u8> {
        let own = fh.is_none().then(|| self.workspace.open(ino, OpenMode::default()).unwrap());
        let mut bytes = vec![0; size as usize + 1];
        let fh = fh.or(own).unwrap();
        let count = self.workspace.read(fh, &mut bytes, 0).unwrap();
        bytes.truncate(count);
        if let Some(fh) = own {
            self.workspace.release(fh);
        }
        if self.broken && bytes.len() == 6 {
            bytes[0] ^= 1;
        }
        bytes
    }
}

impl System for Direct {
    fn apply(&mut self, step: &Step, model: &Model) -> Result<u64, Errno> {
        let workspace = self.workspace.clone();
        // As the kernel's side does it.
        let done = match step {
            Step::Remount => self.try_apply(step, model),
            _ => workspace.with_room(|_| self.try_apply(step, model)),
        };
        done.map_err(|error| errno(&error))
    }

    fn see(&mut self, path: &[Vec<u8>]) -> Seen {
        let ino = self.walk(path);
        self.see_ino(ino, None)
    }

    fn see_open(&mut self, slot: usize) -> Seen {
        let (ino, fh, _) = self.files[slot].unwrap();
        self.see_ino(ino, Some(fh))
    }

    fn check(&mut self) {
        self.compact();
        assert_eq!(toft::overlay::check(&self.workspace.overlay().read()), []);
    }

    fn see_open_dir(&mut self, slot: usize) -> Attr {
        self.workspace.getattr(self.dirs[slot].unwrap()).unwrap()
    }
}

/// What is at each path; true for files that are written in place.
pub type Found = BTreeMap<Vec<Vec<u8>>, (Seen, bool)>;

/// Reads the directory in small pieces, every other one with attributes.
fn list(workspace: &Workspace, ino: Ino) -> Vec<(Vec<u8>, Ino)> {
    let mut all = Vec::new();
    let (mut offset, mut dots, mut plus) = (0, 0, false);
    loop {
        let (before, mut room) = (offset, 3);
        let mut counted = Vec::new();
        let mut each = |entry: DirEntry<'_>, found: Option<(Ino, Option<Attr>)>| {
            if room == 0 {
                return false;
            }
            room -= 1;
            let cookie = match entry {
                DirEntry::Dot { cookie, .. } => {
                    dots += 1;
                    cookie
                }
                DirEntry::Listed(listed) => {
                    all.push((listed.name.as_bytes().to_vec(), listed.ino));
                    listed.cookie
                }
            };
            counted.extend(found);
            assert!(cookie > offset, "places grow");
            offset = cookie;
            true
        };
        match plus {
            true => workspace.readdir_plus(ino, before, each).unwrap(),
            false => workspace.readdir(ino, before, |entry| each(entry, None)).unwrap(),
        }
        for (found, attr) in counted {
            assert_eq!(attr, workspace.getattr(found).ok());
            workspace.forget([(found, 1)]);
        }
        plus = !plus;
        if offset == before {
            break;
        }
    }
    assert_eq!(dots, 2);
    all
}

fn set_time(time: Time) -> SetTime {
    match time {
        Time::Now => SetTime::Now,
        Time::At(sec, nsec) => SetTime::At(Timespec { sec, nsec }),
    }
}

impl Direct {
    /// Another workspace that begins as this one stands.
    pub fn fork(&self) -> Direct {
        let dir = tempfile::tempdir_in(self.state.path().parent().unwrap()).unwrap();
        toft::sys::mark_unsettled(&toft::sys::OsDisk::default(), dir.path()).unwrap();
        self.workspace.overlay().fork(dir.path()).unwrap();
        let disk = Arc::new(toft::sys::OsDisk::default());
        Direct::over(State::existing(lower(), dir, self.state.config.clone(), disk))
    }

    /// Closes all that is open, and goes on.
    pub fn close(&mut self) {
        self.thaw();
        self.files.iter().flatten().for_each(|(_, fh, _)| self.workspace.release(*fh));
        self.close_all();
    }

    /// Opens it anew, as after kill -9.
    pub fn restart(&mut self) {
        self.thaw();
        self.close_all();
        self.workspace = self.state.open();
    }

    /// Writes over, cuts, touches and removes what is there.
    pub fn spoil(&mut self) {
        let workspace = self.workspace.clone();
        for (number, (path, seen)) in self.all().into_iter().enumerate() {
            let ino = seen.attr.ino;
            if ino == Ino::GITFILE {
                continue;
            }
            if seen.bytes.is_some() {
                let fh = workspace.open(ino, OpenMode { write: true, ..OpenMode::default() });
                let fh = fh.unwrap();
                workspace.write(fh, b"spoilt", number as u64, WriteMode::default()).unwrap();
                workspace.release(fh);
                let size = (number % 3 == 0).then_some(seen.attr.size / 2);
                let mtime = Some(SetTime::At(Timespec { sec: 5, nsec: 5 }));
                let set = SetAttr { size, mtime, ..SetAttr::default() };
                workspace.setattr(ROOT_USER, ino, &set).unwrap();
            }
            if number % 4 == 0 && seen.attr.kind != FileKind::Directory {
                let (name, dir) = path.split_last().unwrap();
                let dir = self.walk(dir);
                workspace.unlink(dir, name).unwrap();
            }
        }
    }

    /// Gives back room, and makes everything durable.
    pub fn keep_house(&mut self) {
        self.trim().unwrap();
        self.compact();
        self.sync();
    }

    /// Everything that it shows, as text to compare.
    pub fn shown(&mut self) -> BTreeMap<Vec<Vec<u8>>, String> {
        let shown = |seen: Seen| {
            // A fork gives a file another name, which its ctime tells.
            let attr = Attr { ctime: BASE_TIME, atime: BASE_TIME, ..seen.attr };
            format!(
                "{attr:?} {:?} {:?} {:?} {:?}",
                seen.bytes, seen.target, seen.xattrs, seen.listed
            )
        };
        self.all().into_iter().map(|(path, seen)| (path, shown(seen))).collect()
    }

    fn all(&mut self) -> Vec<(Vec<Vec<u8>>, Seen)> {
        let (mut all, mut todo) = (Vec::new(), vec![Vec::new()]);
        while let Some(path) = todo.pop() {
            let seen = self.see(&path);
            for (name, _) in seen.listed.iter().flatten() {
                todo.push(path.iter().chain([name]).cloned().collect());
            }
            all.push((path, seen));
        }
        all
    }

    /// Trims the journal, if it has grown since the last time.
    pub fn trim(&self) -> Result<(), OverlayError> {
        self.workspace.overlay().trim_above(1000)
    }

    /// Makes everything durable, as the daemon does now and then.
    pub fn sync(&self) {
        self.workspace.overlay().sync().unwrap();
    }

    /// Why nothing can be changed any more, if so.
    pub fn read_only_reason(&self) -> Option<String> {
        self.workspace.overlay().read_only_reason()
    }

    /// On a disk that fails it may fail; what it did not move stays.
    pub fn compact(&self) {
        let _ = self.workspace.overlay().compact_above(300);
    }

    /// Opens what is in `dir` in the run `boot` of the host, and looks at everything.
    pub fn look_at(&self, dir: tempfile::TempDir, boot: u8) -> Result<Found, String> {
        let disk = Arc::new(crate::powerdisk::PowerDisk::new(dir.path(), boot));
        let state = State::existing(lower(), dir, self.state.config.clone(), disk);
        let mut direct = Direct::over(state);
        let (mut seen, mut todo) = (BTreeMap::new(), vec![Vec::new()]);
        while let Some(path) = todo.pop() {
            let found = direct.see(&path);
            for (name, _) in found.listed.iter().flatten() {
                todo.push(path.iter().chain([name]).cloned().collect());
            }
            let overlay = direct.workspace.overlay();
            let node = overlay.read().node(found.attr.ino).cloned();
            let in_place =
                node.is_some_and(|node| matches!(node.data, NodeData::Regular(FileData::Body(_))));
            seen.insert(path, (found, in_place));
        }
        let flaws = toft::overlay::check(&direct.workspace.overlay().read());
        if !flaws.is_empty() {
            return Err(format!("{flaws:?}"));
        }
        Ok(seen)
    }
}
