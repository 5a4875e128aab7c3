//! kill -9 of the command, of the daemon, of one of their children or of all of them, at a random
//! instant of every command: what was acknowledged stays, and no commit is lost or made twice.

use crate::kill::{mode_as_git, seed, write_until_killed};
use crate::older::make_older;
use crate::oracle::{Oracle, difference, read_tree};
use crate::support::{Kind, Server, mounts, wait_until};
use crate::workload::{Random, next, perform};
use crate::world::{World, kill, options};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many kills; the long form sets TOFT_COMMAND_KILLS.
fn kills() -> u64 {
    let asked = std::env::var("TOFT_COMMAND_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(36)
}

/// What is killed in its course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    MountFresh,
    MountAgain,
    Write,
    Commit,
    Flush,
    Push,
    Umount,
    Recover,
    Upgrade,
}

const ACTS: [Act; 9] = [
    Act::MountFresh,
    Act::MountAgain,
    Act::Write,
    Act::Commit,
    Act::Flush,
    Act::Push,
    Act::Umount,
    Act::Recover,
    Act::Upgrade,
];

/// How long an act took when nothing disturbed it, and how often it was caught in its course.
#[derive(Clone, Copy)]
struct Pace {
    longest: Duration,
    kills: u64,
    caught: u64,
}

struct Run {
    world: World,
    server: Server,
    remote: PathBuf,
    url: String,
    random: Random,
    oracle: Oracle,
    /// States that a call in flight may have left.
    perhaps: Vec<Oracle>,
    /// Subjects of commits that were acknowledged.
    acked: Vec<String>,
    tip: String,
    round: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let server = Server::start(Kind::Http);
        let remote = server.seeded("r.git");
        let url = server.url("r.git");
        let world = World::new();
        let mut run = Self {
            tip: world.host.git(&remote, &["rev-parse", "main"]),
            world,
            server,
            remote,
            url,
            random: Random::new(seed),
            oracle: Oracle::default(),
            perhaps: Vec::new(),
            acked: Vec::new(),
            round: 0,
        };
        run.mount();
        run.oracle = Oracle::of(&read_tree(&run.world.dir));
        run
    }

    /// `toft VERB…`, not run yet.
    fn toft(&self, words: &[&str]) -> Command {
        let mut command = self.world.host.command(env!("CARGO_BIN_EXE_toft"));
        command.args(words);
        if words.first() == Some(&"mount") {
            command.args(options());
        }
        command
    }

    fn dir(&self) -> &str {
        self.world.dir.to_str().unwrap()
    }

    /// A command that nothing disturbs.
    #[track_caller]
    fn done(&self, words: &[&str]) {
        let ran = self.world.host.run(self.toft(words));
        let round = self.round;
        assert_eq!(ran.code, 0, "round {round}: {words:?}: {}\n{}", ran.stderr, self.logs());
    }

    fn logs(&self) -> String {
        let logs = self.world.daemon_logs();
        let from = logs.char_indices().rev().nth(6000).map_or(0, |(at, _)| at);
        logs[from..].to_owned()
    }

    fn mount(&self) {
        self.done(&["mount", &self.url, self.dir()]);
    }

    fn work(&mut self) {
        for _ in 0..=self.random.below(6) {
            let op = next(&mut self.random, &self.oracle);
            perform(&self.world.dir, &op).unwrap_or_else(|error| panic!("{op:?}: {error}"));
            self.oracle.apply(&op);
        }
    }

    fn overlay(&self) -> PathBuf {
        let all = std::fs::read_dir(self.world.host.path("state/workspaces")).unwrap().flatten();
        let mut ids = all.filter(|entry| entry.file_name().to_string_lossy().starts_with("w-"));
        ids.next().expect("a workspace").path()
    }

    /// Unmounts. Empty folders, which no commit holds, keep a workspace: it goes on request.
    fn leave(&self) {
        self.done(&["umount", self.dir(), "--allow", "mass-delete"]);
        let left = self.world.host.toft("list --json").ok();
        let left: serde_json::Value = serde_json::from_str(&left).unwrap();
        let left = left["workspaces"].as_array().unwrap();
        left.iter().for_each(|each| self.done(&["rm", "--discard", each["id"].as_str().unwrap()]));
        assert_eq!(left.len().min(1), left.len(), "round {}: {left:?}", self.round);
    }

    /// Brings about what `act` needs, and says which command it is.
    fn prepare(&mut self, act: Act) -> Vec<String> {
        let dir = self.dir().to_owned();
        let subject = format!("round {}", self.round);
        let allow = ["--allow", "mass-delete"];
        let line: Vec<&str> = match act {
            Act::MountFresh => {
                self.leave();
                vec!["mount", &self.url, &dir]
            }
            Act::MountAgain | Act::Recover | Act::Upgrade => {
                self.work();
                kill(self.world.pid());
                wait_until("the daemon is dead", || self.world.host.processes().is_empty());
                if act == Act::Upgrade {
                    make_older(&self.overlay());
                }
                match act {
                    Act::Recover => vec!["recover"],
                    _ => vec!["mount", &self.url, &dir],
                }
            }
            Act::Write => vec!["status", &dir],
            Act::Commit => {
                self.work();
                vec!["commit", &dir, "-m", &subject, allow[0], allow[1]]
            }
            Act::Flush => {
                self.work();
                vec!["flush", &dir, "-m", &subject, allow[0], allow[1]]
            }
            Act::Push => {
                self.work();
                let before = self.head();
                self.done(&["commit", &dir, "-m", &subject, allow[0], allow[1]]);
                if self.head() != before {
                    self.acked.push(subject);
                }
                vec!["push", &dir]
            }
            Act::Umount => {
                self.work();
                vec!["umount", &dir, "-m", &subject, allow[0], allow[1]]
            }
        };
        line.into_iter().map(str::to_owned).collect()
    }

    fn head(&self) -> String {
        self.world.host.git(&self.world.dir, &["rev-parse", "HEAD"])
    }

    /// Kills one, some or all of those that work for the host. `command` may have ended.
    fn strike(&mut self, command: u32) {
        let processes = self.world.host.processes();
        let pick = self.random.below(64);
        let whom = self.random.below(4);
        println!("round {}: way {whom}, {} processes", self.round, processes.len());
        match whom {
            0 => {
                mounts::kill_all(&self.world.host.path(""));
                mounts::kill_all(&self.world.host.path(""));
            }
            1 => processes.into_iter().filter(|pid| *pid == command).for_each(end),
            2 => processes.into_iter().filter(|pid| *pid != command && is_toft(*pid)).for_each(end),
            _ => {
                let at = usize::try_from(pick).unwrap() % processes.len().max(1);
                processes.get(at).copied().into_iter().for_each(end);
            }
        }
    }

    /// Runs the command and strikes; whether it was caught, and its exit code.
    fn act(&mut self, act: Act, line: &[String], pace: &mut Pace) -> Option<i32> {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let longest = u64::try_from(pace.longest.as_micros()).unwrap();
        let pause = Duration::from_micros(self.random.below(longest + longest / 8));
        if act == Act::Write {
            let (world, daemon) = (&self.world, self.world.pid());
            self.perhaps = std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(pause / 4);
                    kill(daemon);
                });
                write_until_killed(world, &mut self.random, &mut self.oracle)
            });
            pace.caught += 1;
            return None;
        }
        let mut command = self.toft(&words);
        let started = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let early = ended_within(&mut child, pause);
        if early {
            pace.longest = started.elapsed().max(pace.longest / 2);
        } else {
            pace.caught += 1;
        }
        self.strike(child.id());
        let code = child.wait().unwrap().code();
        if code == Some(0) && !early {
            pace.longest = pace.longest.max(started.elapsed());
        }
        code
    }

    /// Waits until whoever was left is done: nobody, or a daemon that serves (the kernel opens and
    /// lists directories without it, statfs(2) always asks).
    fn settle(&self) -> bool {
        let serves = || {
            mounts::at(&self.world.dir).is_some() && rustix::fs::statvfs(&self.world.dir).is_ok()
        };
        let mut alive = false;
        wait_until("those that were left are done", || {
            let looks_alive = || self.world.host.processes().len() == 1 && serves();
            alive = looks_alive();
            if alive {
                // One whose mount was killed before it could say that it is ready ends in a moment.
                std::thread::sleep(Duration::from_millis(200));
                alive = looks_alive();
            }
            alive || self.world.host.processes().is_empty()
        });
        alive
    }

    /// Everything is there again after a recover or a mount, or both.
    fn assert_all_is_there(&mut self, act: Act) {
        let mut alive = self.settle();
        if alive && act == Act::Umount {
            // whoever asked was killed, and the daemon may go on: somebody asks again
            let again = self.toft(&["umount", self.dir(), "--allow", "mass-delete"]);
            let ran = self.world.host.run(again);
            // it may end while it is asked
            let gone = ["no-such-workspace", "not-mounted"]
                .iter()
                .any(|kind| ran.stderr.starts_with(&format!("error[{kind}]")));
            assert!(ran.code == 0 || gone, "{}: {}\n{}", ran.code, ran.stderr, self.logs());
            if ran.code != 0 {
                println!("round {}: umount again: {}", self.round, ran.stderr.replace('\n', " | "));
            }
            alive = self.settle();
        }
        let recovers = self.random.below(3) == 0;
        if recovers {
            let ran = self.world.host.run(self.toft(&["recover"]));
            // a guard keeps what it refuses, for whoever mounts it again
            assert!([0, 79].contains(&ran.code), "{}: {}\n{}", self.round, ran.stderr, self.logs());
            alive = self.settle();
            let at = mounts::at(&self.world.dir);
            assert!(alive || ran.code == 79 || at.is_none(), "{}: {at:?}", self.round);
        }
        if !alive {
            self.mount();
        }
        let seen = read_tree(&self.world.dir);
        let states = std::mem::take(&mut self.perhaps);
        let as_git = |oracle: &Oracle| mode_as_git(&oracle.tree()) == mode_as_git(&seen);
        // what went to the remote and came back is as git keeps it
        let fetched = recovers || [Act::Umount, Act::Recover, Act::MountFresh].contains(&act);
        let exact = |oracle: &Oracle| oracle.tree() == seen;
        let all = std::iter::once(&self.oracle).chain(&states);
        let found = all.clone().find(|state| exact(state));
        match found.or_else(|| all.clone().find(|state| fetched && as_git(state))) {
            Some(state) if exact(state) => self.oracle = state.clone(),
            Some(_) => self.oracle = Oracle::of(&seen),
            None => {
                let wrong = difference(&self.oracle.tree(), &seen);
                let there =
                    self.world.host.git(&self.remote, &["ls-tree", "-r", "--name-only", "main"]);
                let log = self.world.host.git(&self.remote, &["log", "--stat", "-3", "main"]);
                panic!(
                    "round {}, {act:?}: {wrong:#?}\nthe remote has {there}\n{log}\n{}",
                    self.round,
                    self.logs()
                );
            }
        }
    }

    /// The remote's history only grows, and no commit is there twice.
    fn assert_history(&mut self, act: Act) {
        let said = self.world.host.git(&self.remote, &["log", "--format=%H %T %s", "main"]);
        let log: Vec<Vec<&str>> = said.lines().map(|line| line.splitn(3, ' ').collect()).collect();
        let known = log.iter().any(|commit| commit[0] == self.tip);
        assert!(known, "round {}, {act:?}: {} is gone from {said}", self.round, self.tip);
        let doubled = log.windows(2).find(|pair| pair[0][1] == pair[1][1]);
        assert_eq!(doubled, None, "round {}, {act:?}: a commit was made twice", self.round);
        let mut subjects: Vec<_> =
            log.iter().map(|commit| commit[2]).filter(|text| text.starts_with("round ")).collect();
        let count = subjects.len();
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), count, "round {}, {act:?}: pushed twice: {said}", self.round);
        self.tip = log[0][0].to_owned();
    }

    /// What the remote has is what `oracle` says.
    fn assert_remote(&self) {
        let clone = self.world.host.path("clone");
        let _ = std::fs::remove_dir_all(&clone);
        let (from, to) = (self.remote.to_str().unwrap(), clone.to_str().unwrap());
        self.world.host.git(Path::new("/"), &["clone", "-q", from, to]);
        let (has, wanted) = (mode_as_git(&read_tree(&clone)), mode_as_git(&self.oracle.tree()));
        assert!(has == wanted, "round {}: the remote lacks something", self.round);
    }
}

fn end(pid: u32) {
    // it may be gone by itself
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
}

fn is_toft(pid: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program == Path::new(env!("CARGO_BIN_EXE_toft")))
}

fn ended_within(child: &mut Child, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(500).min(pause));
    }
    child.try_wait().unwrap().is_some()
}

#[test]
fn kills_in_the_course_of_every_command_lose_no_work_and_double_no_commit() {
    let seed = seed();
    println!("TOFT_SEED={seed} TOFT_COMMAND_KILLS={}", kills());
    let mut run = Run::new(seed);
    let first = Pace { longest: Duration::from_millis(160), kills: 0, caught: 0 };
    let mut paces = [first; ACTS.len()];
    for round in 0..kills() {
        run.round = round;
        let at = usize::try_from(round).unwrap() % ACTS.len();
        let act = ACTS[at];
        println!("round {round}: {act:?}");
        let line = run.prepare(act);
        paces[at].kills += 1;
        let code = run.act(act, &line, &mut paces[at]);
        if code == Some(0) && [Act::Flush, Act::Push, Act::Umount].contains(&act) {
            run.assert_remote();
        }
        run.assert_all_is_there(act);
        run.assert_history(act);
    }
    for (act, pace) in ACTS.iter().zip(paces) {
        println!("{act:?}: {} kills, {} in its course", pace.kills, pace.caught);
    }
    run.leave();
    run.assert_remote();
    run.assert_history(Act::Umount);
    let subjects = run.world.host.git(&run.remote, &["log", "--format=%s", "main"]);
    for subject in &run.acked {
        assert!(subjects.lines().any(|line| line == subject), "{subject} was lost: {subjects}");
    }
    run.world.host.git(&run.remote, &["fsck", "--strict"]);
    assert_eq!(run.world.host.processes(), [0; 0]);
    assert!(mounts::below(&run.world.host.path("work")).is_empty());
    drop(run.server);
}
