//! The smallest server there can be: the same tree in memory, nothing kept, nothing looked up in git.
//!
//! What it takes is what FUSE costs on this machine: no file system of this kind, on this library,
//! can be faster. It asks the kernel for the same things as toft does, and has nothing but files and
//! directories; rows that need more are left out.

use super::place::Place;
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, ReplyXattr,
    Request, SessionACL, TimeOrNow, WriteFlags,
};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// As toft has.
const THREADS: usize = 2;
const MAX_WRITE: u32 = 1 << 20;

enum Node {
    File(Vec<u8>),
    Link(Vec<u8>),
    Directory(BTreeMap<OsString, u64>),
    Gone,
}

/// By inode number; the root is 1.
struct Tree(Vec<Node>);

impl Tree {
    /// What lies at `dir`, but for a `.git` at the top.
    fn load(dir: &Path) -> Self {
        let mut tree = Self(vec![Node::Gone]);
        tree.add(dir, true);
        tree
    }

    fn add(&mut self, path: &Path, top: bool) -> u64 {
        let ino = self.0.len() as u64;
        let kind = fs::symlink_metadata(path).expect("stat").file_type();
        self.0.push(Node::Directory(BTreeMap::new()));
        self.0[ino as usize] = if kind.is_dir() {
            let names = fs::read_dir(path).expect("readdir").map(|entry| entry.expect("readdir"));
            let names = names.map(|entry| entry.file_name()).filter(|name| !top || name != ".git");
            let add = |name: OsString| (name.clone(), self.add(&path.join(name), false));
            Node::Directory(names.map(add).collect())
        } else if kind.is_symlink() {
            Node::Link(fs::read_link(path).expect("readlink").into_os_string().into_vec())
        } else {
            Node::File(fs::read(path).expect("read"))
        };
        ino
    }

    fn attr(&self, ino: u64) -> Option<FileAttr> {
        let (kind, perm, size) = match self.0.get(ino as usize)? {
            Node::File(content) => (FileType::RegularFile, 0o644, content.len() as u64),
            Node::Link(target) => (FileType::Symlink, 0o777, target.len() as u64),
            Node::Directory(_) => (FileType::Directory, 0o755, 4096),
            Node::Gone => return None,
        };
        let (nlink, blocks) = (1, size.div_ceil(512));
        let (atime, mtime, ctime, crtime) = (UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH, UNIX_EPOCH);
        let (uid, gid, rdev, blksize, flags, ino) = (0, 0, 0, 4096, 0, INodeNo(ino));
        Some(FileAttr {
            ino,
            size,
            blocks,
            atime,
            mtime,
            ctime,
            crtime,
            kind,
            perm,
            nlink,
            uid,
            gid,
            rdev,
            blksize,
            flags,
        })
    }

    fn names(&self, dir: INodeNo) -> &BTreeMap<OsString, u64> {
        match &self.0[dir.0 as usize] {
            Node::Directory(names) => names,
            _ => panic!("not a directory"),
        }
    }

    fn names_mut(&mut self, dir: INodeNo) -> &mut BTreeMap<OsString, u64> {
        match &mut self.0[dir.0 as usize] {
            Node::Directory(names) => names,
            _ => panic!("not a directory"),
        }
    }

    fn content(&mut self, ino: INodeNo) -> &mut Vec<u8> {
        match &mut self.0[ino.0 as usize] {
            Node::File(content) => content,
            _ => panic!("not a file"),
        }
    }

    fn make(&mut self, parent: INodeNo, name: &OsStr, node: Node) -> FileAttr {
        let ino = self.0.len() as u64;
        self.0.push(node);
        self.names_mut(parent).insert(name.to_owned(), ino);
        self.attr(ino).expect("it was made")
    }

    fn remove(&mut self, parent: INodeNo, name: &OsStr) {
        let ino = self.names_mut(parent).remove(name).expect("the kernel looked");
        self.0[ino as usize] = Node::Gone;
    }
}

struct Server(Arc<RwLock<Tree>>);

const GENERATION: Generation = Generation(0);

impl Filesystem for Server {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for flag in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
            InitFlags::FUSE_HANDLE_KILLPRIV_V2,
        ] {
            let _ = config.add_capabilities(flag);
        }
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = self.0.read();
        let found = tree.names(parent).get(name).and_then(|ino| tree.attr(*ino));
        // Number 0: there is none, for ever.
        let none = || FileAttr { ino: INodeNo(0), ..tree.attr(1).expect("the root") };
        reply.entry(&FOREVER, &found.unwrap_or_else(none), GENERATION);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.read().attr(ino.0) {
            Some(attr) => reply.attr(&FOREVER, &attr),
            None => reply.error(Errno::ESTALE),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut tree = self.0.write();
        if let Some(size) = size {
            tree.content(ino).resize(usize::try_from(size).expect("it fits"), 0);
        }
        reply.attr(&FOREVER, &tree.attr(ino.0).expect("it is there"));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match &self.0.read().0[ino.0 as usize] {
            Node::Link(target) => reply.data(target),
            _ => reply.error(Errno::EINVAL),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let attr = self.0.write().make(parent, name, Node::Directory(BTreeMap::new()));
        reply.entry(&FOREVER, &attr, GENERATION);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let attr = self.0.write().make(parent, name, Node::File(Vec::new()));
        let flags = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH;
        reply.created(&FOREVER, &attr, GENERATION, FileHandle(0), flags);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.0.write().remove(parent, name);
        reply.ok();
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.0.write().remove(parent, name);
        reply.ok();
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::NO_XATTR);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let tree = self.0.read();
        let Node::File(content) = &tree.0[ino.0 as usize] else {
            return reply.error(Errno::EISDIR);
        };
        let from = usize::try_from(offset).map_or(content.len(), |from| from.min(content.len()));
        reply.data(&content[from..content.len().min(from + size as usize)]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut tree = self.0.write();
        let (content, from) = (tree.content(ino), usize::try_from(offset).expect("it fits"));
        if content.len() < from + data.len() {
            content.resize(from + data.len(), 0);
        }
        content[from..from + data.len()].copy_from_slice(data);
        reply.written(u32::try_from(data.len()).expect("one request"));
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let tree = self.0.read();
        for (place, (name, ino)) in tree.names(ino).iter().enumerate().skip(offset as usize) {
            let kind = tree.attr(*ino).expect("it is there").kind;
            if reply.add(INodeNo(*ino), place as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let tree = self.0.read();
        for (place, (name, ino)) in tree.names(ino).iter().enumerate().skip(offset as usize) {
            let attr = tree.attr(*ino).expect("it is there");
            if reply.add(INodeNo(*ino), place as u64 + 1, name, &FOREVER, &attr, GENERATION) {
                break;
            }
        }
        reply.ok();
    }
}

/// The server's mount.
pub struct Bare {
    tree: Arc<RwLock<Tree>>,
    root: PathBuf,
}

impl Bare {
    pub fn of(checkout: &Path, root: PathBuf) -> Self {
        fs::create_dir_all(&root).expect("mkdir");
        let place = Self { tree: Arc::new(RwLock::new(Tree::load(checkout))), root };
        place.mount();
        place
    }

    fn mount(&self) {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").expect("fuse");
        let data = format!(
            "fd={},rootmode=40755,user_id=0,group_id=0,default_permissions,allow_other",
            device.as_raw_fd()
        );
        let data = std::ffi::CString::new(data).expect("no NUL");
        let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV;
        rustix::mount::mount("bare", &self.root, "fuse", flags, data.as_c_str()).expect("root");
        let mut config = Config::default();
        (config.n_threads, config.clone_fd) = (Some(THREADS), true);
        let server = Server(self.tree.clone());
        let session = fuser::Session::from_fd(server, device.into(), SessionACL::All, config);
        let session = session.expect("a session");
        std::thread::spawn(move || session.run());
        let stat = fs::metadata(&self.root).expect("stat");
        let device = std::os::unix::fs::MetadataExt::dev(&stat);
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let read_ahead = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
        fs::write(read_ahead, (MAX_WRITE >> 10).to_string()).expect("root");
    }

    fn unmount(&self) {
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(&self.root, flags).expect("unmount");
    }
}

impl Place for Bare {
    fn driver(&self) -> &'static str {
        "bare"
    }
    fn root(&self) -> &Path {
        &self.root
    }
    fn mount_anew(&mut self) -> Option<Duration> {
        self.unmount();
        let start = Instant::now();
        self.mount();
        Some(start.elapsed())
    }
    fn can(&self, workload: &str) -> bool {
        let more = ["git", "commit", "rename", "cargo", "make", "npm", "headers"];
        more.iter().all(|word| !workload.contains(word))
    }
    fn commit(&self, _message: &str) {
        panic!("it has no git");
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.unmount();
    }
}
