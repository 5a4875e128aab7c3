//! Writing one pack and its index (gitformat-pack), whole objects only.
//!
//! Git's own promise rests on names: a pack counts when its `.idx` is there, so the index is
//! renamed last and everything is fsynced before its rename.

mod index;
mod spool;

use super::{GitError, Result};
use crate::sys::{Disk, Reason, beside};
use crate::types::{HashKind, Oid};
use gix::hash::hasher;
use gix::objs::Kind;
use gix::odb::pack::data::entry::Header;
use gix::zlib::stream::deflate::{Compress, FlushCompress};
use gix::zlib::{Compression, Status};
use std::io;
use std::path::PathBuf;

use index::Entry;
use spool::{Spool, Temporary};

/// `PACK`, version 2, number of objects.
const HEADER_LEN: usize = 12;
/// Faster than zlib's default at nearly its ratio; a server repacks anyway.
const LEVEL: i32 = 3;
/// Compressed bytes at a time.
const CHUNK: usize = 32 << 10;

/// A pack that is being written: in memory while it is small, else in a temporary file.
pub(super) struct PackWriter {
    spool: Spool,
    entries: Vec<Entry>,
    hash: HashKind,
    deflate: Compress,
    chunk: Vec<u8>,
    open: Option<OpenEntry>,
}

/// The entry whose content is still coming.
struct OpenEntry {
    offset: u64,
    crc: crc32fast::Hasher,
}

impl PackWriter {
    /// A pack for the directory `dir` (`objects/pack`).
    pub(super) fn new(dir: PathBuf, hash: HashKind) -> Self {
        let level = Compression::new(LEVEL).expect("a level from 0 to 9");
        Self {
            spool: Spool::new(dir, &[0; HEADER_LEN]),
            entries: Vec::new(),
            hash,
            deflate: Compress::new(level),
            chunk: vec![0; CHUNK],
            open: None,
        }
    }

    /// Objects written so far.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Begins an entry whose content will have `len` bytes.
    pub(super) fn begin(&mut self, kind: Kind, len: u64) -> io::Result<()> {
        let mut header = Vec::with_capacity(16);
        entry_header(kind).write_to(len, &mut header)?;
        self.deflate.reset();
        self.open = Some(OpenEntry { offset: self.spool.len(), crc: crc32fast::Hasher::new() });
        self.append(&header)
    }

    /// Adds content to the entry.
    pub(super) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.compress(rest, FlushCompress::None)?.0;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// Completes the entry; `oid` is the id of what it holds.
    pub(super) fn end(&mut self, oid: Oid) -> io::Result<()> {
        while self.compress(&[], FlushCompress::Finish)?.1 != Status::StreamEnd {}
        let open = self.open.take().expect("an entry was begun");
        self.entries.push(Entry { oid, offset: open.offset, crc: open.crc.finalize() });
        Ok(())
    }

    /// Forgets the entry that was begun.
    pub(super) fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            self.spool.truncate(open.offset);
        }
    }

    fn compress(&mut self, bytes: &[u8], flush: FlushCompress) -> io::Result<(usize, Status)> {
        let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
        let mut chunk = std::mem::take(&mut self.chunk);
        let status = self
            .deflate
            .compress(bytes, &mut chunk, flush)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let taken = usize::try_from(self.deflate.total_in() - before_in).expect("part of a slice");
        let made = usize::try_from(self.deflate.total_out() - before_out).expect("part of a slice");
        let appended = self.append(&chunk[..made]);
        self.chunk = chunk;
        appended.map(|()| (taken, status))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().expect("an entry was begun");
        open.crc.update(bytes);
        self.spool.append(bytes)
    }

    /// Makes pack and index durable and visible.
    pub(super) fn finish(mut self, disk: &dyn Disk) -> Result<()> {
        let dir = self.spool.dir().to_owned();
        let write = || GitError::io(format!("write a pack into {}", dir.display()));
        let count = u32::try_from(self.entries.len()).expect("fewer objects than git can count");
        let (pack, checksum) =
            self.spool.seal(disk, &pack_header(count), self.hash).map_err(write())?;
        let bytes = index::encode(&mut self.entries, checksum).map_err(write())?;
        let idx = Temporary::create(disk, &dir).map_err(write())?;
        disk.write_all_at(idx.file(), &bytes, 0).map_err(write())?;
        let sync = |file: &Temporary| disk.fsync_file(file.file(), Reason::Objects);
        let (pack_synced, idx_synced) = beside(|| sync(&pack), || sync(&idx));
        pack_synced.and(idx_synced).map_err(write())?;
        let name = |kind| dir.join(format!("pack-{checksum}.{kind}"));
        pack.publish(disk, &name("pack")).map_err(write())?;
        idx.publish(disk, &name("idx")).map_err(write())?;
        disk.fsync_dir(&dir, Reason::Objects).map_err(write())
    }
}

fn pack_header(count: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(b"PACK");
    header[4..8].copy_from_slice(&2_u32.to_be_bytes());
    header[8..].copy_from_slice(&count.to_be_bytes());
    header
}

fn entry_header(kind: Kind) -> Header {
    match kind {
        Kind::Blob => Header::Blob,
        Kind::Tree => Header::Tree,
        Kind::Commit => Header::Commit,
        Kind::Tag => Header::Tag,
    }
}

/// The id of `bytes`, as git's trailers have it.
fn checksum(hash: HashKind, bytes: &[u8]) -> io::Result<Oid> {
    let mut hasher = hasher(hash);
    hasher.update(bytes);
    hasher.try_finalize().map_err(|error| io::Error::other(error.to_string()))
}
