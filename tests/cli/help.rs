use crate::support::Host;

const COMMANDS: [&str; 17] = [
    "mount", "umount", "fork", "serve", "flush", "commit", "push", "status", "list", "log", "diff",
    "rm", "recover", "fsck", "doctor", "demo", "version",
];

#[test]
fn every_command_explains_itself_with_an_example() {
    let host = Host::new();
    let all = host.toft("--help").ok();
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not listed");
        let help = host.toft(&format!("{command} --help")).ok();
        assert!(help.contains("Example"), "{command} has no example");
        assert!(help.contains(&format!("toft {command}")), "{command} shows no use of itself");
        assert!(help.contains("--json"));
    }
    for code in ["69", "75", "76", "77", "78", "79", "124"] {
        assert!(all.contains(&format!("\n  {code} ")), "exit code {code} is not explained");
    }
}

#[test]
fn what_makes_no_sense_is_usage() {
    let host = Host::new();
    for line in ["", "mount", "nonsense", "umount --nonsense", "flush . --allow nonsense"] {
        host.toft(line).expect_code(2);
    }
    let ran = host.toft("mount --json").expect_code(2);
    let error: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(error["error"]["exit_code"], 2);
    assert_eq!(error["error"]["kind"], "usage");
}

#[test]
fn version_and_doctor_report_as_json() {
    let host = Host::new();
    let version: serde_json::Value =
        serde_json::from_slice(&host.toft("version --json").expect_code(0).stdout).unwrap();
    assert_eq!(version["schema"], "toft.version/1");
    let doctor: serde_json::Value =
        serde_json::from_slice(&host.toft("doctor --json").stdout).unwrap();
    assert!(doctor["checks"].as_array().unwrap().len() >= 7);
}

#[test]
fn the_demo_tells_its_story_and_leaves_nothing() {
    let host = Host::new();
    let temporary = host.folder("tmp");
    let mut command = host.command(env!("CARGO_BIN_EXE_toft"));
    command.arg("demo").env("TMPDIR", &temporary);
    let story = host.run(command).ok();
    assert!(story.contains("Everything is the same there"), "{story}");
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0);
}
