//! The reference: what a POSIX tree does, in the plainest words. Pure.
//!
//! Everything runs as root, so permissions are not asked.

use crate::ops::{Dir, Place, Rename, Step, Time, Xattr};
use crate::view::{BASE_TIME, GITFILE, Given};
use std::collections::BTreeMap;
use toft::types::{FileKind, Timespec};

pub type Id = usize;
pub type Errno = i32;

pub const ROOT: Id = 0;
pub const GIT: Id = 1;

/// When something was changed, as far as the model can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Base,
    At(Timespec),
    /// In this run.
    Recent,
    /// Up to the disk below.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Dir { entries: BTreeMap<Vec<u8>, Id>, parent: Id },
    File(Vec<u8>),
    Link(Vec<u8>),
    Special(FileKind),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    pub perm: u32,
    pub uid: u32,
    pub gid: u32,
    /// Names; of a directory 1, or 0 when removed.
    pub names: u32,
    pub atime: When,
    pub mtime: When,
    pub ctime: When,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// An open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub id: Id,
    pub append: bool,
}

#[derive(Clone)]
pub struct Model {
    pub nodes: Vec<Node>,
    pub files: [Option<Open>; crate::ops::FILE_SLOTS],
    pub dirs: [Option<Id>; crate::ops::DIR_SLOTS],
    /// Names of the base that are not shown.
    hidden: Vec<(Id, Vec<u8>)>,
}

impl Node {
    pub fn file_kind(&self) -> FileKind {
        match self.kind {
            Kind::Dir { .. } => FileKind::Directory,
            Kind::File(_) => FileKind::Regular,
            Kind::Link(_) => FileKind::Symlink,
            Kind::Special(kind) => kind,
        }
    }

    fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir { .. })
    }
}

impl Model {
    pub fn new(base: &[(Vec<u8>, Given)], hidden: &[&[u8]]) -> Model {
        let mut root = base_node(Kind::Dir { entries: BTreeMap::new(), parent: ROOT }, 0o755);
        if let Kind::Dir { entries, .. } = &mut root.kind {
            entries.insert(b".git".to_vec(), GIT);
        }
        let gitfile = base_node(Kind::File(GITFILE.to_vec()), 0o444);
        let mut model = Model {
            nodes: vec![root, gitfile],
            files: Default::default(),
            dirs: Default::default(),
            hidden: hidden.iter().map(|name| (ROOT, name.to_vec())).collect(),
        };
        for (path, given) in base {
            let node = match given {
                Given::File(bytes) => base_node(Kind::File(bytes.clone()), 0o644),
                Given::Exec(bytes) => base_node(Kind::File(bytes.clone()), 0o755),
                Given::Link(target) => base_node(Kind::Link(target.clone()), 0o777),
                Given::Gitlink(_) => base_node(empty_dir(ROOT), 0o755),
            };
            let mut names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
            let last = names.pop().unwrap();
            let mut dir = ROOT;
            for name in names {
                dir = match model.entries(dir).get(name) {
                    Some(id) => *id,
                    None => model.insert(dir, name, base_node(empty_dir(dir), 0o755)),
                };
            }
            model.insert(dir, last, node);
        }
        model
    }

    fn insert(&mut self, dir: Id, name: &[u8], mut node: Node) -> Id {
        let id = self.nodes.len();
        if let Kind::Dir { parent, .. } = &mut node.kind {
            *parent = dir;
        }
        self.nodes.push(node);
        self.entries_mut(dir).insert(name.to_vec(), id);
        id
    }

    pub fn entries(&self, dir: Id) -> &BTreeMap<Vec<u8>, Id> {
        match &self.nodes[dir].kind {
            Kind::Dir { entries, .. } => entries,
            _ => panic!("{dir} is no directory"),
        }
    }

    fn entries_mut(&mut self, dir: Id) -> &mut BTreeMap<Vec<u8>, Id> {
        match &mut self.nodes[dir].kind {
            Kind::Dir { entries, .. } => entries,
            _ => panic!("{dir} is no directory"),
        }
    }

    pub fn bytes(&self, id: Id) -> &Vec<u8> {
        match &self.nodes[id].kind {
            Kind::File(bytes) => bytes,
            _ => panic!("{id} is no file"),
        }
    }

    pub fn nlink(&self, id: Id) -> u32 {
        match &self.nodes[id].kind {
            Kind::Dir { .. } if self.nodes[id].names == 0 => 0,
            Kind::Dir { entries, .. } => {
                2 + entries.values().filter(|child| self.nodes[**child].is_dir()).count() as u32
            }
            _ => self.nodes[id].names,
        }
    }

    /// All directories with their paths, the root first.
    pub fn all_dirs(&self) -> Vec<(Vec<Vec<u8>>, Id)> {
        let mut all = vec![(Vec::new(), ROOT)];
        let mut at = 0;
        while at < all.len() {
            let (path, id) = all[at].clone();
            for (name, child) in self.entries(id) {
                if self.nodes[*child].is_dir() {
                    let mut path = path.clone();
                    path.push(name.clone());
                    all.push((path, *child));
                }
            }
            at += 1;
        }
        all
    }

    /// All names of anything that `wanted` wants.
    pub fn all_places(&self, wanted: impl Fn(&Node) -> bool) -> Vec<Place> {
        let mut all = Vec::new();
        for (path, dir) in self.all_dirs() {
            for (name, child) in self.entries(dir) {
                if wanted(&self.nodes[*child]) {
                    all.push(Place { dir: Dir::Path(path.clone()), name: name.clone() });
                }
            }
        }
        all
    }

    pub fn dir(&self, dir: &Dir) -> Id {
        match dir {
            Dir::Slot(slot) => self.dirs[*slot].unwrap(),
            Dir::Path(path) => path.iter().fold(ROOT, |dir, name| self.entries(dir)[name]),
        }
    }

    pub fn find(&self, place: &Place) -> Option<Id> {
        self.entries(self.dir(&place.dir)).get(&place.name).copied()
    }

    /// Does `step`; the answer is what the system call returns.
    pub fn apply(&mut self, step: &Step) -> Result<u64, Errno> {
        match step {
            Step::Create(place, perm) => self.make(place, Kind::File(Vec::new()), *perm),
            Step::Mkdir(place, perm) => self.make(place, empty_dir(ROOT), *perm),
            Step::Symlink(place, target) => self.make(place, Kind::Link(target.clone()), 0o777),
            Step::Mknod(place, kind, perm) => self.make(place, Kind::Special(*kind), *perm),
            Step::Unlink(place) => self.unlink(place),
            Step::Rmdir(place) => self.rmdir(place),
            Step::Rename(from, to, mode) => self.rename(from, to, *mode),
            Step::Link(from, to) => self.link(from, to),
            Step::Open { slot, place, truncate, append } => {
                let id = self.require(place)?;
                if id == GIT {
                    return Err(libc::EPERM);
                }
                if *truncate {
                    self.set_size(id, 0);
                    self.changed(id);
                }
                self.files[*slot] = Some(Open { id, append: *append });
                Ok(0)
            }
            Step::Close(slot) => {
                self.files[*slot] = None;
                Ok(0)
            }
            Step::Write { slot, offset, bytes } => {
                let open = self.files[*slot].unwrap();
                let offset = if open.append { self.bytes(open.id).len() as u64 } else { *offset };
                self.put(open.id, offset, bytes);
                Ok(bytes.len() as u64)
            }
            Step::Fallocate { slot, mode, offset, len } => {
                self.fallocate(self.files[*slot].unwrap().id, *mode, *offset, *len)
            }
            Step::Copy { from, to, len } => self.copy(*from, *to, *len),
            Step::Truncate(place, size) => {
                let id = self.require(place)?;
                if id == GIT {
                    return Err(libc::EPERM);
                }
                if self.nodes[id].is_dir() {
                    return Err(libc::EISDIR);
                }
                if self.bytes(id).len() as u64 == *size {
                    self.nodes[id].mtime = When::Unknown;
                    self.nodes[id].ctime = When::Unknown;
                } else {
                    self.set_size(id, *size);
                    self.changed(id);
                }
                Ok(0)
            }
            Step::Chmod(place, perm) => {
                let id = self.require_ours(place)?;
                self.nodes[id].perm = *perm;
                self.nodes[id].ctime = When::Recent;
                Ok(0)
            }
            Step::Chown(place, uid, gid) => {
                let id = self.require_ours(place)?;
                let node = &mut self.nodes[id];
                node.uid = uid.unwrap_or(node.uid);
                node.gid = gid.unwrap_or(node.gid);
                if !node.is_dir() {
                    node.perm &= !0o4000;
                    if node.perm & 0o010 != 0 {
                        node.perm &= !0o2000;
                    }
                }
                node.ctime = When::Recent;
                Ok(0)
            }
            Step::Utimens(place, atime, mtime) => {
                let id = self.require_ours(place)?;
                let node = &mut self.nodes[id];
                node.atime = atime.map_or(node.atime, when);
                node.mtime = mtime.map_or(node.mtime, when);
                node.ctime = When::Recent;
                Ok(0)
            }
            Step::SetXattr(place, name, value, mode) => self.set_xattr(place, name, value, *mode),
            Step::RemoveXattr(place, name) => {
                let id = self.require(place)?;
                if !name.starts_with(b"user.") {
                    return Err(libc::EOPNOTSUPP);
                }
                if id == GIT {
                    return Err(libc::EPERM);
                }
                self.nodes[id].xattrs.remove(name).ok_or(libc::ENODATA)?;
                self.nodes[id].ctime = When::Recent;
                Ok(0)
            }
            Step::OpenDir(slot, path) => {
                self.dirs[*slot] = Some(self.dir(&Dir::Path(path.clone())));
                Ok(0)
            }
            Step::CloseDir(slot) => {
                self.dirs[*slot] = None;
                Ok(0)
            }
            Step::Remount => {
                self.files = Default::default();
                self.dirs = Default::default();
                Ok(0)
            }
            Step::Fsync(_) | Step::Freeze | Step::Thaw | Step::Forget => Ok(0),
        }
    }

    fn require(&self, place: &Place) -> Result<Id, Errno> {
        if place.name.len() > 255 {
            return Err(libc::ENAMETOOLONG);
        }
        self.find(place).ok_or(libc::ENOENT)
    }

    fn require_ours(&self, place: &Place) -> Result<Id, Errno> {
        match self.require(place)? {
            GIT => Err(libc::EPERM),
            id => Ok(id),
        }
    }

    /// The directory in which `name` can be made.
    fn free(&self, place: &Place) -> Result<Id, Errno> {
        let dir = self.dir(&place.dir);
        if self.nodes[dir].names == 0 {
            return Err(libc::ENOENT);
        }
        if place.name.len() > 255 {
            return Err(libc::ENAMETOOLONG);
        }
        let hidden = self.hidden.iter().any(|(id, name)| (*id, name) == (dir, &place.name));
        if self.entries(dir).contains_key(&place.name) || hidden {
            return Err(libc::EEXIST);
        }
        Ok(dir)
    }

    fn make(&mut self, place: &Place, kind: Kind, perm: u32) -> Result<u64, Errno> {
        let dir = self.free(place)?;
        let above = &self.nodes[dir];
        let inherits = above.perm & 0o2000 != 0;
        let is_dir = matches!(kind, Kind::Dir { .. });
        let node = Node {
            kind,
            perm: perm | if inherits && is_dir { 0o2000 } else { 0 },
            uid: 0,
            gid: if inherits { above.gid } else { 0 },
            names: 1,
            atime: When::Recent,
            mtime: When::Recent,
            ctime: When::Recent,
            xattrs: BTreeMap::new(),
        };
        self.insert(dir, &place.name, node);
        self.changed(dir);
        Ok(0)
    }

    fn unlink(&mut self, place: &Place) -> Result<u64, Errno> {
        let id = self.require_ours(place)?;
        if self.nodes[id].is_dir() {
            return Err(libc::EISDIR);
        }
        self.drop_name(place);
        Ok(0)
    }

    fn rmdir(&mut self, place: &Place) -> Result<u64, Errno> {
        let id = self.require(place)?;
        if !self.nodes[id].is_dir() {
            return Err(libc::ENOTDIR);
        }
        if !self.entries(id).is_empty() {
            return Err(libc::ENOTEMPTY);
        }
        self.drop_name(place);
        Ok(0)
    }

    fn drop_name(&mut self, place: &Place) {
        let dir = self.dir(&place.dir);
        let id = self.entries_mut(dir).remove(&place.name).unwrap();
        self.nodes[id].names -= 1;
        self.nodes[id].ctime = When::Recent;
        self.changed(dir);
    }

    fn rename(&mut self, from: &Place, to: &Place, mode: Rename) -> Result<u64, Errno> {
        let (from_dir, to_dir) = (self.dir(&from.dir), self.dir(&to.dir));
        let source = self.require(from)?;
        if to.name.len() > 255 {
            return Err(libc::ENAMETOOLONG);
        }
        let target = self.find(to);
        match (mode, target) {
            (Rename::NoReplace, Some(_)) => return Err(libc::EEXIST),
            (Rename::Exchange, None) => return Err(libc::ENOENT),
            _ => {}
        }
        if source == GIT || target == Some(GIT) {
            return Err(libc::EPERM);
        }
        if self.is_within(to_dir, source) {
            return Err(libc::EINVAL);
        }
        if let Some(target) = target {
            if target != source && self.is_within(from_dir, target) {
                let exchange = mode == Rename::Exchange;
                return Err(if exchange { libc::EINVAL } else { libc::ENOTEMPTY });
            }
            if target == source {
                return Ok(0);
            }
        }
        if target.is_none() {
            self.free(to)?;
        }
        if mode == Rename::Exchange {
            let target = target.unwrap();
            self.entries_mut(from_dir).insert(from.name.clone(), target);
            self.entries_mut(to_dir).insert(to.name.clone(), source);
            self.set_parent(target, from_dir);
            self.nodes[target].ctime = When::Recent;
        } else {
            if let Some(target) = target {
                match (self.nodes[source].is_dir(), self.nodes[target].is_dir()) {
                    (true, false) => return Err(libc::ENOTDIR),
                    (false, true) => return Err(libc::EISDIR),
                    (true, true) if !self.entries(target).is_empty() => {
                        return Err(libc::ENOTEMPTY);
                    }
                    _ => self.drop_name(to),
                }
            }
            self.entries_mut(from_dir).remove(&from.name);
            self.entries_mut(to_dir).insert(to.name.clone(), source);
        }
        self.set_parent(source, to_dir);
        self.nodes[source].ctime = When::Recent;
        self.changed(from_dir);
        self.changed(to_dir);
        Ok(0)
    }

    fn link(&mut self, from: &Place, to: &Place) -> Result<u64, Errno> {
        let source = self.require(from)?;
        let dir = self.free(to)?;
        if source == GIT || self.nodes[source].is_dir() {
            return Err(libc::EPERM);
        }
        self.entries_mut(dir).insert(to.name.clone(), source);
        self.nodes[source].names += 1;
        self.nodes[source].ctime = When::Recent;
        self.changed(dir);
        Ok(0)
    }

    fn fallocate(&mut self, id: Id, mode: i32, offset: u64, len: u64) -> Result<u64, Errno> {
        if len == 0 {
            return Err(libc::EINVAL);
        }
        let size = self.bytes(id).len() as u64;
        if mode & libc::FALLOC_FL_PUNCH_HOLE != 0 {
            let end = (offset + len).min(size);
            if let Kind::File(bytes) = &mut self.nodes[id].kind
                && offset < end
            {
                bytes[offset as usize..end as usize].fill(0);
            }
        } else if mode & libc::FALLOC_FL_KEEP_SIZE == 0 {
            self.set_size(id, size.max(offset + len));
        }
        self.nodes[id].mtime = When::Unknown;
        self.nodes[id].ctime = When::Unknown;
        Ok(0)
    }

    fn copy(&mut self, from: (usize, u64), to: (usize, u64), len: u64) -> Result<u64, Errno> {
        let (source, target) = (self.files[from.0].unwrap().id, self.files[to.0].unwrap().id);
        let size = self.bytes(source).len() as u64;
        let len = len.min(size.saturating_sub(from.1));
        if source == target && from.1 < to.1 + len && to.1 < from.1 + len {
            return Err(libc::EINVAL);
        }
        if len > 0 {
            let bytes = self.bytes(source)[from.1 as usize..(from.1 + len) as usize].to_vec();
            self.put(target, to.1, &bytes);
        }
        Ok(len)
    }

    fn set_xattr(
        &mut self,
        place: &Place,
        name: &[u8],
        value: &[u8],
        mode: Xattr,
    ) -> Result<u64, Errno> {
        let id = self.require(place)?;
        if value.len() > 65_536 {
            return Err(libc::E2BIG);
        }
        if !name.starts_with(b"user.") {
            return Err(libc::EOPNOTSUPP);
        }
        if id == GIT {
            return Err(libc::EPERM);
        }
        match (mode, self.nodes[id].xattrs.contains_key(name)) {
            (Xattr::Create, true) => return Err(libc::EEXIST),
            (Xattr::Replace, false) => return Err(libc::ENODATA),
            _ => {}
        }
        self.nodes[id].xattrs.insert(name.to_vec(), value.to_vec());
        self.nodes[id].ctime = When::Recent;
        Ok(0)
    }

    fn put(&mut self, id: Id, offset: u64, new: &[u8]) {
        if let Kind::File(bytes) = &mut self.nodes[id].kind {
            let (start, end) = (offset as usize, offset as usize + new.len());
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(new);
        }
        self.changed(id);
    }

    fn set_size(&mut self, id: Id, size: u64) {
        if let Kind::File(bytes) = &mut self.nodes[id].kind {
            bytes.resize(size as usize, 0);
        }
    }

    fn set_parent(&mut self, id: Id, dir: Id) {
        if let Kind::Dir { parent, .. } = &mut self.nodes[id].kind {
            *parent = dir;
        }
    }

    fn changed(&mut self, id: Id) {
        self.nodes[id].mtime = When::Recent;
        self.nodes[id].ctime = When::Recent;
    }

    fn is_within(&self, mut dir: Id, top: Id) -> bool {
        loop {
            if dir == top {
                return true;
            }
            if dir == ROOT {
                return false;
            }
            dir = match self.nodes[dir].kind {
                Kind::Dir { parent, .. } => parent,
                _ => return false,
            };
        }
    }
}

fn when(time: Time) -> When {
    match time {
        Time::Now => When::Recent,
        Time::At(sec, nsec) => When::At(Timespec { sec, nsec }),
    }
}

fn empty_dir(parent: Id) -> Kind {
    Kind::Dir { entries: BTreeMap::new(), parent }
}

fn base_node(kind: Kind, perm: u32) -> Node {
    Node {
        kind,
        perm,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        names: 1,
        atime: When::Base,
        mtime: When::Base,
        ctime: When::Base,
        xattrs: BTreeMap::new(),
    }
}

pub fn base_time() -> Timespec {
    BASE_TIME
}
