//! From a plan to a commit on the branch: durable, by compare-and-swap, never taking back what
//! somebody committed meanwhile.

use crate::world::{MAIN, World, allow, allow_all};
use toft::commit::{CommitError, Cut, Look, SealRequest, Sealed, TrackedPaths, Trailers};
use toft::git::Head;
use toft::sys::{Clock, Disk, FsyncCounts, Reason};
use toft::types::HashKind;

fn commit_of(sealed: Sealed) -> String {
    match sealed {
        Sealed::Commit { oid, .. } => oid.to_string(),
        Sealed::Nothing { .. } => panic!("nothing was sealed"),
    }
}

#[test]
fn a_seal_is_a_commit_on_heads_branch() {
    for hash in [HashKind::Sha1, HashKind::Sha256] {
        let mut world = World::with(crate::git::newest(), hash, |seed| seed.write(b"a", b"a\n"));
        let before = world.git(&["rev-parse", MAIN]);
        world.write("b", "b\n");
        let request = SealRequest {
            message: Some("what I did".to_owned()),
            trailers: Trailers { workspace: "w-x".to_owned(), ..Trailers::default() },
            ..allow(&[])
        };
        let oid = commit_of(world.try_seal(&request).unwrap());
        assert_eq!(world.git(&["rev-parse", MAIN]), oid);
        assert_eq!(world.git(&["rev-parse", "HEAD^"]), before);
        let body = world.git(&["log", "-1", "--format=%an <%ae> %cn%n%B"]);
        assert_eq!(body.trim_end(), "W Ork <w@ork> W Ork\nwhat I did\n\nToft-Workspace: w-x");
        world.git(&["fsck", "--strict"]);
    }
}

#[test]
fn nothing_changed_means_no_commit_and_no_objects() {
    let mut world = World::new(|seed| {
        seed.write(b"a", b"a\n");
        seed.write(b"dir/b", b"b\n");
    });
    let state = || {
        let packs = std::fs::read_dir(world.gitdir.join("objects/pack")).unwrap().count();
        (packs, world.git(&["rev-parse", MAIN]), world.git(&["count-objects"]))
    };
    let before = state();
    assert!(matches!(world.seal(), Sealed::Nothing { .. }));
    world.workspace.overlay().sync().unwrap();
    assert_eq!(state(), before);
    // Written, but the same.
    world.write_here(b"a", b"a\n");
    world.write_here(b"dir/b", b"changed\n");
    world.write_here(b"dir/b", b"b\n");
    world.chmod_here(b"a", 0o600);
    assert!(matches!(world.seal(), Sealed::Nothing { .. }));
    assert_eq!(state(), before);
    world.write("a", "new\n");
    commit_of(world.seal());
    assert!(matches!(world.seal(), Sealed::Nothing { .. }));
}

#[test]
fn the_first_commit_has_no_parent() {
    let mut world = World::unborn(HashKind::Sha1);
    assert!(matches!(world.seal(), Sealed::Nothing { head: None, .. }));
    world.write("a", "a\n");
    commit_of(world.seal());
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "1");
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_seal_syncs_as_often_for_ten_thousand_paths_as_for_one() {
    let mut world = World::new(|seed| seed.write(b"a", b"a\n"));
    world.write_here(b"one", b"1\n");
    let one = syncs(&mut world);
    for number in 0..10_000_u32 {
        let path = format!("many/{}/{number}", number % 100);
        world.write_here(path.as_bytes(), number.to_string().as_bytes());
    }
    let many = syncs(&mut world);
    assert_eq!(one, many);
    assert_eq!(one, [(2, 1), (1, 1)], "pack, index, their directory; ref, its directory");
    world.git(&["fsck", "--strict"]);
}

/// Fsyncs of files and directories that a seal does, for objects and for refs.
fn syncs(world: &mut World) -> [(u64, u64); 2] {
    let before = world.disk.counts();
    commit_of(world.seal());
    let after = world.disk.counts();
    let journal = |counts: &FsyncCounts| counts.files(Reason::Journal);
    assert_eq!(journal(&before), journal(&after));
    [Reason::Objects, Reason::Refs].map(|reason| {
        (after.files(reason) - before.files(reason), after.dirs(reason) - before.dirs(reason))
    })
}

#[test]
fn objects_are_durable_before_the_ref_moves() {
    let mut world = World::new(|seed| seed.write(b"a", b"a\n"));
    world.write("b", "b\n");
    let tip = world.git(&["rev-parse", MAIN]);
    let lock = world.gitdir.join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let error = world.try_seal(&allow_all()).unwrap_err();
    assert!(matches!(error, CommitError::Git(_)), "{error}");
    assert_eq!(world.git(&["rev-parse", MAIN]), tip);
    std::fs::remove_file(lock).unwrap();
    let before = world.disk.counts();
    commit_of(world.seal());
    let again = world.disk.counts().files(Reason::Objects) - before.files(Reason::Objects);
    assert!(again <= 2, "what was stored is not stored again, but for the commit's new time");
}

/// Does `meanwhile` after HEAD was read and the cut was taken, the first time.
fn seal_with(world: &World, mut meanwhile: impl FnMut()) -> Result<Sealed, CommitError> {
    let mut looks = 0;
    let sealed = world.sealer.seal(&allow_all(), &mut |_: &Head| -> Result<Cut, CommitError> {
        looks += 1;
        let cut = world.cut();
        if looks == 1 {
            meanwhile();
        }
        Ok(cut)
    });
    assert!(looks > 1, "it must look again");
    sealed.map(|(sealed, _)| sealed)
}

/// Commits `content` at `path`, as a user's git does in the mount: the file first.
fn user_commits(world: &World, path: &str, content: &str) -> String {
    world.write_here(path.as_bytes(), content.as_bytes());
    let gitdir = world.gitdir.to_str().unwrap();
    let hash = ["--git-dir", gitdir, "hash-object", "-w", "--stdin"];
    let blob = world.plain.git_with(&hash, content.as_bytes());
    world.git(&["read-tree", "HEAD"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
    let tree = world.git(&["write-tree"]);
    let commit = world.git(&["commit-tree", "-p", "HEAD", "-m", "by the user", &tree]);
    world.git(&["update-ref", "HEAD", &commit]);
    commit
}

#[test]
fn a_commit_of_the_user_meanwhile_becomes_the_parent_and_is_not_taken_back() {
    let mut world = World::new(|seed| {
        seed.write(b"ours", b"1\n");
        seed.write(b"theirs", b"1\n");
    });
    world.write("ours", "2\n");
    let mut users = String::new();
    let sealed = seal_with(&world, || users = user_commits(&world, "theirs", "2\n")).unwrap();
    let Sealed::Commit { parent, plan, .. } = sealed else { panic!("ours changed") };
    assert_eq!(parent.unwrap().to_string(), users);
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(world.git(&["show", "HEAD:theirs"]), "2");
    assert_eq!(world.git(&["show", "HEAD:ours"]), "2");
}

#[test]
fn a_commit_of_the_same_content_leaves_nothing_to_do() {
    let world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.write_here(b"file", b"2\n");
    let mut users = String::new();
    let sealed = seal_with(&world, || users = user_commits(&world, "file", "2\n")).unwrap();
    assert!(matches!(sealed, Sealed::Nothing { .. }));
    assert_eq!(world.git(&["rev-parse", MAIN]), users);
}

#[test]
fn a_switch_of_branches_meanwhile_is_seen_although_the_branch_stands() {
    let world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.git(&["branch", "other"]);
    let tip = world.git(&["rev-parse", MAIN]);
    world.write_here(b"file", b"2\n");
    let switch = || {
        world.git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    };
    let sealed = seal_with(&world, switch).unwrap();
    let Sealed::Commit { branch, .. } = sealed else { panic!("file changed") };
    assert_eq!(branch, "refs/heads/other");
    assert_eq!(world.git(&["rev-parse", MAIN]), tip);
}

/// Says once that somebody was at the index.
struct Unsettled<'a> {
    world: &'a World,
    settled: Vec<bool>,
}

impl Look for Unsettled<'_> {
    type Error = CommitError;

    fn look(&mut self, _: &Head) -> Result<Cut, CommitError> {
        Ok(self.world.cut())
    }

    fn settle(&mut self, head: &Head, _: &Cut) -> Result<bool, CommitError> {
        let tip = self.world.git(&["rev-parse", MAIN]);
        assert_eq!(head.tip().map(|tip| tip.to_string()), Some(tip), "the branch waits");
        let stored = self.world.git(&["rev-list", "--objects", "--all", "--no-object-names"]);
        let all = self.world.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        assert!(all.lines().count() > stored.lines().count(), "the commit is stored already");
        self.settled.push(self.settled.is_empty());
        Ok(self.settled.len() > 1)
    }
}

#[test]
fn the_branch_moves_once_everything_is_stored_and_nobody_is_at_the_index() {
    let mut world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.write("file", "2\n");
    let mut look = Unsettled { world: &world, settled: Vec::new() };
    let (sealed, _) = world.sealer.seal(&allow_all(), &mut look).unwrap();
    assert_eq!(look.settled.len(), 2);
    let Sealed::Commit { oid, .. } = sealed else { panic!("file changed") };
    assert_eq!(world.git(&["rev-parse", MAIN]), oid.to_string());
    assert_eq!(world.git(&["rev-list", "--count", MAIN]), "2");
}

#[test]
fn a_branch_that_never_stands_still_is_given_up_on() {
    let world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.write_here(b"mine", b"x\n");
    let mut number = 0;
    let result = world.sealer.seal(&allow_all(), &mut |_: &Head| -> Result<Cut, CommitError> {
        number += 1;
        let cut = world.cut();
        user_commits(&world, "file", &format!("{number}\n"));
        Ok(cut)
    });
    assert!(matches!(result, Err(CommitError::Busy { .. })));
    assert!(number < 20, "a bounded number of times");
    assert_eq!(world.git(&["show", "HEAD:file"]), number.to_string());
}

#[test]
fn what_is_written_after_the_freeze_is_for_the_next_seal() {
    let mut world = World::new(|seed| seed.write(b"file", b"1\n"));
    world.write("file", "2\n");
    let head = world.repo().head().unwrap();
    let freeze = world.overlay.freeze();
    world.write_here(b"file", b"3\n");
    world.write_here(b"new", b"x\n");
    let plan = world.sealer.plan(&freeze, &head, &TrackedPaths::Head).unwrap();
    assert_eq!(plan.tree, world.plain.oracle());
    drop(freeze);
    assert_eq!(world.plan().changes.len(), 2);
}

#[test]
fn hashes_are_remembered_and_never_outlive_the_bytes() {
    let mut world = World::new(|seed| seed.write(b".gitattributes", b"*.txt text\n"));
    let mut bytes = b"0\r\n".to_vec();
    for round in 0..50_u8 {
        // The same length and, within a tick of the clock, the same times.
        bytes[0] = b'0' + round % 10;
        world.write("file", &bytes);
        world.write("file.txt", &bytes);
        world.plan();
        bytes[0] = b'a' + round % 20;
        world.write("file", &bytes);
        world.write("file.txt", &bytes);
        assert_eq!(world.plan().tree, world.plain.oracle(), "round {round}");
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    world.plan();
    // Now they are remembered; rules that change make them be read again.
    world.write(".gitattributes", "* text\n");
    world.check();
}

#[test]
fn a_second_look_reads_no_unchanged_body() {
    let mut world = World::new(|seed| seed.write(b".gitattributes", b"*.txt text\n"));
    for number in 0..100 {
        world.write(format!("dir/{number}"), vec![b'x'; 100_000 + number]);
        world.write(format!("dir/{number}.txt"), vec![b'x'; 100_000 + number]);
    }
    // A hash is remembered when no later write can have the same time.
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(bytes_read(|| drop(world.plan())) > 20_000_000);
    assert!(bytes_read(|| drop(world.plan())) < 200_000);
    commit_of(world.seal());
    assert!(bytes_read(|| assert!(world.plan().is_clean())) < 200_000);
    // What was sealed is not read again, whatever else is sealed.
    world.write("new", "x\n");
    assert!(bytes_read(|| drop(commit_of(world.seal()))) < 400_000);
}

/// Bytes that this thread reads from files meanwhile.
fn bytes_read(work: impl FnOnce()) -> u64 {
    let so_far = || {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse::<u64>().unwrap()
    };
    let before = so_far();
    work();
    so_far() - before
}

#[test]
fn a_wall_clock_that_jumps_changes_the_date_of_a_commit_and_nothing_else() {
    let mut world = World::new(|seed| seed.write(b"a", b"a\n"));
    let year = 365 * 24 * 3600;
    let mut before = world.git(&["rev-parse", "HEAD"]).trim().to_owned();
    for (number, jump) in [0, 12 * year, -20 * year, -20 * year - 1, 0].into_iter().enumerate() {
        world.clock.set(jump);
        world.write("a", format!("{number}\n"));
        world.write(format!("new{number}"), "new\n");
        let tree = world.plain.oracle().to_string();
        let wanted = world.clock.now().sec;
        let oid = commit_of(world.seal());
        let shown = world.git(&["log", "-1", "--format=%ct %P %T", &oid]);
        let words: Vec<&str> = shown.split_whitespace().collect();
        let date: i64 = words[0].parse().unwrap();
        assert!((wanted..wanted + 60).contains(&date), "{jump}: {date} and not {wanted}");
        assert_eq!(words[1..], [before.as_str(), tree.as_str()], "{jump}");
        before = oid;
    }
    world.git(&["fsck", "--strict"]);
}
