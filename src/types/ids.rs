use serde::{Deserialize, Serialize};

/// An inode number, stable for the life of a workspace.
///
/// Bit 63 set: derived from the base entry that it names, see [`Ino::of_base_child`].
/// Otherwise: allocated by the overlay, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ino(pub u64);

impl Ino {
    /// The root of the mount (what FUSE calls it too).
    pub const ROOT: Ino = Ino(1);
    /// The `.git` file at the root of the mount.
    pub const GITFILE: Ino = Ino(2);
    /// The first number that the overlay may hand out.
    pub const FIRST_ALLOCATED: u64 = 16;

    /// The inode number of the untouched base entry `name` in the directory `parent`.
    ///
    /// A pure function, so that numbers survive remounts without being recorded, and an index
    /// file that was filled in advance is right for every workspace on the same commit.
    /// 63 bits of FNV-1a finished with murmur's avalanche: about 1e-9 odds of one collision
    /// among 100,000 names; the inode table checks for it.
    pub fn of_base_child(parent: Ino, name: &[u8]) -> Ino {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ mix(parent.0);
        for byte in name {
            hash ^= u64::from(*byte);
            hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ino(mix(hash) | 1 << 63)
    }

    /// Whether the number was derived from a base entry.
    pub fn is_base(self) -> bool {
        self.0 >> 63 == 1
    }
}

fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// A file handle of the mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fh(pub u64);

/// The number of a journal record; the first is 1, 0 means "before any".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

/// A file body in the overlay's content store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyId(pub u64);

/// The id of a workspace: `w-` and lower-case letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceId(String);

impl WorkspaceId {
    /// Checks `text`; None when it is no workspace id (it becomes part of paths and ref names).
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("w-")?;
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        (!rest.is_empty() && rest.len() <= 40 && rest.bytes().all(good))
            .then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkspaceId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is no workspace id"))
    }
}

impl From<WorkspaceId> for String {
    fn from(id: WorkspaceId) -> String {
        id.0
    }
}

impl std::fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
