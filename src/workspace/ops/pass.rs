//! Files that the kernel reads and writes by itself.

use super::create::NewNode;
use super::io::{OpenMode, without_suid};
use crate::overlay::{FileData, NodeData, Passage, VALUE_MAX};
use crate::sys::locks::{Mutex, Ordering};
use crate::types::{Attr, Fh, Ino, Name};
use crate::workspace::content::Content;
use crate::workspace::{Caller, FsError, Workspace};

/// What the kernel may have of a file that is opened.
pub struct Offer {
    /// Its body. None where it is to ask us for each piece.
    pub passage: Option<Passage>,
    /// Whether pages that it may have of the file are right: nobody wrote past them.
    pub keeps_pages: bool,
}

impl Workspace {
    /// Offers the body of `ino` to the kernel: files that have one, and large ones that are about to
    /// be written to, which get one here (as overlayfs copies at the open).
    ///
    /// Not those whose set-user-id bits a write must clear, which only we would do.
    fn offer(&self, ino: Ino, writes: bool) -> Result<Offer, FsError> {
        let (data, perm) = self.look(|view| Ok((view.file_data(ino)?, view.meta(ino)?.perm)))?;
        let none = Offer { passage: None, keeps_pages: !matches!(data, Some(FileData::Body(_))) };
        let large = match data {
            Some(FileData::Body(_)) => true,
            Some(FileData::Blob(oid)) => {
                writes && self.base.blob_size(oid).is_ok_and(|size| size > VALUE_MAX)
            }
            Some(FileData::Value(_)) | None => false,
        };
        if !large || (writes && self.check_writable().is_err()) {
            return Ok(none);
        }
        let _content = self.content_locks.lock(&[ino]);
        let mut content = match self.content(ino, &Mutex::new(None)) {
            // An open does not wait for the remote; the first write will.
            Err(FsError::Away(_)) => return Ok(none),
            content => content?,
        };
        loop {
            if let Content::Body(body) = &content {
                let _writing = self.overlay.bodies().writing();
                // One that somebody has already is for everybody: the kernel knows one body a file.
                if !body.is_passed() && without_suid(perm) != perm {
                    return Ok(none);
                }
                if let Some(passage) = self.overlay.bodies().pass(body, writes) {
                    return Ok(Offer { passage: Some(passage), keeps_pages: false });
                }
            }
            if !writes {
                return Ok(none);
            }
            content = Content::Body(self.move_to_new_body(ino, &content, u64::MAX)?);
        }
    }

    /// Opens a regular file, and offers its body.
    pub fn open_and_offer(&self, ino: Ino, mode: OpenMode) -> Result<(Fh, Offer), FsError> {
        let offer = self.offer(ino, mode.write)?;
        let fh = self.open(ino, mode)?;
        if offer.passage.as_ref().is_some_and(Passage::writes) {
            // Nobody will tell of it.
            self.handles.file(fh.into())?.wrote.store(true, Ordering::Relaxed);
        }
        Ok((fh, offer))
    }

    /// Makes and opens a regular file, and offers its body.
    pub fn create_and_offer(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        perm: u32,
    ) -> Result<(Attr, Fh, Offer), FsError> {
        let name = &Name::new(name)?;
        let new = NewNode { caller, parent, name, perm, rdev: 0 };
        let body = self.overlay.bodies().create()?;
        let data = NodeData::Regular(FileData::Body(body.id));
        // Its file may have been made long before.
        let dated = body.set_mtime(self.clock.now()).map_err(FsError::from);
        let made = dated.and_then(|()| self.edit(|edit| edit.make(&new, data.clone())));
        let ino = match made {
            Ok(ino) => ino,
            Err(error) => {
                self.overlay.bodies().discard(body);
                return Err(error);
            }
        };
        let mode = OpenMode { write: true, ..OpenMode::default() };
        let (fh, offer) = self.open_and_offer(ino, mode)?;
        Ok((self.getattr(ino)?, fh, offer))
    }
}
