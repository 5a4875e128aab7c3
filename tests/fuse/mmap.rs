//! Mapped files, by way of programs that map them.

use crate::world::{World, sh};
use std::fs;

fn python(world: &World, script: &str) -> String {
    sh(world.root(), &format!("python3 - <<'PY'\nimport mmap, os\n{script}\nPY"))
}

#[test]
fn a_shared_mapping_writes_the_file_and_sees_writes() {
    let mut world = World::new();
    let script = r#"
f = os.open("big.bin", os.O_RDWR)
m = mmap.mmap(f, 0, mmap.MAP_SHARED)
before = m[100:103]
m[100:103] = b"map"
m.flush()
assert os.pread(f, 3, 100) == b"map"
os.pwrite(f, b"write", 200)
assert m[200:205] == b"write"
m[300:303] = b"end"
m.close(); os.close(f)
print("ok")
"#;
    assert_eq!(python(&world, script), "ok\n");
    for _ in 0..2 {
        let bytes = fs::read(world.path("big.bin")).unwrap();
        assert_eq!(&bytes[100..103], b"map");
        assert_eq!(&bytes[200..205], b"write");
        assert_eq!(&bytes[300..303], b"end");
        world.remount();
    }
}

#[test]
fn two_processes_share_a_mapping() {
    let world = World::new();
    let script = r#"
f = os.open("shared", os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 4096)
m = mmap.mmap(f, 4096, mmap.MAP_SHARED)
pid = os.fork()
if pid == 0:
    m[0:5] = b"child"
    os._exit(0)
os.waitpid(pid, 0)
print(m[0:5].decode(), os.pread(f, 5, 0).decode())
"#;
    assert_eq!(python(&world, script), "child child\n");
}

#[test]
fn a_private_mapping_changes_nothing() {
    let world = World::new();
    let script = r#"
f = os.open("README", os.O_RDONLY)
m = mmap.mmap(f, 6, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
m[0:5] = b"HELLO"
print(m[0:5].decode(), os.pread(f, 5, 0).decode())
"#;
    assert_eq!(python(&world, script), "HELLO hello\n");
    assert_eq!(fs::read(world.path("README")).unwrap(), b"hello\n");
}
