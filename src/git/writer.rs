//! Collecting new objects and storing them at once.

use super::pack::PackWriter;
use super::tree::{self, TreeItem};
use super::{GitError, Repo, Result, Signature};
use crate::sys::Disk;
use crate::types::Oid;
use gix::hash::hasher;
use gix::objs::{Kind, compute_hash, encode::loose_header};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Files up to this size are read whole.
const WHOLE: u64 = 1 << 20;

/// Fills the buffer with the bytes from the offset on, or fails.
pub type ReadExactAt<'a> = dyn FnMut(&mut [u8], u64) -> io::Result<()> + 'a;

/// Collects objects and writes them as one pack. Nothing is visible to anybody, and nothing is
/// durable, before [`ObjectWriter::finish`]; dropping it forgets them.
#[must_use = "objects are stored by finish()"]
pub struct ObjectWriter {
    repo: Repo,
    /// None: only ids are computed.
    pack: Option<PackWriter>,
    seen: HashSet<Oid>,
}

/// What a new commit says.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// The message as it will stand there.
    pub message: Vec<u8>,
}

impl Repo {
    /// A writer for new objects of this repository.
    pub fn writer(&self) -> ObjectWriter {
        let dir = self.gitdir().join("objects/pack");
        let pack = PackWriter::new(dir, self.hash_kind());
        ObjectWriter { repo: self.clone(), pack: Some(pack), seen: HashSet::new() }
    }

    /// A writer that computes ids and stores nothing.
    pub fn dry_writer(&self) -> ObjectWriter {
        ObjectWriter { repo: self.clone(), pack: None, seen: HashSet::new() }
    }
}

impl ObjectWriter {
    /// Adds a blob.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Oid> {
        self.object(Kind::Blob, bytes)
    }

    /// Adds the first `len` bytes of `file` as a blob, in bounded memory.
    ///
    /// A file that is shorter is an error, and nothing of it is kept.
    pub fn blob_from_file(&mut self, file: &File, len: u64) -> Result<Oid> {
        self.blob_from(len, &mut |buf, offset| file.read_exact_at(buf, offset))
    }

    /// As [`ObjectWriter::blob_from_file`], for bytes that `read` fills a buffer with from an offset
    /// on.
    pub fn blob_from(&mut self, len: u64, read: &mut ReadExactAt<'_>) -> Result<Oid> {
        if len <= WHOLE {
            let mut bytes = vec![0; usize::try_from(len).expect("at most WHOLE")];
            read(&mut bytes, 0).map_err(GitError::io("read a file body"))?;
            return self.blob(&bytes);
        }
        if let Some(pack) = &mut self.pack {
            pack.begin(Kind::Blob, len).map_err(GitError::io("write a blob"))?;
        }
        match self.stream(len, read) {
            Ok(oid) => self.keep_if_new(oid),
            Err(error) => {
                self.abandon();
                Err(error)
            }
        }
    }

    /// Adds a tree of `items`, in any order. Two of one name are refused.
    pub fn tree(&mut self, items: Vec<TreeItem>) -> Result<Oid> {
        let bytes = tree::encode(items).map_err(|name| {
            GitError::Refused(format!(
                "a tree cannot hold {} twice",
                name.as_slice().escape_ascii()
            ))
        })?;
        self.object(Kind::Tree, &bytes)
    }

    /// Adds a commit.
    pub fn commit(&mut self, spec: &CommitSpec) -> Result<Oid> {
        if spec.message.contains(&0) {
            return Err(GitError::Refused("a commit message cannot hold a NUL byte".to_owned()));
        }
        let mut bytes = format!("tree {}\n", spec.tree).into_bytes();
        for parent in &spec.parents {
            bytes.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        for (who, signature) in [("author", &spec.author), ("committer", &spec.committer)] {
            bytes.extend_from_slice(who.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&signature.to_bytes());
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&spec.message);
        self.object(Kind::Commit, &bytes)
    }

    /// New objects so far.
    pub fn len(&self) -> usize {
        self.pack.as_ref().map_or(0, PackWriter::len)
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores the objects: pack and index fsynced, then renamed, then their directory fsynced.
    pub fn finish(self, disk: &dyn Disk) -> Result<()> {
        match self.pack {
            Some(pack) if pack.len() > 0 => {
                pack.finish(disk)?;
                self.repo.refresh();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds an object of any kind that gix made for us.
    pub(super) fn object(&mut self, kind: Kind, bytes: &[u8]) -> Result<Oid> {
        let oid = compute_hash(self.repo.hash_kind(), kind, bytes)
            .map_err(|error| GitError::Refused(error.to_string()))?;
        let Some(pack) = &mut self.pack else { return Ok(oid) };
        if self.seen.contains(&oid) || self.repo.exists_without_refresh(oid) {
            return Ok(oid);
        }
        pack.begin(kind, bytes.len() as u64)
            .and_then(|()| pack.content(bytes))
            .and_then(|()| pack.end(oid))
            .map_err(|error| {
                pack.abandon();
                GitError::io("write an object")(error)
            })?;
        self.seen.insert(oid);
        Ok(oid)
    }

    /// Hashes and packs `len` bytes in one pass.
    fn stream(&mut self, len: u64, read: &mut ReadExactAt<'_>) -> Result<Oid> {
        let mut hasher = hasher(self.repo.hash_kind());
        hasher.update(&loose_header(Kind::Blob, len));
        let mut chunk = vec![0; usize::try_from(WHOLE).expect("a small number")];
        let mut offset = 0;
        while offset < len {
            let wanted = chunk.len().min(usize::try_from(len - offset).unwrap_or(usize::MAX));
            let part = &mut chunk[..wanted];
            read(part, offset).map_err(GitError::io("read a file body"))?;
            hasher.update(part);
            if let Some(pack) = &mut self.pack {
                pack.content(part).map_err(GitError::io("write a blob"))?;
            }
            offset += wanted as u64;
        }
        hasher.try_finalize().map_err(|error| GitError::Refused(error.to_string()))
    }

    fn keep_if_new(&mut self, oid: Oid) -> Result<Oid> {
        let Some(pack) = &mut self.pack else { return Ok(oid) };
        if self.seen.contains(&oid) || self.repo.exists_without_refresh(oid) {
            pack.abandon();
        } else {
            pack.end(oid).map_err(GitError::io("write a blob"))?;
            self.seen.insert(oid);
        }
        Ok(oid)
    }

    fn abandon(&mut self) {
        if let Some(pack) = &mut self.pack {
            pack.abandon();
        }
    }
}
