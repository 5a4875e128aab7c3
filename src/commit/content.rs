//! From the bytes of a file to the id of its blob: filters, hashing, and a memory of hashes.

use super::change::Leaf;
use super::error::CommitError;
use super::guard::BIG_FILE;
use super::secret::{SEARCHED, secret_content};
use super::view::{Content, View, unread};
use crate::git::{Filters, GitError, ObjectWriter};
use crate::overlay::{Body, FileData};
use crate::types::{Oid, Timespec};
use std::collections::HashMap;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

/// The largest file that is converted; conversion needs all of it in memory.
const CONVERTED_MAX: u64 = 1 << 30;
/// How often a file is read that is cut each time.
const LOOKS: u32 = 100;

/// Hashes of bodies and values, so that a plan reads only what changed since the last one.
pub(super) type HashCache = HashMap<FileData, Known>;

/// What a body or a value was found to be.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Of a body; a value never changes.
    stamp: Option<Stamp>,
    /// What its conversion depended on; None: none applied.
    conversion: Option<Conversion>,
    blob: Stored,
}

/// Tells whether a body changed: its length and its ctime.
type Stamp = (u64, Timespec);

/// What a conversion depends on beside the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conversion {
    /// Path and attributes, in short.
    rules: u64,
    /// What was tracked: git looks there for carriage returns.
    indexed: Option<Oid>,
}

/// A file as a commit holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// Its blob.
    pub(super) oid: Oid,
    /// Length of the blob where its bytes are of this workspace; 0 where the base has them.
    pub(super) len: u64,
    /// What in those bytes looks like a secret.
    pub(super) secret: Option<&'static str>,
}

/// A file to store.
pub(super) struct Source<'a> {
    pub(super) path: &'a [u8],
    pub(super) data: FileData,
    /// What is tracked at the path.
    pub(super) indexed: Option<Leaf>,
    /// What HEAD has there.
    pub(super) head: Option<Leaf>,
    /// The attributes on the way to it.
    pub(super) attributes: u64,
}

/// Turns file contents into blobs.
pub(super) struct Contents<'a> {
    view: View<'a>,
    pub(super) writer: ObjectWriter,
    /// For what will be refused: a file of many gigabytes is not compressed first.
    dry: ObjectWriter,
    options: Options,
    known: Arc<HashCache>,
    pub(super) seen: HashCache,
}

/// How contents are stored.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Whether objects are wanted, or their ids only.
    pub(super) store: bool,
    /// Whether files over [`BIG_FILE`] may be committed.
    pub(super) big_files: bool,
    /// The time, read while the freeze was held.
    pub(super) now: Timespec,
}

impl<'a> Contents<'a> {
    pub(super) fn new(view: View<'a>, options: Options, known: Arc<HashCache>) -> Self {
        let repo = view.base.repo();
        let writer = if options.store { repo.writer() } else { repo.dry_writer() };
        Self { view, writer, dry: repo.dry_writer(), options, known, seen: HashCache::new() }
    }

    /// The blob of a regular file.
    pub(super) fn file(
        &mut self,
        source: &Source<'_>,
        filters: &mut Filters,
    ) -> Result<Stored, CommitError> {
        let converts = filters.applies(source.path);
        match source.data {
            FileData::Blob(oid) => {
                // Untouched, or moved to where it is stored the same way.
                let tracked = source.indexed.is_some_and(|leaf| leaf.oid == oid);
                if tracked || !converts {
                    return Ok(Stored { oid, len: 0, secret: None });
                }
                let stored = self.convert(source, filters)?;
                Ok(Stored { len: 0, secret: None, ..stored })
            }
            data => self.local(data, source, converts.then_some(filters)),
        }
    }

    /// What has a body or a value.
    fn local(
        &mut self,
        data: FileData,
        source: &Source<'_>,
        filters: Option<&mut Filters>,
    ) -> Result<Stored, CommitError> {
        let content = self.view.open(source.path, data)?;
        let stamp = match &content {
            Content::Body(body) => Some(stamp_of(body).map_err(unread(source.path))?),
            Content::Value(_) | Content::Blob(_) => None,
        };
        let conversion = filters.is_some().then(|| source.conversion());
        let held = !self.view.freeze.is_passed(data);
        let known = self.known.get(&data).filter(|known| held && known.is(stamp, conversion));
        if let Some(known) = known {
            let here = source.head.is_some_and(|head| head.oid == known.blob.oid);
            if here || !self.options.store {
                self.seen.insert(data, known.clone());
                return Ok(known.blob);
            }
        }
        let blob = self.read_and_store(source, &content, filters, if held { 1 } else { LOOKS })?;
        // The freeze keeps a body as it is until now at least. A later write is stamped with a
        // later tick of the clock, so equal stamps mean equal bytes.
        if held && stamp.is_none_or(|(_, ctime)| ctime < self.options.now) {
            self.seen.insert(data, Known { stamp, conversion, blob });
        }
        Ok(blob)
    }

    /// Stores bytes, as they are or converted. Nobody can stop who writes to a body that is passed:
    /// where one was cut meanwhile it is read again, up to so many `looks` in all.
    fn read_and_store(
        &mut self,
        source: &Source<'_>,
        content: &Content,
        mut filters: Option<&mut Filters>,
        mut looks: u32,
    ) -> Result<Stored, CommitError> {
        loop {
            let len = content.len().map_err(unread(source.path))?;
            let stored = match filters.as_deref_mut() {
                Some(filters) => self.convert(source, filters),
                None => self.store(source.path, content, len),
            };
            looks -= 1;
            match stored {
                Err(error) if looks > 0 && is_cut_short(&error) => {}
                stored => return stored,
            }
        }
    }

    /// Stores bytes as they are.
    fn store(&mut self, path: &[u8], content: &Content, len: u64) -> Result<Stored, CommitError> {
        let start = usize::try_from(len).unwrap_or(SEARCHED).min(SEARCHED);
        let mut bytes = vec![0; start];
        content.read_exact_at(&mut bytes, 0).map_err(unread(path))?;
        let writer = self.writer(len);
        let oid = if len == start as u64 {
            writer.blob(&bytes)?
        } else {
            writer.blob_from(len, &mut |part, offset| content.read_exact_at(part, offset))?
        };
        Ok(Stored { oid, len, secret: secret_content(&bytes) })
    }

    /// Stores bytes as git's filters make them.
    fn convert(
        &mut self,
        source: &Source<'_>,
        filters: &mut Filters,
    ) -> Result<Stored, CommitError> {
        let path = source.path;
        let Some(bytes) = self.view.read(path, source.data, CONVERTED_MAX)? else {
            let why = "it has more than 1 GiB, which is too much to convert".to_owned();
            return Err(GitError::Filter { path: path.to_vec(), why }.into());
        };
        let indexed = source.indexed.filter(|leaf| leaf.is_file()).map(|leaf| leaf.oid);
        let converted = filters.to_git(path, &bytes, indexed)?;
        let len = converted.len() as u64;
        let oid = self.writer(len).blob(&converted)?;
        Ok(Stored { oid, len, secret: secret_content(&converted) })
    }

    fn writer(&mut self, len: u64) -> &mut ObjectWriter {
        if len > BIG_FILE && !self.options.big_files { &mut self.dry } else { &mut self.writer }
    }
}

impl Known {
    /// As git trusts the stat data of its index: a conversion counts as done even when the user's
    /// configuration changed since, but not when the tree's attributes did.
    fn is(&self, stamp: Option<Stamp>, conversion: Option<Conversion>) -> bool {
        let same = match (self.conversion, conversion) {
            // Once the result is what is tracked, it stays the result.
            (Some(then), Some(now)) if now.indexed == Some(self.blob.oid) => {
                then.rules == now.rules
            }
            (then, now) => then == now,
        };
        self.stamp == stamp && same
    }
}

/// Whether there were fewer bytes than there had been.
fn is_cut_short(error: &CommitError) -> bool {
    let mut cause = Some(error as &dyn Error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn stamp_of(body: &Body) -> std::io::Result<Stamp> {
    let stat = body.stat()?;
    Ok((stat.len, stat.ctime))
}

impl Source<'_> {
    /// Everything that its conversion depends on, in short.
    fn conversion(&self) -> Conversion {
        let mut hasher = DefaultHasher::new();
        (self.path, self.attributes).hash(&mut hasher);
        Conversion { rules: hasher.finish(), indexed: self.indexed.map(|leaf| leaf.oid) }
    }
}
