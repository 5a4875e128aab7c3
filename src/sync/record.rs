//! What the queue's files hold: records as lines of text with a checksum. Pure.

use crate::types::{Oid, Seq};
use serde::{Deserialize, Serialize};

/// "Bring this ref of the remote to this commit."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushIntent {
    /// Full name of the ref, here and on the remote.
    pub refname: String,
    /// The commit, which is durable already.
    pub new: Oid,
    /// Up to where the commit holds the overlay's journal.
    pub seq: Seq,
}

/// An intent in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Grows by one with each record of the ref; a record is known by it.
    pub id: u64,
    /// Full name of the ref.
    pub refname: String,
    /// The commit.
    #[serde(with = "hex")]
    pub new: Oid,
    /// See [`PushIntent`].
    pub seq: Seq,
}

/// The line of `record`. A line break on both sides: what a crash left of the line before cannot
/// spoil this one.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    // The only failures of serde_json are maps with odd keys and failing writers.
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("\n{:08x} {json}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
}

/// The records in `bytes`; lines that are torn or damaged are left out, with their number.
pub(super) fn decode(bytes: &[u8]) -> (Vec<Record>, usize) {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut damaged = 0;
    let records = lines.filter_map(|line| {
        let record = decode_line(line);
        damaged += usize::from(record.is_none());
        record
    });
    (records.collect(), damaged)
}

fn decode_line(line: &[u8]) -> Option<Record> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32c::crc32c(json.as_bytes())).then(|| serde_json::from_str(json).ok())?
}

/// The directory name of a ref, which is also a ref name's last part: readable, short, and another
/// one for another ref.
pub(super) fn lane_name(refname: &str) -> String {
    let short = refname.strip_prefix("refs/heads/").unwrap_or(refname);
    let readable = short.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' });
    let readable: String = readable.take(40).collect();
    let hash = refname.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{readable}-{hash:016x}")
}

/// Object ids as hex digits.
pub(super) mod hex {
    use super::Oid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::sync) fn serialize<S: Serializer>(oid: &Oid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(oid)
    }

    pub(in crate::sync) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Oid, D::Error> {
        let text = String::deserialize(from)?;
        Oid::from_hex(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// The same for what may be missing.
pub(super) mod hex_or_none {
    use super::Oid;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(in crate::sync) fn serialize<S: Serializer>(
        oid: &Option<Oid>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        oid.map(|oid| oid.to_string()).serialize(to)
    }

    pub(in crate::sync) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<Oid>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let oid = text.map(|text| Oid::from_hex(text.as_bytes()));
        oid.transpose().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(id: u64) -> Record {
        let mut bytes = [7; 20];
        bytes[..8].copy_from_slice(&id.to_le_bytes());
        let refname = "refs/heads/main".to_owned();
        Record { id, refname, new: Oid::from_bytes_or_panic(&bytes), seq: Seq(id * 3) }
    }

    #[test]
    fn another_ref_has_another_name_and_every_name_is_a_fit_one() {
        let long = format!("refs/heads/{}", "x/".repeat(200));
        let names =
            ["refs/heads/a/b", "refs/heads/a-b", "refs/tags/a/b", "refs/heads/.x.lock", &long];
        let names: std::collections::HashSet<_> = names.map(lane_name).into_iter().collect();
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|name| name.len() <= 57 && !name.contains(['/', '.'])));
        assert!(lane_name("refs/heads/a/b").starts_with("a-b-"));
    }

    proptest! {
        #[test]
        fn what_was_appended_whole_is_read_whatever_a_crash_left_before(
            ids in proptest::collection::vec(any::<u64>().prop_map(|id| id >> 2), 1..8),
            cut in 0_usize..200, after in 0_u64..1000,
        ) {
            let mut bytes: Vec<u8> = ids.iter().flat_map(|&id| encode(&record(id))).collect();
            let whole = bytes.clone();
            prop_assert_eq!(decode(&whole).0, ids.iter().map(|&id| record(id)).collect::<Vec<_>>());
            bytes.truncate(whole.len().saturating_sub(cut));
            let left = decode(&bytes).0.len();
            bytes.extend(encode(&record(after)));
            let (records, damaged) = decode(&bytes);
            prop_assert_eq!(records.len(), left + 1);
            prop_assert_eq!(records.last(), Some(&record(after)));
            prop_assert!(damaged <= 1);
        }

        #[test]
        fn damage_is_never_read_as_a_record(at in 0_usize..100, flip in 1_u8..255) {
            let mut bytes = encode(&record(5));
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let (records, _) = decode(&bytes);
            prop_assert!(records.is_empty() || records == [record(5)]);
        }
    }
}
