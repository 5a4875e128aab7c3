//! The bytes of regular files: where they are, and the locks of those who alter them.

use super::{FsError, Workspace};
use crate::base::Blob;
use crate::overlay::{Body, FileData, OpenValue};
use crate::sys::locks::{Mutex, MutexGuard};
use crate::types::{Ino, Oid};
use std::sync::Arc;

const STRIPES: usize = 64;

/// One lock for every inode's content; inodes share stripes.
pub(super) struct ContentLocks([Mutex<()>; STRIPES]);

impl Default for ContentLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

/// The right to alter or replace the bytes of some files.
pub(super) struct ContentGuard<'a> {
    _stripes: Vec<MutexGuard<'a, ()>>,
}

impl ContentLocks {
    /// Locks the content of all `inos`.
    pub fn lock(&self, inos: &[Ino]) -> ContentGuard<'_> {
        let mut stripes: Vec<_> = inos.iter().map(|ino| ino.0 as usize % STRIPES).collect();
        stripes.sort_unstable();
        stripes.dedup();
        let guards = stripes.into_iter().map(|stripe| self.0[stripe].lock());
        ContentGuard { _stripes: guards.collect() }
    }

    /// Locks all content there is.
    pub fn lock_all(&self) -> ContentGuard<'_> {
        ContentGuard { _stripes: self.0.iter().map(Mutex::lock).collect() }
    }
}

/// Bytes of a file, ready to be read.
#[derive(Clone)]
pub(super) enum Content {
    Blob(Oid, Blob),
    Value(OpenValue),
    Body(Arc<Body>),
    Fixed(Arc<[u8]>),
}

impl Content {
    fn is(&self, data: Option<FileData>) -> bool {
        match (self, data) {
            (Self::Blob(oid, _), Some(FileData::Blob(now))) => *oid == now,
            (Self::Value(open), Some(FileData::Value(now))) => open.value == now,
            (Self::Body(body), Some(FileData::Body(now))) => body.id == now,
            (Self::Fixed(_), None) => true,
            _ => false,
        }
    }

    pub fn len(&self) -> Result<u64, FsError> {
        Ok(match self {
            Self::Blob(_, blob) => blob.len(),
            Self::Value(open) => u64::from(open.value.len),
            Self::Body(body) => body.stat()?.len,
            Self::Fixed(bytes) => bytes.len() as u64,
        })
    }

    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError> {
        Ok(match self {
            Self::Blob(_, blob) => blob.read_at(buf, offset)?,
            Self::Value(open) => open.read_at(buf, offset)?,
            Self::Body(body) => body.read_at(buf, offset)?,
            Self::Fixed(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let count = buf.len().min(bytes.len() - start);
                buf[..count].copy_from_slice(&bytes[start..start + count]);
                count
            }
        })
    }
}

impl Workspace {
    /// The bytes of `ino` as they are, opened; `cached` spares opening them again.
    pub(super) fn content(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
    ) -> Result<Content, FsError> {
        let kept = cached.lock().clone();
        let (data, open) = self.look(|view| {
            let data = view.file_data(ino)?;
            if kept.as_ref().is_some_and(|kept| kept.is(data)) {
                return Ok((data, None));
            }
            // Under the lock: what the index names is there.
            let open = match data {
                Some(FileData::Body(id)) => Some(Content::Body(self.overlay.bodies().open(id)?)),
                Some(FileData::Value(value)) => {
                    Some(Content::Value(self.overlay.values().open(value)?))
                }
                Some(FileData::Blob(_)) | None => None,
            };
            Ok((data, open))
        })?;
        if let Some(kept) = kept.filter(|kept| kept.is(data)) {
            return Ok(kept);
        }
        let content = match (open, data) {
            (Some(open), _) => open,
            (None, Some(FileData::Blob(oid))) => Content::Blob(oid, self.base.blob(oid)?),
            (None, _) => Content::Fixed(self.config.gitfile.as_slice().into()),
        };
        *cached.lock() = Some(content.clone());
        Ok(content)
    }
}
