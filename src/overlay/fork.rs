//! Another overlay that begins where this one stands, at the cost of a few names.
//!
//! What is immutable is shared by hard links: records up to a rotation, segments of values (which only
//! grow, and only at the hand that has them open), bodies. A body that has two names is altered by
//! neither side: it is copied first, as out of a freeze (D5); one that the kernel may be writing to is
//! copied at once. So no list says what is shared, and a
//! crash can leave none that is wrong.

use super::content::{self, Bodies};
use super::error::OverlayError;
use super::freeze::Freeze;
use super::index::Index;
use super::node::{FileData, NodeData};
use super::store::{Overlay, reserve_for};
use super::values::Value;
use crate::sys::locks::Ordering;
use crate::sys::{copy_file, share_file};
use crate::types::{BodyId, Seq};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Weak;

/// How often a body is copied that is cut each time.
const LOOKS: u32 = 100;

impl Overlay {
    /// Makes an overlay in the folder `dir` that holds what this one does now. Operations here wait
    /// only while a segment of the journal begins.
    ///
    /// The record up to which both have the same. `dir` is a folder that is marked as unsettled
    /// (`sys::mark_unsettled`): the overlay is durable when it was first synced.
    pub fn fork(&self, dir: &Path) -> Result<Seq, OverlayError> {
        // Nobody takes old records away meanwhile; whoever wants to comes back later.
        let _old_records = self.trim.lock();
        let (freeze, last) = {
            let _no_writers = self.bodies.stop_writes();
            let index = self.index.read();
            let last = self.journal.rotate(reserve_for(&index))?;
            self.bodies.begin_to_share();
            (self.frozen(&index), last)
        };
        let shared = self.share(dir, &freeze, last);
        self.bodies.end_to_share();
        shared.map(|()| last)
    }

    fn share(&self, dir: &Path, freeze: &Freeze, last: Seq) -> Result<(), OverlayError> {
        self.journal.share(&dir.join("journal"), last)?;
        let Shared { segments, bodies } = shared(freeze.index());
        let (to_values, to_bodies) = (dir.join("values"), dir.join("bodies"));
        self.values.share(&to_values, segments.into_iter()).map_err(at(&to_values))?;
        self.bodies.share(&to_bodies, bodies.into_iter()).map_err(at(&to_bodies))
    }
}

/// Sharing bodies.
impl Bodies {
    /// From now on, while writers are kept out, until [`Bodies::share`] is through, all bodies there
    /// are count as shared.
    fn begin_to_share(&self) {
        self.sharing_below.store(self.next_id(), Ordering::Release);
    }

    fn end_to_share(&self) {
        self.sharing_below.store(0, Ordering::Release);
    }

    /// Gives the folder `into` the bodies `live`, which a freeze holds: from now on they are shared.
    fn share(&self, into: &Path, live: impl Iterator<Item = BodyId>) -> io::Result<()> {
        self.disk.create_dir(into)?;
        // No others are passed until the sharing ends.
        let passed = self.passages.bodies();
        for id in live {
            let to = content::path(into, id);
            self.disk.create_dir(content::shard_of(&to))?;
            if passed.contains(&id) {
                self.copy_passed(id, &to)?;
                continue;
            }
            share_file(&*self.disk, &self.path(id), &to)?;
            if let Some(body) = self.open.lock().get(&id).and_then(Weak::upgrade) {
                body.shared.store(true, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Nobody can stop who writes to it: where it was cut meanwhile it is copied again.
    fn copy_passed(&self, id: BodyId, to: &Path) -> io::Result<()> {
        let from = self.path(id);
        for _ in 1..LOOKS {
            match copy_file(&*self.disk, &from, to) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.disk.remove_file(to)?;
                }
                done => return done,
            }
        }
        copy_file(&*self.disk, &from, to)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OverlayError {
    let path = path.to_owned();
    |source| OverlayError::Content { path, source }
}

/// What the nodes of an index name.
struct Shared {
    segments: BTreeSet<u32>,
    bodies: Vec<BodyId>,
}

fn shared(index: &Index) -> Shared {
    let mut shared = Shared { segments: BTreeSet::new(), bodies: Vec::new() };
    // What is only open here is open nowhere else.
    for (_, node) in index.iter().filter(|(_, node)| node.meta.nlink > 0) {
        match node.data {
            NodeData::Regular(FileData::Value(Value { segment, len: 1.., .. })) => {
                shared.segments.insert(segment);
            }
            NodeData::Regular(FileData::Body(id)) => shared.bodies.push(id),
            _ => {}
        }
    }
    shared
}
