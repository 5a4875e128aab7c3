use super::super::error::IndexError;
use super::read::Reader;
use crate::types::{HashKind, Oid};
use std::io::Write;

/// Deepest directory that is read; a path of that many components is longer than any path may be.
const DEPTH_MAX: usize = 4096;

/// The tree objects that the entries of an index stand for, by directory (extension TREE).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheTree {
    /// Name of the directory; empty at the root.
    pub name: Vec<u8>,
    /// How many entries of the index are below it, and the tree that they make; None when git has
    /// to compute it.
    pub valid: Option<(u32, Oid)>,
    /// The directories in it.
    pub children: Vec<CacheTree>,
}

impl CacheTree {
    /// Puts the children into the order in which git keeps them: by length, then by bytes.
    pub fn sort(&mut self) {
        self.children.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let mut pending = vec![self];
        while let Some(tree) = pending.pop() {
            bytes.extend_from_slice(&tree.name);
            let count = tree.valid.map_or(-1, |(count, _)| i64::from(count));
            // Writing to a Vec does not fail.
            let _ = writeln!(bytes, "\0{count} {}", tree.children.len());
            if let Some((_, oid)) = tree.valid {
                bytes.extend_from_slice(oid.as_slice());
            }
            pending.extend(tree.children.iter().rev());
        }
    }

    pub(super) fn decode(bytes: &[u8], hash: HashKind) -> Result<CacheTree, IndexError> {
        let mut reader = Reader::new(bytes);
        // Directories whose children are being read, and how many are to come.
        let mut open: Vec<(CacheTree, usize)> = Vec::new();
        loop {
            open.push(decode_one(&mut reader, hash)?);
            if open.len() > DEPTH_MAX {
                return Err(MALFORMED);
            }
            while let Some((tree, _)) = open.pop_if(|(_, to_come)| *to_come == 0) {
                match open.last_mut() {
                    Some((parent, to_come)) => {
                        parent.children.push(tree);
                        *to_come -= 1;
                    }
                    None if reader.is_empty() => return Ok(tree),
                    None => return Err(MALFORMED),
                }
            }
        }
    }
}

const MALFORMED: IndexError = IndexError::Malformed("malformed cache tree");

/// One directory without its children, and how many of them follow.
fn decode_one(reader: &mut Reader<'_>, hash: HashKind) -> Result<(CacheTree, usize), IndexError> {
    let name = reader.until(0)?.to_vec();
    let count: i64 = number(reader.until(b' ')?)?;
    let children = number(reader.until(b'\n')?)?;
    let valid = match u32::try_from(count) {
        Ok(count) => Some((count, reader.oid(hash)?)),
        Err(_) => None,
    };
    Ok((CacheTree { name, valid, children: Vec::new() }, children))
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Result<T, IndexError> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(MALFORMED)
}
