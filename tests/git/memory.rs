//! How much memory reading takes. In a process of its own, where nothing else grows.

use crate::git::{Sandbox, parse};
use crate::random::Random;
use std::process::Command;
use toft::base::Base;
use toft::git::Repo;
use toft::sys::OsDisk;
use toft::types::HashKind;

const BLOBS: usize = 2000;
const BLOB_BYTES: usize = 64 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn reading_a_pack_of_any_size_keeps_little_of_it_mapped() {
    let sandbox = Sandbox::new(HashKind::Sha1);
    let mut writer = sandbox.open().writer();
    let mut random = Random::new(7);
    let mut oids = String::new();
    for _ in 0..BLOBS {
        let words = std::iter::repeat_with(|| random.next().to_le_bytes());
        let noise: Vec<u8> = words.take(BLOB_BYTES / 8).flatten().collect();
        oids.push_str(&format!("{}\n", writer.blob(&noise).unwrap()));
    }
    writer.finish(&OsDisk::default()).unwrap();
    sandbox.write("oids", oids);
    for mode in ["stat", "read"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["memory::the_reading_process", "--exact", "--ignored", "--nocapture"])
            .env("TOFT_TEST_READ", sandbox.path())
            .env("TOFT_TEST_MODE", mode)
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{stdout}");
        let line = stdout.lines().find_map(|line| line.split_once("peak ")).unwrap().1;
        let peak: u64 = line.trim().parse().unwrap();
        eprintln!("{mode}: {} MiB of {} MiB", peak / MIB, (BLOBS * BLOB_BYTES) as u64 / MIB);
        assert!(peak < 100 * MIB, "{mode}: {} MiB resident", peak / MIB);
    }
}

#[test]
#[ignore = "a part of the test above"]
fn the_reading_process() {
    let dir = std::path::PathBuf::from(std::env::var_os("TOFT_TEST_READ").unwrap());
    let read = std::env::var("TOFT_TEST_MODE").unwrap() == "read";
    let base = Base::new(Repo::open(&dir.join(".git")).unwrap(), dir.join("spill"));
    for line in std::fs::read_to_string(dir.join("oids")).unwrap().lines() {
        let oid = parse(line);
        assert_eq!(base.blob_size(oid).unwrap(), BLOB_BYTES as u64);
        if read {
            assert_eq!(base.blob(oid).unwrap().len(), BLOB_BYTES as u64);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak {}", kib << 10);
}
