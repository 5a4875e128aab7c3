//! Tree objects as bytes: read without judgement, written as git writes them. Pure.

use crate::types::{HashKind, Name, Oid, TreeMode};

/// An entry of a tree object as it stands there, good or hostile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The mode, read as octal.
    pub mode: u32,
    /// The name; anything but NUL.
    pub name: Vec<u8>,
    /// The object it names.
    pub oid: Oid,
}

/// An entry of a tree to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeItem {
    /// What it is.
    pub mode: TreeMode,
    /// Its name.
    pub name: Name,
    /// The object it names.
    pub oid: Oid,
}

/// Reads the entries of a tree object in their stored order.
///
/// Only what git itself cannot parse is an error: no mode, a digit that is not octal, no NUL, a
/// cut-off id. Names and order are not judged.
pub(super) fn parse(mut data: &[u8], hash: HashKind) -> Result<Vec<RawEntry>, &'static str> {
    let mut entries = Vec::new();
    while !data.is_empty() {
        let space = position(data, b' ').ok_or("a tree entry without a mode")?;
        let mode = octal(&data[..space]).ok_or("a tree entry with a malformed mode")?;
        data = &data[space + 1..];
        let nul = position(data, 0).ok_or("a tree entry whose name does not end")?;
        let name = data[..nul].to_vec();
        let (id, rest) = data[nul + 1..]
            .split_at_checked(hash.len_in_bytes())
            .ok_or("a tree entry that is cut off")?;
        entries.push(RawEntry { mode, name, oid: Oid::from_bytes_or_panic(id) });
        data = rest;
    }
    Ok(entries)
}

/// Serializes `items`, sorted as git sorts: a directory as if its name ended in `/`.
///
/// Fails with a name that occurs twice.
pub(super) fn encode(mut items: Vec<TreeItem>) -> Result<Vec<u8>, Vec<u8>> {
    items.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twins) = items.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(twins[0].name.as_bytes().to_vec());
    }
    items.sort_by(|a, b| sort_key(a).cmp(sort_key(b)));
    let mut bytes = Vec::with_capacity(items.len() * 48);
    for item in &items {
        bytes.extend_from_slice(format!("{:o} ", item.mode.octal()).as_bytes());
        bytes.extend_from_slice(item.name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(item.oid.as_slice());
    }
    Ok(bytes)
}

fn sort_key(item: &TreeItem) -> impl Iterator<Item = &u8> {
    let end: &[u8] = if item.mode == TreeMode::Tree { b"/" } else { b"" };
    item.name.as_bytes().iter().chain(end)
}

fn octal(digits: &[u8]) -> Option<u32> {
    let fits = (1..=10).contains(&digits.len());
    (fits && digits.iter().all(|digit| matches!(digit, b'0'..=b'7')))
        .then(|| digits.iter().fold(0, |value, digit| value << 3 | u32::from(digit - b'0')))
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}
