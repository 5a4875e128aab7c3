//! Repositories that break file systems: legal ones, hostile ones, damaged ones.

use super::repo::{Builder, Node, RawEntry};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How large the large cases are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of the sparse file.
    pub sparse: u64,
    /// Entries of the full directory.
    pub entries: usize,
    /// Levels of the deep directory.
    pub levels: usize,
}

impl Sizes {
    /// What a test can afford each time.
    pub const SHORT: Sizes = Sizes { sparse: 20 << 20, entries: 3000, levels: 60 };
    /// What the product promises.
    pub const LONG: Sizes = Sizes { sparse: 4 << 30, entries: 100_000, levels: 60 };

    /// [`Sizes::LONG`] where `TOFT_TEST_LONG` is set.
    pub fn chosen() -> Sizes {
        if std::env::var_os("TOFT_TEST_LONG").is_some() { Self::LONG } else { Self::SHORT }
    }
}

type Folder = BTreeMap<Vec<u8>, Node>;

/// Everything legal that is hard, in one commit, which it returns (no ref is moved).
pub fn legal(builder: &Builder, sizes: Sizes) -> String {
    let mut root = Folder::new();
    let content = builder.blob(b"content\n");
    let file = || Node::Object("100644", content.clone());
    root.insert(b"names".to_vec(), Node::Folder(names(&file)));
    root.insert(b"links".to_vec(), Node::Folder(links(builder)));
    root.insert(b"modes".to_vec(), Node::Folder(modes(builder)));
    root.insert(b"attributes".to_vec(), Node::Folder(attributes(builder)));
    root.insert(b"deep".to_vec(), deep(sizes.levels, file()));
    let many = (0..sizes.entries).map(|at| (format!("entry-{at:06}").into_bytes(), file()));
    root.insert(b"many".to_vec(), Node::Folder(many.collect()));
    root.insert(b"sparse".to_vec(), Node::Object("100644", builder.zeroes(sizes.sparse)));
    root.insert(b"submodule".to_vec(), Node::Object("160000", "5".repeat(content.len())));
    let modules = "[submodule \"submodule\"]\n\tpath = submodule\n\turl = ../submodule.git\n";
    root.insert(b".gitmodules".to_vec(), Node::Object("100644", builder.blob(modules.as_bytes())));
    let tree = builder.tree(&root);
    builder.commit(&tree, &[], "everything that is hard")
}

/// Names that a path library, a shell or a UTF-8 string trips over.
pub fn hard_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        b"not-utf8-\xff\xfe" as &[u8],
        b"latin1-\xe9t\xe9",
        b"half-a-letter-\xc3",
        b" leading and trailing ",
        b"new\nline",
        b"tab\tand\x01control\x7f",
        b"-rf",
        b"--help",
        b"quote\"'`$(x)\\",
        b"star*?[a]",
        b"...",
        b".hidden",
        b".gitfoo",
        b"git~11",
        b"con",
        b"aux.txt",
        b"colon:name",
        "e\u{301} decomposed".as_bytes(),
        "\u{e9} composed".as_bytes(),
        "\u{202e}right-to-left".as_bytes(),
        // case twins: one name on macOS and Windows, two here
        b"Makefile",
        b"makefile",
        b"MAKEFILE",
        // git sorts folders as if they ended in a slash
        b"sort",
        b"sort.c",
        b"sort-",
        b"sort0",
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    names.push(vec![b'n'; 255]);
    names.push([vec![0xff; 254], vec![b'x']].concat());
    names
}

fn names(file: &impl Fn() -> Node) -> Folder {
    let mut folder: Folder = hard_names().into_iter().map(|name| (name, file())).collect();
    folder.insert(b"sort".to_vec(), Node::Folder([(b"inside".to_vec(), file())].into()));
    folder.insert(b"Case".to_vec(), Node::Folder([(b"upper".to_vec(), file())].into()));
    folder.insert(b"case".to_vec(), Node::Folder([(b"lower".to_vec(), file())].into()));
    folder
}

/// Links and their targets.
pub fn hard_links() -> Vec<(&'static [u8], Vec<u8>)> {
    vec![
        (b"self", b"self".to_vec()),
        (b"loop-a", b"loop-b".to_vec()),
        (b"loop-b", b"loop-a".to_vec()),
        (b"up", b"..".to_vec()),
        (b"outside", b"../../../../../../etc/passwd".to_vec()),
        (b"absolute", b"/etc/passwd".to_vec()),
        (b"dangling", b"nowhere".to_vec()),
        (b"not-utf8", b"\xff\xfe".to_vec()),
        (b"long", vec![b'l'; 4095]),
    ]
}

fn links(builder: &Builder) -> Folder {
    let link = |target: &[u8]| Node::Object("120000", builder.blob(target));
    hard_links().iter().map(|(name, target)| (name.to_vec(), link(target))).collect()
}

fn modes(builder: &Builder) -> Folder {
    let script = builder.blob(b"#!/bin/sh\necho run\n");
    [
        (b"plain".to_vec(), Node::Object("100644", script.clone())),
        (b"script".to_vec(), Node::Object("100755", script)),
        (b"empty".to_vec(), Node::Object("100644", builder.blob(b""))),
    ]
    .into()
}

fn attributes(builder: &Builder) -> Folder {
    let rules = b"*.txt text eol=crlf\n*.sh text eol=lf\n*.bin -text\n* whitespace=-trailing\n";
    let file = |bytes: &[u8]| Node::Object("100644", builder.blob(bytes));
    [
        (b".gitattributes".to_vec(), file(rules)),
        (b"lf.txt".to_vec(), file(b"one\ntwo\n")),
        (b"crlf.bin".to_vec(), file(b"one\r\ntwo\r\n")),
        // against its own rules, as such repos are found in the wild
        (b"crlf.txt".to_vec(), file(b"one\r\ntwo\r\n")),
        (b"mixed.sh".to_vec(), file(b"one\r\ntwo\n")),
    ]
    .into()
}

fn deep(levels: usize, bottom: Node) -> Node {
    (0..levels).rev().fold(bottom, |inner, level| {
        Node::Folder([(format!("level-{level:02}").into_bytes(), inner)].into())
    })
}

/// A folder of the hostile commit, what it hides, and whether what is left shows as `fine`.
pub struct Hostile {
    /// Name of the folder at the root.
    pub folder: String,
    /// Names inside that must never resolve.
    pub hidden: Vec<Vec<u8>>,
}

/// A commit whose folders each hold a hostile entry beside a good file called `fine`. All of it
/// passes through fetch and push (an entry without a name would not).
pub fn hostile(builder: &Builder) -> (String, Vec<Hostile>) {
    let blob = builder.blob(b"hostile\n");
    let inner = builder.raw_tree(&[("100644", b"inside", &blob)]);
    let mut names: Vec<(String, Vec<u8>)> = [
        ("dot", b"." as &[u8]),
        ("dotdot", b".."),
        ("slash", b"a/b"),
        ("climb", b"../../etc"),
        ("rooted", b"/etc"),
        ("git", b".git"),
        ("git-upper", b".GIT"),
        ("git-mixed", b".gIt"),
        ("git-dot", b".git."),
        ("git-space", b".git "),
        ("git-dots", b".git . ."),
        ("git-short", b"git~1"),
        ("git-short-upper", b"GIT~1"),
        ("git-stream", b".git::$INDEX_ALLOCATION"),
        ("git-backslash", b".git\\config"),
        ("git-zwnj", b".g\xe2\x80\x8cit"),
        ("git-bom", b"\xef\xbb\xbf.git"),
        ("git-rlo", b".gi\xe2\x80\xaet"),
    ]
    .iter()
    .map(|(folder, name)| ((*folder).to_owned(), name.to_vec()))
    .collect();
    names.push(("long".to_owned(), vec![b'n'; 256]));

    let mut folders: Vec<(Hostile, String)> = Vec::new();
    for (folder, name) in names {
        for (mode, oid, suffix) in [("100644", &blob, ""), ("40000", &inner, "-folder")] {
            let tree = builder.raw_tree(&[(mode, &name, oid), ("100644", b"fine", &blob)]);
            let hidden = vec![name.clone()];
            folders.push((Hostile { folder: format!("{folder}{suffix}"), hidden }, tree));
        }
    }
    let fine = ("100644", b"fine" as &[u8], blob.as_str());
    let odd: [(&str, &[RawEntry<'_>]); 4] = [
        ("twice", &[("100644", b"a", &blob), ("100755", b"a", &blob), fine]),
        ("file-and-folder", &[("100644", b"a", &blob), ("40000", b"a", &inner), fine]),
        ("mode-zero", &[("0", b"a", &blob), fine]),
        ("mode-device", &[("60644", b"a", &blob), fine]),
    ];
    for (folder, entries) in odd {
        let hostile = Hostile { folder: folder.to_owned(), hidden: vec![b"a".to_vec()] };
        folders.push((hostile, builder.raw_tree(entries)));
    }
    folders.sort_by(|a, b| format!("{}/", a.0.folder).cmp(&format!("{}/", b.0.folder)));
    let entries: Vec<RawEntry<'_>> = folders
        .iter()
        .map(|(hostile, tree)| ("40000", hostile.folder.as_bytes(), tree.as_str()))
        .collect();
    let root = builder.raw_tree(&entries);
    let commit = builder.commit(&root, &[], "hostile");
    (commit, folders.into_iter().map(|(hostile, _)| hostile).collect())
}

/// What can happen to an object on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Missing,
    /// Its file holds noise.
    Noise,
    /// Its file ends early.
    Short,
    /// Its file is empty, as after a power loss.
    Empty,
    /// It is a good object, but another one.
    Other,
}

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 5] =
        [Damage::Missing, Damage::Noise, Damage::Short, Damage::Empty, Damage::Other];
}

/// Damages one object of the git directory `gitdir` (a store, a gitdir), which must hold it itself.
pub fn damage(gitdir: &Path, oid: &str, how: Damage) {
    unpack(gitdir);
    let file = loose(gitdir, oid);
    let bytes = fs::read(&file).unwrap_or_else(|e| panic!("{oid} in {}: {e}", gitdir.display()));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    match how {
        Damage::Missing => fs::remove_file(&file).expect("rm"),
        Damage::Noise => fs::write(&file, "this is no object").expect("write"),
        Damage::Short => fs::write(&file, &bytes[..bytes.len() - 6]).expect("write"),
        Damage::Empty => fs::write(&file, "").expect("write"),
        Damage::Other => {
            let builder = Builder::on(gitdir);
            let other = builder.blob(b"somebody else's bytes\n");
            fs::copy(loose(gitdir, &other), &file).expect("copy");
        }
    }
}

fn loose(gitdir: &Path, oid: &str) -> PathBuf {
    gitdir.join("objects").join(&oid[..2]).join(&oid[2..])
}

/// Turns all packs of `gitdir` into loose objects, so that one object can be damaged alone.
pub fn unpack(gitdir: &Path) {
    let builder = Builder::on(gitdir);
    let aside = tempfile::tempdir_in(gitdir).expect("a temporary directory");
    for entry in fs::read_dir(gitdir.join("objects/pack")).expect("packs").flatten() {
        fs::rename(entry.path(), aside.path().join(entry.file_name())).expect("rename");
    }
    for entry in fs::read_dir(aside.path()).expect("packs").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "pack") {
            let pack = fs::read(entry.path()).expect("read");
            builder.git_with(&["unpack-objects", "-q"], &pack);
        }
    }
}
