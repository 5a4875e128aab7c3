//! The walls of the house, kept by a program: who may import whom, what stands where, how long
//! anything may be. A wall that is in the way is moved here, in a commit that says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room -> the rooms that it may import, itself aside. `types` is open to all.
const WALLS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("sys", &[]),
    ("journal", &["sys"]),
    ("git", &["sys"]),
    ("overlay", &["journal", "sys"]),
    ("base", &["git", "sys"]),
    ("registry", &["sys"]),
    ("store", &["git", "sys"]),
    ("dotgit", &["base", "git", "sys"]),
    ("sync", &["git", "sys"]),
    ("commit", &["overlay", "base", "git", "sys"]),
    ("workspace", &["overlay", "base", "sys"]),
    ("fuse", &["workspace", "sys"]),
    (
        "daemon",
        &[
            "fuse",
            "workspace",
            "commit",
            "sync",
            "dotgit",
            "store",
            "registry",
            "overlay",
            "base",
            "git",
            "journal",
            "sys",
        ],
    ),
    ("cli", &["daemon", "commit", "store", "registry", "git", "sys"]),
];

/// Words that only these places may say in code, and why.
const PLACES: &[(&str, &[&str], &str)] = &[
    ("gix::", &["src/git/", "src/types/mod.rs"], "gix has one owner"),
    ("fuser::", &["src/fuse/"], "fuser has one owner"),
    ("io_uring::", &["src/fuse/ring/"], "the ring has one owner"),
    ("unsafe", &["src/sys/", "src/fuse/ring/", "mount-helper/src/sys.rs"], "few places to prove"),
    (
        "Command::new",
        &[
            "src/git/process.rs",
            "src/daemon/spawn.rs",
            "src/cli/demo/shell.rs",
            "src/fuse/mount.rs",
            "mount-helper/src/run.rs",
        ],
        "children get nothing that was not chosen",
    ),
    ("sync_all", &["src/sys/"], "fsyncs are counted and can be made to fail"),
    ("sync_data", &["src/sys/"], "fsyncs are counted and can be made to fail"),
    ("fs::fsync", &["src/sys/"], "fsyncs are counted and can be made to fail"),
    ("parking_lot", OWN_LOCKS, "tests/races decides at each lock: sys::locks"),
    ("sync::atomic", OWN_LOCKS, "tests/races decides at each number: sys::locks"),
    ("println!", &["mount-helper/src/"], "it panics on a full disk: output::line, output::talk"),
    ("print!", &[], "it panics on a full disk: output::line, output::talk"),
    (".unwrap()", &[], "say why it holds: expect(\"why\")"),
    ("todo!", &[], "no stubs"),
    ("unimplemented!", &[], "no stubs"),
    ("dbg!", &[], "no leftovers"),
];

/// Where locks are used that no scheduler plays with: `sys::locks`, and the rooms that no file
/// operation waits in.
const OWN_LOCKS: &[&str] = &[
    "src/sys/",
    "src/git/",
    "src/commit/",
    "src/sync/",
    "src/fuse/",
    "src/daemon/",
    "mount-helper/",
    "src/base/spill.rs", // a static number
];

/// Words that a file whose head says "Pure." must not say.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::net",
    "std::env",
    "Mutex",
    "RwLock",
    "Instant",
    "SystemTime",
    "rustix",
    "crate::sys",
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files and functions that are over the ceiling, with their length. The list only shrinks.
const TOO_LONG: &[(&str, usize)] = &[];

/// A source file: its path from the root, and its lines of code before its tests, without comments.
struct Source {
    path: String,
    text: String,
    code: Vec<String>,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Source {
        let text = fs::read_to_string(path).expect("a source file is text");
        let path = path.strip_prefix(root).expect("below the root").to_str().expect("text");
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").map(without_comment);
        Source { path: path.to_owned(), code: code.collect(), text }
    }

    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split_once('/').map(|(room, _)| room)
    }

    fn says(&self, word: &str) -> Vec<usize> {
        let whole = |line: &str| {
            let found = line.match_indices(word);
            let is_word =
                |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
            let bytes = line.as_bytes();
            let mut places = found.filter(|(at, _)| {
                let end = at + word.len();
                let before = at.checked_sub(1).and_then(|at| bytes.get(at));
                let (first, last) = (bytes[*at], bytes[end - 1]);
                let goes_on_before = is_word(Some(&first)) && is_word(before);
                let goes_on_after = is_word(Some(&last)) && is_word(bytes.get(end));
                !goes_on_before && !goes_on_after
            });
            places.next().is_some()
        };
        (1..).zip(&self.code).filter(|(_, line)| whole(line)).map(|(number, _)| number).collect()
    }
}

/// The line up to its comment. A `//` inside a string ends it too: good enough for these checks.
fn without_comment(line: &str) -> String {
    let end = line.match_indices("//").map(|(at, _)| at).find(|at| !line[..*at].ends_with(':'));
    line[..end.unwrap_or(line.len())].to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut files = files_below(&root.join("src"));
    files.extend(files_below(&root.join("mount-helper/src")));
    // unit tests in files of their own are tests
    files.retain(|path| path.file_name().is_none_or(|name| name != "tests.rs"));
    files.iter().map(|path| Source::read(&root, path)).collect()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn rooms_import_only_what_their_walls_let_through() {
    let walls: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        let Some(allowed) = walls.get(room) else {
            wrong.push(format!("{}: the room '{room}' has no walls", source.path));
            continue;
        };
        for (number, line) in (1..).zip(&source.code) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let other: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let open = other == room || other == "types" || allowed.contains(&other.as_str());
                if !open && walls.contains_key(other.as_str()) {
                    wrong.push(format!("{}:{number}: {room} -> {other}", source.path));
                }
            }
            if line.contains("crate::{") {
                wrong.push(format!("{}:{number}: import each room on its own line", source.path));
            }
        }
    }
    assert_none("imports through a wall", &wrong);
}

#[test]
fn the_walls_name_the_rooms_that_there_are_and_hold_no_circle() {
    let rooms: BTreeSet<String> =
        sources().iter().filter_map(|s| s.room().map(str::to_owned)).collect();
    let named: BTreeSet<String> = WALLS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, named);
    // each room stands below those that import it
    for (at, (room, allowed)) in WALLS.iter().enumerate() {
        let below: Vec<&str> = WALLS[..at].iter().map(|(room, _)| *room).collect();
        for other in *allowed {
            assert!(below.contains(other), "{room} imports {other}, which is not below it");
        }
    }
}

#[test]
fn some_words_are_said_in_their_place_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (word, places, why) in PLACES {
            if !places.iter().any(|place| source.path.starts_with(place)) {
                let lines = source.says(word).into_iter();
                wrong.extend(lines.map(|line| format!("{}:{line}: {word} ({why})", source.path)));
            }
        }
    }
    assert_none("said in the wrong place", &wrong);
}

#[test]
fn a_file_that_calls_itself_pure_is() {
    let mut wrong = Vec::new();
    for source in sources() {
        let head: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        if head.contains("Pure.") {
            for word in IMPURE {
                let lines = source.says(word).into_iter();
                wrong.extend(lines.map(|line| format!("{}:{line}: {word}", source.path)));
            }
        }
    }
    assert_none("not pure", &wrong);
}

#[test]
fn every_room_says_what_it_is_for_and_what_it_must_not_know() {
    let mut wrong = Vec::new();
    for (room, _) in WALLS {
        let path = root().join("src").join(room).join("mod.rs");
        let text = fs::read_to_string(&path).expect("a room has a mod.rs");
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if text.lines().count() == 1 {
            continue; // not written yet
        }
        if head.len() < 3 || !head.iter().any(|line| line.contains("Must not know")) {
            wrong.push(format!("src/{room}/mod.rs"));
        }
    }
    assert_none("rooms without a word at the door", &wrong);
}

#[test]
fn files_and_functions_fit() {
    let mut long = Vec::new();
    for source in sources() {
        if source.code.len() > FILE_LINES_MAX {
            long.push((source.path.clone(), source.code.len()));
        }
        for (name, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                long.push((format!("{}:{name}", source.path), lines));
            }
        }
    }
    let known: BTreeMap<&str, usize> = TOO_LONG.iter().copied().collect();
    let mut wrong = Vec::new();
    for (what, lines) in &long {
        match known.get(what.as_str()) {
            Some(limit) if lines <= limit => {}
            _ => wrong.push(format!("{what}: {lines} lines")),
        }
    }
    for (what, _) in TOO_LONG {
        if !long.iter().any(|(found, _)| found == what) {
            wrong.push(format!("{what} fits now: take it off the list"));
        }
    }
    assert_none("too long", &wrong);
}

/// Functions and their lines, by rustfmt's indentation.
fn functions(code: &[String]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, line) in code.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some((before, after)) = trimmed.split_once("fn ") else { continue };
        let starts = before.split(' ').all(|word| {
            matches!(word, "" | "pub" | "const" | "unsafe" | "extern") || word.starts_with("pub(")
        });
        if !starts {
            continue;
        }
        let signature_ends = |line: &&String| line.ends_with('{') || line.ends_with(';');
        if code[at..].iter().find(signature_ends).is_some_and(|line| line.ends_with(';')) {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let ends = code[at..].iter().position(|line| line.trim_end() == end);
        found.push((name, ends.map_or(1, |lines| lines + 1)));
    }
    found
}

/// Letters that look like others, or turn the reading order, have no place in code.
#[test]
fn code_is_ascii() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(&source.code) {
            if !line.is_ascii() {
                wrong.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert_none("not ASCII outside comments", &wrong);
}

#[test]
fn no_test_file_is_forgotten() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut reached = BTreeSet::new();
    let mains = manifest.lines().filter_map(|line| line.strip_prefix("path = \"tests/"));
    for main in mains {
        reach(&root().join("tests").join(main.trim_end_matches('"')), &mut reached);
    }
    let all = files_below(&root().join("tests"));
    let forgotten: Vec<String> = all
        .iter()
        .filter(|path| !reached.contains(*path))
        .map(|path| path.display().to_string())
        .collect();
    assert_none("files below tests/ that no test binary reaches", &forgotten);
}

/// Follows `mod name;` and `#[path = "..."]` from `file`.
fn reach(file: &Path, reached: &mut BTreeSet<PathBuf>) {
    let file = file.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    if !reached.insert(file.clone()) {
        return;
    }
    let dir = file.parent().expect("a file has a directory");
    let is_door = |name: &str| matches!(name, "main.rs" | "mod.rs" | "architecture.rs");
    let own = file.file_name().and_then(|name| name.to_str()).expect("text");
    let below = if is_door(own) { dir.to_owned() } else { dir.join(own.trim_end_matches(".rs")) };
    let text = fs::read_to_string(&file).expect("a source file is text");
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next().map(|relative| dir.join(relative));
        }
        let Some(name) = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ") else {
            continue;
        };
        let Some(name) = name.strip_suffix(';') else { continue };
        let usual = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
        let target = path.take().or_else(|| usual.into_iter().find(|path| path.exists()));
        reach(&target.unwrap_or_else(|| panic!("{}: mod {name}", file.display())), reached);
    }
}
