//! One frame: `length u32 | crc32c u32 | sequence u64 | payload`, little-endian.
//!
//! The checksum covers sequence and payload; the length is checked by its bound and by the
//! checksum of what it spans. A length of 0 means "nothing here", as in a file of zeroes.

use crate::types::Seq;

/// The largest payload, in bytes.
pub const FRAME_MAX: usize = 64 << 20;
pub(super) const FRAME_HEAD: usize = 16;

/// Builds the frame of `payload`, which is not empty and at most [`FRAME_MAX`] bytes.
pub fn encode_frame(seq: Seq, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEAD + payload.len());
    let length = u32::try_from(payload.len()).expect("bounded by FRAME_MAX");
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(seq, payload).to_le_bytes());
    frame.extend_from_slice(&seq.0.to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Reads the frame at the start of `bytes`: its number, its payload, and the frame's whole length.
///
/// None where no whole, undamaged frame stands.
pub fn decode_frame(bytes: &[u8]) -> Option<(Seq, &[u8], usize)> {
    let length = u32_at(bytes, 0)? as usize;
    if length == 0 || length > FRAME_MAX {
        return None;
    }
    let crc = u32_at(bytes, 4)?;
    let seq = Seq(u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?));
    let end = FRAME_HEAD + length;
    let payload = bytes.get(FRAME_HEAD..end)?;
    (checksum(seq, payload) == crc).then_some((seq, payload, end))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn checksum(seq: Seq, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&seq.0.to_le_bytes()), payload)
}
