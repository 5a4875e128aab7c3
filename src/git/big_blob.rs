//! Blobs too big for our memory.

use super::process::Call;
use super::redact::Redactor;
use super::repo::corrupt;
use super::{Git, GitError, Repo, Result};
use crate::types::Oid;
use gix::hash::hasher;
use gix::objs::{Kind, encode::loose_header};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Up to this size a blob is decoded here. A child's memory goes when it ends, ours stays.
const OURS: u64 = 2 << 20;

impl Repo {
    /// Writes the content of a blob to `file`, which must be empty and stand at its start, and
    /// returns the length. Memory is bounded; the content is checked against the id.
    pub fn blob_to_file(&self, oid: Oid, file: &File) -> Result<u64> {
        let size = self.blob_size(oid)?;
        if size <= OURS {
            let bytes = self.blob(oid)?;
            file.write_all_at(&bytes, 0).map_err(GitError::io(format!("write blob {oid}")))?;
        } else {
            self.cat_file(oid, file)?;
            self.check(oid, file, size)?;
        }
        Ok(size)
    }

    /// Whether `file` holds the blob `oid`; its length.
    pub fn is_blob(&self, oid: Oid, file: &File) -> Result<u64> {
        let len = file.metadata().map_err(GitError::io(format!("read back blob {oid}")))?.len();
        self.check(oid, file, len).map(|()| len)
    }

    fn cat_file(&self, oid: Oid, file: &File) -> Result<()> {
        let git = Git::new(self.gitdir(), None);
        let output = file.try_clone().map_err(GitError::io("share a file with git"))?;
        let mut command = git.command();
        command.args(["cat-file", "blob", &oid.to_string()]).stdout(output);
        let done = git.finish("cat-file", command, &Call::default(), &Redactor::default())?;
        match done.code {
            Some(0) => Ok(()),
            // It fails for a full disk too, which is no fault of the object.
            _ => Err(done.error()),
        }
    }

    fn check(&self, oid: Oid, file: &File, size: u64) -> Result<()> {
        let read = || GitError::io(format!("read back blob {oid}"));
        if file.metadata().map_err(read())?.len() != size {
            return Err(corrupt(oid, "its content has another length than it says"));
        }
        let mut hasher = hasher(self.hash_kind());
        hasher.update(&loose_header(Kind::Blob, size));
        let mut chunk = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < size {
            match file.read_at(&mut chunk, offset) {
                Ok(0) => break,
                Ok(len) => {
                    hasher.update(&chunk[..len]);
                    offset += len as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read()(error)),
            }
        }
        match hasher.try_finalize() {
            Ok(actual) if actual == oid => Ok(()),
            Ok(actual) => Err(corrupt(oid, format!("its content has the id {actual}"))),
            Err(error) => Err(corrupt(oid, error.to_string())),
        }
    }
}
