//! The same suite as an ordinary user, through fusermount3.

use crate::world::{is_root, opens};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;
use toft::fuse::Opens;

/// `nobody`: the helper wants a user with a name.
const USER: u32 = 65534;

#[test]
fn an_ordinary_user_sees_the_same() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(USER), Some(USER)).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let program = home.path().join("suite");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    // Where only root may open the device (as in some containers), a namespace of its own has one
    // as every machine has; and what the user mounts goes with it.
    // The namespace starts with copies of all mounts; those of other tests would not end before it.
    let script = "mount --make-rprivate / && \
                  awk '$3 == \"fuse.toft\" { print $2 }' /proc/self/mounts | \
                  xargs -r -n 1 umount -l && mknod -m 666 fuse c 10 229 && \
                  chmod 666 fuse && mount --bind fuse /dev/fuse && \
                  setpriv --reuid nobody --regid nogroup --clear-groups -- ./suite --test-threads 2 && \
                  ! grep -F \"$HOME\" /proc/self/mounts";
    let output = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", script])
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        // And with the other way to open files, so that each is gone through once.
        .env("TOFT_TEST_OPENS", if opens() == Opens::Told { "untold" } else { "told" })
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test result: ok. "), "{said}");
}
