//! rename(2) and renameat2(2): each kind onto each kind, in each mode.

use super::matrix::{Answer, Matrix, Row, Site, done};
use super::stage::{Kind, Thing};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use std::fs;
use std::path::Path;

/// What is renamed: `it`. Each stage has targets beside it: `file`, `void`, `full` come from
/// where the stage comes from; `fresh` and `freshdir` are made there.
macro_rules! source {
    ($name:literal, $it:expr, $adapt:expr) => {
        Kind {
            name: $name,
            base: &[
                ("file", Thing::File("a file\n")),
                ("void", Thing::Void),
                ("full/x", Thing::File("x\n")),
                $it,
            ],
            adapt: |stage| {
                fs::write(stage.join("fresh"), "fresh\n").unwrap();
                fs::create_dir(stage.join("freshdir")).unwrap();
                let adapt: fn(&Path) = $adapt;
                adapt(stage);
            },
            for_root: false,
        }
    };
}

const SOURCES: &[Kind] = &[
    source!("file", ("it", Thing::File("it is\n")), |_| {}),
    source!("void", ("it", Thing::Void), |_| {}),
    source!("full", ("it/sub/y", Thing::File("y\n")), |_| {}),
    source!("twin", ("it", Thing::File("it is\n")), |stage| {
        fs::hard_link(stage.join("it"), stage.join("other")).unwrap();
    }),
    source!("newfull", ("other", Thing::Void), |stage| {
        fs::create_dir_all(stage.join("it/sub")).unwrap();
        fs::write(stage.join("it/sub/y"), "y").unwrap();
    }),
    source!("fifo", ("other", Thing::Void), |stage| {
        mknodat(CWD, stage.join("it"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }),
    source!("gone", ("other", Thing::Void), |_| {}),
];

fn rename(site: &Site, from: &str, to: &str, flags: RenameFlags) -> Answer {
    done(renameat_with(CWD, site.at(from), CWD, site.at(to), flags))
}

macro_rules! targets {
    ($($target:literal $short:literal),* $(,)?) => {
        &[$(
            (concat!("to_", $short), |site| rename(site, "it", $target, RenameFlags::empty())),
            (concat!("noreplace_", $short), |site| rename(site, "it", $target, RenameFlags::NOREPLACE)),
            (concat!("exchange_", $short), |site| rename(site, "it", $target, RenameFlags::EXCHANGE)),
            (concat!("whiteout_", $short), |site| rename(site, "it", $target, RenameFlags::WHITEOUT)),
        )*]
    };
}

const ROWS: &[Row] = targets![
    "file" "file",
    "void" "void",
    "full" "full",
    "fresh" "fresh",
    "freshdir" "freshdir",
    "free" "free",
    "other" "other",
    "it" "itself",
    "full/new" "moved_down",
    "it/new" "below_itself",
    "it/sub" "onto_child",
    "gone/new" "nowhere",
    "file/new" "below_file",
];

pub const RENAMES: Matrix = Matrix {
    name: "renames",
    kinds: SOURCES,
    rows: ROWS,
    table: include_str!("renames.table"),
    differences: &[("whiteout_full", "*", "ext4 stamps the directory before it refuses")],
    as_stranger: false,
};

#[test]
fn every_kind_onto_every_kind_in_every_mode_as_on_the_local_disk() {
    RENAMES.run();
}
