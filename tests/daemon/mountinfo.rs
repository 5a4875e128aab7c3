use std::path::Path;
use toft::daemon::mountinfo::{at, containing, ours_at, parse};

const TABLE: &[u8] = b"\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /srv/a\\040b rw,nosuid shared:7 master:2 - fuse.toft https://h/r\\043main rw,user_id=0
31 22 0:41 / /srv/c rw - fuse.toft one rw
32 22 0:42 / /srv/c rw - tmpfs tmpfs rw
garbage line
33 22 0:43 / /srv/c/deep rw - ext4 x rw
";

#[test]
fn escapes_and_optional_fields_are_understood() {
    let mounts = parse(TABLE);
    assert_eq!(mounts.len(), 5);
    let mount = at(&mounts, Path::new("/srv/a b")).unwrap();
    assert_eq!((mount.id, mount.device), (30, (0, 40)));
    assert_eq!(mount.fstype, "fuse.toft");
    assert_eq!(mount.source, "https://h/r#main");
}

#[test]
fn a_later_mount_hides_an_earlier_one() {
    let mounts = parse(TABLE);
    assert_eq!(at(&mounts, Path::new("/srv/c")).unwrap().fstype, "tmpfs");
    assert_eq!(ours_at(&mounts, Path::new("/srv/c")), None);
}

#[test]
fn the_innermost_mount_contains_a_path() {
    let mounts = parse(TABLE);
    let of = |path| containing(&mounts, Path::new(path)).unwrap().id;
    assert_eq!(of("/srv/a b/x"), 30);
    assert_eq!(of("/srv/a bc"), 22);
    assert_eq!(of("/srv/c/deep/x"), 33);
}
