//! Extended attributes.

use crate::world::{World, check_errnos, errno, is_root, sh};
use rustix::fs::{XattrFlags, getxattr, lgetxattr, listxattr, removexattr, setxattr};
use std::fs;
use std::path::Path;

const ANY: XattrFlags = XattrFlags::empty();

fn get(path: &Path, name: &str) -> Result<Vec<u8>, rustix::io::Errno> {
    let mut value = vec![0_u8; 70_000];
    let count = getxattr(path, name, value.as_mut_slice())?;
    value.truncate(count);
    Ok(value)
}

fn list(path: &Path) -> Vec<String> {
    let mut names = vec![0_u8; 70_000];
    let count = listxattr(path, names.as_mut_slice()).unwrap();
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

#[test]
fn user_attributes_are_kept_on_files_and_directories() {
    let mut world = World::new();
    for name in ["README", "dir", "made"] {
        if name == "made" {
            fs::write(world.path(name), "").unwrap();
        }
        let path = world.path(name);
        assert_eq!(list(&path), Vec::<String>::new());
        setxattr(&path, "user.b", b"second", ANY).unwrap();
        setxattr(&path, "user.a", b"", ANY).unwrap();
        setxattr(&path, "user.b", b"again", ANY).unwrap();
    }
    for _ in 0..2 {
        for name in ["README", "dir", "made"] {
            let path = world.path(name);
            assert_eq!(list(&path), ["user.a", "user.b"], "{name}");
            assert_eq!(get(&path, "user.b").unwrap(), b"again");
            assert_eq!(get(&path, "user.a").unwrap(), b"");
        }
        world.remount();
    }
    fs::rename(world.path("README"), world.path("moved")).unwrap();
    fs::write(world.path("moved"), "content").unwrap();
    assert_eq!(get(&world.path("moved"), "user.b").unwrap(), b"again");
    removexattr(world.path("moved"), "user.b").unwrap();
    assert_eq!(list(&world.path("moved")), ["user.a"]);
}

#[test]
fn a_file_has_room_for_thousands_of_attributes() {
    let world = World::new();
    let path = world.path("README");
    for number in 1000..5000 {
        setxattr(&path, format!("user.{number}"), b"value", ANY).unwrap();
    }
    assert_eq!(list(&path).len(), 4000);
    setxattr(&path, "user.1000", b"another", XattrFlags::REPLACE).unwrap();
    assert_eq!(get(&path, "user.1000").unwrap(), b"another");
    for number in 1000..5000 {
        removexattr(&path, format!("user.{number}")).unwrap();
    }
    assert_eq!(list(&path), Vec::<String>::new());
}

#[test]
fn errnos_of_extended_attributes() {
    let world = World::new();
    let path = world.path("README");
    let link = world.path("link");
    setxattr(&path, "user.here", b"v", ANY).unwrap();
    // The kernel answers others than root by itself.
    let for_root = |else_: i32| if is_root() { libc::EOPNOTSUPP } else { else_ };
    let gitfile = if is_root() { libc::EPERM } else { libc::EACCES };
    let set = |name: &str, value: &[u8], flags| errno(setxattr(&path, name, value, flags));
    let mut tiny = [0_u8; 1];
    setxattr(&path, "user.long", b"12345", ANY).unwrap();
    check_errnos(&[
        ("create what exists", set("user.here", b"", XattrFlags::CREATE), libc::EEXIST),
        ("replace what is missing", set("user.no", b"", XattrFlags::REPLACE), libc::ENODATA),
        ("get what is missing", errno(get(&path, "user.no")), libc::ENODATA),
        ("remove what is missing", errno(removexattr(&path, "user.no")), libc::ENODATA),
        ("too large", set("user.big", &vec![0; 65_537], ANY), libc::E2BIG),
        (
            "a name that is too long",
            set(&format!("user.{}", "n".repeat(255)), b"", ANY),
            libc::ERANGE,
        ),
        ("no namespace", set("plain", b"", ANY), libc::EOPNOTSUPP),
        ("trusted", set("trusted.a", b"", ANY), for_root(libc::EPERM)),
        ("security", set("security.a", b"", ANY), for_root(libc::EPERM)),
        ("get of trusted", errno(get(&path, "trusted.a")), for_root(libc::ENODATA)),
        ("user on a link", errno(rustix::fs::lsetxattr(&link, "user.a", b"", ANY)), libc::EPERM),
        ("get on a link", errno(lgetxattr(&link, "user.a", tiny.as_mut_slice())), libc::ENODATA),
        (
            "buffer too small",
            errno(getxattr(&path, "user.long", tiny.as_mut_slice())),
            libc::ERANGE,
        ),
        ("list too small", errno(listxattr(&path, tiny.as_mut_slice())), libc::ERANGE),
        ("the gitfile", errno(setxattr(world.path(".git"), "user.a", b"", ANY)), gitfile),
        ("an ACL", set("system.posix_acl_access", &[2, 0, 0, 0], ANY), libc::EOPNOTSUPP),
    ]);
    let ask_size =
        "import ctypes; print(ctypes.CDLL(None).getxattr(b'README', b'user.long', None, 0))";
    assert_eq!(sh(world.root(), &format!("python3 -c \"{ask_size}\"")), "5\n");
    setxattr(&path, "user.big", &vec![1; 65_536], ANY).unwrap();
    assert_eq!(get(&path, "user.big").unwrap().len(), 65_536);
}

#[test]
fn an_inode_cannot_hold_attributes_without_end() {
    let world = World::new();
    let path = world.path("README");
    let value = vec![7; 65_536];
    let full = (0..40).map(|n| errno(setxattr(&path, format!("user.{n}"), &value, ANY)));
    let results: Vec<_> = full.collect();
    assert!(results[..16].iter().all(|code| *code == 0));
    assert_eq!(results[16..], [libc::ENOSPC; 24]);
    removexattr(&path, "user.3").unwrap();
    assert_eq!(errno(setxattr(&path, "user.again", &value, ANY)), 0);
}
