//! How the bytes of a regular file change.
//!
//! A file is the base's blob until it is altered (copy-up). Then a small one is a value, of which
//! each change makes another; one that grows, or that is written here and there, gets a body of its
//! own. A body that a freeze holds is copied before it is altered (D5). Whoever alters a file holds
//! its content lock over all of that, so that two writers do not both copy.

use super::content::Content;
use super::{FsError, Workspace, Written};
use crate::overlay::{Body, Change, FileData, VALUE_MAX, Value, WriteGuard};
use crate::sys::locks::Mutex;
use crate::types::Ino;
use std::sync::Arc;

/// Bytes copied at a time from a blob to a body.
const COPY_CHUNK: usize = 1 << 20;
/// The longest value that is written anew for a change that does not go behind its end.
const REWRITE_MAX: u64 = 4 << 10;

impl Workspace {
    /// Writes `bytes` at `offset`, or behind the end: all or an error, or (unless `whole`) as much
    /// as there is room for.
    ///
    /// To be called with the content lock held, as all of these.
    pub(super) fn write_content(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
        offset: Option<u64>,
        bytes: &[u8],
        whole: bool,
    ) -> Result<Written, FsError> {
        self.check_writable()?;
        let mut content = self.content(ino, cached)?;
        if !matches!(content, Content::Body(_)) {
            let writing = self.overlay.bodies().writing();
            content = self.content_to_derive(ino, cached, &writing)?;
            let at = offset.map_or_else(|| content.len(), Ok)?;
            if let Some(value) = self.value_with(&content, at, bytes)? {
                self.set_value(ino, value)?;
                return Ok(Written { at, count: bytes.len() });
            }
        }
        self.alter_content(ino, cached, content, |body| {
            let at = offset.map_or_else(|| Ok(body.stat()?.len), Ok::<_, std::io::Error>)?;
            if whole {
                body.write_all_at(bytes, at)?;
                return Ok(Written { at, count: bytes.len() });
            }
            Ok(Written { at, count: body.write_at(bytes, at)? })
        })
    }

    /// The bytes of `ino`, to make another value of: as long as the gate is held, the segment that
    /// they lie in stays. To be called with the content loaded: a freeze would wait for a blob.
    fn content_to_derive(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
        _writing: &WriteGuard<'_>,
    ) -> Result<Content, FsError> {
        self.content(ino, cached)
    }

    /// `content` with `bytes` at `at`; None where the file is better off with a body.
    fn value_with(
        &self,
        content: &Content,
        at: u64,
        bytes: &[u8],
    ) -> Result<Option<Value>, FsError> {
        let (len, values) = (content.len()?, self.overlay.values());
        let end = len.max(at.saturating_add(bytes.len() as u64));
        match content {
            Content::Value(_) | Content::Blob(..) if end > VALUE_MAX => return Ok(None),
            Content::Value(old) => {
                if at == len
                    && let Some(longer) = values.extend(old.value, bytes)?
                {
                    return Ok(Some(longer));
                }
                if len > REWRITE_MAX {
                    return Ok(None);
                }
            }
            Content::Blob(..) => {}
            Content::Body(_) | Content::Fixed(_) => return Ok(None),
        }
        let mut whole = content.start(end)?;
        let at = usize::try_from(at).expect("values are small");
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(Some(values.append(&whole)?))
    }

    /// `content` cut or extended to `size` bytes, at most [`VALUE_MAX`]; None where the file is
    /// better off with a body.
    fn value_of_len(&self, content: &Content, size: u64) -> Result<Option<Value>, FsError> {
        let len = content.len()?;
        match content {
            Content::Value(old) if size <= len => {
                Ok(Some(old.value.cut(u32::try_from(size).expect("values are small"))))
            }
            Content::Value(_) => {
                let zeroes = vec![0; usize::try_from(size - len).expect("values are small")];
                self.value_with(content, len, &zeroes)
            }
            Content::Blob(..) => Ok(Some(self.overlay.values().append(&content.start(size)?)?)),
            Content::Body(_) | Content::Fixed(_) => Ok(None),
        }
    }

    fn set_value(&self, ino: Ino, value: Value) -> Result<(), FsError> {
        self.edit(|edit| {
            edit.touch(ino)?;
            edit.push(Change::SetFile(ino, FileData::Value(value)));
            let now = edit.now;
            edit.alter(ino, |meta| (meta.mtime, meta.ctime) = (now, now))
        })
    }

    /// Alters the body of `ino`, after copy-up or out of a freeze where that is needed.
    pub(super) fn alter_body<T>(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
        alter: impl Fn(&Body) -> std::io::Result<T>,
    ) -> Result<T, FsError> {
        self.check_writable()?;
        let content = self.content(ino, cached)?;
        self.alter_content(ino, cached, content, alter)
    }

    /// The same, where `content` is what `ino` holds.
    fn alter_content<T>(
        &self,
        ino: Ino,
        cached: &Mutex<Option<Content>>,
        mut content: Content,
        alter: impl Fn(&Body) -> std::io::Result<T>,
    ) -> Result<T, FsError> {
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
    pub(super) fn truncate(&self, ino: Ino, size: u64) -> Result<(), FsError> {
        self.check_writable()?;
        let cached = Mutex::new(None);
        let content = self.content(ino, &cached)?;
        if let Content::Body(body) = &content {
            let _writing = self.overlay.bodies().writing();
            if self.overlay.bodies().may_write(body) {
                return Ok(body.set_len(size)?);
            }
        } else if size <= VALUE_MAX {
            let writing = self.overlay.bodies().writing();
            let content = self.content_to_derive(ino, &cached, &writing)?;
            if let Some(value) = self.value_of_len(&content, size)? {
                return self.set_value(ino, value);
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
    pub(super) fn move_to_new_body(
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
            Ok(()) => {
                self.handles.let_go(&[ino]);
                Ok(body)
            }
            Err(error) => {
                bodies.discard(body);
                Err(error)
            }
        }
    }
}

impl Content {
    /// Its first `len` bytes, with zeroes behind its end.
    fn start(&self, len: u64) -> Result<Vec<u8>, FsError> {
        let mut bytes = vec![0; usize::try_from(len).expect("values are small")];
        self.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

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
