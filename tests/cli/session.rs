use crate::support::{Host, Tree, can_mount_as_user, mounts, wait_until};
use crate::world::World;
use rustix::process::Signal;

fn the_main_job(world: &World) {
    world.mount();
    let mount = mounts::at(&world.dir).unwrap();
    assert_eq!(mount.fstype, "fuse.toft");
    assert_eq!(mount.source, format!("{}#main", world.server.url("r.git")));
    world.write("README", "changed\n");
    world.write("new", "new\n");
    let inside = world.host.git(&world.dir, &["status", "--short"]);
    assert_eq!(inside, " M README\n?? new");
    let written = Tree::read(&world.dir).for_git();
    world.at("umount -m Work").expect_code(0);
    assert!(!world.is_mounted() && !world.dir.exists());
    assert_eq!(world.log("main"), ["Work", "first"]);
    let there = World {
        host: world.host.another(),
        server: crate::support::Server::start(crate::support::Kind::File),
        dir: world.dir.clone(),
    };
    there.host.toft(&format!("mount {} {}", world.server.url("r.git"), world.dir.display())).ok();
    assert!(Tree::read(&world.dir).for_git() == written, "another host shows something else");
    assert_eq!(there.host.git(&world.dir, &["status", "--porcelain"]), "");
    there.host.toft(&format!("umount {}", world.dir.display())).ok();
    assert!(!world.host.toft("list").ok().contains("w-"), "nothing is left");
}

#[test]
fn mount_edit_umount_and_another_host_shows_the_same() {
    the_main_job(&World::new());
}

#[test]
fn an_ordinary_user_can_do_it_too() {
    if can_mount_as_user("an_ordinary_user_can_do_it_too") {
        let host = Host::ordinary_user();
        let world = World::on(host);
        world.server_for_everybody();
        world.mount();
        world.write_as_user();
        world.at("umount").expect_code(0);
        assert_eq!(world.log("main").len(), 2);
    }
}

impl World {
    /// The remote's files belong to nobody, who pushes over file://.
    fn server_for_everybody(&self) {
        let mut chown = std::process::Command::new("chown");
        let chown = chown.args(["-R", "65534:65534"]).arg(self.remote());
        assert!(chown.status().unwrap().success());
    }

    fn write_as_user(&self) {
        let mut touch = self.host.command("touch");
        touch.arg(self.dir.join("by-user"));
        self.host.run(touch).ok();
    }
}

#[test]
fn a_kill_loses_nothing_and_recover_delivers_it() {
    let world = World::new();
    world.mount();
    world.write("kept", "kept\n");
    world.signal(Signal::KILL);
    wait_until("the daemon is dead", || std::fs::metadata(&world.dir).is_err());
    assert_eq!(world.json("status")["daemon"]["state"], "dead");
    assert_eq!(world.json("status")["changes"]["added"], 1);
    world.host.toft("recover").expect_code(0);
    assert!(!world.is_mounted());
    assert_eq!(world.log("main"), ["Add kept", "first"]);
}

#[test]
fn a_killed_mount_is_resumed_by_the_same_command() {
    let world = World::new();
    world.mount();
    world.write("kept", "kept\n");
    world.signal(Signal::KILL);
    let again = world.mount_with("").ok();
    assert!(again.starts_with("resumed"), "{again}");
    assert_eq!(std::fs::read_to_string(world.dir.join("kept")).unwrap(), "kept\n");
    world.at("umount").expect_code(0);
    assert_eq!(world.log("main").len(), 2);
}

#[test]
fn plain_umount_and_a_signal_lose_nothing() {
    let world = World::new();
    world.mount();
    world.write("a", "a\n");
    rustix::mount::unmount(&world.dir, rustix::mount::UnmountFlags::empty()).unwrap();
    wait_until("it is pushed", || world.log("main").len() == 2);
    world.mount();
    world.write("b", "b\n");
    world.signal(Signal::TERM);
    wait_until("it is pushed", || world.log("main").len() == 3);
    wait_until("it is unmounted", || !world.is_mounted());
}

#[test]
fn a_busy_mount_stays_and_says_who_uses_it() {
    let world = World::new();
    world.mount();
    let open = std::fs::File::open(world.dir.join("README")).unwrap();
    let ran = world.at("umount").expect_code(1);
    assert!(ran.stderr.contains(&format!("pid {}", std::process::id())), "{}", ran.stderr);
    assert!(world.is_mounted());
    drop(open);
    world.at("umount").expect_code(0);
}

#[test]
fn a_remote_that_is_gone_leaves_the_work_queued_and_it_is_delivered_later() {
    let world = World::new();
    world.mount();
    world.write("a", "a\n");
    let away = world.server.path("away");
    std::fs::rename(world.remote(), &away).unwrap();
    world.at("umount").expect_code(76);
    assert!(!world.is_mounted());
    world.host.toft("recover").expect_code(76);
    std::fs::rename(&away, world.remote()).unwrap();
    world.host.toft("recover").expect_code(0);
    assert_eq!(world.log("main"), ["Add a", "first"]);
}

#[test]
fn what_another_host_pushed_is_merged_and_comes_into_the_view() {
    let world = World::new();
    let other = World {
        host: world.host.another(),
        server: crate::support::Server::start(crate::support::Kind::File),
        dir: world.host.path("work").join("other"),
    };
    world.mount();
    other.host.toft(&format!("mount {} {}", world.server.url("r.git"), other.dir.display())).ok();
    other.write("theirs", "theirs\n");
    other.at("umount").expect_code(0);
    world.write("ours", "ours\n");
    world.at("flush").expect_code(0);
    assert_eq!(std::fs::read_to_string(world.dir.join("theirs")).unwrap(), "theirs\n");
    assert_eq!(world.host.git(&world.dir, &["status", "--porcelain"]), "");
    world.at("umount").expect_code(0);
}

#[test]
fn guards_and_unfinished_merges_keep_it_mounted() {
    let world = World::new();
    world.mount();
    world.write(".env", "TOKEN=1\n");
    world.at("umount").expect_code(79);
    assert!(world.is_mounted());
    world.at("umount --discard").expect_code(0);
    assert_eq!(world.log("main"), ["first"]);
}
