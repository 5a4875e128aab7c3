//! The sizes of a commit's files, as a sorted file that all workspaces of a remote read.
//!
//! A pack tells a size only by undoing the beginning of a delta, some 10 us each, and the first walk
//! through a mount asks for all of them. An entry is `id | size u64 | crc32c u32 of both`,
//! little-endian, in the order of the ids. Ids are spread evenly, so that one read at the place where
//! an id would be finds it. The file is a cache and was not synced: an entry that is torn is none.

use crate::types::{HashKind, Oid};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SIZE_LEN: usize = 8;
const CRC_LEN: usize = 4;
/// The least entries that are read at once.
const WINDOW: u64 = 64;

/// Tells sizes without looking at objects.
#[derive(Debug)]
pub struct SizeTable {
    file: File,
    entries: u64,
    hash: HashKind,
}

impl SizeTable {
    /// Opens the table at `path`, which was made for objects of this kind.
    pub fn open(path: &Path, hash: HashKind) -> io::Result<Self> {
        let file = File::open(path)?;
        let entries = file.metadata()?.len() / entry_len(hash) as u64;
        Ok(Self { file, entries, hash })
    }

    /// The bytes of a table of `sizes`.
    pub fn encode(hash: HashKind, mut sizes: Vec<(Oid, u64)>) -> Vec<u8> {
        sizes.sort_unstable();
        sizes.dedup();
        let mut bytes = Vec::with_capacity(sizes.len() * entry_len(hash));
        for (oid, size) in &sizes {
            let start = bytes.len();
            bytes.extend_from_slice(oid.as_bytes());
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&crc32c::crc32c(&bytes[start..]).to_le_bytes());
        }
        bytes
    }

    /// The size of the content `oid`, if it is known.
    pub fn get(&self, oid: Oid) -> Option<u64> {
        let expected = self.expected_place(oid);
        let mut reach = WINDOW.max(self.entries.isqrt());
        loop {
            let start = expected.saturating_sub(reach);
            let end = self.entries.min(expected + reach);
            if start >= end {
                return None;
            }
            let window = self.read(start, end).ok()?;
            match find(&window, oid, entry_len(self.hash)) {
                Place::Here(entry) => return size_of_entry(entry),
                Place::Before if start > 0 => {}
                Place::Behind if end < self.entries => {}
                _ => return None,
            }
            reach *= 8;
        }
    }

    /// Where an id lies if all are spread evenly.
    fn expected_place(&self, oid: Oid) -> u64 {
        let mut head = [0; 8];
        head.copy_from_slice(&oid.as_bytes()[..8]);
        let share = u128::from(u64::from_be_bytes(head)) * u128::from(self.entries);
        u64::try_from(share >> 64).expect("less than the number of entries")
    }

    fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let len = entry_len(self.hash) as u64;
        let window = usize::try_from((end - start) * len).map_err(io::Error::other)?;
        let mut bytes = vec![0; window];
        self.file.read_exact_at(&mut bytes, start * len)?;
        Ok(bytes)
    }
}

/// Where an id is in a window of the table.
enum Place<'a> {
    Here(&'a [u8]),
    Before,
    Behind,
    /// It would be here, and is not.
    Nowhere,
}

fn find(window: &[u8], oid: Oid, entry_len: usize) -> Place<'_> {
    let entry = |index: usize| &window[index * entry_len..][..entry_len];
    let wanted = oid.as_bytes();
    let (mut low, mut high) = (0, window.len() / entry_len);
    let count = high;
    while low < high {
        let middle = low.midpoint(high);
        match entry(middle)[..wanted.len()].cmp(wanted) {
            std::cmp::Ordering::Equal => return Place::Here(entry(middle)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    match low {
        0 => Place::Before,
        _ if low == count => Place::Behind,
        _ => Place::Nowhere,
    }
}

fn size_of_entry(entry: &[u8]) -> Option<u64> {
    let (sized, crc) = entry.split_at(entry.len() - CRC_LEN);
    let size = &sized[sized.len() - SIZE_LEN..];
    let whole = crc32c::crc32c(sized).to_le_bytes() == crc;
    whole.then(|| u64::from_le_bytes(size.try_into().expect("eight bytes")))
}

fn entry_len(hash: HashKind) -> usize {
    hash.len_in_bytes() + SIZE_LEN + CRC_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(hash: HashKind, number: u32) -> Oid {
        let bytes = number.to_le_bytes();
        spread(hash, &bytes)
    }

    /// An id as evenly spread as a real one.
    fn spread(hash: HashKind, seed: &[u8]) -> Oid {
        let mut state = u64::from(crc32c::crc32c(seed)) | 1;
        let bytes: Vec<u8> = (0..hash.len_in_bytes())
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        Oid::from_bytes_or_panic(&bytes)
    }

    fn table(hash: HashKind, sizes: Vec<(Oid, u64)>) -> (tempfile::TempDir, SizeTable) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sizes");
        std::fs::write(&path, SizeTable::encode(hash, sizes)).expect("room");
        let table = SizeTable::open(&path, hash).expect("it is there");
        (dir, table)
    }

    #[test]
    fn every_size_is_found_and_no_other() {
        for hash in [HashKind::Sha1, HashKind::Sha256] {
            for count in [0, 1, 2, 63, 5000] {
                let sizes = (0..count).map(|number| (oid(hash, number), u64::from(number) << 30));
                let (_dir, table) = table(hash, sizes.clone().chain(sizes).collect());
                for number in 0..count {
                    let found = table.get(oid(hash, number));
                    assert_eq!(found, Some(u64::from(number) << 30), "{number} of {count}");
                }
                assert!((count..count + 500).all(|number| table.get(oid(hash, number)).is_none()));
            }
        }
    }

    /// Whoever makes a repository may choose contents whose ids lie close together.
    #[test]
    fn ids_in_a_heap_are_found_too() {
        let close = |number: u32| {
            let mut bytes = [0x77; 20];
            bytes[16..].copy_from_slice(&number.to_be_bytes());
            Oid::from_bytes_or_panic(&bytes)
        };
        let sizes = (0..20_000).map(|number| (close(number), u64::from(number)));
        let (_dir, table) = table(HashKind::Sha1, sizes.collect());
        for number in (0..20_000).step_by(97) {
            assert_eq!(table.get(close(number)), Some(u64::from(number)));
        }
    }

    #[test]
    fn an_entry_that_is_torn_is_none() {
        let hash = HashKind::Sha1;
        let (dir, table) = table(hash, vec![(oid(hash, 1), 10), (oid(hash, 2), 20)]);
        let path = dir.path().join("sizes");
        let mut bytes = std::fs::read(&path).expect("the table");
        let last = bytes.len() - CRC_LEN - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).expect("room");
        let found = [1, 2].map(|number| table.get(oid(hash, number)));
        assert_eq!(found.iter().filter(|found| found.is_some()).count(), 1, "{found:?}");
        File::options().write(true).open(&path).expect("it").set_len(40).expect("cut");
        let table = SizeTable::open(&path, hash).expect("it is there");
        let found = [1, 2].map(|number| table.get(oid(hash, number)));
        assert_eq!(found.iter().filter(|found| found.is_some()).count(), 1, "{found:?}");
    }
}
