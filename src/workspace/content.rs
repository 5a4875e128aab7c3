//! The bytes of regular files: where they are, and how they come to be writable.
//!
//! A file is the base's blob until it is altered, then a body of its own (copy-up). A body that a
//! freeze holds is copied before it is altered (D5). Whoever alters a file holds its content lock
//! over all of that, so that two writers do not both copy.

use super::{FsError, Workspace};
use crate::base::Blob;
use crate::overlay::{Body, Change, FileData};
use crate::types::{Ino, Oid};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

/// Bytes copied at a time from a blob to a body.
const COPY_CHUNK: usize = 1 << 20;
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
    Body(Arc<Body>),
    Fixed(Arc<[u8]>),
}

impl Content {
    fn is(&self, data: Option<FileData>) -> bool {
        match (self, data) {
            (Self::Blob(oid, _), Some(FileData::Blob(now))) => *oid == now,
            (Self::Body(body), Some(FileData::Body(now))) => body.id == now,
            (Self::Fixed(_), None) => true,
            _ => false,
        }
    }

    pub fn len(&self) -> Result<u64, FsError> {
        Ok(match self {
            Self::Blob(_, blob) => blob.len(),
            Self::Body(body) => body.stat()?.len,
            Self::Fixed(bytes) => bytes.len() as u64,
        })
    }

    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, FsError> {
        Ok(match self {
            Self::Blob(_, blob) => blob.read_at(buf, offset)?,
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
        let (data, body) = self.look(|view| {
            let data = view.file_data(ino)?;
            // Under the lock: a body that the index names is there.
            let body = match data {
                Some(FileData::Body(id)) if !kept.as_ref().is_some_and(|kept| kept.is(data)) => {
                    Some(self.overlay.bodies().open(id)?)
                }
                _ => None,
            };
            Ok((data, body))
        })?;
        if let Some(kept) = kept.filter(|kept| kept.is(data)) {
            return Ok(kept);
        }
        let content = match (data, body) {
            (Some(FileData::Blob(oid)), _) => Content::Blob(oid, self.base.blob(oid)?),
            (Some(FileData::Body(_)), Some(body)) => Content::Body(body),
            (Some(FileData::Body(_)), None) => return Err(FsError::Stale(ino)),
            (None, _) => Content::Fixed(self.config.gitfile.as_slice().into()),
        };
        *cached.lock() = Some(content.clone());
        Ok(content)
    }

    /// Alters the body of `ino`, after copy-up or out of a freeze where that is needed.
    ///
    /// To be called with the content lock held.
    pub(super) fn alter_body<T>(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
        alter: impl Fn(&Body) -> std::io::Result<T>,
    ) -> Result<T, FsError> {
        self.check_writable()?;
        let mut content = self.content(ino, cached)?;
        loop {
            if let Content::Body(body) = &content {
                let _writing = self.overlay.bodies().writing();
                if self.overlay.bodies().may_write(body) {
                    return Ok(alter(body)?);
                }
            }
            let body = self.move_to_new_body(ino, &content, u64::MAX)?;
            content = Content::Body(body);
            *cached.lock() = Some(content.clone());
        }
    }

    /// Cuts or extends `ino` to `size` bytes; bytes that are cut off are never copied.
    ///
    /// To be called with the content lock held.
    pub(super) fn truncate(&self, ino: Ino, size: u64) -> Result<(), FsError> {
        self.check_writable()?;
        let cached = Mutex::new(None);
        let content = self.content(ino, &cached)?;
        if let Content::Body(body) = &content {
            let _writing = self.overlay.bodies().writing();
            if self.overlay.bodies().may_write(body) {
                return Ok(body.set_len(size)?);
            }
        }
        let keep = size.min(content.len()?);
        let grown = (size > keep).then_some(size);
        self.replace_body(ino, |body| {
            content.copy_to(body, keep)?;
            grown.map_or(Ok(()), |size| Ok(body.set_len(size)?))
        })
        .map(drop)
    }

    /// Gives `ino` a body of its own with the first `keep` bytes of `content` and the same mtime.
    fn move_to_new_body(
        &self,
        ino: Ino,
        content: &Content,
        keep: u64,
    ) -> Result<Arc<Body>, FsError> {
        let mtime = self.getattr(ino)?.mtime;
        self.replace_body(ino, |body| {
            content.copy_to(body, keep)?;
            Ok(body.set_mtime(mtime)?)
        })
    }

    /// Points `ino` at a new body that `fill` has filled.
    fn replace_body(
        &self,
        ino: Ino,
        fill: impl FnOnce(&Body) -> Result<(), FsError>,
    ) -> Result<Arc<Body>, FsError> {
        let bodies = self.overlay.bodies();
        let body = bodies.create()?;
        let filled = fill(&body).and_then(|()| {
            self.edit(|edit| {
                edit.touch(ino)?;
                edit.push(Change::SetFile(ino, FileData::Body(body.id)));
                Ok(())
            })
        });
        match filled {
            Ok(()) => Ok(body),
            Err(error) => {
                bodies.discard(body);
                Err(error)
            }
        }
    }
}

impl Content {
    fn copy_to(&self, body: &Body, keep: u64) -> Result<(), FsError> {
        if let Self::Body(source) = self {
            if keep == u64::MAX {
                return Ok(body.copy_from(source)?);
            }
            return Ok(body.copy_all(source, 0..keep)?);
        }
        let keep = keep.min(self.len()?);
        let mut buf = vec![0; COPY_CHUNK.min(usize::try_from(keep).unwrap_or(COPY_CHUNK))];
        let mut done = 0;
        while done < keep {
            let want = buf.len().min(usize::try_from(keep - done).unwrap_or(usize::MAX));
            let count = self.read_at(&mut buf[..want], done)?;
            if count == 0 {
                break;
            }
            body.write_all_at(&buf[..count], done)?;
            done += count as u64;
        }
        Ok(())
    }
}
