//! Remotes that refuse, are gone, answer late or not at all.

use crate::gitrepo::{World, git, path_of, rev};
use crate::http::{Behaviour, Fault, Server};
use crate::outbox::StoppedClock;
use crate::site::{MAIN, Site};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use toft::git::{Credential, GitError};
use toft::sync::{Known, PushOutcome, RetryLoop};

#[test]
fn a_refusal_is_told_with_its_reason_and_stays_queued() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    world.hook(
        "remote.git",
        "pre-receive",
        "printf '\\033]0;owned\\007main is \\033[1mprotected\\n' >&2; exit 1",
    );
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("a", "1")]);
    match site.push_one() {
        PushOutcome::Refused { reason, retry_at } => {
            assert_eq!(reason, "pre-receive hook declined: main is protected");
            assert!(retry_at > site.clock.now());
        }
        other => panic!("{other:?}"),
    }
    assert!(!site.idle());
    std::fs::remove_file(world.path("remote.git/hooks/pre-receive")).unwrap();
    assert_eq!(site.pushed(), ours);
}

#[test]
fn a_conflict_whose_side_branch_is_refused_says_both_and_stays_queued() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    world.hook("remote.git", "update", "case $1 in *toft*) exit 1;; esac");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("README", "ours\n")]);
    let theirs =
        crate::gitrepo::commit_on(&path_of(&url), Some(base), &[("README", "theirs\n")], "x");
    git(&path_of(&url), &["update-ref", MAIN, &theirs.to_string()]);
    let outcome = site.push_one();
    let PushOutcome::Refused { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("conflict") && reason.contains("hook declined"), "{reason}");
    assert_eq!(site.outbox().pending().unwrap()[0].new, ours);
}

#[test]
fn a_remote_that_is_down_leaves_the_commit_queued_and_gets_it_later() {
    let world = World::new();
    let (_, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    let site = Site::new(&world, "a.git", &url);
    let ours = site.commit(Some(base), &[("a", "1")]);
    server.fault("/", Fault::Drop);
    for count in 1..=2 {
        let outcome = site.push_one();
        let PushOutcome::Queued { error, retry_at } = outcome else { panic!("{outcome:?}") };
        assert!(matches!(error, GitError::Unreachable(_)), "{error}");
        assert!(retry_at > site.clock.now());
        let state = site.outbox().states().unwrap().remove(0);
        assert_eq!(state.failure.map(|failure| failure.count), Some(count));
    }
    server.heal();
    let again = Site::open(&site.gitdir, "a.git", &url, None, site.clock.clone());
    assert_eq!(again.pushed(), ours);
}

#[test]
fn a_token_that_expired_is_told_apart_and_a_renewed_one_works() {
    let world = World::new();
    let (_, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    let token = world.path("token");
    let write = |text: &str| {
        std::fs::write(&token, text).unwrap();
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    };
    write("old-token-secret");
    let first = Site::new(&world, "a.git", &url);
    let credential = Some(Credential::File(token.clone()));
    let site = Site::open(&first.gitdir, "a.git", &url, credential, first.clock.clone());
    let authorization = Some("Bearer new-token-secret".to_owned());
    server.behave(Behaviour { authorization, fault: None });
    let ours = site.commit(Some(base), &[("a", "1")]);
    let outcome = site.push_one();
    assert!(matches!(outcome, PushOutcome::Credentials { .. }), "{outcome:?}");
    let state = format!("{outcome:?} {:?}", site.outbox().states().unwrap());
    assert!(!state.contains("token-secret"), "{state}");
    write("new-token-secret");
    assert_eq!(site.pushed(), ours);
}

#[test]
fn an_answer_that_was_lost_is_asked_for_and_nothing_is_pushed_twice() {
    let world = World::new();
    let (remote, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    let ours = site.commit(Some(base), &[("a", "1")]);
    server.fault("/git-receive-pack", Fault::LoseReply);
    assert_eq!(site.pushed(), ours);
    let posts = server
        .requests()
        .into_iter()
        .filter(|head| head.starts_with("POST /remote.git/git-receive-pack"));
    assert_eq!(posts.count(), 1);
    assert_eq!(git(&path_of(&remote), &["rev-list", "--count", MAIN]), "2");
}

#[test]
fn a_lost_answer_to_a_merge_makes_no_second_merge() {
    let world = World::new();
    let (remote, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let site = Site::new(&world, "a.git", &server.url("remote.git"));
    site.commit(Some(base), &[("a", "1")]);
    let path = path_of(&remote);
    let theirs = crate::gitrepo::commit_on(&path, Some(base), &[("b", "2")], "theirs");
    git(&path, &["update-ref", MAIN, &theirs.to_string()]);
    server.fault("/git-receive-pack", Fault::LoseReply);
    let tip = site.pushed();
    assert_eq!(rev(&path, MAIN), tip);
    assert_eq!(git(&path, &["rev-list", "--count", "--merges", MAIN]), "1");
}

#[test]
fn a_ref_that_the_server_cannot_move_is_given_up() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    std::fs::write(path_of(&url).join("refs/heads/main.lock"), "").unwrap();
    let site = Site::new(&world, "a.git", &url);
    site.commit(Some(base), &[("a", "1")]);
    let outcome = site.push_one();
    assert!(matches!(outcome, PushOutcome::Refused { .. }), "{outcome:?}");
}

#[test]
fn a_deadline_is_kept_and_leaves_the_commit_queued() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    world.hook("remote.git", "pre-receive", "exec sleep 30");
    let site = Site::new(&world, "a.git", &url);
    site.commit(Some(base), &[("a", "1")]);
    let start = Instant::now();
    let timeout = Some(Duration::from_millis(800));
    let pushed = site.pusher.push_now(timeout, &site.cancel).unwrap().remove(0);
    let late =
        matches!(&pushed.outcome, PushOutcome::Queued { error: GitError::Timeout { .. }, .. });
    assert!(late, "{pushed:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!site.idle());
}

#[test]
fn a_branch_that_is_stuck_on_the_server_holds_up_no_other() {
    let world = World::new();
    let (url, base) = world.seeded("remote.git");
    world.hook("remote.git", "update", "case $1 in *stuck) exec sleep 30;; esac");
    let site = Site::new(&world, "a.git", &url);
    site.outbox().register("refs/heads/stuck", Known::Absent, Some(base)).unwrap();
    site.commit_to("refs/heads/stuck", Some(base), &[("a", "1")]);
    let ours = site.commit(Some(base), &[("a", "2")]);
    let (sender, results) = mpsc::channel();
    let retry = RetryLoop::start(site.pusher.clone(), move |pushed| {
        sender.send((pushed.refname.clone(), format!("{:?}", pushed.outcome))).unwrap();
    })
    .unwrap();
    let (refname, _) = results.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(refname, MAIN);
    assert_eq!(rev(&path_of(&url), MAIN), ours);
    let start = Instant::now();
    drop(retry);
    assert!(start.elapsed() < Duration::from_secs(4), "it stops at once, in the middle of a push");
    assert_eq!(site.outbox().pending().unwrap().len(), 1);
}

#[test]
fn the_loop_retries_when_it_is_time_and_when_it_is_nudged() {
    let world = World::new();
    let (_, base) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    let first = Site::new(&world, "a.git", &url);
    let site = Site::open(&first.gitdir, "a.git", &url, None, Arc::new(StoppedClock::new()));
    server.fault("/", Fault::Status(503));
    let (sender, results) = mpsc::channel();
    let retry = RetryLoop::start(site.pusher.clone(), move |pushed| {
        sender.send(matches!(pushed.outcome, PushOutcome::Pushed { .. })).unwrap();
    })
    .unwrap();
    let ours = site.commit(Some(base), &[("a", "1")]);
    retry.nudge().give();
    assert!(!results.recv_timeout(Duration::from_secs(20)).unwrap());
    assert!(
        results.recv_timeout(Duration::from_millis(1500)).is_err(),
        "time stands still: not yet"
    );
    server.heal();
    drop(retry);
    let site = Site::open(&first.gitdir, "a.git", &url, None, first.clock.clone());
    let (sender, results) = mpsc::channel();
    let retry = RetryLoop::start(site.pusher.clone(), move |_| sender.send(()).unwrap()).unwrap();
    results.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(rev(&world.path("remote.git"), MAIN), ours);
    drop(retry);
}

#[test]
fn a_wall_clock_that_jumps_holds_up_no_push() {
    const YEAR: i64 = 365 * 24 * 3600;
    let world = World::new();
    let (_, mut tip) = world.seeded("remote.git");
    let server = Server::start(&world.path(""));
    let url = server.url("remote.git");
    let first = Site::new(&world, "a.git", &url);
    let clock = Arc::new(StoppedClock::new());
    let site = Site::open(&first.gitdir, "a.git", &url, None, clock.clone());
    for jump in [YEAR, -YEAR, -20 * YEAR, 19 * YEAR] {
        tip = site.commit(Some(tip), &[("a", &jump.to_string())]);
        server.fault("/", Fault::Status(503));
        assert!(matches!(site.push_one(), PushOutcome::Queued { .. }));
        server.heal();
        clock.pass(jump);
        let (sender, results) = mpsc::channel();
        let report = move |_: &toft::sync::RefPushed| sender.send(()).unwrap();
        let retry = RetryLoop::start(site.pusher.clone(), report).unwrap();
        results.recv_timeout(Duration::from_secs(20)).expect("it is tried again at once");
        drop(retry);
        assert_eq!(rev(&world.path("remote.git"), MAIN), tip, "{jump}");
    }
}
