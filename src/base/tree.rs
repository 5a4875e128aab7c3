//! A directory of the base: what may be shown, in order, and what may not. Pure.

use super::is_dotgit_disguise;
use crate::git::RawEntry;
use crate::types::{Name, NameError, Oid, TreeMode};

/// A directory of the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What it holds, in byte order of the names, each name once.
    pub entries: Vec<Entry>,
    /// Entries that are never shown nor resolved, and why.
    pub hidden: Vec<(Vec<u8>, &'static str)>,
}

/// An entry of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub mode: TreeMode,
    /// The object it names.
    pub oid: Oid,
    /// Its length, where that was known before anybody asked.
    pub size: Option<u64>,
}

impl Tree {
    /// Sorts `raw` into what may be shown and what not. Of entries with one name none is shown:
    /// which of them is meant nobody can tell.
    pub fn sift(raw: Vec<RawEntry>) -> Tree {
        let mut tree = Tree::default();
        for RawEntry { mode, name, oid } in raw {
            match admit(mode, &name) {
                Ok((name, mode)) => tree.entries.push(Entry { name, mode, oid, size: None }),
                Err(why) => tree.hidden.push((name, why)),
            }
        }
        tree.entries.sort_by(|a, b| a.name.cmp(&b.name));
        tree.hide_duplicates();
        tree
    }

    /// The entry called `name`.
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.name.as_bytes().cmp(name));
        found.ok().map(|index| &self.entries[index])
    }

    /// The contents of its files and links.
    pub(super) fn files(&self) -> impl Iterator<Item = Oid> + '_ {
        let is_file = |entry: &&Entry| !entry.mode.is_dir();
        self.entries.iter().filter(is_file).map(|entry| entry.oid)
    }

    /// Tells the sizes of all its files and links, in their order.
    pub(super) fn set_sizes(&mut self, sizes: &[u64]) {
        let files = self.entries.iter_mut().filter(|entry| !entry.mode.is_dir());
        for (file, size) in files.zip(sizes) {
            file.size = Some(*size);
        }
    }

    /// How many entries show as directories.
    pub fn subdirectories(&self) -> u32 {
        let count = self.entries.iter().filter(|entry| entry.mode.is_dir()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Roughly the memory it takes.
    pub(super) fn weight(&self) -> usize {
        let names = self.entries.iter().map(|entry| entry.name.as_bytes().len() + 16);
        let hidden = self.hidden.iter().map(|(name, _)| name.len() + 56);
        size_of::<Tree>()
            + self.entries.len() * size_of::<Entry>()
            + names.sum::<usize>()
            + hidden.sum::<usize>()
    }

    fn hide_duplicates(&mut self) {
        let twins = |pair: &[Entry]| pair[0].name == pair[1].name;
        if !self.entries.windows(2).any(twins) {
            return;
        }
        let mut kept = Vec::with_capacity(self.entries.len());
        for group in self.entries.chunk_by(|a, b| a.name == b.name) {
            match group {
                [single] => kept.push(single.clone()),
                many => self.hidden.extend(
                    many.iter()
                        .map(|entry| (entry.name.as_bytes().to_vec(), "the name occurs twice")),
                ),
            }
        }
        self.entries = kept;
    }
}

fn admit(mode: u32, name: &[u8]) -> Result<(Name, TreeMode), &'static str> {
    if is_dotgit_disguise(name) {
        return Err("the name passes for .git");
    }
    let name = Name::new(name).map_err(|error| match error {
        NameError::TooLong => "the name is longer than 255 bytes",
        NameError::Invalid => "no file can have this name",
    })?;
    let mode = TreeMode::from_octal(mode).ok_or("git knows no such mode")?;
    Ok((name, mode))
}
