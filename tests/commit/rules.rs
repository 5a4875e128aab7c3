//! One rule of `git add -A` a test; each compares the tree and the list of changes with git.

use crate::world::{World, changes_of};
use std::os::unix::fs::PermissionsExt;
use toft::types::HashKind;

fn changed(world: &World) -> Vec<String> {
    let show = |(kind, path): (char, Vec<u8>)| format!("{kind} {}", path.escape_ascii());
    changes_of(&world.plan()).into_iter().map(show).collect()
}

fn skipped(world: &World) -> Vec<String> {
    world.plan().skipped.iter().map(|skipped| skipped.path.escape_ascii().to_string()).collect()
}

#[test]
fn a_view_without_changes_is_clean_and_reads_no_subtree() {
    let mut world = World::new(|seed| {
        seed.write(b"a/b/c", b"c\n");
        seed.write(b"d", b"d\n");
    });
    assert!(world.plan().is_clean());
    world.check();
}

#[test]
fn a_change_deep_down_keeps_the_trees_beside_it() {
    let mut world = World::new(|seed| {
        seed.write(b"a/b/c/deep", b"one\n");
        seed.write(b"a/other/file", b"x\n");
        seed.write(b"beside/file", b"y\n");
    });
    // The objects of what did not change are not needed.
    for path in ["beside", "a/other"] {
        let tree = world.plain.git(&["rev-parse", &format!("HEAD:{path}")]);
        crate::damage::remove_object(&world.gitdir, &tree);
    }
    world.repo().refresh();
    world.write("a/b/c/deep", "two\n");
    world.check();
    assert_eq!(changed(&world), ["M a/b/c/deep"]);
}

#[test]
fn only_the_owners_execute_bit_counts() {
    let mut world = World::new(|seed| {
        seed.write(b"tool", b"#!/bin/sh\n");
        seed.write(b"plain", b"x\n");
        seed.chmod(b"tool", 0o755);
    });
    world.chmod("plain", 0o655);
    world.check();
    assert!(changed(&world).is_empty());
    world.chmod("plain", 0o744);
    world.chmod("tool", 0o611);
    world.check();
    assert_eq!(changed(&world), ["M plain", "M tool"]);
}

#[test]
fn permissions_beyond_the_execute_bit_are_no_change() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.chmod("file", 0o600);
    world.check();
    assert!(world.plan().is_clean());
}

#[test]
fn links_are_sealed_as_they_are() {
    let mut world = World::new(|seed| {
        seed.symlink(b"kept", b"somewhere");
        seed.symlink(b"retargeted", b"a");
        seed.write(b"replaced", b"x\n");
    });
    world.symlink("dangling", b"/no/where/\xff");
    world.remove("retargeted");
    world.symlink("retargeted", "b");
    world.remove("replaced");
    world.symlink("replaced", "kept");
    world.check();
    assert_eq!(changed(&world), ["A dangling", "M replaced", "M retargeted"]);
}

#[test]
fn a_moved_link_of_the_base_keeps_its_blob() {
    let mut world = World::new(|seed| seed.symlink(b"link", b"target"));
    world.rename("link", "moved");
    world.check();
    assert_eq!(changed(&world), ["D link", "A moved"]);
}

#[test]
fn hard_links_are_separate_files() {
    let mut world = World::new(|seed| seed.write(b"one", b"x\n"));
    world.link("one", "two");
    world.write("two", "both\n");
    world.check();
    assert_eq!(changed(&world), ["M one", "A two"]);
}

#[test]
fn a_file_becomes_a_directory_and_back() {
    let mut world = World::new(|seed| {
        seed.write(b"file", b"x\n");
        seed.write(b"dir/a", b"a\n");
        seed.write(b"dir/b/c", b"c\n");
    });
    world.remove("file");
    world.write("file/inside", "i\n");
    world.remove("dir");
    world.write("dir", "d\n");
    world.check();
    let expected = ["A dir", "D dir/a", "D dir/b/c", "D file", "A file/inside"];
    assert_eq!(changed(&world), expected);
}

#[test]
fn empty_directories_are_left_out() {
    let mut world = World::new(|seed| {
        seed.write(b"dir/only", b"x\n");
        seed.write(b"keep", b"k\n");
    });
    world.mkdir("empty");
    world.mkdir("empty/within");
    world.remove("dir/only");
    world.check();
    assert_eq!(changed(&world), ["D dir/only"]);
}

#[test]
fn the_last_file_gone_leaves_the_empty_tree() {
    let mut world = World::new(|seed| seed.write(b"dir/only", b"x\n"));
    world.remove("dir");
    assert_eq!(world.check(), world.repo().empty_tree());
    world.seal_both();
    world.git(&["fsck", "--strict"]);
}

#[test]
fn names_are_bytes() {
    let mut world = World::new(|seed| seed.write(b"\xff\xfe/caf\xe9", b"x\n"));
    world.write(b"\xff\xfe/new\n\x01", "y\n");
    world.write(b"\xc3\xa9", "z\n");
    world.remove(b"\xff\xfe/caf\xe9");
    world.write([b'n'; 255], "longest\n");
    world.check();
}

#[test]
fn tree_order_is_gits() {
    let mut world = World::new(|seed| seed.write(b"a/x", b"x\n"));
    for name in ["a.b", "a-b", "a0", "a", "b"] {
        if name != "a" {
            world.write(name, "x\n");
        }
    }
    world.write("a/y", "y\n");
    world.check();
}

#[test]
fn special_files_are_left_out_and_said_so() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.fifo("pipe");
    world.check();
    assert_eq!(skipped(&world), ["pipe"]);
    world.write(".gitignore", "pipe\n");
    world.check();
    assert!(skipped(&world).is_empty(), "an ignored one is nobody's business");
}

#[test]
fn a_tracked_file_that_became_a_fifo_is_gone() {
    let world = World::new(|seed| {
        seed.write(b"file", b"x\n");
        seed.write(b"other", b"x\n");
    });
    world.remove("file");
    world.fifo("file");
    assert_eq!(changed(&world), ["D file"]);
    assert_eq!(skipped(&world), ["file"]);
}

#[test]
fn untracked_files_are_ignored_by_all_rules() {
    let mut world = World::new(|seed| {
        seed.write(b".gitignore", b"*.log\n/build/\n!keep.log\n");
        seed.write(b"src/.gitignore", b"/generated\n");
    });
    std::fs::write(world.gitdir.join("info/exclude"), "private\n").unwrap();
    let exclude = world.plain.dir.join(".git/info/exclude");
    std::fs::write(exclude, "private\n").unwrap();
    world.write("a.log", "ignored\n");
    world.write("keep.log", "kept\n");
    world.write("build/out", "ignored\n");
    world.write("src/build/out", "kept\n");
    world.write("src/generated/code", "ignored\n");
    world.write("generated", "kept\n");
    world.write("private", "ignored\n");
    world.check();
    assert_eq!(changed(&world), ["A generated", "A keep.log", "A src/build/out"]);
}

#[test]
fn tracked_files_are_never_ignored() {
    let mut world = World::new(|seed| {
        seed.write(b"build/tracked", b"one\n");
        seed.write(b"build/gone", b"x\n");
        seed.write(b"a.log", b"one\n");
    });
    world.write(".gitignore", "build/\n*.log\n");
    world.write("build/tracked", "two\n");
    world.write("build/untracked", "x\n");
    world.write("build/deeper/untracked", "x\n");
    world.remove("build/gone");
    world.write("a.log", "two\n");
    world.check();
    assert_eq!(changed(&world), ["A .gitignore", "M a.log", "D build/gone", "M build/tracked"]);
}

#[test]
fn nothing_is_included_again_below_an_ignored_directory() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write(".gitignore", "build\n!build/keep\n");
    world.write("build/keep", "x\n");
    world.write("build/.gitignore", "!*\n");
    world.check();
    assert_eq!(changed(&world), ["A .gitignore"]);
}

#[test]
fn a_directory_moved_to_an_ignored_place_is_gone() {
    let mut world = World::new(|seed| {
        seed.write(b".gitignore", b"build\n");
        seed.write(b"src/a", b"a\n");
        seed.write(b"src/b/c", b"c\n");
    });
    world.rename("src", "build");
    world.check();
    assert_eq!(changed(&world), ["D src/a", "D src/b/c"]);
}

#[test]
fn a_moved_directory_follows_the_rules_of_its_new_place() {
    let mut world = World::new(|seed| {
        seed.write(b"to/.gitignore", b"*.o\n");
        seed.write(b"to/.gitattributes", b"*.txt text\n");
        seed.write(b"from/code.o", b"o\n");
        seed.write(b"from/text.txt", b"x\r\ny\r\n");
        seed.write(b"from/sub/more", b"m\n");
    });
    world.rename("from", "to/from");
    world.check();
    world.seal_both();
    world.rename("to/from", "back");
    world.check();
}

#[test]
fn a_symbolic_link_holds_no_rules() {
    let mut world = World::new(|seed| seed.write(b"rules", b"*.log\n* text\n"));
    world.symlink(".gitignore", "rules");
    world.symlink(".gitattributes", "rules");
    world.write("a.log", "x\r\n");
    world.check();
}

#[test]
fn line_endings_are_stored_as_attributes_say() {
    let mut world = World::new(|seed| {
        seed.write(b".gitattributes", b"*.txt text\n*.bin -text\nauto/* text=auto\n*.id ident\n");
        seed.write(b"auto/crlf", b"");
    });
    world.write("a.txt", "x\r\ny\r\n");
    world.write("a.bin", "x\r\n");
    world.write("auto/text", "x\r\n");
    world.write("auto/binary", "\0x\r\n");
    world.write("a.id", "$Id: 1234 $\n");
    world.write("free", "x\r\n");
    world.check();
    let blob = world.seal_both();
    assert!(matches!(blob, toft::commit::Sealed::Commit { .. }));
    assert_eq!(world.git(&["cat-file", "-p", "HEAD:a.txt"]), "x\ny");
}

#[test]
fn a_file_stored_with_crlf_keeps_them_where_git_only_guesses() {
    let mut world = World::new(|seed| seed.write(b"crlf", b"x\r\n"));
    world.write(".gitattributes", "* text=auto\n");
    world.write("crlf", "x\r\ny\r\n");
    world.write("new", "x\r\n");
    world.check();
}

#[test]
fn an_untouched_file_that_is_not_normalised_stays_as_it_is() {
    let mut world = World::new(|seed| seed.write(b"crlf.txt", b"x\r\n"));
    world.write(".gitattributes", "* text\n");
    world.check();
    assert_eq!(changed(&world), ["A .gitattributes"]);
}

#[test]
fn the_users_clean_filter_runs() {
    let mut world = World::new(|seed| seed.write(b".gitattributes", b"*.up filter=up\n"));
    let config = ["config", "filter.up.clean", "tr a-z A-Z"];
    world.git(&config);
    world.plain.git(&config);
    world.write("shout.up", "hello\n");
    world.check();
    world.seal_both();
    assert_eq!(world.git(&["cat-file", "-p", "HEAD:shout.up"]), "HELLO");
}

#[test]
fn a_required_filter_that_fails_refuses_the_path_by_name() {
    let world = World::new(|seed| seed.write(b".gitattributes", b"*.x filter=broken\n"));
    world.git(&["config", "filter.broken.clean", "false"]);
    world.git(&["config", "filter.broken.required", "true"]);
    world.write_here(b"dir/file.x", b"x\n");
    let error = world.try_plan().unwrap_err().to_string();
    assert!(error.contains("dir/file.x"), "{error}");
}

#[test]
fn names_that_git_refuses_are_left_out_and_said_so() {
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    let names: [&[u8]; 6] =
        [b".GIT", b"git~1", b".git ", b".git.", b".g\xe2\x80\x8cit", b".git::$INDEX_ALLOCATION"];
    for name in names {
        world.write_here(&[b"dir/", name].concat(), b"x\n");
    }
    world.write_here(b"dir/.GIT2", b"fine\n");
    world.write_here(b"dir/git~2", b"fine\n");
    assert_eq!(changed(&world), ["A dir/.GIT2", "A dir/git~2"]);
    assert_eq!(world.plan().skipped.len(), names.len());
}

#[test]
fn a_gitmodules_that_is_a_link_is_refused() {
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.symlink(".gitmodules", "elsewhere");
    world.symlink(".GitModules", "elsewhere");
    assert!(changed(&world).is_empty());
    assert_eq!(skipped(&world), [".GitModules", ".gitmodules"]);
}

#[test]
fn a_gitmodules_that_is_a_link_already_is_not_dropped() {
    let mut world = World::with_tree(|plain| {
        plain.write(b"file", b"x\n");
        let blob = plain.git(&["hash-object", "-w", "file"]);
        let root = format!("120000 blob {blob}\t.gitmodules\n100644 blob {blob}\tfile\n");
        plain.git_with(&["mktree"], root.as_bytes())
    });
    world.write("file", "changed\n");
    assert_eq!(changed(&world), ["M file"]);
}

#[test]
fn the_gitfile_at_the_root_is_never_sealed() {
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    assert!(world.workspace.attr_at(b".git").is_ok());
    assert!(world.plan().is_clean());
}

#[test]
fn before_the_first_commit_all_is_new() {
    for hash in [HashKind::Sha1, HashKind::Sha256] {
        let mut world = World::unborn(hash);
        assert!(world.plan().is_clean());
        world.write("a/b", "x\n");
        world.write(".gitignore", "*.o\n");
        world.write("c.o", "x\n");
        world.check();
        assert_eq!(changed(&world), ["A .gitignore", "A a/b"]);
        world.seal_both();
        assert!(world.plan().is_clean());
        world.git(&["fsck", "--strict"]);
    }
}

#[test]
fn a_big_file_is_hashed_in_pieces() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at.wrapping_mul(77) >> 7) as u8).collect();
    world.write("big", &bytes);
    world.write("exactly", &bytes[..1 << 20]);
    world.write("one-more", &bytes[..(1 << 20) + 1]);
    world.check();
    world.seal_both();
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_path_longer_than_git_can_handle_is_left_out() {
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    let dir = vec!["d".repeat(250); 17].join("/").into_bytes();
    world.write_here(&[&dir, b"/file".as_slice()].concat(), b"x\n");
    assert!(changed(&world).is_empty());
    assert_eq!(world.plan().skipped.len(), 1);
}

#[test]
fn very_deep_directories_need_no_deep_stack() {
    let world = World::new(|seed| seed.write(b"file", b"x\n"));
    let path = vec!["d"; 2000].join("/").into_bytes();
    world.write_here(&path, b"x\n");
    let plan = std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(256 << 10);
        small.spawn_scoped(scope, || world.plan()).unwrap().join().unwrap()
    });
    assert_eq!(plan.changes.len(), 1);
}

#[test]
fn the_oracle_is_asked_on_a_plain_copy() {
    let mut world = World::new(|seed| seed.write(b"file", b"x\n"));
    world.write("file", "y\n");
    let mode = std::fs::metadata(world.plain.dir.join("file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0);
    assert_eq!(world.check(), world.plan().tree);
}
