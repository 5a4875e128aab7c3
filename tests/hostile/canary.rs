//! T8: a secret in every way that toft takes one, and where it was seen.

use super::support::{self, Host, Kind, Ran, Server};
use super::work::{assert_sound, guest, history, status, text};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const USER: &str = "ana";

/// Flags of the mount, and a variable of its environment.
type Given = (String, Option<(&'static str, String)>);

/// A way to give toft a secret.
struct Way {
    name: &'static str,
    kind: Kind,
    /// Prepares the host.
    give: fn(&Host, &Server, &str) -> Given,
}

const WAYS: &[Way] = &[
    Way {
        name: "file-basic",
        kind: Kind::HttpsBasic,
        give: |host, _, canary| {
            let file = host.secret("given", &format!("{USER}:{canary}"));
            (format!("--credential file:{}", file.display()), None)
        },
    },
    Way {
        name: "file-bearer",
        kind: Kind::HttpsBearer,
        give: |host, _, canary| {
            let file = host.secret("given", canary);
            (format!("--credential file:{}", file.display()), None)
        },
    },
    Way {
        name: "variable",
        kind: Kind::HttpsBasic,
        give: |_, _, canary| {
            ("--credential env:GIVEN".to_owned(), Some(("GIVEN", format!("{USER}:{canary}"))))
        },
    },
    Way {
        name: "helper",
        kind: Kind::HttpsBasic,
        give: |host, server, canary| {
            // one that does not forget what was refused once, as `store` does
            let file = host.secret("given", &format!("username={USER}\npassword={canary}\n"));
            let helper = format!("!f() {{ test \"$1\" != get || cat {}; }}; f", file.display());
            host.configure(
                &format!("credential.https://127.0.0.1:{}.helper", server.port()),
                &helper,
            );
            (String::new(), None)
        },
    },
    Way {
        name: "askpass",
        kind: Kind::HttpsBasic,
        give: |host, _, canary| {
            let file = host.secret("given", canary);
            let script = format!(
                "#!/bin/sh\ncase \"$1\" in User*) echo {USER} ;; *) cat {} ;; esac\n",
                file.display()
            );
            let ask = host.path("home/ask");
            fs::write(&ask, script).expect("write");
            fs::set_permissions(&ask, fs::Permissions::from_mode(0o755)).expect("chmod");
            (String::new(), Some(("GIT_ASKPASS", text(&ask).to_owned())))
        },
    },
    Way {
        name: "netrc",
        kind: Kind::HttpsBasic,
        give: |host, _, canary| {
            host.secret(".netrc", &format!("machine 127.0.0.1 login {USER} password {canary}\n"));
            (String::new(), None)
        },
    },
    Way {
        name: "header",
        kind: Kind::HttpsBearer,
        give: |host, _, canary| {
            // Not by git config, whose arguments the watcher would see.
            let file = host.path("home/.gitconfig");
            let mut config = fs::read_to_string(&file).unwrap_or_default();
            config += &format!("[http]\n\textraHeader = Authorization: Bearer {canary}\n");
            fs::write(&file, config).expect("write");
            host.own(&file);
            (String::new(), None)
        },
    },
];

/// All files below `dir`, with what they hold.
pub fn everything_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(everything_below(&path)),
            Ok(kind) if kind.is_file() => {
                found.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
            }
            _ => {}
        }
    }
    found
}

fn holds(bytes: &[u8], needles: &[String]) -> bool {
    needles
        .iter()
        .any(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let letter = |at: u32| char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks_exact(3).map(group).collect()
}

/// Where the canaries show in the process table, each place once, as long as the test runs.
fn watch(canaries: &[String], over: &AtomicBool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let me = std::process::id().to_string();
    while !over.load(Ordering::Relaxed) {
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if pid == me || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            // the test's own servers may know it
            let environ = read("environ");
            let ours = holds(&environ, &["TOFT_STATE_DIR=".to_owned()]);
            if !ours || line.starts_with("openssl ") {
                continue;
            }
            if holds(line.as_bytes(), canaries) {
                seen.insert(format!("arguments of {line}"));
            }
            let secret =
                environ.split(|byte| *byte == 0).find(|variable| holds(variable, canaries));
            if let Some(variable) = secret {
                let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
                seen.insert(format!("{} of {line}", String::from_utf8_lossy(name)));
            }
        }
    }
    seen
}

/// What a person does, with the secret taken, refused and taken again; all that was said.
fn session(way: &Way, canary: &str) -> Vec<Ran> {
    let server = Server::start(way.kind);
    let repo = server.seeded("r.git");
    let good =
        if way.kind == Kind::HttpsBasic { format!("{USER}:{canary}") } else { canary.to_owned() };
    let bad = if way.kind == Kind::HttpsBasic { "ana:other" } else { "other" };
    server.accept(&[&good]);
    let (host, _) = guest(&server, Host::new());
    let (flags, variable) = (way.give)(&host, &server, canary);
    let dir = host.path("work/r");
    let mut said = Vec::new();
    let mut toft = |line: &str, code: i32| {
        let mut command = host.command(host.program());
        command.args(line.split(' ').filter(|word| !word.is_empty())).env("TOFT_LOG", "trace");
        command.envs(variable.clone());
        let ran = host.run(command);
        assert_eq!(
            ran.code,
            code,
            "{}: {line}: {}",
            way.name,
            ran.stderr.replace(canary, "CANARY")
        );
        said.push(ran);
    };
    let at = text(&dir);
    toft(&format!("mount {} {at} {flags}", server.url("r.git")), 0);
    fs::write(dir.join("one"), "1\n").expect("write");
    toft(&format!("flush {at}"), 0);
    server.accept(&[bad]);
    fs::write(dir.join("two"), "2\n").expect("write");
    toft(&format!("flush {at}"), 77);
    for line in ["status --json", "status", "log", "diff", "list --json", "doctor", "fsck"] {
        let place = if line.starts_with("list") || line == "doctor" { "" } else { at };
        toft(&format!("{line} {place}"), 0);
    }
    let pid = status(&host, at)["daemon"]["pid"].to_string();
    let mut kill = host.command("kill");
    kill.args(["-9", &pid]);
    host.run(kill).expect_code(0);
    toft("recover", 77);
    server.accept(&[&good]);
    toft("recover", 0);
    assert_eq!(history(&repo, "main").len(), 3, "{}", way.name);
    assert_sound(&repo);
    let needles = needles(canary);
    for place in ["state", "cache", "run", "work"] {
        for (path, bytes) in everything_below(&host.path(place)) {
            assert!(!holds(&bytes, &needles), "{}: {path}", way.name);
        }
    }
    let objects = host.try_git(&repo, &["cat-file", "--batch-all-objects", "--batch"]).stdout;
    assert!(!holds(&objects, &needles), "{}: the commits", way.name);
    said
}

fn needles(canary: &str) -> Vec<String> {
    // In base64 behind a user's name, as HTTP has it; the end depends on what follows.
    let basic = base64(format!("{USER}:{canary}").as_bytes());
    vec![canary.to_owned(), basic]
}

#[test]
fn a_canary_is_nowhere_but_in_the_git_that_needs_it() {
    if !support::can_mount("a_canary_is_nowhere_but_in_the_git_that_needs_it") {
        return;
    }
    let canaries: Vec<String> =
        (0..WAYS.len()).map(|at| format!("c4n4ry-{}-{at}-b1rd", std::process::id())).collect();
    let all: Vec<String> = canaries.iter().flat_map(|canary| needles(canary)).collect();
    let over = AtomicBool::new(false);
    let (seen, said) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&all, &over));
        let sessions: Vec<_> = WAYS
            .iter()
            .zip(&canaries)
            .map(|(way, canary)| scope.spawn(|| session(way, canary)))
            .collect();
        let said: Vec<_> = sessions.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        (watcher.join().expect("the watcher"), said)
    });
    for ran in said
        .into_iter()
        .flat_map(|said| said.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    {
        assert!(!holds(&ran.stdout, &all) && !holds(ran.stderr.as_bytes(), &all), "{}", ran.what);
    }
    let shown = |place: &&String| !is_needed(place);
    assert_eq!(seen.iter().filter(shown).collect::<Vec<_>>(), [""; 0]);
    // the watcher sees what there is to see
    assert!(
        seen.iter().any(|place| place.contains("push") || place.contains("remote-https")),
        "{seen:?}"
    );
}

/// Variables of the git that talks to the remote, and the one that the user gave us.
fn is_needed(place: &str) -> bool {
    let Some((variable, line)) = place.split_once(" of ") else { return false };
    let talks =
        ["push", "fetch", "ls-remote", "send-pack", "fetch-pack", "remote-https", "remote-http"];
    // what such a git starts in its turn
    let helps =
        ["index-pack", "pack-objects", "rev-list", "credential", "unpack-objects", "sh -c f()"];
    let words = || line.split([' ', '/']).map(|word| word.trim_start_matches("git-"));
    match variable {
        "GIVEN" => line.contains("toft"),
        "TOFT_GIT_PASSWORD" => {
            words().any(|word| talks.contains(&word))
                || helps.iter().any(|help| line.contains(help))
        }
        _ if variable.starts_with("GIT_CONFIG_VALUE_") => {
            words().any(|word| talks.contains(&word))
                || helps.iter().any(|help| line.contains(help))
        }
        _ => false,
    }
}
