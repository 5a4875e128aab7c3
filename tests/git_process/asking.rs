use crate::gitrepo::{World, git, rev};
use toft::git::{Git, GitVersion};
use toft::types::HashKind;

#[test]
fn a_remote_tells_its_head_refs_and_hash() {
    let world = World::new();
    let (url, tip) = world.seeded("remote.git");
    git(&world.path("remote.git"), &["tag", "-a", "-m", "x", "v1", "main"]);
    let found = Git::new(&world.path("none"), None).ls_remote(&url).unwrap();
    assert_eq!(found.head.as_deref(), Some("refs/heads/main"));
    assert_eq!(found.get("refs/heads/main"), Some(tip));
    assert_eq!(found.get("refs/tags/v1"), Some(rev(&world.path("remote.git"), "v1")));
    assert_eq!((found.refs.len(), found.hash), (2, HashKind::Sha1));
}

#[test]
fn an_empty_remote_tells_the_branch_to_be_born_and_its_hash() {
    let world = World::new();
    for (name, format, hash) in
        [("a.git", "sha1", HashKind::Sha1), ("b.git", "sha256", HashKind::Sha256)]
    {
        let url = world.bare(name, &[&format!("--object-format={format}")]);
        git(&world.path(name), &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
        let found = Git::new(&world.path("none"), None).ls_remote(&url).unwrap();
        assert_eq!(found.head.as_deref(), Some("refs/heads/trunk"));
        assert!(found.refs.is_empty());
        assert_eq!(found.hash, hash);
    }
}

#[test]
fn a_prefix_selects_refs_and_only_those() {
    let world = World::new();
    let (url, tip) = world.seeded("remote.git");
    for name in ["refs/heads/x/main", "refs/heads/toft/a/1", "refs/heads/toft/a/2"] {
        git(&world.path("remote.git"), &["update-ref", name, &tip.to_string()]);
    }
    let remote = Git::new(&world.path("none"), None);
    assert_eq!(remote.ls_refs(&url, "refs/heads/main").unwrap().refs.len(), 1);
    assert_eq!(remote.ls_refs(&url, "refs/heads/toft/a/").unwrap().refs.len(), 2);
    assert_eq!(remote.ls_refs(&url, "refs/heads/nothing").unwrap().refs.len(), 0);
}

#[test]
fn the_installed_git_is_new_enough() {
    assert!(Git::version().unwrap() >= GitVersion::MINIMUM);
}

#[test]
fn a_store_can_be_made_in_both_hashes() {
    let world = World::new();
    for (hash, format) in [(HashKind::Sha1, "sha1"), (HashKind::Sha256, "sha256")] {
        let path = world.path(format);
        Git::init_bare(&path, hash).unwrap();
        assert_eq!(git(&path, &["rev-parse", "--show-object-format"]), format);
        assert_eq!(git(&path, &["rev-parse", "--is-bare-repository"]), "true");
        assert!(!path.join("hooks").exists(), "no templates of the user's");
    }
}

#[test]
fn a_work_tree_that_is_a_dead_mount_is_never_looked_at() {
    let world = World::new();
    let (url, _) = world.seeded("remote.git");
    let gitdir = world.gitdir("w.git");
    git(&gitdir, &["config", "core.bare", "false"]);
    git(&gitdir, &["config", "core.worktree", "/nonexistent/mount"]);
    Git::new(&gitdir, None).ls_remote(&url).unwrap();
}
