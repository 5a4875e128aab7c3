//! Pack index, version 2 (gitformat-pack). Pure.

use super::checksum;
use crate::types::Oid;

/// Where an object is in its pack.
pub(super) struct Entry {
    pub(super) oid: Oid,
    pub(super) offset: u64,
    /// CRC-32 of header and compressed content.
    pub(super) crc: u32,
}

/// Offsets from here on go to the table of 64-bit ones.
const LARGE: u64 = 1 << 31;

/// The bytes of the index of a pack with the trailer `pack`. Sorts `entries` by id.
pub(super) fn encode(entries: &mut [Entry], pack: Oid) -> std::io::Result<Vec<u8>> {
    entries.sort_unstable_by_key(|entry| entry.oid);
    let mut bytes = Vec::with_capacity(1100 + entries.len() * (pack.as_slice().len() + 8));
    bytes.extend_from_slice(b"\xfftOc");
    bytes.extend_from_slice(&2_u32.to_be_bytes());
    fan_out(entries, &mut bytes);
    for entry in &*entries {
        bytes.extend_from_slice(entry.oid.as_slice());
    }
    for entry in &*entries {
        bytes.extend_from_slice(&entry.crc.to_be_bytes());
    }
    offsets(entries, &mut bytes);
    bytes.extend_from_slice(pack.as_slice());
    let trailer = checksum(pack.kind(), &bytes)?;
    bytes.extend_from_slice(trailer.as_slice());
    Ok(bytes)
}

/// For each first byte, how many ids are not above it.
fn fan_out(entries: &[Entry], bytes: &mut Vec<u8>) {
    for first in 0..=u8::MAX {
        let count = entries.partition_point(|entry| entry.oid.as_slice()[0] <= first);
        bytes.extend_from_slice(&number(count).to_be_bytes());
    }
}

fn offsets(entries: &[Entry], bytes: &mut Vec<u8>) {
    let mut large = Vec::new();
    for entry in entries {
        let word = if entry.offset < LARGE {
            u32::try_from(entry.offset).expect("below 2^31")
        } else {
            large.push(entry.offset);
            1 << 31 | number(large.len() - 1)
        };
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    for offset in large {
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer objects than git can count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::HashKind;
    use gix::odb::pack::index::File;

    #[test]
    fn offsets_beyond_two_and_four_gigabytes_are_found_again() {
        for hash in [HashKind::Sha1, HashKind::Sha256] {
            let oid = |byte: u8| Oid::from_bytes_or_panic(&vec![byte; hash.len_in_bytes()]);
            let offsets = [12, LARGE - 1, LARGE, 1 << 32, 3 << 40, 100];
            let mut entries: Vec<_> = (0..)
                .zip(offsets)
                .map(|(index, offset)| Entry { oid: oid(0xf0 - 9 * index), offset, crc: 7 })
                .collect();
            let bytes = encode(&mut entries, oid(1)).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("pack-x.idx");
            std::fs::write(&path, bytes).unwrap();
            let file = File::at(path, hash).unwrap();
            file.verify_checksum(&mut gix::progress::Discard, &Default::default()).unwrap();
            for (index, offset) in (0..).zip(offsets) {
                let found = file.lookup(oid(0xf0 - 9 * index)).unwrap();
                assert_eq!(file.pack_offset_at_index(found), offset);
                assert_eq!(file.crc32_at_index(found), Some(7));
            }
        }
    }
}
