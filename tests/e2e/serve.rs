//! `toft serve`: one daemon and one mount for many workspaces.

use super::support::{self, Host, Kind, Server, Tree};
use super::work::{assert_sound, edit, history, status, text};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

fn serve(host: &Host, template: &str) -> PathBuf {
    let root = host.path("work").join("root");
    let mut words = vec!["serve", text(&root)];
    if !template.is_empty() {
        words.extend(["--template", template]);
    }
    host.toft_with(&words).expect_code(0);
    root
}

fn names(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).expect("ls");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

fn code(result: std::io::Result<()>) -> Option<i32> {
    result.expect_err("it must be refused").raw_os_error()
}

#[test]
fn folders_of_a_served_root_are_workspaces_and_end_with_a_commit_each() {
    if !support::can_mount("folders_of_a_served_root_are_workspaces_and_end_with_a_commit_each") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let root = serve(&host, &server.url("r.git"));
    assert_eq!(names(&root), [""; 0]);
    for name in ["one", "two", "three"] {
        fs::create_dir(root.join(name)).expect("mkdir");
    }
    assert_eq!(names(&root), ["one", "three", "two"]);
    let (one, two) = (root.join("one"), root.join("two"));
    edit(&one);
    assert_eq!(fs::read_to_string(two.join("README")).expect("read"), "hello\n");
    let ino = |path: PathBuf| fs::metadata(path).expect("stat").ino();
    assert_ne!(ino(one.join("run")), ino(two.join("run")), "two files, two numbers");
    assert_eq!(ino(one.join("run")) as u32, ino(two.join("run")) as u32, "as git's index has it");

    // What a root of workspaces cannot be asked for says so.
    assert_eq!(code(fs::create_dir(&one)), Some(libc::EEXIST));
    assert_eq!(code(fs::create_dir(root.join("a..b"))), Some(libc::EINVAL));
    assert_eq!(code(fs::write(root.join("file"), "")), Some(libc::EROFS));
    assert_eq!(code(fs::rename(one.join("README"), two.join("moved"))), Some(libc::EXDEV));
    assert_eq!(code(fs::hard_link(one.join("README"), two.join("linked"))), Some(libc::EXDEV));
    assert_eq!(code(fs::remove_dir(root.join("none"))), Some(libc::ENOENT));

    // Stock git and toft's own commands work in each.
    assert_eq!(host.git(&two, &["status", "--porcelain"]), "");
    assert_eq!(host.git(&two, &["symbolic-ref", "HEAD"]), "refs/heads/two");
    fs::write(two.join("README"), "two\n").expect("write");
    assert_eq!(host.git(&two, &["status", "--porcelain"]), " M README");
    let seen = status(&host, text(&two));
    assert_eq!((&seen["changes"]["modified"], &seen["kernel_mount"]), (&1.into(), &true.into()));
    assert!(host.toft("list").ok().contains(" served "));
    host.toft_with(&["flush", text(&two.join("src")), "-m", "of two"]).expect_code(0);
    assert_eq!(host.git(&repo, &["log", "-1", "--format=%s", "two"]), "of two");

    fs::remove_dir(root.join("three")).expect("rmdir, though there are files in it");
    fs::remove_dir(&one).expect("rmdir");
    assert_eq!(names(&root), ["two"]);
    assert_eq!(fs::metadata(&one).expect_err("it is gone").kind(), ErrorKind::NotFound);
    support::wait_until("the commit of one is pushed", || {
        host.try_git(&repo, &["rev-parse", "-q", "--verify", "one"]).text() != ""
    });
    assert_eq!(history(&repo, "one").len(), history(&repo, "main").len() + 1);
    assert_eq!(host.git(&repo, &["show", "one:README"]), "hello again");
    host.try_git(&repo, &["rev-parse", "-q", "--verify", "three"]).expect_code(1);

    // The deletion of everything is no commit that anybody wants: the name stays.
    for entry in fs::read_dir(&two).expect("ls") {
        let path = entry.expect("an entry").path();
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    assert_eq!(code(fs::remove_dir(&two)), Some(libc::EPERM));
    assert_eq!(names(&root), ["two"]);
    host.toft_with(&["umount", "--discard", text(&two)]).expect_code(0);
    assert_eq!(names(&root), [""; 0]);
    fs::create_dir(root.join("four")).expect("mkdir");
    fs::write(root.join("four/new"), "of four\n").expect("write");
    host.toft_with(&["umount", text(&root)]).expect_code(0);
    assert_eq!(host.git(&repo, &["show", "four:new"]), "of four");
    assert_eq!(host.toft("list").ok(), "", "nothing is left of any");
    assert_sound(&repo);
}

#[test]
fn workspaces_come_back_with_all_that_was_acknowledged_after_kill_9() {
    if !support::can_mount("workspaces_come_back_with_all_that_was_acknowledged_after_kill_9") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    let template = super::work::mount(&host, &server.url("r.git"), "template", "");
    fs::write(template.join("begun"), "in the template\n").expect("write");
    let root = serve(&host, text(&template));
    fs::write(template.join("begun"), "later\n").expect("write");
    let daemon = status(&host, text(&root))["daemon"]["pid"].as_u64().expect("a pid");
    for name in ["a", "b", "untouched"] {
        fs::create_dir(root.join(name)).expect("mkdir");
    }
    edit(&root.join("a"));
    fs::write(root.join("b/large"), vec![3; 400_000]).expect("write");
    fs::File::open(root.join("b/large")).and_then(|file| file.sync_all()).expect("fsync");
    host.git(&root.join("b"), &["add", "large"]);
    let before = ["a", "b", "untouched"].map(|name| Tree::read(&root.join(name)));
    let pid = rustix::process::Pid::from_raw(i32::try_from(daemon).expect("small"));
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL)
        .expect("kill");
    serve(&host, "");
    assert_eq!(names(&root), ["a", "b", "untouched"]);
    for (name, before) in ["a", "b", "untouched"].into_iter().zip(before) {
        assert!(Tree::read(&root.join(name)) == before, "{name}");
        assert_eq!(
            fs::read_to_string(root.join(name).join("begun")).expect("read"),
            "in the template\n"
        );
    }
    assert_eq!(host.git(&root.join("b"), &["diff", "--cached", "--name-only"]), "large");
    host.toft_with(&["umount", text(&root)]).expect_code(0);
    let begun = history(&repo, "main").len();
    assert_eq!(["a", "b"].map(|name| history(&repo, name).len()), [begun + 1; 2]);
    assert_eq!(host.git(&repo, &["show", "a:begun"]), "in the template");
    host.try_git(&repo, &["rev-parse", "-q", "--verify", "untouched"]).expect_code(1);
    assert_eq!(fs::read_to_string(template.join("begun")).expect("read"), "later\n");
}

#[test]
fn a_workspace_that_went_to_rest_goes_on_where_it_was() {
    if !support::can_mount("a_workspace_that_went_to_rest_goes_on_where_it_was") {
        return;
    }
    let server = Server::start(Kind::File);
    server.seeded("r.git");
    let host = Host::new();
    let root = serve(&host, &server.url("r.git"));
    let daemon = status(&host, text(&root))["daemon"]["pid"].as_u64().expect("a pid");
    let (a, b) = (root.join("a"), root.join("b"));
    fs::create_dir(&a).expect("mkdir");
    fs::create_dir(&b).expect("mkdir");
    fs::write(a.join("made"), "made here, open\n").expect("write");
    let of_base = File::open(a.join("README")).expect("open");
    let mut made =
        fs::OpenOptions::new().read(true).write(true).open(a.join("made")).expect("open");
    let folder = File::open(a.join("src")).expect("open");
    let inos = ["made", "README", "src/main.c"]
        .map(|name| fs::metadata(a.join(name)).expect("stat").ino());
    let unlinked = File::create_new(b.join("unlinked")).expect("create");
    unlinked.write_at(b"no name", 0).expect("write");
    fs::remove_file(b.join("unlinked")).expect("rm");

    let id = status(&host, text(&a))["workspace"]["id"].as_str().expect("an id").to_owned();
    let is_open = || {
        let fds = fs::read_dir(format!("/proc/{daemon}/fd")).expect("the daemon lives");
        fds.flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|to| text(&to).contains(&id))
    };
    assert!(is_open());
    for number in 0..140 {
        let dir = root.join(format!("w{number}"));
        fs::create_dir(&dir).expect("mkdir");
        fs::metadata(dir.join("README")).expect("stat");
    }
    support::wait_until("it rests", || !is_open());

    let mut text_of = String::new();
    (&of_base).read_to_string(&mut text_of).expect("read what is open");
    assert_eq!(text_of, "hello\n");
    made.seek(SeekFrom::End(0)).expect("seek");
    made.write_all(b"and written to\n").expect("write to what is open");
    assert_eq!(
        fs::read_to_string(a.join("made")).expect("read"),
        "made here, open\nand written to\n"
    );
    let again = ["made", "README", "src/main.c"]
        .map(|name| fs::metadata(a.join(name)).expect("stat").ino());
    assert_eq!(inos, again, "the numbers are the same");
    assert_eq!(
        folder.metadata().expect("stat").ino(),
        fs::metadata(a.join("src")).expect("stat").ino()
    );
    let mut bytes = [0; 7];
    unlinked.read_exact_at(&mut bytes, 0).expect("read");
    assert_eq!(&bytes, b"no name", "one with a file without a name does not rest");
    drop((of_base, made, folder, unlinked));
    host.toft_with(&["umount", "--no-push", text(&root)]).expect_code(0);
}
