//! flock and fcntl locks: the kernel's own.

use crate::world::{World, sh};

#[test]
fn locks_exclude_other_processes() {
    let world = World::new();
    let script = r#"python3 - <<'PY'
import fcntl, os
def other(take):
    pid = os.fork()
    if pid == 0:
        f = open("README", "r+")
        try:
            take(f)
            os._exit(0)
        except BlockingIOError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
flock = lambda f: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
record = lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 1)
elsewhere = lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 5)
mine = open("README", "r+")
flock(mine); print(other(flock)); fcntl.flock(mine, fcntl.LOCK_UN); print(other(flock))
record(mine); print(other(record), other(elsewhere)); mine.close(); print(other(record))
PY"#;
    assert_eq!(sh(world.root(), script), "1\n0\n1 0\n0\n");
}

#[test]
fn locks_of_open_files_exclude_other_opens_and_go_with_the_last_descriptor() {
    let world = World::new();
    let script = r#"python3 - <<'PY'
import fcntl, os, struct
SETLK = 37  # F_OFD_SETLK
def take(fd, kind, start, length):
    try:
        fcntl.fcntl(fd, SETLK, struct.pack("hhqqi4x", kind, 0, start, length, 0))
        return "yes"
    except BlockingIOError:
        return "no"
one, other = os.open("README", os.O_RDWR), os.open("README", os.O_RDWR)
R, W, U = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
print(take(one, W, 0, 4), take(other, W, 3, 1), take(other, W, 4, 1), take(other, R, 0, 1))
print(take(one, R, 0, 4), take(other, R, 0, 4), take(one, W, 0, 4))
print(take(other, U, 0, 4), take(one, W, 0, 4))
twin = os.dup(one); os.close(one); print(take(other, R, 0, 1))
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
print(take(other, R, 0, 1)); os.close(twin); print(take(other, R, 0, 1))
# A classic lock of another process stands in its way too.
ready, done = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    f = open("dir/a", "r+"); fcntl.lockf(f, fcntl.LOCK_EX)
    os.write(ready[1], b"x"); os.read(done[0], 1); os._exit(0)
os.read(ready[0], 1)
fd = os.open("dir/a", os.O_RDWR); print(take(fd, W, 0, 0))
os.write(done[1], b"x"); os.waitpid(pid, 0); print(take(fd, W, 0, 0))
PY"#;
    let told = "yes no yes no\nyes yes no\nyes yes\nno\nno\nyes\nno\nyes\n";
    assert_eq!(sh(world.root(), script), told);
}
