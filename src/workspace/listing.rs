//! Listings of directories that somebody reads in pieces, so that each is made once. Pure.

use super::view::Listed;
use crate::types::{Ino, Seq};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many directories can be read at the same time without being listed again for each piece.
const KEPT: usize = 16;
/// A reader that pauses for longer than this gets what the directory holds by then.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest listings.
#[derive(Default)]
pub(super) struct Listings(VecDeque<Kept>);

struct Kept {
    dir: Ino,
    /// The newest change of the namespace that it shows.
    seq: Seq,
    used: Duration,
    listing: Arc<[Listed]>,
}

impl Listings {
    /// The listing to go on with behind the place `offset` of `dir`. From its start on a directory
    /// is read as it is at `seq`; a reader that is under way may go on with what it began with.
    pub fn find(
        &mut self,
        dir: Ino,
        offset: u64,
        seq: Seq,
        now: Duration,
    ) -> Option<Arc<[Listed]>> {
        let kept = self.0.iter_mut().find(|kept| kept.dir == dir)?;
        let under_way = offset > 0 && now.saturating_sub(kept.used) < PAUSE;
        if kept.seq != seq && !under_way {
            return None;
        }
        kept.used = now;
        Some(kept.listing.clone())
    }

    /// Keeps a listing that was made when the newest change was `seq`, or one before.
    pub fn keep(&mut self, dir: Ino, listing: Arc<[Listed]>, seq: Seq, now: Duration) {
        self.0.retain(|kept| kept.dir != dir);
        self.0.truncate(KEPT - 1);
        self.0.push_front(Kept { dir, seq, used: now, listing });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_sees_the_newest_and_who_is_under_way_goes_on() {
        let mut listings = Listings::default();
        let (dir, soon, late) = (Ino(7), Duration::from_millis(1), Duration::from_secs(9));
        listings.keep(dir, Arc::new([]), Seq(1), Duration::ZERO);
        assert!(listings.find(dir, 0, Seq(1), late).is_some());
        assert!(listings.find(dir, 0, Seq(2), late).is_none());
        assert!(listings.find(dir, 5, Seq(2), late + soon).is_some());
        assert!(listings.find(dir, 5, Seq(2), late * 2).is_none());
        (0..KEPT as u64).for_each(|other| {
            listings.keep(Ino(100 + other), Arc::new([]), Seq(2), late);
        });
        assert!(listings.find(dir, 5, Seq(1), soon).is_none());
    }
}
