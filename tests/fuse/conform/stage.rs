//! Where a cell of a table is played: a directory with one object, `it`, and a file `t`. `free` is a
//! name that is not taken.

use super::snapshot::{self, Before, OLD};
use crate::view::{Given, Lower};
use crate::world::SUBMODULE;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// What git can hold.
#[derive(Clone, Copy)]
pub enum Thing {
    File(&'static str),
    Exec(&'static str),
    Link(&'static str),
    /// An empty directory: a submodule.
    Void,
}

/// A kind of object: what of it comes from the base, and what is done to it in any case.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub base: &'static [(&'static str, Thing)],
    pub adapt: fn(&Path),
    /// Only root can make it.
    pub for_root: bool,
}

impl Kind {
    pub const fn of_base(name: &'static str, base: &'static [(&'static str, Thing)]) -> Kind {
        Kind { name, base, adapt: |_| {}, for_root: false }
    }

    fn things(&self) -> impl Iterator<Item = (&'static str, Thing)> {
        [("t", Thing::File("target\n"))].into_iter().chain(self.base.iter().copied())
    }

    /// What stands in the base for a stage.
    pub fn given(&self, stage: &str) -> Vec<(Vec<u8>, Given)> {
        let given = |thing| match thing {
            Thing::File(text) => Given::File(text.into()),
            Thing::Exec(text) => Given::Exec(text.into()),
            Thing::Link(target) => Given::Link(target.into()),
            Thing::Void => Given::Gitlink(SUBMODULE),
        };
        let path = |name: &str| format!("{stage}/{name}").into_bytes();
        self.things().map(|(name, thing)| (path(name), given(thing))).collect()
    }

    /// Makes by hand what the base would show.
    pub fn build(&self, stage: &Path) {
        fs::create_dir_all(stage).unwrap();
        for (name, thing) in self.things() {
            let path = stage.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match thing {
                Thing::File(text) => fs::write(&path, text).unwrap(),
                Thing::Exec(text) => {
                    fs::write(&path, text).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                }
                Thing::Link(target) => symlink(target, &path).unwrap(),
                Thing::Void => fs::create_dir(&path).unwrap(),
            }
        }
    }

    /// Makes everything that came from the base the overlay's, as it was.
    pub fn touch(&self, stage: &Path) {
        for (name, thing) in self.things() {
            let path = stage.join(name);
            match thing {
                Thing::File(text) | Thing::Exec(text) => {
                    // As long as before, so that nothing is cut off and it becomes the overlay's.
                    let file = fs::File::options().write(true).open(&path).unwrap();
                    std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), 0).unwrap();
                }
                Thing::Link(_) | Thing::Void => {}
            }
        }
    }
}

/// The base of the mounts: for each kind so many stages.
pub fn lower(kinds: &[Kind], stages: usize) -> Lower {
    let numbers =
        |kind: &Kind| (0..stages).map(|n| format!("{}/{n}", kind.name)).collect::<Vec<_>>();
    Lower::new(kinds.iter().flat_map(|kind| {
        let stages = numbers(kind);
        stages.into_iter().flat_map(|stage| kind.given(&stage)).collect::<Vec<_>>()
    }))
}

/// Sets the time of all that is in `dir` to what the base shows; of what shows it already only when
/// `all` is asked for, for that touches it. Returns what there is.
pub fn age(dir: &Path, all: bool) -> Before {
    let mut known = Before::new();
    let mut old = Vec::new();
    snapshot::walk(dir, Path::new("."), &mut |path, stat| {
        known.insert(snapshot::identity(stat), path.to_owned());
        if all || (stat.mtime(), stat.mtime_nsec()) != (OLD, 0) {
            old.push(dir.join(path));
        }
    });
    // A directory stands before what is in it; nothing here changes its time again.
    old.iter().for_each(|path| set_time(path));
    known
}

fn set_time(path: &Path) {
    let old = Timespec { tv_sec: OLD, tv_nsec: 0 };
    let times = Timestamps { last_access: old, last_modification: old };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
