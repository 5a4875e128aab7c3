//! Allocation, holes and copies inside the file system.

use crate::overlay::VALUE_MAX;
use crate::sys::locks::Ordering;
use crate::workspace::content::Content;
use crate::workspace::{FsError, Handle, Workspace};
use rustix::fs::SeekFrom;

/// What one call copies at most, so that it does not keep a request thread for long.
const COPY_MAX: u64 = 64 << 20;
const BUFFER: usize = 1 << 20;

impl Workspace {
    /// Reserves or frees space (fallocate(2)); what `mode` may be is up to the disk below.
    pub fn fallocate(
        &self,
        file: impl Into<Handle>,
        mode: i32,
        (offset, len): (u64, u64),
        kill_suid: bool,
    ) -> Result<(), FsError> {
        let file = self.handles.file(file.into())?;
        let _content = self.content_locks.lock(&[file.ino]);
        self.kill_suid_if(kill_suid, file.ino)?;
        self.alter_body(file.ino, &file.content, |body| body.fallocate(mode, offset, len))
    }

    /// Finds the next data at or after `offset` (SEEK_DATA).
    pub fn seek_data(&self, file: impl Into<Handle>, offset: u64) -> Result<u64, FsError> {
        self.seek(file.into(), offset, SeekFrom::Data(offset), |_| offset)
    }

    /// Finds the next hole at or after `offset` (SEEK_HOLE); the end counts as one.
    pub fn seek_hole(&self, file: impl Into<Handle>, offset: u64) -> Result<u64, FsError> {
        self.seek(file.into(), offset, SeekFrom::Hole(offset), |len| len)
    }

    fn seek(
        &self,
        file: Handle,
        offset: u64,
        from: SeekFrom,
        without_holes: impl Fn(u64) -> u64,
    ) -> Result<u64, FsError> {
        let file = self.handles.file(file)?;
        let content = self.content(file.ino, &file.content)?;
        let len = content.len()?;
        if offset >= len {
            return Err(FsError::BeyondEnd(offset));
        }
        match content {
            Content::Body(body) => Ok(body.seek(from)?),
            Content::Blob(..) | Content::Value(_) | Content::Fixed(_) => Ok(without_holes(len)),
        }
    }

    /// Copies bytes from one file to another (copy_file_range(2)); returns how many, perhaps fewer.
    pub fn copy_file_range(
        &self,
        from: (impl Into<Handle>, u64),
        to: (impl Into<Handle>, u64),
        len: u64,
        kill_suid: bool,
    ) -> Result<u64, FsError> {
        let ((source, from), (target, to)) = (from, to);
        let (source, target) =
            (self.handles.file(source.into())?, self.handles.file(target.into())?);
        target.wrote.store(true, Ordering::Relaxed);
        let _content = self.content_locks.lock(&[source.ino, target.ino]);
        let content = self.content(source.ino, &source.content)?;
        let len = len.min(COPY_MAX).min(content.len()?.saturating_sub(from));
        if source.ino == target.ino
            && from < to.saturating_add(len)
            && to < from.saturating_add(len)
        {
            return Err(FsError::Invalid("the ranges overlap"));
        }
        if len == 0 {
            return Ok(0);
        }
        self.kill_suid_if(kill_suid, target.ino)?;
        if let Content::Body(source) = &content
            && len > VALUE_MAX
        {
            return self.alter_body(target.ino, &target.content, |body| {
                body.copy_range(source, from, to, len)
            });
        }
        let mut buf = vec![0; usize::try_from(len).unwrap_or(BUFFER).min(BUFFER)];
        let count = content.read_at(&mut buf, from)?;
        let bytes = &buf[..count];
        let written = self.write_content(target.ino, &target.content, Some(to), bytes, false)?;
        Ok(written.count as u64)
    }
}
