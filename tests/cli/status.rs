use crate::world::World;

#[test]
fn status_has_the_fields_that_scripts_rely_on() {
    let world = World::new();
    world.mount();
    world.write("new", "x\n");
    let status = world.json("status");
    assert_eq!(status["schema"], "toft.status/1");
    assert_eq!(status["kernel_mount"], true);
    assert_eq!(status["fstype"], "fuse.toft");
    assert_eq!(status["dir"], world.dir.to_str().unwrap());
    assert_eq!(status["daemon"]["state"], "ok");
    assert!(status["daemon"]["pid"].is_u64() && status["daemon"]["version"].is_string());
    assert_eq!(status["source"]["branch"], "main");
    assert_eq!(status["source"]["behind"], 0);
    assert_eq!(status["source"]["base"].as_str().unwrap().len(), 40);
    assert_eq!(status["workspace"]["ref"], "refs/heads/main");
    assert_eq!(status["changes"]["added"], 1);
    assert_eq!(status["changes"]["modified"], 0);
    assert_eq!(status["changes"]["deleted"], 0);
    assert_eq!(status["durability"]["pushed"], false);
    assert_eq!(status["durability"]["unpushed_commits"], 0);
    assert_eq!(status["outbox"]["pending"], 0);
    assert_eq!(status["problems"].as_array().unwrap().len(), 0);
    world.at("commit").expect_code(0);
    assert_eq!(world.json("status")["durability"]["unpushed_commits"], 1);
    assert_eq!(world.json("status")["durability"]["pushed"], false);
    world.at("push").expect_code(0);
    assert_eq!(world.json("status")["durability"]["pushed"], true);
}

#[test]
fn a_daemon_that_does_not_answer_is_never_called_clean() {
    let world = World::new();
    world.mount();
    let pid = world.pid();
    let signal = |signal| {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    signal(rustix::process::Signal::STOP);
    let status = world.json("status");
    signal(rustix::process::Signal::CONT);
    assert_eq!(status["daemon"]["state"], "unresponsive");
    assert!(status["changes"].is_null() && status["durability"]["pushed"].is_null());
    assert!(!status["problems"].as_array().unwrap().is_empty());
}
