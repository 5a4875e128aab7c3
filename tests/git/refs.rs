//! Refs.

use crate::git::Sandbox;
use toft::git::Head;
use toft::types::HashKind;

#[test]
fn head_is_unborn_then_a_branch_then_detached() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let repo = sandbox.open();
    let main = || "refs/heads/main".to_owned();
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: None });
    let commit = sandbox.commit("x");
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: Some(commit) });
    sandbox.git(&["pack-refs", "--all"]);
    assert_eq!(repo.head().unwrap(), Head::Branch { name: main(), tip: Some(commit) });
    sandbox.git(&["checkout", "-q", "--detach"]);
    assert_eq!(repo.head().unwrap(), Head::Detached(commit));
}

#[test]
fn refs_are_found_loose_packed_and_symbolic_by_their_full_name_only() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let one = sandbox.commit("one");
    sandbox.git(&["branch", "topic/a"]);
    sandbox.git(&["tag", "v1"]);
    sandbox.git(&["pack-refs", "--all"]);
    let two = sandbox.commit("two");
    sandbox.git(&["branch", "topic/b"]);
    sandbox.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    sandbox.git(&["symbolic-ref", "refs/heads/dangling", "refs/heads/nothing"]);
    let repo = sandbox.open();
    assert_eq!(repo.read_ref("refs/heads/main").unwrap(), Some(two));
    assert_eq!(repo.read_ref("refs/heads/topic/a").unwrap(), Some(one));
    assert_eq!(repo.read_ref("refs/heads/alias").unwrap(), Some(two));
    assert_eq!(repo.read_ref("refs/heads/dangling").unwrap(), None);
    assert_eq!(repo.read_ref("main").unwrap_or(None), None);
    assert!(repo.read_ref("refs/heads/../../etc/passwd").is_err());
    let name = |name: &str, oid| (format!("refs/heads/{name}"), oid);
    assert_eq!(
        repo.refs("refs/heads/").unwrap(),
        [name("alias", two), name("main", two), name("topic/a", one), name("topic/b", two)]
    );
    assert_eq!(
        repo.refs("refs/heads/topic").unwrap(),
        [name("topic/a", one), name("topic/b", two)]
    );
    assert_eq!(repo.refs("").unwrap().len(), 5);
    assert_eq!(repo.refs("refs/nothing/").unwrap(), []);
}
