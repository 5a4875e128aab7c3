use super::create::NewNode;
use crate::overlay::{Change, NodeData};
use crate::types::{FileKind, Ino, Name};
use crate::workspace::edit::Edit;
use crate::workspace::look::{Looked, View};
use crate::workspace::view::Child;
use crate::workspace::{Caller, FsError, Workspace};

/// What becomes of the target of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// It is replaced, if there is one.
    Replace,
    /// There must be none (RENAME_NOREPLACE).
    NoReplace,
    /// It takes the source's place (RENAME_EXCHANGE).
    Exchange,
}

/// One end of a rename.
#[derive(Clone, Copy)]
struct Place<'a> {
    dir: Ino,
    name: &'a Name,
}

impl Workspace {
    /// Moves a name. Directories of any size move as one reference (D1). Where the name was,
    /// `whiteout` leaves one, as his (RENAME_WHITEOUT): the device 0:0, which union mounts take for
    /// "nothing is here".
    pub fn rename(
        &self,
        parent: Ino,
        name: &[u8],
        new_parent: Ino,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<Caller>,
    ) -> Result<(), FsError> {
        let name = Name::new(name)?;
        let new_name = match Name::new(new_name) {
            Ok(new_name) => new_name,
            Err(error) => {
                // As Linux: a source that is missing is told first.
                self.look(|view| Ok(view.require(&view.dir(parent)?, &name)?))?;
                return Err(error.into());
            }
        };
        let from = Place { dir: parent, name: &name };
        let to = Place { dir: new_parent, name: &new_name };
        self.edit(|edit| {
            let (source, target) = edit.view().judge(from, to, mode)?;
            if target.is_some_and(|target| target.ino() == source.ino()) {
                return Ok(());
            }
            edit.touch_dir(from.dir)?;
            if to.dir != from.dir {
                edit.touch_dir(to.dir)?;
            }
            match target {
                Some(target) if mode == RenameMode::Exchange => {
                    edit.exchange((from, source), (to, target))?;
                }
                target => edit.replace(from, source, to, target)?,
            }
            if let Some(caller) = whiteout {
                let (parent, name) = (from.dir, from.name);
                let new = NewNode { caller, parent, name, perm: 0, rdev: 0 };
                edit.place(&new, NodeData::Special(FileKind::CharDevice))?;
            }
            Ok(())
        })
    }
}

impl View<'_> {
    /// Whether the rename may be done, in the order in which Linux asks; what stands at both ends.
    fn judge(
        &self,
        from: Place<'_>,
        to: Place<'_>,
        mode: RenameMode,
    ) -> Looked<(Child, Option<Child>)> {
        let source = self.require(&self.dir(from.dir)?, from.name)?;
        let to_dir = self.dir(to.dir)?;
        let target = self.child(&to_dir, to.name)?;
        let exists = || FsError::Exists { dir: to.dir, name: to.name.clone() };
        match (mode, target) {
            (RenameMode::NoReplace, Some(_)) => return Err(exists().into()),
            (RenameMode::Exchange, None) => {
                return Err(FsError::NotFound { dir: to.dir, name: to.name.clone() }.into());
            }
            _ => {}
        }
        if source == Child::GitFile || target == Some(Child::GitFile) {
            return Err(FsError::gitfile().into());
        }
        if self.is_dir(source) && self.is_within(to.dir, source.ino())? {
            return Err(FsError::Invalid("a directory cannot move into itself").into());
        }
        let Some(target) = target else {
            if self.meta(to.dir)?.nlink == 0 {
                return Err(FsError::Removed(to.dir).into());
            }
            if to_dir.hides(to.name.as_bytes()) {
                return Err(FsError::Hidden { dir: to.dir, name: to.name.clone() }.into());
            }
            return Ok((source, None));
        };
        if target.ino() == source.ino() {
            return Ok((source, Some(target)));
        }
        let above = self.is_dir(target) && self.is_within(from.dir, target.ino())?;
        if mode == RenameMode::Exchange {
            if above {
                return Err(FsError::Invalid("a directory cannot move into itself").into());
            }
            return Ok((source, Some(target)));
        }
        if above {
            return Err(FsError::NotEmpty(target.ino()).into());
        }
        match (self.is_dir(source), self.is_dir(target)) {
            (true, false) => Err(FsError::NotDirectory(target.ino()).into()),
            (false, true) => Err(FsError::IsDirectory(target.ino()).into()),
            (true, true) if !self.dir_of(to.dir, target)?.is_empty() => {
                Err(FsError::NotEmpty(target.ino()).into())
            }
            _ => Ok((source, Some(target))),
        }
    }
}

impl Edit<'_> {
    fn replace(
        &mut self,
        from: Place<'_>,
        source: Child,
        to: Place<'_>,
        target: Option<Child>,
    ) -> Looked<()> {
        let is_dir = self.view().is_dir(source);
        if let Some(target) = target {
            self.drop_name(target)?;
            self.take_slot(to.dir, to.name, is_dir)?;
        }
        self.take_up(from, source)?;
        self.take_slot(from.dir, from.name, is_dir)?;
        self.settle(source.ino(), to, is_dir)
    }

    fn exchange(&mut self, one: (Place<'_>, Child), other: (Place<'_>, Child)) -> Looked<()> {
        for (place, child) in [one, other] {
            self.take_up(place, child)?;
            let is_dir = self.view().is_dir(child);
            self.take_slot(place.dir, place.name, is_dir)?;
        }
        for (child, place) in [(one.1, other.0), (other.1, one.0)] {
            let is_dir = self.view().node_kind(child.ino()) == FileKind::Directory;
            self.settle(child.ino(), place, is_dir)?;
        }
        Ok(())
    }

    /// Gives what stands at `place` a node, if it has none.
    fn take_up(&mut self, place: Place<'_>, child: Child) -> Looked<()> {
        self.adopt(place.dir, place.name, child);
        let now = self.now;
        self.alter(child.ino(), |meta| meta.ctime = now)
    }

    fn settle(&mut self, ino: Ino, to: Place<'_>, is_dir: bool) -> Looked<()> {
        if is_dir {
            self.push(Change::SetParent(ino, to.dir));
        }
        self.put_slot(to.dir, to.name, ino, is_dir);
        Ok(())
    }
}
