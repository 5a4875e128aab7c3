//! Which workspace a request is for, and how its inodes are numbered among those of others.

pub(super) use super::view::View;
use crate::types::{Attr, Ino};
use crate::workspace::{FsError, Workspace};
use fuser::INodeNo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Bits of a number that are the inode's own; those above are the workspace's.
const OWN_BITS: u32 = 49;
/// Set where the inode's number was derived from a base entry (`Ino::of_base_child`).
const BASE_BIT: u64 = 1 << (OWN_BITS - 1);
/// The workspaces that a mount can show.
pub const SLOTS: u16 = 1 << (63 - OWN_BITS);

/// Workspaces that show side by side, each as a folder of the root.
///
/// Slot 0 is the root itself: a workspace that takes no changes answers for it where nothing here
/// does.
pub trait House: Send + Sync {
    /// The workspace in this slot, ready to be asked.
    fn tenant(&self, slot: u16) -> Result<Tenant, FsError>;
    /// The root of the workspace of this name; counts a lookup of it.
    fn find(&self, name: &[u8]) -> Result<Option<Attr>, FsError>;
    /// Makes a workspace; counts a lookup of its root.
    fn make(&self, name: &[u8]) -> Result<Attr, FsError>;
    /// Ends the workspace of this name; `done` is told when its name is gone, or why it is not.
    fn retire(&self, name: &[u8], done: Box<dyn FnOnce(Result<(), FsError>) + Send>);
    /// Names from `offset` on, with where the next listing goes on and the number of the root; until
    /// `each` has enough. With `count`, each that was taken counts as a lookup.
    fn list(&self, offset: u64, count: bool, each: &mut dyn FnMut(u64, Ino, &[u8]) -> bool);
    /// Takes lookups back.
    fn forget(&self, slot: u16, number: u64, count: u64);
    /// Somebody is about to learn where the git directory of the workspace is.
    fn shows_gitdir(&self, slot: u16) -> Result<(), FsError>;
}

/// A workspace in a house.
pub struct Tenant {
    /// Itself.
    pub workspace: Arc<Workspace>,
    /// Its numbers; the same as long as the kernel may know one.
    pub numbers: Arc<Numbers>,
}

/// How the inodes of one workspace in a house are numbered for the kernel.
///
/// The low 32 bits are the inode's own, which git's index knows, and those above too, but for a pattern
/// of the workspace: the kernel's table of inodes tells numbers apart by bits 0 to 47, and the same file
/// of thousands of workspaces would be in one place of it, one behind the other. Of the long numbers of
/// base entries it is remembered what they stand for.
pub struct Numbers {
    slot: u16,
    long: Mutex<HashMap<u64, Ino>>,
}

impl Numbers {
    /// Of the workspace in `slot`.
    pub fn new(slot: u16) -> Self {
        Self { slot, long: Mutex::default() }
    }

    /// Which slot.
    pub fn slot(&self) -> u16 {
        self.slot
    }

    /// What the kernel calls `ino`.
    pub fn outside(&self, ino: Ino) -> Ino {
        let own = if ino.is_base() { ino.0 & (BASE_BIT - 1) | BASE_BIT } else { ino.0 };
        Ino(u64::from(self.slot) << OWN_BITS | own ^ self.pattern())
    }

    /// What is turned in the bits 32 to 47 of its numbers; nothing in those of the root.
    fn pattern(&self) -> u64 {
        u64::from(self.slot.wrapping_mul(0x9e35)) << 32
    }

    /// The same, to be asked for from now on: two numbers must not look alike.
    pub fn give_out(&self, ino: Ino) -> Result<Ino, FsError> {
        let number = self.outside(ino);
        if ino.is_base() && *self.long.lock().entry(number.0).or_insert(ino) != ino {
            return Err(FsError::Collision(ino));
        }
        Ok(number)
    }

    /// What the workspace calls the number.
    pub fn inside(&self, number: u64) -> Ino {
        let own = number & (2 * BASE_BIT - 1) ^ self.pattern();
        match own & BASE_BIT {
            0 => Ino(own),
            _ => self.long.lock().get(&number).copied().unwrap_or(Ino(own)),
        }
    }

    /// Forgets numbers that the kernel has forgotten.
    pub fn retain(&self, is_known: impl Fn(Ino) -> bool) {
        let mut long = self.long.lock();
        long.retain(|_, ino| is_known(*ino));
        long.shrink_to_fit();
    }
}

/// An inode as the kernel calls it.
#[derive(Clone, Copy)]
pub(super) struct Node(u64);

impl From<INodeNo> for Node {
    fn from(node: INodeNo) -> Self {
        Self(node.0)
    }
}

impl From<Ino> for Node {
    fn from(ino: Ino) -> Self {
        Self(ino.0)
    }
}

/// The slot that the kernel's number is of.
pub(super) fn slot(number: Ino) -> u16 {
    u16::try_from(number.0 >> OWN_BITS).unwrap_or(u16::MAX)
}

/// Whether a request about both can be asked of one workspace.
pub(super) fn same_workspace(one: Ino, other: Ino) -> bool {
    // Of a mount of one workspace all are.
    slot(one) == slot(other) || one.is_base() || other.is_base()
}

/// What a mount shows.
#[derive(Clone)]
pub enum Place {
    /// One workspace.
    One(Arc<Workspace>),
    /// Many, as folders of the root.
    Many(Arc<dyn House>),
}

impl Place {
    /// Whether files may be on the remote only.
    pub(super) fn is_lazy(&self) -> bool {
        self.workspace(Node(1)).is_ok_and(|workspace| workspace.is_lazy())
    }

    /// Whether some answers are given by other threads than those that take requests, after others.
    pub(super) fn answers_late(&self) -> bool {
        self.is_lazy() || matches!(self, Self::Many(_))
    }

    /// The workspace that an inode is of.
    pub(super) fn workspace(&self, node: Node) -> Result<Arc<Workspace>, FsError> {
        match self {
            Self::One(workspace) => Ok(workspace.clone()),
            Self::Many(house) => Ok(house.tenant(slot(Ino(node.0)))?.workspace),
        }
    }

    /// Asks the workspace that `node` is of.
    pub(super) fn with<T>(
        &self,
        node: Node,
        mut question: impl FnMut(&View<'_>) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        match self {
            Self::One(workspace) => {
                workspace.with_room(|workspace| question(&View { workspace, among: None }))
            }
            Self::Many(house) => {
                let slot = slot(Ino(node.0));
                let Tenant { workspace, numbers } = house.tenant(slot)?;
                workspace.with_room(|workspace| {
                    question(&View { workspace, among: Some((&**house, &numbers)) })
                })
            }
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds_come_back_and_are_of_their_slot() {
        let numbers = Numbers::new(7);
        for ino in [Ino::ROOT, Ino::GITFILE, Ino(16), Ino::of_base_child(Ino::ROOT, b"x")] {
            let number = numbers.give_out(ino).expect("no collision");
            assert_eq!(slot(number), 7);
            assert_eq!(numbers.inside(number.0), ino);
            assert_eq!(number.0 as u32, ino.0 as u32, "git's index knows this half");
        }
        assert_eq!(Numbers::new(0).give_out(Ino::ROOT).expect("no collision"), Ino(1));
        let one = Ino(1 << 63 | 5);
        assert!(numbers.give_out(one).is_ok());
        assert!(numbers.give_out(Ino(1 << 63 | 1 << 60 | 5)).is_err(), "they would look alike");
        numbers.retain(|ino| ino != one);
        assert!(numbers.give_out(Ino(1 << 63 | 1 << 60 | 5)).is_ok());
    }

    /// In the kernel's table of inodes each would be behind all others.
    #[test]
    fn the_same_file_of_many_workspaces_differs_below_bit_48() {
        for ino in [Ino::ROOT, Ino::of_base_child(Ino::ROOT, b"x")] {
            let low = |slot| Numbers::new(slot).outside(ino).0 & ((1 << 48) - 1);
            let all: std::collections::HashSet<u64> = (0..SLOTS).map(low).collect();
            assert_eq!(all.len(), usize::from(SLOTS));
        }
    }
}
