//! The decision table: how the tips stand to each other, and what follows. Pure.

use super::ledger::Known;
use crate::types::Oid;

/// How our tip stands to the remote's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The remote's tip contains ours, or is ours.
    Contained,
    /// Ours descends from the remote's.
    Ahead,
    /// Both have commits that the other has not; with their best common ancestor.
    Diverged(Option<Oid>),
}

/// What is known when the decision is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the remote's ref stands, as far as we know, and how ours stands to it.
    pub remote: Known,
    /// Unused unless `remote` is [`Known::At`].
    pub relation: Relation,
    /// Whether our tip has lost a commit of ours that the remote's ref contains (D9).
    pub rewritten: bool,
    /// Whether we began with an empty repository: then histories without a common ancestor have
    /// the empty tree in common.
    pub from_nothing: bool,
    /// Whether the repository is shallow: a common ancestor may be below its end.
    pub shallow: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch the remote's ref.
    Look,
    /// The remote has our commit.
    Done(Oid),
    /// Move the remote's ref to our commit, if it still stands there.
    Push(Option<Oid>),
    /// Fetch more history, and decide again.
    Deepen,
    /// Merge the remote's tip into ours, from this base (None: the empty tree), and push that.
    Merge {
        /// The common ancestor.
        base: Option<Oid>,
        /// The remote's tip.
        theirs: Oid,
    },
    /// Keep ours on a side branch: the local history was rewritten, and we never force (D9).
    AsideRewritten(Oid),
    /// Keep ours on a side branch: the histories have nothing in common.
    AsideUnrelated(Oid),
}

/// Decides. Every push that comes out of this moves the remote's ref forward only.
pub fn decide(facts: &Facts) -> Step {
    let theirs = match facts.remote {
        Known::Unknown => return Step::Look,
        Known::Absent => return Step::Push(None),
        Known::At(theirs) => theirs,
    };
    match facts.relation {
        Relation::Contained => Step::Done(theirs),
        Relation::Ahead => Step::Push(Some(theirs)),
        Relation::Diverged(_) if facts.rewritten => Step::AsideRewritten(theirs),
        Relation::Diverged(Some(base)) => Step::Merge { base: Some(base), theirs },
        Relation::Diverged(None) if facts.shallow => Step::Deepen,
        Relation::Diverged(None) if facts.from_nothing => Step::Merge { base: None, theirs },
        Relation::Diverged(None) => Step::AsideUnrelated(theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(byte: u8) -> Oid {
        Oid::from_bytes_or_panic(&[byte; 20])
    }

    fn facts(remote: Known, relation: Relation) -> Facts {
        Facts { remote, relation, rewritten: false, from_nothing: false, shallow: false }
    }

    #[test]
    fn each_standing_of_the_tips_has_its_step() {
        let (base, theirs) = (oid(1), oid(2));
        let at = Known::At(theirs);
        let diverged = Relation::Diverged(Some(base));
        let unrelated = facts(at, Relation::Diverged(None));
        for (facts, expected) in [
            (facts(Known::Unknown, Relation::Ahead), Step::Look),
            (facts(Known::Absent, Relation::Ahead), Step::Push(None)),
            (facts(at, Relation::Contained), Step::Done(theirs)),
            (facts(at, Relation::Ahead), Step::Push(Some(theirs))),
            (facts(at, diverged), Step::Merge { base: Some(base), theirs }),
            (Facts { rewritten: true, ..facts(at, diverged) }, Step::AsideRewritten(theirs)),
            (Facts { rewritten: true, ..facts(at, Relation::Ahead) }, Step::Push(Some(theirs))),
            (unrelated, Step::AsideUnrelated(theirs)),
            (Facts { shallow: true, ..unrelated }, Step::Deepen),
            (Facts { from_nothing: true, ..unrelated }, Step::Merge { base: None, theirs }),
        ] {
            assert_eq!(decide(&facts), expected, "{facts:?}");
        }
    }
}
