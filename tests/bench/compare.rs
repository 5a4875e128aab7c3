//! Whether two trees are the same, byte for byte.

use super::io;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Panics unless `one` holds what `other` holds: names, bytes, links. Returns the bytes of its files.
pub fn trees(one: &Path, other: &Path) -> u64 {
    let (files, others) = io::list(one);
    let (expected_files, expected_others) = io::list(other);
    assert!(files == expected_files, "other files than in {}", other.display());
    assert!(others == expected_others, "other folders or links than in {}", other.display());
    for path in others {
        let link = |tree: &Path| fs::read_link(tree.join(&path)).ok();
        assert_eq!(link(one), link(other), "{}", path.display());
    }
    let mut buffers = (vec![0; 64 << 10], vec![0; 64 << 10]);
    files.iter().map(|path| bytes(&one.join(path), &other.join(path), &mut buffers)).sum()
}

fn bytes(one: &Path, other: &Path, (ours, theirs): &mut (Vec<u8>, Vec<u8>)) -> u64 {
    let (mut a, mut b) = (File::open(one).expect("open"), File::open(other).expect("open"));
    let mut total = 0;
    loop {
        let len = a.read(ours).expect("read");
        let same = b.read_exact(&mut theirs[..len]).is_ok() && ours[..len] == theirs[..len];
        assert!(same, "{} is not {}", one.display(), other.display());
        if len == 0 {
            assert_eq!(b.read(theirs).expect("read"), 0, "{} is shorter", one.display());
            return total;
        }
        total += len as u64;
    }
}
