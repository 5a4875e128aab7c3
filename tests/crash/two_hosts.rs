use crate::support::Host;
use crate::world::{World, seeded_remote};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};

fn rounds() -> usize {
    std::env::var("TOFT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

fn flush(world: &World) -> Child {
    let mut command = world.toft("flush");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How often each path was added by a commit that is no merge.
fn additions(host: &Host, remote: &Path) -> BTreeMap<String, usize> {
    let args = ["log", "--no-merges", "--diff-filter=A", "--name-only", "--format=", "main"];
    let mut count = BTreeMap::new();
    for path in host.git(remote, &args).lines().filter(|line| line.contains("-round-")) {
        *count.entry(path.to_owned()).or_default() += 1;
    }
    count
}

#[test]
fn two_hosts_on_one_branch_lose_no_commit_and_double_none() {
    let (left, right) = (World::new(), World::new());
    let remote = seeded_remote(&left.host);
    left.mount(&remote);
    right.mount(&remote);
    for round in 0..rounds() {
        std::fs::write(left.dir.join(format!("left-round-{round}")), format!("{round}\n")).unwrap();
        std::fs::write(right.dir.join(format!("right-round-{round}")), format!("{round}\n"))
            .unwrap();
        for (world, child) in [(&left, flush(&left)), (&right, flush(&right))] {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "round {round}: {output:?}\n{}", world.daemon_logs());
        }
    }
    let count = additions(&left.host, &remote);
    for round in 0..rounds() {
        for side in ["left", "right"] {
            let path = format!("{side}-round-{round}");
            assert_eq!(count.get(&path), Some(&1), "{path}");
        }
    }
    let tip = left.host.git(&remote, &["ls-tree", "--name-only", "main"]);
    assert_eq!(tip.lines().filter(|name| name.contains("-round-")).count(), 2 * rounds());
    assert_eq!(left.host.git(&remote, &["for-each-ref", "refs/heads/toft"]), "", "no side branch");
    left.host.git(&remote, &["fsck", "--strict"]);
}
