use crate::types::{HashKind, Oid};

/// Hashes bytes that are no object: checksums of git's files, names of our own.
pub struct Hasher(gix::hash::Hasher);

impl Hasher {
    /// Starts a hash of this kind.
    pub fn new(kind: HashKind) -> Self {
        Self(gix::hash::hasher(kind))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash; None when the bytes bear the marks of a SHA-1 collision attack.
    pub fn finish(self) -> Option<Oid> {
        self.0.try_finalize().ok()
    }
}
