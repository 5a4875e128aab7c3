//! Conversions to git's form, against `git hash-object --path`.

use crate::git::Sandbox;
use crate::random::Random;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use toft::git::{Credential, Filters, GitError, Repo};
use toft::types::{HashKind, Oid};

/// Enters the directories above `path` with the `.gitattributes` that the worktree has there.
fn enter(sandbox: &Sandbox, filters: &mut Filters, path: &str) {
    let mut dirs = vec![""];
    dirs.extend(path.match_indices('/').map(|(slash, _)| &path[..slash]));
    for dir in dirs {
        let attributes = fs::read(sandbox.path().join(dir).join(".gitattributes")).ok();
        filters.enter(dir.as_bytes(), attributes.as_deref());
    }
}

fn ours(
    sandbox: &Sandbox,
    path: &str,
    bytes: &[u8],
    indexed: Option<Oid>,
) -> Result<Vec<u8>, GitError> {
    let mut filters = sandbox.open().filters().unwrap();
    enter(sandbox, &mut filters, path);
    let applies = filters.applies(path.as_bytes());
    let converted = filters.to_git(path.as_bytes(), bytes, indexed)?;
    assert!(applies || converted == bytes, "{path} was converted though nothing applies");
    Ok(converted)
}

/// What `git add` puts into the index.
fn gits(sandbox: &Sandbox, path: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    sandbox.write(path, bytes);
    let added = sandbox.try_git(&["add", "-f", "--", path], b"");
    let staged = format!(":{path}");
    added.status.success().then(|| sandbox.git_bytes(&["cat-file", "blob", &staged], b""))
}

const CONTENTS: &[&[u8]] = &[
    b"",
    b"one\ntwo\n",
    b"one\r\ntwo\r\n",
    b"one\r\ntwo\nthree",
    b"lone \r cr\r\n",
    b"zero \0 byte\r\n",
    b"$Id$ and $Id: 1234567890$\r\n",
    b"$Id: not closed\n",
    b"\xff\xfea\0\r\0\n\0",
    b"\x1a",
    b"text\r\n\x1a",
];

#[test]
fn attributes_and_settings_convert_as_git_add_does() {
    let attributes = [
        "",
        "* text",
        "* text=auto",
        "* -text",
        "* text=auto eol=crlf",
        "* text eol=lf",
        "* eol=crlf",
        "* crlf",
        "* crlf=input",
        "* -crlf",
        "* text=auto ident",
        "* ident",
        "* binary",
        "* !text",
        "* text=strange",
        "*.txt text\n*.txt -text",
        "[attr]mine text eol=crlf\n* mine",
    ];
    let settings: [&[(&str, &str)]; 5] = [
        &[],
        &[("core.autocrlf", "true")],
        &[("core.autocrlf", "input")],
        &[("core.eol", "crlf")],
        &[("core.autocrlf", "true"), ("core.safecrlf", "true")],
    ];
    for settings in settings {
        for attributes in attributes {
            let sandbox = Sandbox::new(HashKind::Sha1);
            for (key, value) in settings {
                sandbox.git(&["config", key, value]);
            }
            sandbox.write(".gitattributes", attributes);
            for (number, content) in CONTENTS.iter().enumerate() {
                let path = format!("f{number}.txt");
                let ours = ours(&sandbox, &path, content, None).ok();
                let told = format!("{settings:?} '{attributes}' {}", content.escape_ascii());
                assert_eq!(ours, gits(&sandbox, &path, content), "{told}");
            }
        }
    }
}

#[test]
fn a_file_stored_with_crlf_keeps_them_when_text_is_only_guessed() {
    for attributes in ["* text=auto", "* text", ""] {
        let sandbox = Sandbox::new(HashKind::Sha1);
        sandbox.write("old.txt", "one\r\n");
        sandbox.commit("with crlf");
        sandbox.git(&["config", "core.autocrlf", "true"]);
        sandbox.write(".gitattributes", attributes);
        let indexed = sandbox.rev("HEAD:old.txt");
        let content = b"one\r\ntwo\r\n";
        let ours = ours(&sandbox, "old.txt", content, Some(indexed)).unwrap();
        assert_eq!(Some(ours), gits(&sandbox, "old.txt", content), "'{attributes}'");
    }
}

#[test]
fn the_nearest_rule_wins_and_info_attributes_wins_over_all() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let user = sandbox.path().join("user-attributes");
    sandbox.write("user-attributes", "*.u text\n*.txt text\n");
    sandbox.git(&["config", "core.attributesFile", user.to_str().unwrap()]);
    sandbox.write(".gitattributes", "*.txt -text\n/dir/*.c text\ndir/sub/x.h text\n*.i text\n");
    sandbox.write("dir/.gitattributes", "*.txt text\n[attr]no text\n*.m no\n/x.h text\n");
    sandbox.write("dir/sub/.gitattributes", "*.txt -text\n*.i -text\n");
    sandbox.write(".git/info/attributes", "*.i text\ndir/b.txt -text\n");
    let content = b"a\r\n";
    for path in [
        "a.u",
        "a.txt",
        "dir/a.txt",
        "dir/b.txt",
        "dir/sub/a.txt",
        "dir/a.c",
        "dir/sub/a.c",
        "a.c",
        "dir/a.m",
        "dir/x.h",
        "dir/sub/x.h",
        "dir/sub/a.i",
        "a.i",
    ] {
        let ours = ours(&sandbox, path, content, None).unwrap();
        assert_eq!(Some(ours), gits(&sandbox, path, content), "{path}");
    }
}

#[test]
fn leaving_a_directory_forgets_its_rules() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let mut filters = sandbox.open().filters().unwrap();
    filters.enter(b"", None);
    filters.enter(b"a", Some(b"* text\n"));
    assert!(filters.applies(b"a/x"));
    filters.leave();
    filters.enter(b"b", None);
    assert!(!filters.applies(b"b/x"));
    assert_eq!(filters.to_git(b"b/x", b"\r\n", None).unwrap(), b"\r\n");
}

#[test]
fn the_users_clean_filters_run_and_required_ones_must() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write(".gitattributes", "*.up filter=up\n*.bad filter=bad\n*.must filter=must\n*.none filter=none\n*.empty filter=empty\n*.name filter=name\n*.crup filter=up text\n");
    for (key, value) in [
        ("filter.up.clean", "tr a-z A-Z"),
        ("filter.bad.clean", "no-such-program-here"),
        ("filter.must.clean", "false"),
        ("filter.must.required", "true"),
        ("filter.empty.required", "true"),
        ("filter.name.clean", "sed s/$/%f/"),
    ] {
        sandbox.git(&["config", key, value]);
    }
    for path in ["a.up", "a.none", "a.bad", "it's a.name", "a.must", "a.empty", "a.crup"] {
        let content = b"some text\r\n";
        let ours = ours(&sandbox, path, content, None);
        let gits = gits(&sandbox, path, content);
        match (&ours, &gits) {
            (Err(GitError::Filter { path: named, .. }), None) => assert_eq!(named, path.as_bytes()),
            _ => assert_eq!(ours.ok(), gits, "{path}"),
        }
    }
    let big = vec![b'x'; 3 << 20];
    assert_eq!(ours(&sandbox, "big.up", &big, None).unwrap(), vec![b'X'; 3 << 20]);
}

#[test]
fn a_long_running_filter_process_is_spoken_to() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let program = sandbox.path().join("filter.py");
    fs::write(&program, FILTER_PROCESS).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write(".gitattributes", "*.p filter=p\n");
    let command = format!("python3 {}", program.display());
    sandbox.git(&["config", "filter.p.process", &command]);
    sandbox.git(&["config", "filter.p.required", "true"]);
    let mut filters = sandbox.open().filters().unwrap();
    enter(&sandbox, &mut filters, "x.p");
    for content in [&b"one"[..], b"", &vec![b'y'; 200_000]] {
        let expected = [b"x.p:", content].concat();
        assert_eq!(filters.to_git(b"x.p", content, None).unwrap(), expected);
    }
    assert_eq!(gits(&sandbox, "x.p", b"one").unwrap(), b"x.p:one");
    assert!(matches!(filters.to_git(b"fail.p", b"x", None), Err(GitError::Filter { .. })));
}

/// Puts the path before the content; fails for `fail.p`.
const FILTER_PROCESS: &str = r#"
import sys
def read():
    n = int(sys.stdin.buffer.read(4) or b"0", 16)
    return sys.stdin.buffer.read(n - 4) if n else None
def write(*packets):
    for p in packets:
        sys.stdout.buffer.write(b"0000" if p is None else b"%04x" % (len(p) + 4) + p)
    sys.stdout.buffer.flush()
def until_flush():
    out = []
    while (p := read()) is not None:
        out.append(p)
    return out
until_flush(); write(b"git-filter-server\n", b"version=2\n", None)
until_flush(); write(b"capability=clean\n", None)
while True:
    header = until_flush()
    if not header: break
    path = [h for h in header if h.startswith(b"pathname=")][0][9:].strip()
    data = b"".join(until_flush())
    if path == b"fail.p":
        write(b"status=error\n", None); continue
    data = path + b":" + data
    write(b"status=success\n", None)
    write(*[data[i:i+60000] for i in range(0, len(data), 60000)], None, None)
"#;

#[test]
fn encodings_of_the_working_tree_become_utf8() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write(
        ".gitattributes",
        "*.u16 working-tree-encoding=UTF-16\n*.le working-tree-encoding=UTF-16LE\n*.lat working-tree-encoding=ISO-8859-1\n*.u8 working-tree-encoding=UTF-8\n",
    );
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let with_bom = [&b"\xff\xfe"[..], &utf16("h\u{e9}llo\n")].concat();
    for (path, content) in [
        ("a.u16", &with_bom[..]),
        ("a.le", &utf16("h\u{e9}llo\n")),
        ("a.lat", b"h\xe9llo\n"),
        ("a.u8", "h\u{e9}llo\n".as_bytes()),
    ] {
        let ours = ours(&sandbox, path, content, None).ok();
        assert_eq!(ours, gits(&sandbox, path, content), "{path}");
    }
}

#[test]
fn random_text_converts_as_git_add_does() {
    const PIECES: [&[u8]; 8] =
        [b"\r\n", b"\n", b"\r", b"a", b"$Id: x$", b"\x01", b"$Id$", b"text "];
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox
        .write(".gitattributes", "*.0 text=auto\n*.1 text ident\n*.2 text=auto eol=crlf ident\n");
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut content = Vec::new();
        for _ in 0..random.below(30) {
            content.extend_from_slice(PIECES[random.below(8)]);
        }
        let path = format!("f{seed}.{}", seed % 3);
        let ours = ours(&sandbox, &path, &content, None).unwrap();
        assert_eq!(Some(ours), gits(&sandbox, &path, &content), "{}", content.escape_ascii());
    }
}

#[test]
fn a_filter_does_not_see_the_variable_that_holds_the_credential() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    sandbox.write(".gitattributes", "* filter=tell\n");
    sandbox.git(&["config", "filter.tell.clean", "printf %s ${CARGO_MANIFEST_DIR-nothing}"]);
    let credential = Credential::parse("env:CARGO_MANIFEST_DIR").unwrap();
    for (credential, told) in [(None, env!("CARGO_MANIFEST_DIR")), (Some(&credential), "nothing")] {
        let mut filters =
            Repo::open_with(&sandbox.gitdir(), credential).unwrap().filters().unwrap();
        filters.enter(b"", Some(b"* filter=tell\n"));
        let cleaned = filters.to_git(b"file", b"bytes", None).unwrap();
        assert_eq!(String::from_utf8(cleaned).unwrap(), told);
    }
}
