//! Ignore rules, against `git check-ignore`.

use crate::git::Sandbox;
use crate::random::Random;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use toft::git::Excludes;
use toft::types::HashKind;

type Paths = BTreeSet<Vec<u8>>;

/// All paths below the root but `.git`, directories too.
fn paths(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".git") {
                continue;
            }
            if path.symlink_metadata().unwrap().is_dir() {
                todo.push(path.clone());
            }
            all.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    all
}

/// What git ignores, each path asked for by itself.
fn by_git(sandbox: &Sandbox) -> Paths {
    let mut stdin = Vec::new();
    for path in paths(sandbox.path()) {
        stdin.extend_from_slice(path.as_os_str().as_bytes());
        stdin.push(0);
    }
    let args =
        ["-c", "core.excludesFile=user-ignore", "check-ignore", "--no-index", "-z", "--stdin"];
    let output = sandbox.try_git(&args, &stdin);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// What we ignore.
fn by_us(sandbox: &Sandbox) -> Paths {
    let file = sandbox.path().join("user-ignore");
    sandbox.git(&["config", "core.excludesFile", file.to_str().unwrap()]);
    let mut excludes = sandbox.open().excludes().unwrap();
    let mut ignored = Paths::new();
    walk(sandbox.path(), b"", &mut excludes, &mut ignored);
    ignored
}

fn walk(root: &Path, dir: &[u8], excludes: &mut Excludes, ignored: &mut Paths) {
    let place = root.join(OsStr::from_bytes(dir));
    let rules = place.join(".gitignore");
    let is_file = rules.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    let rules = is_file.then(|| fs::read(rules).unwrap());
    excludes.enter(dir, rules.as_deref());
    for entry in fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_vec();
        if name == b".git" {
            continue;
        }
        let path = if dir.is_empty() { name } else { [dir, &name].join(&b'/') };
        let is_dir = entry.file_type().unwrap().is_dir();
        if excludes.is_excluded(&path, is_dir) {
            ignored.insert(path.clone());
        }
        if is_dir {
            walk(root, &path, excludes, ignored);
        }
    }
    excludes.leave();
}

fn shown(paths: &Paths) -> Vec<String> {
    paths.iter().map(|path| path.escape_ascii().to_string()).collect()
}

const FILES: &[&[u8]] = &[
    b"a",
    b"b.o",
    b"doc/a",
    b"doc/b.o",
    b"doc/sub/a",
    b"doc/sub/deep/x.txt",
    b"src/build/out",
    b"src/build/keep",
    b"build/out",
    b"x.txt",
    b"#hash",
    b"!bang",
    b"sp ace",
    b"trail ",
    b"tab\t",
    b"back\\slash",
    b"star*",
    b"br[ack]et",
    b"no-\xff\xfe-utf8",
    b"\xff",
    b".hidden",
    b"UPPER",
    b"foo/bar/baz",
    b"foo/baz",
    b"deep/foo/bar",
    b"cr\r",
    b"q?",
    b"node_modules/p/i.js",
    b"a1",
    b"a-z",
];

fn plant(sandbox: &Sandbox, rules: &[(&str, &[u8])]) {
    for file in FILES {
        sandbox.write(OsStr::from_bytes(file), "");
    }
    for (path, bytes) in rules {
        sandbox.write(path, bytes);
    }
}

#[test]
fn patterns_mean_what_they_mean_to_git() {
    let cases: &[&[(&str, &[u8])]] = &[
        &[(".gitignore", b"*.o\n!b.o\n/a\ndoc/\n")],
        &[(".gitignore", b"build\n!src/build/\n")],
        &[(".gitignore", b"/build/\nsrc/build/*\n!src/build/keep\n")],
        &[(".gitignore", b"doc\n"), ("doc/.gitignore", b"!*\n")],
        &[(".gitignore", b"doc/*\n!doc/sub\n"), ("doc/sub/.gitignore", b"deep/\n!a\n")],
        &[(".gitignore", b"**/foo\n")],
        &[(".gitignore", b"foo/**\n!foo/bar/\n!foo/bar/**\n")],
        &[(".gitignore", b"**/bar/**\n")],
        &[(".gitignore", b"foo/**/baz\n")],
        &[(".gitignore", b"foo**baz\n***\n!**/a\n")],
        &[(".gitignore", b"\\#hash\n\\!bang\n#hash\n")],
        &[(".gitignore", b"sp ace\ntrail\\ \ntab\t\n")],
        &[(".gitignore", b"trail \nsp\\ ace   \n")],
        &[(".gitignore", b"back\\\\slash\nstar\\*\nbr\\[ack\\]et\nq\\?\n")],
        &[(".gitignore", b"br[[]ack]et\n[!a-y]\n[[:upper:]]*\n")],
        &[(".gitignore", b"a[1\n[]\n[a-\n\\\n")],
        &[(".gitignore", b"no-??-utf8\n\xff\n")],
        &[(".gitignore", b"no-\xff*\n[\xfe-\xff]\n")],
        &[(".gitignore", b"\xef\xbb\xbfa\nb.o\n")],
        &[(".gitignore", b"a\r\nb.o\r\ncr\r")],
        &[(".gitignore", b"\n\n   \n/\n//\n!\n!/\n")],
        &[(".gitignore", b"doc//a\n./a\nfoo/../a\n")],
        &[(".gitignore", b"/*\n!/doc\n/doc/*\n!/doc/sub\n")],
        &[
            (".gitignore", b"!a\n"),
            (".git/info/exclude", b"a\nb.o\n"),
            ("user-ignore", b"*\n!b.o\n"),
        ],
        &[("user-ignore", b"*.txt\n.hidden\n"), (".git/info/exclude", b"!/x.txt\n")],
        &[(".git/info/exclude", b"doc/sub/\n"), ("doc/.gitignore", b"!sub\n")],
        &[(".gitignore", b"upper\nUPPER/\n")],
        &[(".gitignore", b"$a\n\\$b\na$\n")],
        &[(".gitignore", b"sub/a\n/sub/a\ndoc/*/a\n")],
        &[("doc/.gitignore", b"/a\nsub/a\n*.o\n"), ("foo/.gitignore", b"foo/bar\n/bar/baz\n")],
        &[(".gitignore", b"node_modules\n!node_modules/p/i.js\n")],
        &[(".gitignore", b"*a*\n!*-*\n")],
    ];
    for rules in cases {
        let sandbox = Sandbox::new(HashKind::Sha1);
        plant(&sandbox, rules);
        let (git, us) = (by_git(&sandbox), by_us(&sandbox));
        let told: Vec<_> =
            rules.iter().map(|(path, bytes)| (path, bytes.escape_ascii().to_string())).collect();
        assert_eq!(shown(&us), shown(&git), "{told:?}");
    }
}

#[test]
fn random_rules_give_the_answers_of_git() {
    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
        b".o",
        b"doc",
        b"sub",
        b"foo",
        b"bar",
        b"baz",
        b"build",
        b"*",
        b"**",
        b"?",
        b"/",
        b"/",
        b"/",
        b"/**/",
        b"**/",
        b"/**",
        b"[ab]",
        b"[!a]",
        b"[a-z]",
        b"\\",
        b"x.txt",
        b"\xff",
        b" ",
        b"!",
        b"#",
        b"[[:alpha:]]",
        b"-",
        b"[]",
        b"[^f]",
        b"keep",
        b"out",
        b"deep",
        b".",
    ];
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut rules = Vec::new();
        for place in [
            ".gitignore",
            "doc/.gitignore",
            "doc/sub/.gitignore",
            ".git/info/exclude",
            "user-ignore",
        ] {
            let mut bytes = Vec::new();
            for _ in 0..random.below(5) {
                bytes.extend_from_slice(if random.below(3) == 0 { b"!" } else { b"" });
                for _ in 0..=random.below(4) {
                    bytes.extend_from_slice(PIECES[random.below(PIECES.len())]);
                }
                bytes.extend_from_slice(if random.below(5) == 0 { b"/\n" } else { b"\n" });
            }
            rules.push((place, bytes));
        }
        let sandbox = Sandbox::new(HashKind::Sha1);
        let rules: Vec<_> = rules.iter().map(|(place, bytes)| (*place, &bytes[..])).collect();
        plant(&sandbox, &rules);
        let (git, us) = (by_git(&sandbox), by_us(&sandbox));
        let told: Vec<_> =
            rules.iter().map(|(path, bytes)| (path, bytes.escape_ascii().to_string())).collect();
        assert_eq!(shown(&us), shown(&git), "seed {seed}: {told:#?}");
    }
}
