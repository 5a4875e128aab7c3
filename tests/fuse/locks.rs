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
