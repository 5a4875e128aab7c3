//! The remote moved meanwhile: merged where it can be, kept aside where not, nothing lost.

use super::support::{self, Host, Kind, Server};
use super::work::{assert_sound, history, mount, status, text, umount};
use std::fs;

#[test]
fn two_hosts_that_change_different_things_are_merged() {
    if !support::can_mount("two_hosts_that_change_different_things_are_merged") {
        return;
    }
    for kind in [Kind::File, Kind::Http] {
        let server = Server::start(kind);
        let repo = server.seeded("r.git");
        let (ana, ben) = (Host::new(), Host::new());
        let hers = mount(&ana, &server.url("r.git"), "r", "");
        let his = mount(&ben, &server.url("r.git"), "r", "");
        fs::write(hers.join("README"), "hers\n").expect("write");
        fs::write(his.join("his"), "his\n").expect("write");
        umount(&ana, &hers, "").expect_code(0);
        umount(&ben, &his, "").expect_code(0);
        assert_eq!(ana.git(&repo, &["show", "main:README"]), "hers");
        assert_eq!(ana.git(&repo, &["show", "main:his"]), "his");
        assert!(history(&repo, "main").len() >= 3);
        assert_sound(&repo);
    }
}

#[test]
fn a_real_conflict_goes_to_a_side_branch_with_both_sides_kept() {
    if !support::can_mount("a_real_conflict_goes_to_a_side_branch") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let (ana, ben) = (Host::new(), Host::new());
    let hers = mount(&ana, &server.url("r.git"), "r", "");
    let his = mount(&ben, &server.url("r.git"), "r", "");
    fs::write(hers.join("README"), "hers\n").expect("write");
    fs::write(his.join("README"), "his\n").expect("write");
    umount(&ana, &hers, "").expect_code(0);
    let flush = ben.toft_with(&["flush", text(&his)]).expect_code(78);
    assert!(flush.stderr.contains("README") || flush.text().contains("README"));
    assert_eq!(ana.git(&repo, &["show", "main:README"]), "hers");
    let branches =
        ana.git(&repo, &["for-each-ref", "--format=%(refname:short)", "refs/heads/toft"]);
    let side = branches.lines().next().expect("a side branch");
    assert!(side.starts_with("toft/conflict/w-"), "{side}");
    assert_eq!(ana.git(&repo, &["show", &format!("{side}:README")]), "his");
    assert_eq!(fs::read_to_string(his.join("README")).expect("read"), "his\n");
    let report = status(&ben, text(&his));
    assert!(report["problems"].to_string().contains("README"), "{report}");
    umount(&ben, &his, "");
    assert_sound(&repo);
}

#[test]
fn of_many_who_unmount_at_once_each_is_done_or_finds_nothing_to_unmount() {
    if !support::can_mount("of_many_who_unmount_at_once_each_is_done_or_finds_nothing") {
        return;
    }
    let server = Server::start(Kind::File);
    let repo = server.seeded("r.git");
    let host = Host::new();
    for round in 0..5 {
        let dir = mount(&host, &server.url("r.git"), "r", "");
        fs::write(dir.join("README"), format!("round {round}\n")).expect("write");
        let codes: Vec<i32> = std::thread::scope(|scope| {
            let ask = |pause: u64| {
                let (host, dir) = (&host, text(&dir));
                scope.spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(pause));
                    let ran = host.toft_with(&["umount", dir]);
                    let nothing = ran.stderr.starts_with("error[no-such-workspace]");
                    assert!(ran.code == 0 || nothing, "{}: {}", ran.code, ran.text());
                    ran.code
                })
            };
            // Some in the middle of the first, some about when its daemon ends.
            let asking: Vec<_> = [0, 0, 30, 60, 90, 120, 150, 180].map(ask).into_iter().collect();
            asking.into_iter().map(|one| one.join().expect("no panic")).collect()
        });
        assert!(codes.contains(&0), "{codes:?}");
        assert_eq!(host.git(&repo, &["show", "main:README"]), format!("round {round}"));
    }
    assert_eq!(history(&repo, "main").len(), 6);
}
