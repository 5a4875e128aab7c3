//! The inode table: which inodes the kernel holds, and where untouched base inodes come from. Pure.
//!
//! An inode has a node in the overlay, or it is *implicit*: an untouched base entry, known only
//! through its [`Origin`] here. The overlay always wins: an origin that was remembered before its
//! inode was touched is simply no longer looked at. What is remembered lives exactly as long as
//! somebody refers to it: the kernel's lookups, open handles, or a remembered child.

use super::FsError;
use super::view::Child;
use crate::types::{Ino, InoMap, Name, Oid, Timespec, TreeMode};

/// Where an untouched base inode stands, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub parent: Ino,
    pub name: Name,
    pub mode: TreeMode,
    pub oid: Oid,
}

#[derive(Default)]
struct Known {
    lookups: u64,
    opens: u32,
    /// Remembered children with an origin in this directory.
    children: u32,
    origin: Option<Origin>,
}

impl Known {
    fn is_idle(&self) -> bool {
        self.lookups == 0 && self.opens == 0 && self.children == 0
    }
}

/// Two base entries hash to one inode number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Collision;

/// The table.
#[derive(Default)]
pub(super) struct InodeTable {
    known: InoMap<Known>,
    /// Known ones that no node stands for and that lost their name, and when.
    unlinked: InoMap<Timespec>,
}

impl InodeTable {
    /// Where the inode comes from; None for those that only the overlay knows.
    pub fn origin(&self, ino: Ino) -> Option<&Origin> {
        self.known.get(&ino)?.origin.as_ref()
    }

    /// Whether anybody refers to the inode.
    pub fn is_known(&self, ino: Ino) -> bool {
        self.known.contains_key(&ino)
    }

    /// The untouched inode loses its name now, of which only those are told who refer to it.
    pub fn unlinked(&mut self, ino: Ino, now: Timespec) {
        if self.is_known(ino) {
            self.unlinked.insert(ino, now);
        }
    }

    /// It did not lose it.
    pub fn linked_again(&mut self, ino: Ino) {
        self.unlinked.remove(&ino);
    }

    /// When it lost its name.
    pub fn unlinked_at(&self, ino: Ino) -> Option<Timespec> {
        self.unlinked.get(&ino).copied()
    }

    /// How many inodes are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Counts one lookup of `child`, found as `name` in the directory `parent`.
    pub fn count(&mut self, parent: Ino, child: Child, name: &Name) -> Result<(), FsError> {
        match child {
            Child::Node(ino) => self.looked_up(ino),
            Child::GitFile => self.looked_up(Ino::GITFILE),
            Child::Base(ino, mode, oid, _) => {
                let origin = Origin { parent, name: name.clone(), mode, oid };
                self.looked_up_base(ino, origin).map_err(|Collision| FsError::Collision(ino))?;
            }
        }
        Ok(())
    }

    /// Counts one lookup of an inode that has a node.
    pub fn looked_up(&mut self, ino: Ino) {
        self.known.entry(ino).or_default().lookups += 1;
    }

    /// Counts one lookup of the untouched base entry at `origin`, which is remembered.
    fn looked_up_base(&mut self, ino: Ino, origin: Origin) -> Result<(), Collision> {
        let parent = origin.parent;
        let known = self.known.entry(ino).or_default();
        match &known.origin {
            Some(known) if (&known.parent, &known.name) != (&origin.parent, &origin.name) => {
                return Err(Collision);
            }
            Some(_) => known.lookups += 1,
            None => {
                (known.lookups, known.origin) = (known.lookups + 1, Some(origin));
                self.known.entry(parent).or_default().children += 1;
            }
        }
        Ok(())
    }

    /// Takes `count` lookups off. Returns the inodes that nobody refers to any more.
    pub fn forget(&mut self, ino: Ino, count: u64) -> Vec<Ino> {
        self.release(ino, |known| known.lookups = known.lookups.saturating_sub(count))
    }

    /// Counts one open handle.
    pub fn opened(&mut self, ino: Ino) {
        self.known.entry(ino).or_default().opens += 1;
    }

    /// Takes one open handle off. Returns the inodes that nobody refers to any more.
    pub fn closed(&mut self, ino: Ino) -> Vec<Ino> {
        self.release(ino, |known| known.opens = known.opens.saturating_sub(1))
    }

    /// Alters the counts of `ino`, then takes out what became idle, upwards.
    fn release(&mut self, ino: Ino, alter: impl FnOnce(&mut Known)) -> Vec<Ino> {
        let mut gone = Vec::new();
        let Some(known) = self.known.get_mut(&ino) else { return gone };
        alter(known);
        let mut next = known.is_idle().then_some(ino);
        while let Some(idle) = next.take() {
            gone.push(idle);
            self.unlinked.remove(&idle);
            let Some(known) = self.known.remove(&idle) else { break };
            let Some(origin) = known.origin else { break };
            if let Some(parent) = self.known.get_mut(&origin.parent) {
                parent.children = parent.children.saturating_sub(1);
                next = parent.is_idle().then_some(origin.parent);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::HashKind;

    fn origin(parent: Ino, name: &str) -> Origin {
        Origin {
            parent,
            name: Name::new(name.as_bytes()).expect("a good name"),
            mode: TreeMode::Blob,
            oid: Oid::null(HashKind::Sha1),
        }
    }

    #[test]
    fn a_child_keeps_its_parent_known_until_it_is_forgotten() {
        let mut table = InodeTable::default();
        table.looked_up_base(Ino(20), origin(Ino::ROOT, "dir")).expect("no collision");
        table.looked_up_base(Ino(21), origin(Ino(20), "file")).expect("no collision");
        assert_eq!(table.forget(Ino(20), 1), vec![]);
        assert!(table.origin(Ino(20)).is_some());
        assert_eq!(table.forget(Ino(21), 1), vec![Ino(21), Ino(20), Ino::ROOT]);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn an_open_handle_outlives_the_lookups() {
        let mut table = InodeTable::default();
        table.looked_up(Ino(30));
        table.looked_up(Ino(30));
        table.opened(Ino(30));
        assert_eq!(table.forget(Ino(30), 2), vec![]);
        assert!(table.is_known(Ino(30)));
        assert_eq!(table.closed(Ino(30)), vec![Ino(30)]);
        assert_eq!(table.closed(Ino(30)), vec![], "a second release changes nothing");
    }

    #[test]
    fn one_number_for_two_names_is_a_collision() {
        let mut table = InodeTable::default();
        table.looked_up_base(Ino(20), origin(Ino::ROOT, "a")).expect("no collision");
        assert_eq!(table.looked_up_base(Ino(20), origin(Ino::ROOT, "b")), Err(Collision));
        table.looked_up_base(Ino(20), origin(Ino::ROOT, "a")).expect("the same entry again");
        assert_eq!(table.forget(Ino(20), 2), vec![Ino(20), Ino::ROOT]);
    }
}
