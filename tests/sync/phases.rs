//! Each request of a push goes wrong in each way: the commit stays queued with the right word for it,
//! and is pushed once when the remote is well again.

use crate::gitrepo::{World, commit_on, git, path_of, rev};
use crate::http::{Fault, Server};
use crate::site::{MAIN, Site};
use toft::git::GitError;
use toft::sync::PushOutcome;

/// The requests of a push: for the refs, and for the update.
const PUSH: [&str; 2] = ["service=git-receive-pack", "/git-receive-pack"];
/// Those of a fetch.
const FETCH: [&str; 2] = ["service=git-upload-pack", "/git-upload-pack"];

fn faults() -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::Status(401), "credentials"),
        (Fault::Status(403), "credentials"),
        (Fault::Status(404), "no repository"),
        (Fault::Status(429), "unreachable"),
        (Fault::Status(500), "unreachable"),
        (Fault::Status(503), "unreachable"),
        (Fault::Drop, "unreachable"),
    ]
}

/// Whether it will be tried again by itself, and why it was not pushed.
fn word(outcome: &PushOutcome) -> &'static str {
    match outcome {
        PushOutcome::Pushed { .. } => "pushed",
        PushOutcome::Credentials { .. } => "credentials",
        PushOutcome::Refused { .. } => "refused",
        PushOutcome::Queued { error: GitError::Unreachable(_), .. } => "unreachable",
        PushOutcome::Queued { error: GitError::NoSuchRepository(_), .. } => "no repository",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_push_that_fails_at_any_request_stays_queued_and_arrives_once() {
    let world = World::new();
    let (remote, mut tip) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    let mut commits = 1;
    for (phase, some) in PUSH.into_iter().zip([1, 3]) {
        for (fault, expected) in faults().into_iter().step_by(some) {
            let at = format!("{fault:?} at {phase}");
            tip = site.commit(Some(tip), &[("file", &at)]);
            server.fault(phase, fault);
            let outcome = site.push_one();
            assert_eq!(word(&outcome), expected, "{at}: {outcome:?}");
            assert!(!site.idle(), "{at}");
            server.heal();
            assert_eq!(site.pushed(), tip, "{at}");
            commits += 1;
            let count = git(&path_of(&remote), &["rev-list", "--count", MAIN]);
            assert_eq!(count, commits.to_string(), "{at}");
        }
    }
}

#[test]
fn a_merge_whose_fetch_fails_at_any_request_stays_queued_and_arrives_once() {
    let world = World::new();
    let (remote, mut tip) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    for phase in FETCH {
        for (fault, expected) in [
            (Fault::Status(403), "credentials"),
            (Fault::Status(503), "unreachable"),
            (Fault::Drop, "unreachable"),
        ] {
            let at = format!("{fault:?} at {phase}");
            let path = path_of(&remote);
            let theirs = commit_on(&path, Some(tip), &[("theirs", &at)], "theirs");
            git(&path, &["update-ref", MAIN, &theirs.to_string()]);
            let ours = site.commit(Some(tip), &[("ours", &at)]);
            server.fault(phase, fault);
            let outcome = site.push_one();
            assert_eq!(word(&outcome), expected, "{at}: {outcome:?}");
            assert!(!site.idle(), "{at}");
            server.heal();
            tip = site.pushed();
            let parents = git(&path, &["show", "-s", "--format=%P", &tip.to_string()]);
            assert!(parents.contains(&ours.to_string()), "{at}: {parents}");
            assert!(parents.contains(&theirs.to_string()), "{at}: {parents}");
        }
    }
}

#[test]
fn a_server_that_accepts_and_forgets_is_not_believed() {
    let world = World::new();
    let (remote, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    let ours = site.commit(Some(base), &[("a", "1")]);
    server.fault("/git-receive-pack", Fault::Lie);
    for _ in 0..2 {
        let outcome = site.push_one();
        let PushOutcome::Refused { reason, .. } = &outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("does not move"), "{reason}");
        assert_eq!(rev(&path_of(&remote), MAIN), base);
        assert!(!site.idle());
    }
    server.heal();
    assert_eq!(site.pushed(), ours);
    assert_eq!(rev(&path_of(&remote), MAIN), ours);
}

#[test]
fn a_side_branch_that_the_server_forgets_is_not_believed() {
    let world = World::new();
    let (remote, base) = world.seeded("remote.git");
    let path = path_of(&remote);
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    let ours = site.commit(Some(base), &[("README", "ours\n")]);
    let theirs = commit_on(&path, Some(base), &[("README", "theirs\n")], "theirs");
    git(&path, &["update-ref", MAIN, &theirs.to_string()]);
    server.fault("/git-receive-pack", Fault::Lie);
    let outcome = site.push_one();
    assert_eq!(word(&outcome), "refused", "{outcome:?}");
    assert_eq!(site.outbox().pending().unwrap()[0].new, ours, "it is still queued");
    server.heal();
    let outcome = site.push_one();
    let PushOutcome::Conflict { branch, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(rev(&path, branch), ours);
}
