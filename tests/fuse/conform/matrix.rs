//! A table of calls on kinds of objects, played on the local disk and in mounts.

use super::oracle;
use super::raw::{as_user, errno_name};
use super::snapshot::{self, Before};
use super::stage::{self, Kind};
use crate::view::{Lower, State};
use crate::world::{World, is_root};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What a call answers; the text is whatever it told.
pub type Answer = io::Result<String>;

/// Where a call is made.
pub struct Site {
    pub dir: PathBuf,
    pub it: PathBuf,
}

impl Site {
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The call of a row.
pub type Row = (&'static str, Act);

/// A call.
pub type Act = fn(&Site) -> Answer;

/// Forgets what a call told.
pub fn done<T, E: Into<io::Error>>(result: Result<T, E>) -> Answer {
    result.map(|_| String::new()).map_err(Into::into)
}

pub struct Matrix {
    pub name: &'static str,
    pub kinds: &'static [Kind],
    pub rows: &'static [Row],
    /// A line a row: its name and the errno for each kind, `.` for none, `A/B` where root and
    /// others differ, `?` where it hangs on how the machine is set up (sysctl) and the local disk
    /// alone decides. The first line names the kinds.
    pub table: &'static str,
    /// Where a mount need not do as the local disk does: row, kind (each may end in `*`), reason. The table
    /// holds all the same.
    pub differences: &'static [(&'static str, &'static str, &'static str)],
    /// Whether calls are made as a user whom nothing belongs to.
    pub as_stranger: bool,
}

/// Where the objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Disk,
    /// From the base, untouched and not yet looked at since the mount.
    Base,
    /// From the base, each touched before.
    Touched,
    /// Made in the mount.
    New,
    /// From the base, in a directory that was moved, then remounted.
    Moved,
}

const MOUNTS: [Side; 4] = [Side::Base, Side::New, Side::Touched, Side::Moved];

impl Side {
    /// Whether cell number `cell` is played there: on untouched objects of the base always, and on
    /// one more by turns. As an ordinary user, where what differs is what the kernel refuses, on one.
    fn plays(self, cell: usize) -> bool {
        match (self, is_root()) {
            (Side::Disk, _) | (Side::Base, true) => true,
            (Side::New, true) => cell.is_multiple_of(3),
            (Side::Touched, true) => cell % 3 == 1,
            (Side::Moved, true) => cell % 3 == 2,
            (Side::Base, false) => cell.is_multiple_of(2),
            (Side::New, false) => cell % 2 == 1,
            (Side::Touched | Side::Moved, false) => false,
        }
    }
}

/// What a cell led to: the errno, what the call told, and the state behind it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    errno: String,
    told: String,
    state: BTreeMap<PathBuf, String>,
}

impl Matrix {
    fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        let possible = |kind: &&Kind| is_root() || !(kind.for_root || self.as_stranger);
        self.kinds.iter().filter(possible)
    }

    /// How many outcomes are asserted: each cell in each mount, and again after a remount.
    pub fn assertions(&self) -> usize {
        let cells = 0..self.kinds().count() * self.rows.len();
        cells.map(|cell| 2 * MOUNTS.iter().filter(|side| side.plays(cell)).count()).sum()
    }

    /// Plays all, and fails with everything that is not as it must be.
    pub fn run(&self) {
        if self.as_stranger && !is_root() {
            return;
        }
        let oracle = oracle::dir().map(|dir| Play::on_disk(self, dir.path()));
        if std::env::var_os("TOFT_TEST_PRINT").is_some() {
            self.print(oracle.as_ref().expect("a local disk to print from"));
            return;
        }
        let lower = stage::lower(self.kinds, self.rows.len());
        let expected = self.expected();
        let mut wrong = Vec::new();
        let mut count = 0;
        for side in
            MOUNTS.into_iter().filter(|side| side.plays(0) || side.plays(1) || side.plays(2))
        {
            let (play, again) = Play::in_mount(self, &lower, side);
            for (cell, outcome) in &play.outcomes {
                count += 2;
                let place = format!("{} {cell:?} {side:?}", self.name);
                if expected[cell] != "?" && outcome.errno != expected[cell] {
                    wrong.push(format!("{place}: {} not {}", outcome.errno, expected[cell]));
                }
                if again[cell] != outcome.state {
                    wrong.push(format!(
                        "{place}, remounted: {}",
                        differ(&again[cell], &outcome.state)
                    ));
                }
                let Some(local) = oracle.as_ref().filter(|_| !self.may_differ(cell)) else {
                    continue;
                };
                let local = &local.outcomes[cell];
                if local.errno != outcome.errno || local.told != outcome.told {
                    let told = |outcome: &Outcome| format!("{} {}", outcome.errno, outcome.told);
                    wrong.push(format!("{place}: {}, the disk: {}", told(outcome), told(local)));
                } else if local.state != outcome.state {
                    wrong.push(format!("{place}: {}", differ(&outcome.state, &local.state)));
                }
            }
        }
        assert_eq!(count, self.assertions());
        assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn may_differ(&self, (row, kind): &Cell) -> bool {
        let any = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        };
        row.contains("xattr") && !oracle::has_xattrs()
            || self.differences.iter().any(|(r, k, _)| any(r, row) && any(k, kind))
    }

    /// The table, by cell. Every row and kind must be there, and nothing else.
    fn expected(&self) -> BTreeMap<Cell, String> {
        let mut lines = self.table.lines().map(str::trim).filter(|line| !line.is_empty());
        let kinds: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(kinds, self.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>());
        let mut expected = BTreeMap::new();
        let mut rows = Vec::new();
        for line in lines {
            let mut words = line.split_whitespace();
            let row = words.next().unwrap();
            let row = self
                .rows
                .iter()
                .find(|(name, _)| *name == row)
                .unwrap_or_else(|| panic!("{row}"))
                .0;
            let words: Vec<&str> = words.collect();
            assert_eq!(words.len(), kinds.len(), "{row}");
            rows.push(row);
            for (kind, word) in self.kinds.iter().zip(words) {
                let (root, other) = word.split_once('/').unwrap_or((word, word));
                let errno = if is_root() { root } else { other };
                expected.insert((row, kind.name), errno.to_owned());
            }
        }
        assert_eq!(rows, self.rows.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        expected
    }

    /// Writes the table as the local disk would.
    fn print(&self, oracle: &Play) {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let kinds: Vec<&str> = self.kinds().map(|kind| kind.name).collect();
        let cell = |row, kind| oracle.outcomes[&(row, kind)].errno.clone();
        let columns: Vec<usize> = kinds
            .iter()
            .map(|kind| {
                let cells = self.rows.iter().map(|(row, _)| cell(row, kind).len());
                cells.max().unwrap_or(0).max(kind.len())
            })
            .collect();
        let line = |name: &str, words: Vec<String>| {
            let words = words.iter().zip(&columns).map(|(word, width)| format!(" {word:width$}"));
            println!("{}", format!("{name:width$}{}", words.collect::<String>()).trim_end());
        };
        line("", kinds.iter().map(|kind| (*kind).to_owned()).collect());
        for (row, _) in self.rows {
            line(row, kinds.iter().map(|kind| cell(row, kind)).collect());
        }
    }
}

type Cell = (&'static str, &'static str);

/// The lines of two states that are not the same.
fn differ(got: &BTreeMap<PathBuf, String>, wanted: &BTreeMap<PathBuf, String>) -> String {
    let lines = |map: &BTreeMap<PathBuf, String>| {
        map.iter().map(|(path, line)| format!("{}: {line}", path.display())).collect::<Vec<_>>()
    };
    let (got, wanted) = (lines(got), lines(wanted));
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>().join("\n    ")
    };
    format!("\n  got\n    {}\n  wanted\n    {}", only(&got, &wanted), only(&wanted, &got))
}

/// All cells, staged on one side.
struct Play {
    sites: Vec<(Cell, Act, Site)>,
    before: BTreeMap<Cell, Before>,
    outcomes: BTreeMap<Cell, Outcome>,
    since: (i64, i64),
}

impl Play {
    fn new(matrix: &Matrix, side: Side, root: &Path) -> Play {
        let mut sites = Vec::new();
        let mut cells = 0..;
        for kind in matrix.kinds() {
            for (number, (row, act)) in matrix.rows.iter().enumerate() {
                if !cells.next().is_some_and(|cell| side.plays(cell)) {
                    continue;
                }
                let dir = root.join(kind.name).join(number.to_string());
                let it = dir.join("it");
                sites.push(((*row, kind.name), *act, Site { dir, it }));
            }
        }
        Play { sites, before: BTreeMap::new(), outcomes: BTreeMap::new(), since: (0, 0) }
    }

    fn on_disk(matrix: &Matrix, root: &Path) -> Play {
        let mut play = Play::new(matrix, Side::Disk, root);
        open_to_all(root);
        play.stage(matrix, Side::Disk);
        play.act(matrix.as_stranger);
        play
    }

    /// The play, and the states as they show after a remount.
    fn in_mount(
        matrix: &Matrix,
        lower: &Lower,
        side: Side,
    ) -> (Play, BTreeMap<Cell, BTreeMap<PathBuf, String>>) {
        let mut world = World::with(State::new(lower));
        let place = match side {
            Side::Moved => "moved",
            Side::New => "new",
            _ => "",
        };
        if side == Side::Moved {
            std::fs::create_dir(world.path(place)).unwrap();
            for kind in matrix.kinds() {
                let to = world.path(place).join(kind.name);
                std::fs::rename(world.path(kind.name), to).unwrap();
            }
        }
        let mut play = Play::new(matrix, side, &world.path(place));
        play.stage(matrix, side);
        if matches!(side, Side::Base | Side::Moved) {
            world.remount();
        }
        play.act(matrix.as_stranger);
        world.remount();
        let states = play.sites.iter().map(|(cell, _, site)| {
            (*cell, snapshot::after(&site.dir, &play.before[cell], play.since))
        });
        let states = states.collect();
        (play, states)
    }

    fn stage(&mut self, matrix: &Matrix, side: Side) {
        let kind_of = |name| matrix.kinds.iter().find(|kind| kind.name == name).unwrap();
        for (cell, _, site) in &self.sites {
            let kind = kind_of(cell.1);
            match side {
                Side::Disk | Side::New => kind.build(&site.dir),
                Side::Touched => kind.touch(&site.dir),
                Side::Base | Side::Moved => {}
            }
            (kind.adapt)(&site.dir);
            let before = stage::age(&site.dir, side == Side::Touched);
            self.before.insert(*cell, before);
        }
    }

    fn act(&mut self, as_stranger: bool) {
        self.since = snapshot::now_at_last();
        let sites = &self.sites;
        let act = || sites.iter().map(|(_, act, site)| act(site)).collect::<Vec<_>>();
        let answers = if as_stranger { as_user(super::raw::STRANGER, act) } else { act() };
        for ((cell, _, site), answer) in self.sites.iter().zip(answers) {
            let state = snapshot::after(&site.dir, &self.before[cell], self.since);
            let errno = errno_name(&answer);
            let told = answer.unwrap_or_default();
            self.outcomes.insert(*cell, Outcome { errno, told, state });
        }
    }
}

/// A temporary directory is its owner's alone; a mount's root is not.
fn open_to_all(dir: &Path) {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir, open).unwrap();
}
