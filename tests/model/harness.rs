//! Runs operations on the model and on a system, and compares.

use crate::generators;
pub use crate::ground::{HIDDEN, base, lower};
use crate::ops::{Dir, Op, Place, Step};
use crate::reference::{Errno, Id, Kind, Model, Node, ROOT, When, base_time};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use toft::types::{Attr, Ino, Timespec};

/// How many steps pass between two comparisons of everything.
const CHECK_EVERY: usize = 8;
/// What a file looks like from outside.
#[derive(Clone, Debug)]
pub struct Seen {
    pub attr: Attr,
    pub bytes: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a directory: names, inode numbers and kinds as listed, with `.` and `..` checked already.
    pub listed: Option<Vec<(Vec<u8>, Ino)>>,
}

/// Something that does what the model says.
pub trait System {
    /// Does `step`, in the state before it is done to the model.
    fn apply(&mut self, step: &Step, model: &Model) -> Result<u64, Errno>;
    /// Looks at the file at `path`.
    fn see(&mut self, path: &[Vec<u8>]) -> Seen;
    /// Looks at an open file.
    fn see_open(&mut self, slot: usize) -> Seen;
    /// Looks at an open directory; of one that was removed only the attributes.
    fn see_open_dir(&mut self, slot: usize) -> Attr;
    /// Looks inside, where that can be done.
    fn check(&mut self) {}
}

/// Runs random cases; a failure is shrunk and printed as operations for a regression test.
pub fn explore<S: System>(seed: u64, cases: u32, start: impl Fn() -> S) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("TOFT_MODEL_SEED").unwrap_or(0) * 1000 + seed;
    let cases = number("TOFT_MODEL_CASES").map_or(cases, |cases| cases as u32);
    println!("seed {seed}, {cases} cases");
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut steps = 0;
    for case in 0..cases {
        let mut tree = generators::ops().new_tree(&mut runner).unwrap();
        steps += tree.current().len();
        let fails = |ops: &[Op]| catch_unwind(AssertUnwindSafe(|| run(start(), ops))).is_err();
        if !fails(&tree.current()) {
            continue;
        }
        shrink(&mut tree, fails);
        println!("seed {seed}, case {case}, shrunk to {:?}", tree.current());
        run(start(), &tree.current());
        panic!("the failure is gone on a second run");
    }
    println!("{steps} operations");
}

fn shrink<T: ValueTree<Value = Vec<Op>>>(tree: &mut T, fails: impl Fn(&[Op]) -> bool) {
    let mut tries = 0;
    if !tree.simplify() {
        return;
    }
    while tries < 3000 {
        tries += 1;
        let more = if fails(&tree.current()) { tree.simplify() } else { tree.complicate() };
        if !more {
            break;
        }
    }
    while !fails(&tree.current()) && tree.complicate() {}
}

/// Runs one sequence; panics where system and model differ.
pub fn run<S: System>(mut system: S, ops: &[Op]) {
    let mut model = Model::new(&base(), &[HIDDEN]);
    let mut judge = Judge::new();
    for (number, op) in ops.iter().enumerate() {
        let Some(step) = model.resolve(op, number) else { continue };
        let got = system.apply(&step, &model);
        let wanted = model.apply(&step);
        assert_eq!(got, wanted, "step {number}: {step:?}");
        if number % CHECK_EVERY == 0 || step == Step::Remount {
            judge.compare(&mut system, &model, number);
            system.check();
        }
    }
    judge.compare(&mut system, &model, ops.len());
}

/// Remembers which inode number the system gave to which file of the model.
pub struct Judge {
    inos: HashMap<Id, Ino>,
    ids: HashMap<Ino, Id>,
    begun: Timespec,
}

impl Judge {
    pub fn new() -> Judge {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let begun = Timespec { sec: now.tv_sec - 1, nsec: now.tv_nsec as u32 };
        Judge { inos: HashMap::new(), ids: HashMap::new(), begun }
    }

    pub fn compare(&mut self, system: &mut impl System, model: &Model, number: usize) {
        let mut todo = vec![(Vec::new(), ROOT)];
        while let Some((path, id)) = todo.pop() {
            let seen = system.see(&path);
            let shown: Vec<_> = path.iter().map(|name| name.escape_ascii().to_string()).collect();
            let at = format!("after step {number}, '{}'", shown.join("/"));
            self.compare_one(model, id, &seen, &at);
            let Kind::Dir { entries, .. } = &model.nodes[id].kind else { continue };
            let mut listed = seen.listed.expect("a directory is listed");
            listed.sort();
            let names: Vec<_> = listed.iter().map(|(name, _)| name.clone()).collect();
            let wanted: Vec<_> = entries.keys().cloned().collect();
            assert_eq!(names, wanted, "{at}: entries");
            for ((name, child), (_, ino)) in entries.iter().zip(&listed) {
                self.same_ino(*child, *ino, &at);
                let path = path.iter().chain([name]).cloned().collect();
                todo.push((path, *child));
            }
        }
        for slot in 0..model.files.len() {
            if let Some(open) = model.files[slot] {
                let seen = system.see_open(slot);
                let at = format!("after step {number}, file slot {slot}");
                self.compare_one(model, open.id, &seen, &at);
            }
        }
        for slot in 0..model.dirs.len() {
            if let Some(id) = model.dirs[slot] {
                let attr = system.see_open_dir(slot);
                assert_eq!(attr.nlink, model.nlink(id), "after step {number}, dir slot {slot}");
                self.same_ino(id, attr.ino, "an open directory");
            }
        }
    }

    fn compare_one(&mut self, model: &Model, id: Id, seen: &Seen, at: &str) {
        let node = &model.nodes[id];
        let attr = &seen.attr;
        self.same_ino(id, attr.ino, at);
        assert_eq!(attr.kind, node.file_kind(), "{at}: kind");
        assert_eq!(attr.perm, node.perm, "{at}: {:o} is not {:o}", attr.perm, node.perm);
        assert_eq!((attr.uid, attr.gid), (node.uid, node.gid), "{at}: owner");
        assert_eq!(attr.nlink, model.nlink(id), "{at}: nlink");
        assert_eq!(seen.xattrs, node.xattrs, "{at}: xattrs");
        match &node.kind {
            Kind::File(bytes) => {
                assert_eq!(attr.size, bytes.len() as u64, "{at}: size");
                assert!(seen.bytes.as_ref() == Some(bytes), "{at}: bytes differ");
            }
            Kind::Link(target) => {
                assert_eq!(attr.size, target.len() as u64, "{at}: size");
                assert_eq!(seen.target.as_ref(), Some(target), "{at}: target");
            }
            _ => {}
        }
        self.compare_times(node, attr, at);
    }

    fn compare_times(&self, node: &Node, attr: &Attr, at: &str) {
        let all = [
            ("atime", node.atime, attr.atime),
            ("mtime", node.mtime, attr.mtime),
            ("ctime", node.ctime, attr.ctime),
        ];
        for (name, wanted, got) in all {
            match wanted {
                When::Base => assert_eq!(got, base_time(), "{at}: {name}"),
                When::At(time) => assert_eq!(got, time, "{at}: {name}"),
                When::Recent => assert!(got >= self.begun, "{at}: {name} {got:?} is old"),
                When::Unknown => {}
            }
        }
    }

    fn same_ino(&mut self, id: Id, ino: Ino, at: &str) {
        let first = *self.inos.entry(id).or_insert(ino);
        assert_eq!(ino, first, "{at}: the inode number changed");
        let owner = *self.ids.entry(ino).or_insert(id);
        assert_eq!(id, owner, "{at}: the inode number was another file's");
    }
}

/// The path of a directory; for systems that go by path.
pub fn dir_path(dir: &Dir) -> Option<&[Vec<u8>]> {
    match dir {
        Dir::Path(path) => Some(path),
        Dir::Slot(_) => None,
    }
}

pub fn place_path(place: &Place) -> Option<Vec<Vec<u8>>> {
    let mut path = dir_path(&place.dir)?.to_vec();
    path.push(place.name.clone());
    Some(path)
}
