//! Merging trees, against `git merge-tree --write-tree`.

use crate::git::Sandbox;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use toft::git::{CommitSpec, Date, MergeOutcome, ObjectWriter, Repo, Signature, TreeItem};
use toft::sys::OsDisk;
use toft::types::{HashKind, Name, Oid, TreeMode};

#[derive(Clone, Debug, PartialEq)]
struct Node {
    mode: TreeMode,
    content: Vec<u8>,
}

type Files = BTreeMap<String, Node>;

fn file(content: impl Into<Vec<u8>>) -> Node {
    Node { mode: TreeMode::Blob, content: content.into() }
}

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, content)| (path.to_string(), file(*content))).collect()
}

/// Stores the directory `prefix` of `files`.
fn store_tree(writer: &mut ObjectWriter, files: &Files, prefix: &str) -> Oid {
    let mut items = Vec::new();
    let mut dirs = BTreeSet::new();
    for (path, node) in files {
        let Some(rest) = path.strip_prefix(prefix) else { continue };
        match rest.split_once('/') {
            Some((dir, _)) => {
                dirs.insert(dir.to_owned());
            }
            None => {
                let oid = match node.mode {
                    TreeMode::Commit => {
                        crate::git::parse(std::str::from_utf8(&node.content).unwrap())
                    }
                    _ => writer.blob(&node.content).unwrap(),
                };
                items.push(TreeItem {
                    mode: node.mode,
                    name: Name::new(rest.as_bytes()).unwrap(),
                    oid,
                });
            }
        }
    }
    for dir in dirs {
        let oid = store_tree(writer, files, &format!("{prefix}{dir}/"));
        items.push(TreeItem {
            mode: TreeMode::Tree,
            name: Name::new(dir.as_bytes()).unwrap(),
            oid,
        });
    }
    writer.tree(items).unwrap()
}

fn store_commit(writer: &mut ObjectWriter, files: &Files, parents: Vec<Oid>) -> Oid {
    let tree = store_tree(writer, files, "");
    let date = Date { seconds: 1, offset: 0 };
    let someone = Signature { name: b"a".to_vec(), email: b"b".to_vec(), date };
    let spec = CommitSpec {
        tree,
        parents,
        author: someone.clone(),
        committer: someone,
        message: b"x\n".to_vec(),
    };
    writer.commit(&spec).unwrap()
}

struct Sides {
    repo: Repo,
    commits: [Oid; 3],
}

fn store(sandbox: &Sandbox, [base, ours, theirs]: [&Files; 3]) -> Sides {
    let repo = sandbox.open();
    let mut writer = repo.writer();
    let base = store_commit(&mut writer, base, vec![]);
    let ours = store_commit(&mut writer, ours, vec![base]);
    let theirs = store_commit(&mut writer, theirs, vec![base]);
    writer.finish(&OsDisk::default()).unwrap();
    Sides { repo, commits: [base, ours, theirs] }
}

/// The merged tree, or the paths in conflict.
type Result = std::result::Result<Oid, BTreeSet<String>>;

fn by_git(sandbox: &Sandbox, sides: &Sides) -> Result {
    let [_, ours, theirs] = sides.commits.map(|oid| oid.to_string());
    let args = ["merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", &ours, &theirs];
    let output = sandbox.try_git(&args, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut fields = text.split('\0').filter(|field| !field.is_empty());
    let tree = crate::git::parse(fields.next().unwrap());
    match output.status.code() {
        Some(0) => Ok(tree),
        Some(1) => Err(fields.map(str::to_owned).collect()),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn by_us(sides: &Sides) -> Result {
    let [base, ours, theirs] = sides.commits.map(|oid| sides.repo.commit(oid).unwrap().tree);
    let mut writer = sides.repo.writer();
    match sides.repo.merge_trees(Some(base), ours, theirs, &mut writer).unwrap() {
        MergeOutcome::Clean { tree } => {
            writer.finish(&OsDisk::default()).unwrap();
            Ok(tree)
        }
        MergeOutcome::Conflict { paths } => {
            assert!(writer.is_empty(), "a conflict stores nothing");
            Err(paths.into_iter().map(|path| String::from_utf8(path.path).unwrap()).collect())
        }
    }
}

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn edit(text: &str, from: &str, to: &str) -> String {
    text.replace(from, to)
}

#[test]
fn each_kind_of_merge_ends_as_in_git() {
    let top = &edit(TEN, "1\n2", "one\n2");
    let bottom = &edit(TEN, "9\n", "nine\n");
    let also_top = &edit(TEN, "1\n2", "uno\n2");
    let base = files(&[("f", TEN), ("d/g", "gee\n"), ("d/h", TEN), ("bin", "a\0b")]);
    let with = |changes: &[(&str, Option<&str>)]| {
        let mut files = base.clone();
        for (path, content) in changes {
            match content {
                Some(content) => files.insert(path.to_string(), file(*content)),
                None => files.remove(*path),
            };
        }
        files
    };
    let mut executable = base.clone();
    executable.get_mut("f").unwrap().mode = TreeMode::BlobExec;
    let mut link = base.clone();
    link.insert("f".into(), Node { mode: TreeMode::Link, content: b"d/g".to_vec() });
    let cases = [
        ("different files", with(&[("f", Some(top))]), with(&[("d/g", Some("x\n"))])),
        ("one file, different lines", with(&[("f", Some(top))]), with(&[("f", Some(bottom))])),
        ("one file, the same lines", with(&[("f", Some(top))]), with(&[("f", Some(also_top))])),
        ("the same change", with(&[("f", Some(top))]), with(&[("f", Some(top))])),
        ("binary", with(&[("bin", Some("a\0c"))]), with(&[("bin", Some("a\0d"))])),
        ("add/add the same", with(&[("n", Some("n\n"))]), with(&[("n", Some("n\n"))])),
        ("add/add different", with(&[("n", Some("n\n"))]), with(&[("n", Some("m\n"))])),
        ("add/add binary", with(&[("n", Some("\0n"))]), with(&[("n", Some("\0m"))])),
        ("modify/delete", with(&[("f", Some(top))]), with(&[("f", None)])),
        ("delete/modify", with(&[("f", None)]), with(&[("f", Some(top))])),
        ("delete/delete", with(&[("f", None)]), with(&[("f", None)])),
        ("rename and modify", with(&[("f", None), ("r", Some(TEN))]), with(&[("f", Some(top))])),
        (
            "rename/rename",
            with(&[("f", None), ("r", Some(TEN))]),
            with(&[("f", None), ("s", Some(TEN))]),
        ),
        (
            "rename to the same",
            with(&[("f", None), ("r", Some(TEN))]),
            with(&[("f", None), ("r", Some(TEN))]),
        ),
        ("rename/delete", with(&[("f", None), ("r", Some(TEN))]), with(&[("f", None)])),
        ("mode and content", executable.clone(), with(&[("f", Some(top))])),
        ("type change and content", link.clone(), with(&[("f", Some(top))])),
        ("file and directory", with(&[("x", Some("x\n"))]), with(&[("x/y", Some("y\n"))])),
        (
            "directory gone, file added there",
            with(&[("d/g", None), ("d/h", None)]),
            with(&[("d/n", Some("n\n"))]),
        ),
        (
            "directory renamed, file added there",
            with(&[("d/g", None), ("d/h", None), ("e/g", Some("gee\n")), ("e/h", Some(TEN))]),
            with(&[("d/n", Some("n\n"))]),
        ),
        ("nothing and something", base.clone(), with(&[("f", Some(top)), ("n", Some(""))])),
    ];
    for hash in [HashKind::Sha1, HashKind::Sha256] {
        for (name, ours, theirs) in &cases {
            let sandbox = Sandbox::new(hash);
            for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
                let sides = store(&sandbox, [&base, ours, theirs]);
                let (us, git) = (by_us(&sides), by_git(&sandbox, &sides));
                assert_eq!(us.is_ok(), git.is_ok(), "{name}: us {us:?} git {git:?}");
                if let (Ok(us), Ok(git)) = (&us, &git) {
                    assert_eq!(us, git, "{name}");
                }
                if let Err(paths) = &us {
                    assert!(!paths.is_empty(), "{name}");
                }
            }
            sandbox.fsck();
        }
    }
}

#[test]
fn a_conflict_tells_both_sides_of_each_path() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let base = files(&[("a", "base\n"), ("b", "base\n"), ("c", "c\n")]);
    let ours = files(&[("a", "ours\n"), ("b", "changed\n"), ("c", "c\n")]);
    let theirs = files(&[("a", "theirs\n"), ("c", "c\n")]);
    let sides = store(&sandbox, [&base, &ours, &theirs]);
    let trees = sides.commits.map(|oid| sides.repo.commit(oid).unwrap().tree);
    let mut writer = sides.repo.writer();
    let outcome = sides.repo.merge_trees(Some(trees[0]), trees[1], trees[2], &mut writer).unwrap();
    let MergeOutcome::Conflict { paths } = outcome else { panic!("{outcome:?}") };
    let shown: Vec<_> = paths
        .iter()
        .map(|path| {
            let text = |side: Option<toft::git::Side>| {
                side.map(|side| String::from_utf8(sides.repo.blob(side.oid).unwrap()).unwrap())
            };
            (&path.path[..], text(path.base), text(path.ours), text(path.theirs))
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        shown,
        [
            (&b"a"[..], some("base\n"), some("ours\n"), some("theirs\n")),
            (&b"b"[..], some("base\n"), some("changed\n"), None),
        ]
    );
}

#[test]
fn of_hundreds_of_files_that_moved_and_changed_none_is_looked_for_at_length() {
    let at = |dir: &str, number: usize, first: &str, last: &str| {
        let text = format!("{first}\n1 {number}\n2 {number}\n3 {number}\n4 {number}\n{last}\n");
        (format!("{dir}/{number}"), file(text))
    };
    let base: Files = (0..300).map(|number| at("old", number, "first", "last")).collect();
    let ours: Files = (0..300).map(|number| at("new", number, "first", "ours")).collect();
    let with = |files: &Files, more: (String, Node)| -> Files {
        files.iter().map(|(path, node)| (path.clone(), node.clone())).chain([more]).collect()
    };
    // What the other side did elsewhere goes together with it.
    let other = ("other".to_owned(), file("theirs\n"));
    let sandbox = Sandbox::new(HashKind::Sha1);
    let sides = store(&sandbox, [&base, &ours, &with(&base, other.clone())]);
    let mut writer = sides.repo.writer();
    let tree = store_tree(&mut writer, &with(&ours, other), "");
    assert_eq!(by_us(&sides), Ok(tree));
    // What it did to one of them is a conflict, and kept, however alike the new file is.
    let sides = store(&sandbox, [&base, &ours, &with(&base, at("old", 7, "theirs", "last"))]);
    let conflict = by_us(&sides).expect_err("nobody looked which file it became");
    assert!(conflict.contains("old/7"), "{conflict:?}");
}

#[test]
fn without_a_common_ancestor_only_what_is_the_same_goes_together() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let none = Files::new();
    let (ours, theirs) =
        (files(&[("a", "a\n"), ("b", "b\n")]), files(&[("a", "a\n"), ("c", "c\n")]));
    let sides = store(&sandbox, [&none, &ours, &theirs]);
    let [_, ours, theirs] = sides.commits.map(|oid| sides.repo.commit(oid).unwrap().tree);
    let mut writer = sides.repo.writer();
    let outcome = sides.repo.merge_trees(None, ours, theirs, &mut writer).unwrap();
    assert_eq!(outcome, MergeOutcome::Clean { tree: by_git(&sandbox, &sides).unwrap() });
}

#[test]
fn the_merged_trees_choose_no_driver_and_the_user_does() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.git(&["config", "merge.evil.driver", "touch canary"]);
    let base = files(&[("f", "base\n"), (".gitattributes", "f merge=evil\n")]);
    let ours = files(&[("f", "ours\n"), (".gitattributes", "f merge=evil\n")]);
    let theirs = files(&[("f", "theirs\n"), (".gitattributes", "f merge=evil\n")]);
    let sides = store(&sandbox, [&base, &ours, &theirs]);
    assert!(by_us(&sides).is_err());
    assert!(!sandbox.path().join("canary").exists() && !sandbox.gitdir().join("canary").exists());
    sandbox.write(".git/info/attributes", "f merge=union\n");
    let tree = by_us(&sides).unwrap();
    assert_eq!(sandbox.git(&["show", &format!("{tree}:f")]), "ours\ntheirs");
}

#[test]
fn a_tree_that_is_missing_or_makes_no_sense_is_an_error() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let good = files(&[("f", "x\n")]);
    let sides = store(&sandbox, [&good, &files(&[("f", "y\n")]), &good]);
    let [base, ours, _] = sides.commits.map(|oid| sides.repo.commit(oid).unwrap().tree);
    let broken = sandbox.raw_tree(b"100644 f\0short");
    let missing = crate::git::parse(&"12".repeat(20));
    for theirs in [broken, missing] {
        assert!(
            sides.repo.merge_trees(Some(base), ours, theirs, &mut sides.repo.writer()).is_err()
        );
    }
}

fn random_text(random: &mut Random) -> String {
    (0..random.below(12)).map(|_| format!("{}\n", random.below(6))).collect()
}

fn change(random: &mut Random, files: &mut Files) {
    const PATHS: [&str; 8] = ["a", "b", "d/a", "d/b", "d/e/c", "x", "d/x", "y/z"];
    let path = PATHS[random.below(PATHS.len())].to_owned();
    let taken = |files: &Files, path: &str| {
        let inside = format!("{path}/");
        files
            .keys()
            .any(|other| other.starts_with(&inside) || path.starts_with(&format!("{other}/")))
    };
    match random.below(8) {
        0 => {
            files.remove(&path);
        }
        1 if !taken(files, &path) => {
            let text = random_text(random);
            files.insert(path, file(text));
        }
        2 => {
            let to = PATHS[random.below(PATHS.len())].to_owned();
            if let Some(node) = files.remove(&path).filter(|_| !taken(files, &to)) {
                files.insert(to, node);
            }
        }
        3 => {
            if let Some(node) = files.get_mut(&path).filter(|node| node.mode != TreeMode::Link) {
                node.mode = TreeMode::BlobExec;
            }
        }
        _ => {
            if let Some(node) = files.get_mut(&path) {
                let mut lines: Vec<_> = node
                    .content
                    .split_inclusive(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                let at = random.below(lines.len() + 1);
                match random.below(3) {
                    0 if at < lines.len() => {
                        lines.remove(at);
                    }
                    1 if at < lines.len() => {
                        lines[at] = format!("{}\n", random.below(9)).into_bytes()
                    }
                    _ => lines.insert(at, format!("{}\n", random.below(9)).into_bytes()),
                }
                node.content = lines.concat();
            }
        }
    }
}

#[test]
fn random_merges_are_never_cleaner_than_gits_and_clean_ones_are_the_same() {
    const ROUNDS: u64 = 200;
    let mut sandbox = Sandbox::new(HashKind::Sha1);
    let (mut clean, mut stricter) = (0, 0);
    for seed in 0..ROUNDS {
        if seed % 25 == 0 {
            // Each round leaves packs.
            sandbox = Sandbox::new(HashKind::Sha1);
        }
        let mut random = Random::new(seed);
        let mut base = Files::new();
        for path in ["a", "b", "d/a", "d/b", "d/e/c"] {
            base.insert(path.to_owned(), file(random_text(&mut random)));
        }
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        for side in [&mut ours, &mut theirs] {
            for _ in 0..1 + random.below(3) {
                change(&mut random, side);
            }
        }
        let sides = store(&sandbox, [&base, &ours, &theirs]);
        match (by_us(&sides), by_git(&sandbox, &sides)) {
            (Ok(us), Ok(git)) => {
                assert_eq!(
                    us, git,
                    "seed {seed}\nbase {base:#?}\nours {ours:#?}\ntheirs {theirs:#?}"
                );
                clean += 1;
            }
            (Err(_), Ok(_)) => stricter += 1,
            (Err(_), Err(_)) => {}
            (Ok(_), Err(paths)) => {
                panic!(
                    "seed {seed}: conflict in {paths:?}\nbase {base:#?}\nours {ours:#?}\ntheirs {theirs:#?}"
                )
            }
        }
    }
    eprintln!("{clean} of {ROUNDS} clean, {stricter} only for git");
    assert!(clean > ROUNDS / 4);
    assert!(stricter * 20 < ROUNDS, "{stricter} merges are conflicts for us only");
}
