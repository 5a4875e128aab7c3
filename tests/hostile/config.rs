//! T4: configuration, hooks, attributes and submodules, each with a command that leaves a trace.

use super::support::repo::{Builder, Node};
use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, text, umount};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program that says in a file that it ran.
struct Trap {
    program: PathBuf,
    trace: PathBuf,
}

impl Trap {
    fn new(host: &Host) -> Trap {
        let trap = Trap { program: host.path("trap"), trace: host.path("sprung") };
        let script = format!("#!/bin/sh\necho \"$0 $*\" >>{}\n", trap.trace.display());
        fs::write(&trap.program, script).expect("write");
        fs::set_permissions(&trap.program, fs::Permissions::from_mode(0o755)).expect("chmod");
        // it works
        let mut command = host.command(&trap.program);
        command.arg("by hand");
        host.run(command).expect_code(0);
        fs::remove_file(&trap.trace).expect("it left its trace");
        trap
    }

    fn program(&self) -> &str {
        text(&self.program)
    }

    /// What ran, if anything.
    fn sprung(&self) -> String {
        fs::read_to_string(&self.trace).unwrap_or_default()
    }

    fn plant_hooks(&self, dir: &Path) {
        fs::create_dir_all(dir).expect("mkdir");
        for name in HOOKS {
            fs::copy(&self.program, dir.join(name)).expect("copy");
        }
    }
}

const HOOKS: [&str; 12] = [
    "pre-commit",
    "commit-msg",
    "prepare-commit-msg",
    "post-commit",
    "post-checkout",
    "post-merge",
    "pre-push",
    "reference-transaction",
    "post-index-change",
    "pre-auto-gc",
    "fsmonitor-watchman",
    "post-rewrite",
];

/// Every command, with work in between that gives each something to do.
fn all_that_toft_does(host: &Host, dir: &Path) {
    for verb in ["status", "diff", "log", "fsck", "commit", "push", "flush", "list", "doctor"] {
        fs::write(dir.join("made.x"), verb).expect("write");
        let ran = host.toft_with(
            &[verb, text(dir)][..if verb == "doctor" || verb == "list" { 1 } else { 2 }],
        );
        assert_eq!(ran.code, 0, "{verb}: {}{}", ran.text(), ran.stderr);
    }
}

#[test]
fn nothing_in_a_tree_makes_the_daemon_run_anything() {
    if !support::can_mount("nothing_in_a_tree_makes_the_daemon_run_anything") {
        return;
    }
    let host = Host::new();
    let trap = Trap::new(&host);
    let run = trap.program();
    let config = format!(
        "[core]\n\tfsmonitor = {run}\n\tsshCommand = {run}\n\thooksPath = hooks\n\tbare = false\n\
         \tworktree = .\n[filter \"trap\"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n\
         [diff \"trap\"]\n\tcommand = {run}\n\ttextconv = {run}\n[merge \"trap\"]\n\tdriver = {run}\n\
         [alias]\n\tpush = !{run}\n\tfetch = !{run}\n[credential]\n\thelper = !{run}\n"
    );
    let modules = format!(
        "[submodule \"a\"]\n\tpath = a\n\turl = -u{run}\n\tupdate = !{run}\n\
         [submodule \"b\"]\n\tpath = b\n\turl = ext::{run}\n\
         [submodule \"../../c\"]\n\tpath = c\n\turl = ssh://-oProxyCommand={run}/x\n"
    );
    let attributes = "* filter=trap diff=trap merge=trap\n*.x ident text\n";
    let server = Server::start(Kind::Http);
    let repo = server.repo("traps.git");
    let builder = Builder::init(&repo, "sha1");
    let script = fs::read(&trap.program).expect("read");
    let file = |bytes: &[u8]| Node::Object("100644", builder.blob(bytes));
    let hooks = || {
        let hook = |name: &str| (name.into(), Node::Object("100755", builder.blob(&script)));
        Node::Folder(HOOKS.map(hook).into())
    };
    // a whole repository in the tree, bare, with traps of its own
    let bare: BTreeMap<Vec<u8>, Node> = [
        (b"HEAD".to_vec(), file(b"ref: refs/heads/main\n")),
        (b"config".to_vec(), file(config.as_bytes())),
        (b"hooks".to_vec(), hooks()),
        (b"objects".to_vec(), Node::Folder([(b"x".to_vec(), file(b""))].into())),
        (b"refs".to_vec(), Node::Folder([(b"x".to_vec(), file(b""))].into())),
    ]
    .into();
    let mut tree = bare.clone();
    tree.insert(b"bare.git".to_vec(), Node::Folder(bare));
    for name in [".gitconfig", "config.worktree", ".git-credentials", ".lfsconfig", ".mailmap"] {
        tree.insert(name.into(), file(config.as_bytes()));
    }
    tree.insert(b".gitmodules".to_vec(), file(modules.as_bytes()));
    tree.insert(b".gitattributes".to_vec(), file(attributes.as_bytes()));
    for name in ["a", "b", "c"] {
        tree.insert(name.into(), Node::Object("160000", "5".repeat(40)));
    }
    tree.insert(b"made.x".to_vec(), file(b"$Id$\r\n"));
    builder.branch("main", &builder.commit(&builder.tree(&tree), &[], "traps"));

    let dir = mount(&host, &server.url("traps.git"), "traps", "");
    all_that_toft_does(&host, &dir);
    // the remote goes on, so that trees are merged with these attributes
    let base = host.git(&repo, &["rev-parse", "main"]);
    tree.insert(b"theirs".to_vec(), file(b"x\n"));
    let blob = host.git(&repo, &["rev-parse", "main:made.x"]);
    tree.insert(b"made.x".to_vec(), Node::Object("100644", blob));
    builder.branch("main", &builder.commit(&builder.tree(&tree), &[&base], "theirs"));
    fs::write(dir.join("ours"), "x\n").expect("write");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(trap.sprung(), "");
    let listed = host.git(&repo, &["ls-tree", "--name-only", "main"]);
    assert!(listed.contains("theirs") && listed.contains("ours"), "{listed}");
    assert_eq!(
        host.git(&repo, &["rev-parse", "main:bare.git"]),
        host.git(&repo, &["rev-parse", &format!("{base}:bare.git")])
    );
}

/// What somebody may set there: keys that no command of toft's may run, and whether toft then
/// refuses to talk to the remote until it is gone.
fn plants(run: &str) -> Vec<(&'static str, String, bool)> {
    let run = || run.to_owned();
    vec![
        ("core.fsmonitor", run(), false),
        ("core.hooksPath", "hooks".to_owned(), false),
        ("core.pager", run(), false),
        ("core.editor", run(), false),
        ("diff.external", run(), false),
        ("alias.push", format!("!{}", run()), false),
        ("alias.fetch", format!("!{}", run()), false),
        ("protocol.ext.allow", "always".to_owned(), false),
        ("uploadpack.packObjectsHook", run(), false),
        ("core.sshCommand", run(), true),
        ("core.askPass", run(), true),
        ("core.gitProxy", run(), true),
        ("core.alternateRefsCommand", run(), true),
        ("credential.helper", format!("!{}", run()), true),
        ("remote.origin.uploadpack", run(), true),
        ("remote.origin.receivepack", run(), true),
        ("remote.origin.vcs", "ext".to_owned(), true),
        ("http.proxy", "http://127.0.0.1:9".to_owned(), true),
        ("http.sslVerify", "false".to_owned(), true),
        ("gpg.program", run(), true),
    ]
}

#[test]
fn what_somebody_in_the_mount_plants_in_the_gitdir_is_not_run_by_the_daemon() {
    if !support::can_mount("what_somebody_in_the_mount_plants_in_the_gitdir") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let trap = Trap::new(&host);
    let url = server.url("r.git");
    let dir = mount(&host, &url, "r", "");
    let gitdir = PathBuf::from(host.git(&dir, &["rev-parse", "--absolute-git-dir"]));
    trap.plant_hooks(&gitdir.join("hooks"));
    let mut plants = plants(trap.program());
    let [by_name, elsewhere] =
        ["uploadpack", "receivepack"].map(|key| format!("remote.{url}.{key}"));
    let ext = format!("url.ext::{} .insteadOf", trap.program());
    let mut all: Vec<(String, String, bool)> =
        plants.drain(..).map(|(key, value, refused)| (key.to_owned(), value, refused)).collect();
    all.push((by_name, trap.program().to_owned(), true));
    all.push((elsewhere, trap.program().to_owned(), true));
    all.push((ext, url.clone(), true));
    // an include hides any of these
    let hidden = host.path("hidden");
    fs::write(&hidden, format!("[core]\n\tsshCommand = {}\n", trap.program())).expect("write");
    all.push(("include.path".to_owned(), text(&hidden).to_owned(), true));

    let mut commits = history(&repo, "main").len();
    for (key, value, refused) in &all {
        host.git(&dir, &["config", key, value]);
        fs::write(dir.join("work"), key).expect("write");
        let ran = host.toft_with(&["flush", text(&dir)]);
        host.toft_with(&["status", text(&dir)]).expect_code(0);
        let sprung = trap.sprung();
        // git itself, in the mount, may run it
        fs::write(gitdir.join("config.new"), "").expect("write");
        host.git(&gitdir, &["config", "--file", "config", "--unset-all", key]);
        assert_eq!(sprung, "", "{key}");
        if *refused {
            assert_eq!(ran.code, 76, "{key}: {}", ran.stderr);
            assert!(
                ran.stderr.to_lowercase().contains(&key.to_lowercase()),
                "{key}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains("git config --global"), "{key}: {}", ran.stderr);
            host.toft_with(&["push", text(&dir)]).expect_code(0);
        } else {
            assert_eq!(ran.code, 0, "{key}: {}", ran.stderr);
        }
        commits += 1;
        assert_eq!(history(&repo, "main").len(), commits, "{key}");
    }
    fs::remove_dir_all(gitdir.join("hooks")).expect("rm");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(trap.sprung(), "");
    assert_sound(&repo);
}
