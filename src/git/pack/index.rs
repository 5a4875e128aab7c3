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
