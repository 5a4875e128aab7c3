//! Hundreds of random trees, rules and changes, each compared with git.

use crate::git::GITS;
use crate::random::Random;
use crate::world::{Plain, World};
use std::path::{Path, PathBuf};
use toft::types::HashKind;

/// None sorts before `.gitattributes`: when that one is deleted, git goes on with the rules that it had
/// read for such a path, and drops them for the others.
const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"c.txt",
    b"d.log",
    b"build",
    b"src",
    b"lib",
    b"x.crlf",
    b"na me",
    b"x-dash",
    b"\xff\xfe",
    b"\xc3\xa9t\xc3\xa9",
    b"Git",
    b".gitx",
    b"git~2",
    b"A",
    b"lib.txt",
    b"lib-x",
];
const CONTENTS: &[&[u8]] = &[
    b"",
    b"x\n",
    b"x\r\ny\r\n",
    b"x\ny\r\n",
    b"\0bin\r\n",
    b"$Id: abc$\n",
    b"no newline",
    b"y\n",
    b"\xff\r\n",
    b"lone \r here\n",
];
const IGNORES: &[&str] = &[
    "*.log",
    "build/",
    "/src/*",
    "!src/c.txt",
    "lib",
    "!*.log",
    "a",
    "**/b",
    "# note",
    "\\#x",
    "/a/b",
    "src/**/c.txt",
    "!/src/",
    "*.txt",
    "!lib.txt",
    "/build",
    "lib/*",
    "!lib/a",
    ".gitx",
    "nested*",
    "*",
    "!*/",
    "!.gitignore",
];
const ATTRIBUTES: &[&str] = &[
    "* text=auto",
    "*.crlf text",
    "*.txt -text",
    "c.txt eol=crlf",
    "*.log ident",
    "a text",
    "/src/** text",
    "lib/a binary",
    "*.txt eol=lf",
    "* !text",
];

struct Case {
    random: Random,
    nested: PathBuf,
}

/// Something that files can be changed in.
trait Files {
    fn plain(&self) -> &Plain;
    fn write(&mut self, path: &[u8], bytes: &[u8]);
    fn apply(&mut self, action: Action<'_>);
}

enum Action<'a> {
    Chmod(&'a [u8], u32),
    Symlink(&'a [u8], &'a [u8]),
    Mkdir(&'a [u8]),
    Rename(&'a [u8], &'a [u8]),
    Remove(&'a [u8]),
    Link(&'a [u8], &'a [u8]),
    Fifo(&'a [u8]),
    CopyIn(&'a Path, &'a [u8]),
}

impl Files for Plain {
    fn plain(&self) -> &Plain {
        self
    }
    fn write(&mut self, path: &[u8], bytes: &[u8]) {
        Plain::write(self, path, bytes);
    }
    fn apply(&mut self, action: Action<'_>) {
        match action {
            Action::Chmod(path, perm) => self.chmod(path, perm),
            Action::Symlink(path, target) => self.symlink(path, target),
            Action::Mkdir(path) => self.mkdir(path),
            Action::Rename(from, to) => self.rename(from, to),
            Action::Remove(path) => self.remove(path),
            // The base holds neither.
            Action::Link(..) | Action::Fifo(_) => {}
            Action::CopyIn(from, to) => {
                let to = self.dir.join(crate::world::os(to));
                let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status();
                assert!(status.unwrap().success());
            }
        }
    }
}

impl Files for World {
    fn plain(&self) -> &Plain {
        &self.plain
    }
    fn write(&mut self, path: &[u8], bytes: &[u8]) {
        World::write(self, path, bytes);
    }
    fn apply(&mut self, action: Action<'_>) {
        match action {
            Action::Chmod(path, perm) => self.chmod(path, perm),
            Action::Symlink(path, target) => self.symlink(path, target),
            Action::Mkdir(path) => self.mkdir(path),
            Action::Rename(from, to) => self.rename(from, to),
            Action::Remove(path) => self.remove(path),
            Action::Link(path, new) => self.link(path, new),
            Action::Fifo(path) => self.fifo(path),
            Action::CopyIn(from, to) => {
                self.mkdir(to);
                self.copy_in(from, to);
            }
        }
    }
}

impl Case {
    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.random.below(from.len())]
    }

    /// A directory that exists, as a prefix.
    fn dir(&mut self, files: &impl Files) -> Vec<u8> {
        let mut dirs: Vec<_> =
            files.plain().paths().into_iter().filter(|path| path.ends_with(b"/")).collect();
        dirs.push(Vec::new());
        let at = self.random.below(dirs.len());
        dirs.swap_remove(at)
    }

    fn new_path(&mut self, files: &impl Files) -> Vec<u8> {
        [self.dir(files).as_slice(), self.pick(NAMES)].concat()
    }

    fn existing(&mut self, files: &impl Files, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let mut paths = files.plain().paths();
        paths.iter_mut().for_each(|path| {
            if path.ends_with(b"/") {
                path.pop();
            }
        });
        paths.retain(|path| wanted(path));
        (!paths.is_empty()).then(|| paths.swap_remove(self.random.below(paths.len())))
    }

    fn lines(&mut self, from: &[&str]) -> Vec<u8> {
        let count = self.random.below(4);
        (0..count).map(|_| format!("{}\n", self.pick(from))).collect::<String>().into_bytes()
    }

    fn step(&mut self, files: &mut impl Files) {
        let is_file = |files: &Plain, path: &[u8]| {
            let path = files.dir.join(crate::world::os(path));
            path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        };
        match self.random.below(20) {
            0..=5 => {
                let path = self.new_path(files);
                let bytes = self.pick(CONTENTS).to_vec();
                clear(files, &path);
                files.write(&path, &bytes);
            }
            6 => {
                let path = [self.dir(files).as_slice(), b".gitignore"].concat();
                let bytes = self.lines(IGNORES);
                clear(files, &path);
                files.write(&path, &bytes);
            }
            7 => {
                let path = [self.dir(files).as_slice(), b".gitattributes"].concat();
                let bytes = self.lines(ATTRIBUTES);
                clear(files, &path);
                files.write(&path, &bytes);
            }
            8 | 9 => {
                let file = self.existing(files, |path| is_file(files.plain(), path));
                let Some(path) = file else { return };
                let bytes = [files.plain().read(&path).as_slice(), self.pick(CONTENTS)].concat();
                files.write(&path, &bytes);
            }
            10 => {
                let file = self.existing(files, |path| is_file(files.plain(), path));
                let Some(path) = file else { return };
                // Written too: what git has not normalised yet it would normalise now.
                let bytes = files.plain().read(&path);
                files.write(&path, &bytes);
                let perm = [0o755, 0o644, 0o700, 0o611][self.random.below(4)];
                files.apply(Action::Chmod(&path, perm));
            }
            11 => {
                let path = self.new_path(files);
                let target = self.pick(NAMES);
                clear(files, &path);
                files.apply(Action::Symlink(&path, target));
            }
            12 => {
                let path = self.new_path(files);
                if !files.plain().exists(&path) {
                    files.apply(Action::Mkdir(&path));
                }
            }
            13 | 14 => {
                // A FIFO in the place of a tracked file is more than git add can take.
                let from = self.existing(files, |path| !path.ends_with(b"pipe"));
                let Some(from) = from else { return };
                let to = self.new_path(files);
                let inside = |a: &[u8], b: &[u8]| a == b || a.starts_with(&[b, b"/"].concat());
                if inside(&to, &from) || inside(&from, &to) {
                    return;
                }
                clear(files, &to);
                files.apply(Action::Rename(&from, &to));
            }
            15 | 16 => {
                let Some(path) = self.existing(files, |_| true) else { return };
                files.apply(Action::Remove(&path));
            }
            17 => {
                let file = self.existing(files, |path| is_file(files.plain(), path));
                let (Some(path), to) = (file, self.new_path(files)) else { return };
                if !files.plain().exists(&to) {
                    files.apply(Action::Link(&path, &to));
                }
            }
            18 => {
                let path = [self.dir(files).as_slice(), b"pipe"].concat();
                if !files.plain().exists(&path) {
                    files.apply(Action::Fifo(&path));
                }
            }
            _ => {
                let mut path = self.dir(files);
                path.pop();
                if path.is_empty() || self.random.below(2) == 0 {
                    path = [self.dir(files).as_slice(), b"nested"].concat();
                    if files.plain().exists(&path) {
                        return;
                    }
                    files.apply(Action::Mkdir(&path));
                }
                path.extend_from_slice(b"/.git");
                if !files.plain().exists(&path) {
                    let nested = self.nested.clone();
                    files.apply(Action::CopyIn(&nested, &path));
                }
            }
        }
    }
}

fn clear(files: &mut impl Files, path: &[u8]) {
    if files.plain().exists(path) {
        files.apply(Action::Remove(path));
    }
}

/// The `.git` of a repository with one commit.
fn template(git: &'static str, hash: HashKind, dir: &Path) -> PathBuf {
    let mut plain = Plain::init(git, dir, hash);
    plain.write(b"inside", b"a repository of its own\n");
    plain.commit();
    for extra in ["hooks", "logs", "info", "branches"] {
        let _ = std::fs::remove_dir_all(dir.join(".git").join(extra));
    }
    dir.join(".git")
}

fn run(seed: u64) {
    let git = GITS[(seed % 2) as usize];
    if !Path::new(git).exists() {
        return;
    }
    let hash = if seed % 5 == 4 { HashKind::Sha256 } else { HashKind::Sha1 };
    let scratch = tempfile::tempdir().unwrap();
    let nested = template(git, hash, scratch.path());
    let mut case = Case { random: Random::new(seed), nested };
    let mut world = World::with(git, hash, |seed| {
        for _ in 0..25 {
            case.step(seed);
        }
    });
    for _ in 0..3 {
        for _ in 0..8 {
            case.step(&mut world);
        }
        world.check();
        world.seal_both();
        assert!(world.plan().is_clean(), "a second seal finds nothing to do");
    }
    world.git(&["fsck", "--strict", "--no-dangling"]);
}

fn run_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn random_changes_seal_as_git_adds_them() {
    let seeds = std::env::var("TOFT_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    run_all(seeds.unwrap_or(0..40));
}
