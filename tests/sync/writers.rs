//! Two hosts on one branch, and a host that is killed again and again.

use crate::child::again_as_child;
use crate::gitrepo::{World, git, path_of, rev};
use crate::site::{MAIN, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use toft::git::{CommitSpec, Repo, TreeItem};
use toft::sync::{PushIntent, PushOutcome};
use toft::sys::{Clock, OsClock, OsDisk};
use toft::types::{Name, Oid, Seq, TreeMode};

/// Pushes of each writer; fewer where the suite runs a second time, with the other git.
fn rounds() -> usize {
    if std::env::var_os("TOFT_GIT").is_some() { 20 } else { 100 }
}

/// Commits a new file `name` on top of `parent`, in process.
fn commit(repo: &Repo, parent: Oid, name: &str) -> Oid {
    let mut writer = repo.writer();
    let tree = repo.commit(parent).unwrap().tree;
    let mut items: Vec<_> = repo
        .tree(tree)
        .unwrap()
        .into_iter()
        .map(|entry| TreeItem {
            mode: TreeMode::from_octal(entry.mode).unwrap(),
            name: Name::new(&entry.name).unwrap(),
            oid: entry.oid,
        })
        .collect();
    let oid = writer.blob(name.as_bytes()).unwrap();
    items.push(TreeItem { mode: TreeMode::Blob, name: Name::new(name.as_bytes()).unwrap(), oid });
    let tree = writer.tree(items).unwrap();
    let (author, committer) = repo.identity().sign(OsClock::new().now());
    let message = format!("{name}\n").into_bytes();
    let parents = vec![parent];
    let new = writer.commit(&CommitSpec { tree, parents, author, committer, message }).unwrap();
    writer.finish(&OsDisk::default()).unwrap();
    new
}

fn enqueue(site: &Site, new: Oid) {
    let intent = PushIntent { refname: MAIN.to_owned(), new, seq: Seq(1) };
    site.outbox().enqueue(&intent).unwrap();
}

/// Each of `names` is in the history of `main` once, and its file is there.
fn assert_all_arrived_once(remote: &Path, names: &BTreeSet<String>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for subject in git(remote, &["log", "--no-merges", "--format=%s", MAIN]).lines() {
        *seen.entry(subject.to_owned()).or_default() += 1;
    }
    for name in names {
        assert_eq!(seen.get(name), Some(&1), "commit {name}");
    }
    assert_eq!(seen.len(), names.len() + 1, "the first commit, and no other");
    let files: BTreeSet<_> =
        git(remote, &["ls-tree", "--name-only", MAIN]).lines().map(str::to_owned).collect();
    assert!(names.is_subset(&files));
    git(remote, &["fsck", "--strict"]);
}

#[test]
fn two_writers_in_a_tight_loop_both_get_through_and_no_commit_is_lost_or_doubled() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let sites = [Site::new(&world, "a.git", &url), Site::new(&world, "b.git", &url)];
    std::thread::scope(|scope| {
        for site in &sites {
            scope.spawn(move || {
                let repo = Repo::open(&site.gitdir).unwrap();
                let mut tip = base;
                for round in 0..rounds() {
                    let ours = commit(&repo, tip, &format!("{}-{round}", site.workspace));
                    enqueue(site, ours);
                    tip = site.pushed();
                    repo.refresh();
                    site.outbox().adopt(MAIN, tip).unwrap();
                }
            });
        }
    });
    let names = sites
        .iter()
        .flat_map(|site| (0..rounds()).map(|round| format!("{}-{round}", site.workspace)));
    assert_all_arrived_once(&path_of(&url), &names.collect());
}

/// The victim: commits and pushes until it is killed, and says what it has queued.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os("TOFT_TEST_VICTIM") else { return };
    let dir = Path::new(&dir);
    let url = format!("file://{}", dir.join("remote.git").display());
    let gitdir = dir.join("a.git");
    let site = Site::open(&gitdir, "a.git", &url, None, std::sync::Arc::new(OsClock::new()));
    let repo = Repo::open(&gitdir).unwrap();
    // Our branch, as the daemon would have it: moved by compare-and-swap before the commit is queued.
    let mut tip = repo.read_ref(MAIN).unwrap().unwrap();
    site.outbox().ensure(MAIN, tip, Seq(1)).unwrap();
    for round in 0.. {
        for pushed in site.push() {
            if let PushOutcome::Pushed { tip: moved } = pushed.outcome {
                repo.refresh();
                repo.cas_ref(&OsDisk::default(), MAIN, moved, Some(tip), "adopt").unwrap();
                tip = moved;
            }
        }
        let name = format!("{}-{round}", std::process::id());
        let ours = commit(&repo, tip, &name);
        repo.cas_ref(&OsDisk::default(), MAIN, ours, Some(tip), "commit").unwrap();
        tip = ours;
        println!("committed {name}");
        enqueue(&site, ours);
    }
}

#[test]
fn kill_9_at_any_moment_loses_no_commit_and_doubles_none() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    let site = Site::new(&world, "a.git", &url);
    git(&site.gitdir, &["update-ref", MAIN, &base.to_string()]);
    let mut names = BTreeSet::new();
    let remote = path_of(&url);
    for life in 0..25_u64 {
        let lives = Duration::from_millis(300 + life * 137 % 1500);
        let said = again_as_child("writers::victim", "TOFT_TEST_VICTIM", &world.path(""), lives);
        let committed = said.lines().filter_map(|line| line.strip_prefix("committed "));
        names.extend(committed.map(str::to_owned));
        if life % 3 == 0 {
            // Somebody else pushes meanwhile.
            let name = format!("other-{life}");
            let parent = rev(&remote, MAIN);
            let theirs = crate::gitrepo::commit_on(&remote, Some(parent), &[(&name, &name)], &name);
            let moved = crate::gitrepo::try_git(
                &remote,
                &["update-ref", MAIN, &theirs.to_string(), &parent.to_string()],
            );
            if moved.status.success() {
                names.insert(name);
            }
        }
    }
    let tip = Repo::open(&site.gitdir).unwrap().read_ref(MAIN).unwrap().unwrap();
    let site = Site::open(&site.gitdir, "a.git", &url, None, site.clock.clone());
    site.outbox().ensure(MAIN, tip, Seq(1)).unwrap();
    for pushed in site.push() {
        assert!(matches!(pushed.outcome, PushOutcome::Pushed { .. }), "{pushed:?}");
    }
    assert!(names.len() > 20, "{names:?}");
    // A commit whose name the victim could not say any more may be there too.
    let subjects = git(&remote, &["log", "--no-merges", "--format=%s", MAIN]);
    let unsaid =
        subjects.lines().filter(|subject| subject.contains('-') && !names.contains(*subject));
    let unsaid: Vec<_> = unsaid.map(str::to_owned).collect();
    names.extend(unsaid);
    assert_all_arrived_once(&remote, &names);
}
