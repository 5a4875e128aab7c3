//! The remote is away, slow, or says no: writes do not wait, nothing is lost, codes tell.

use super::support::proxy::{Mode, Proxy};
use super::support::{self, Host, Kind, Ran, Server, wait_until};
use super::work::{assert_sound, guest, history, mount, status, text, try_mount, umount};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A mount whose remote is reached through a proxy with faults.
struct World {
    server: Server,
    repo: PathBuf,
    proxy: Proxy,
    host: Host,
    dir: PathBuf,
}

/// None where nothing can be mounted.
fn mounted(test: &str) -> Option<World> {
    if !support::can_mount(test) {
        return None;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let proxy = Proxy::start(server.port());
    let host = Host::new();
    let dir = mount(&host, &server.url_at("r.git", proxy.port()), "r", "");
    Some(World { server, repo, proxy, host, dir })
}

impl World {
    fn write(&self) {
        fs::write(self.dir.join("work"), "work\n").expect("write");
    }

    fn toft(&self, verb: &str) -> Ran {
        self.host.toft_with(&[verb, text(&self.dir)])
    }

    fn commits(&self) -> usize {
        history(&self.repo, "main").len()
    }

    /// The remote is there again, and gets what was left for it.
    fn recover(&self) {
        assert!(support::mounts::below(&self.host.path("work")).is_empty());
        assert_eq!(self.commits(), 1);
        self.proxy.set(Mode::Forward);
        self.host.toft("recover").expect_code(0);
        assert_eq!(self.commits(), 2);
        assert_sound(&self.repo);
    }

    fn leave(&self, commits: usize) {
        umount(&self.host, &self.dir, "").expect_code(0);
        assert_eq!(self.commits(), commits);
        assert_sound(&self.repo);
    }
}

#[test]
fn a_remote_that_is_away_at_umount_gets_the_commit_later() {
    for mode in [Mode::Refuse, Mode::Reset] {
        let test = "a_remote_that_is_away_at_umount_gets_the_commit_later";
        let Some(world) = mounted(test) else { return };
        world.write();
        world.proxy.set(mode);
        umount(&world.host, &world.dir, "").expect_code(76);
        world.recover();
    }
}

#[test]
fn a_push_that_breaks_off_anywhere_is_delivered_once() {
    let test = "a_push_that_breaks_off_anywhere_is_delivered_once";
    let Some(world) = mounted(test) else { return };
    for (number, bytes) in [0_u64, 1, 50, 150, 250, 400, 600].into_iter().enumerate() {
        fs::write(world.dir.join("count"), number.to_string()).expect("write");
        world.proxy.set(Mode::ResetAfter(bytes));
        let code = world.toft("flush").code;
        assert!([0, 76].contains(&code), "{code}");
        world.proxy.set(Mode::Forward);
        world.toft("push").expect_code(0);
        assert_eq!(world.commits(), number + 2, "after {bytes} bytes");
    }
    world.leave(8);
}

#[test]
fn a_daemon_delivers_by_itself_when_the_remote_comes_back() {
    let test = "a_daemon_delivers_by_itself_when_the_remote_comes_back";
    let Some(mut world) = mounted(test) else { return };
    world.write();
    world.server.stop();
    world.toft("flush").expect_code(76);
    let report = status(&world.host, text(&world.dir));
    assert_eq!(report["outbox"]["pending"], 1, "{report}");
    assert!(report["outbox"]["last_error"].is_string(), "{report}");
    assert!(report["outbox"]["next_retry_s"].is_number(), "{report}");
    world.server.resume();
    wait_until("the remote has it", || world.commits() == 2);
    world.leave(2);
}

#[test]
fn an_umount_waits_no_longer_than_it_was_told() {
    let Some(world) = mounted("an_umount_waits_no_longer_than_it_was_told") else { return };
    world.write();
    world.proxy.set(Mode::Hang);
    let start = Instant::now();
    umount(&world.host, &world.dir, "--timeout 2").expect_code(124);
    assert!(start.elapsed() < Duration::from_secs(30));
    world.recover();
}

/// How long a remote hangs: a minute with `TOFT_TEST_LONG=1`.
fn stall() -> Duration {
    let long = std::env::var_os("TOFT_TEST_LONG").is_some_and(|value| value == "1");
    Duration::from_secs(if long { 60 } else { 8 })
}

/// Some of everything in `dir`; how long the slowest call took.
fn work_in(dir: &Path, number: usize) -> Duration {
    let (one, two) = (dir.join(format!("one{number}")), dir.join(format!("two{number}")));
    let read = dir.join("README");
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    let calls: [&dyn Fn() -> std::io::Result<()>; 7] = [
        &|| fs::write(&one, "x"),
        &|| fs::read(&read).map(drop),
        &|| fs::rename(&one, &two),
        &|| fs::write(&two, "changed"),
        &|| sync(&two),
        &|| fs::read_dir(dir).map(|listing| assert!(listing.count() > 0)),
        &|| if number.is_multiple_of(2) { fs::remove_file(&two) } else { Ok(()) },
    ];
    let time = |call: &&dyn Fn() -> std::io::Result<()>| {
        let start = Instant::now();
        call().expect("it works");
        start.elapsed()
    };
    calls.iter().map(time).max().expect("some calls")
}

#[test]
fn writes_do_not_wait_for_a_remote_that_hangs() {
    let Some(world) = mounted("writes_do_not_wait_for_a_remote_that_hangs") else { return };
    world.write();
    world.proxy.set(Mode::Hang);
    let (stall, start) = (stall(), Instant::now());
    let mut flush = world.host.command(env!("CARGO_BIN_EXE_toft"));
    let seconds = (stall.as_secs() + 60).to_string();
    flush.args(["flush", text(&world.dir), "--timeout", &seconds]);
    let before = world.proxy.connections();
    let mut flush = flush.spawn().expect("toft runs");
    wait_until("the push hangs", || world.proxy.connections() > before);
    let mut slowest = Vec::new();
    while start.elapsed() < stall {
        slowest.push(work_in(&world.dir, slowest.len()));
    }
    assert!(flush.try_wait().expect("a child").is_none(), "the flush waits for the remote");
    slowest.sort_unstable();
    let (count, worst) = (slowest.len(), slowest[slowest.len() - 1]);
    let (median, p99) = (slowest[count / 2], slowest[count * 99 / 100]);
    println!("stalled {stall:?}: {count} rounds; slowest call: {median:?}, {p99:?}, {worst:?}");
    println!("(of the median round, of one in a hundred, of all)");
    assert!(worst < stall / 3, "{worst:?}");
    world.proxy.set(Mode::Forward);
    assert!(flush.wait().expect("it ends").success());
    world.leave(3);
}

/// As helpers do that hold a token of limited life: what the server refused is thrown away, and a new
/// one is got.
const HELPER: &str = "#!/bin/sh
case $1 in
get) echo username=ana; echo \"password=$(cat \"$0.token\")\"; echo get >>\"$0.log\" ;;
erase) cp \"$0.next\" \"$0.token\"; echo erase >>\"$0.log\" ;;
esac
";

#[test]
fn a_token_that_expired_in_a_live_mount_is_renewed_by_its_helper() {
    let test = "a_token_that_expired_in_a_live_mount_is_renewed_by_its_helper";
    if !support::can_mount(test) {
        return;
    }
    let server = Server::start(Kind::HttpsBasic);
    let repo = server.seeded("r.git");
    let (host, _) = guest(&server, Host::new());
    let helper = host.secret("helper", HELPER);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).expect("chmod");
    host.configure("credential.helper", text(&helper));
    host.secret("helper.token", "first");
    host.secret("helper.next", "second");
    server.accept(&["ana:first"]);
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    server.accept(&["ana:second"]);
    let push = host.toft_with(&["flush", text(&dir)]).expect_code(0);
    assert!(!push.text().contains("second") && !push.stderr.contains("second"));
    let log = fs::read_to_string(host.path("home/helper.log")).expect("it was asked");
    assert_eq!(log.lines().filter(|line| *line == "erase").count(), 1, "{log}");
    assert_eq!(history(&repo, "main").len(), 2);
    // one that is refused for good is the user's business
    server.accept(&["ana:third"]);
    fs::write(dir.join("more"), "more\n").expect("write");
    host.toft_with(&["flush", text(&dir)]).expect_code(77);
    host.secret("helper.token", "third");
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 3);
    assert_sound(&repo);
}

#[test]
fn a_hook_that_refuses_is_told_and_nothing_is_lost() {
    if !support::can_mount("a_hook_that_refuses_is_told_and_nothing_is_lost") {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let hook = repo.join("hooks/pre-receive");
    fs::create_dir_all(repo.join("hooks")).expect("mkdir");
    fs::write(&hook, "#!/bin/sh\necho 'branch is protected: ask ana' >&2\nexit 1\n")
        .expect("write");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("chmod");
    let host = Host::new();
    let dir = mount(&host, &server.url("r.git"), "r", "");
    fs::write(dir.join("work"), "work\n").expect("write");
    let ran = host.toft_with(&["flush", text(&dir)]);
    assert!([1, 76].contains(&ran.code), "{}", ran.code);
    assert!(ran.stderr.contains("ask ana"), "the hook's words are shown: {}", ran.stderr);
    let report = status(&host, text(&dir));
    assert_eq!(report["durability"]["unpushed_commits"], 1, "{report}");
    fs::remove_file(&hook).expect("rm");
    host.toft_with(&["push", text(&dir)]).expect_code(0);
    umount(&host, &dir, "").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert_sound(&repo);
}

#[test]
fn a_remote_that_cannot_be_reached_mounts_nothing() {
    if !support::can_mount("a_remote_that_cannot_be_reached_mounts_nothing") {
        return;
    }
    let host = Host::new();
    let dir = host.path("work/r");
    let port = support::server::free_port();
    for url in [format!("http://127.0.0.1:{port}/r.git"), format!("ssh://127.0.0.1:{port}/r.git")] {
        try_mount(&host, &url, &dir, "").expect_code(69);
        assert!(!dir.exists());
    }
}

/// Runs toft where there is no network at all, not even loopback.
fn without_network(host: &Host, arguments: &[&str]) -> Ran {
    let mut command = host.command("unshare");
    command.args(["--net", env!("CARGO_BIN_EXE_toft")]).args(arguments);
    host.run(command)
}

#[test]
fn without_a_network_what_is_here_can_be_worked_on() {
    let test = "without_a_network_what_is_here_can_be_worked_on";
    if !support::can_mount(test) || !support::is_root() {
        return;
    }
    let server = Server::start(Kind::Http);
    let repo = server.seeded("r.git");
    let (url, host) = (server.url("r.git"), Host::new());
    let dir = host.path("work/r");
    let mount_it = ["mount", &url, text(&dir)];
    for url in [&url, "http://no-such-host.invalid/r.git", "ssh://192.0.2.1/r.git"] {
        let ran = without_network(&host, &["mount", url, text(&dir)]).expect_code(69);
        assert!(ran.stderr.contains("error[unreachable]"), "{}", ran.stderr);
        assert!(!dir.exists(), "{url}");
    }
    // nothing is here yet
    without_network(&host, &["mount", &url, text(&dir), "--offline"]).expect_code(69);
    host.toft_with(&mount_it).expect_code(0);
    umount(&host, &dir, "").expect_code(0);

    let ran = without_network(&host, &mount_it).expect_code(69);
    assert!(ran.stderr.contains("--offline"), "it says how: {}", ran.stderr);
    let here = [&mount_it[..], &["--offline"]].concat();
    without_network(&host, &here).expect_code(0);
    assert_eq!(fs::read_to_string(dir.join("README")).expect("read"), "hello\n");
    fs::write(dir.join("work"), "work\n").expect("write");
    host.git(&dir, &["log", "--stat"]);
    let ran = umount(&host, &dir, "").expect_code(76);
    assert!(ran.stderr.contains("queued and safe"), "{}", ran.stderr);
    host.toft("recover").expect_code(0);
    assert_eq!(history(&repo, "main").len(), 2);
    assert_sound(&repo);
}
