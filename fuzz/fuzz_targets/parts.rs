//! Inputs in parts: `length u16 (little-endian) | bytes`, as many as there are.

/// The parts of `input`; the last one may be cut off.
pub fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let (part, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
        parts.push(part);
        input = rest;
    }
    parts
}
