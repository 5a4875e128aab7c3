//! A process number alone is nobody's name: somebody else may have it by now.

use crate::support::{mounts, wait_until};
use crate::world::{World, kill, seeded_remote};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command};

/// A process that has nothing to do with toft.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A dead mount with work in it whose records name `stranger` as the daemon.
fn taken_over(stranger: &Stranger) -> (World, PathBuf) {
    let world = World::new();
    let remote = seeded_remote(&world.host);
    world.mount(&remote);
    std::fs::write(world.dir.join("work"), "work\n").unwrap();
    let daemon = world.pid();
    let mut all = std::fs::read_dir(world.host.path("state/workspaces")).unwrap().flatten();
    let workspace = all.next().unwrap().path();
    kill(daemon);
    wait_until("the daemon is dead", || world.host.processes().is_empty());
    let record = workspace.join("workspace.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(json["daemon"]["pid"], json!(daemon.as_raw_nonzero().get()), "{json}");
    json["daemon"]["pid"] = json!(stranger.0.id());
    std::fs::write(&record, serde_json::to_vec(&json).unwrap()).unwrap();
    std::fs::write(workspace.join("lock"), serde_json::to_vec(&json["daemon"]).unwrap()).unwrap();
    (world, remote)
}

#[test]
fn a_living_stranger_with_the_number_of_the_daemon_keeps_no_dead_mount_and_is_left_alone() {
    for command in ["recover", "mount", "umount", "umount --force", "flush"] {
        let mut stranger = Stranger::new();
        let (world, remote) = taken_over(&stranger);
        let mut status = world.toft("status");
        status.arg("--json");
        let report: Value = serde_json::from_str(&world.host.run(status).ok()).unwrap();
        assert_eq!(report["daemon"]["state"], "dead", "{command}: {report}");
        match command {
            "recover" => {
                world.host.toft("recover").expect_code(0);
            }
            "mount" => world.mount(&remote),
            _ => {
                let (verb, flag) = command.split_once(' ').unwrap_or((command, ""));
                let mut toft = world.toft(verb);
                toft.args(Some(flag).filter(|flag| !flag.is_empty()));
                world.host.run(toft).expect_code(0);
            }
        }
        assert!(stranger.lives(), "{command} ended a stranger");
        if command == "mount" {
            assert_eq!(std::fs::read_to_string(world.dir.join("work")).unwrap(), "work\n");
            world.host.run(world.toft("umount")).expect_code(0);
        }
        assert_eq!(world.host.git(&remote, &["show", "main:work"]), "work", "{command}");
        assert_eq!(mounts::at(&world.dir).is_some(), command == "flush", "{command}");
        assert!(stranger.lives(), "{command} ended a stranger");
    }
}
