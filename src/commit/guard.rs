//! What a flush that nobody looked at refuses. Pure.

use super::change::{ChangeKind, PathChange};
use std::collections::HashSet;

/// Deletions up to this many are never refused, unless they are all there is.
const FEW: usize = 100;
/// The largest file that goes without a question, in bytes.
pub(super) const BIG_FILE: u64 = 100_000_000;
/// Paths that a refusal names.
const NAMED: usize = 5;

/// A guard, as `--allow` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// More than half of the tracked files (and more than 100), or all of them, are deleted.
    MassDelete,
    /// A file over 100 MB.
    BigFile,
    /// A path that looks like a secret and is not tracked yet.
    Secret,
    /// HEAD is on another branch than the one mounted.
    Branch,
    /// A merge, rebase or the like is under way.
    Operation,
    /// A directory of the base has entries that are never shown and would be dropped.
    Hostile,
}

impl Guard {
    /// The word for `--allow`; None where nothing may override it.
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::MassDelete => Some("mass-delete"),
            Self::BigFile => Some("big-file"),
            Self::Secret => Some("secret"),
            Self::Branch => Some("branch"),
            Self::Operation | Self::Hostile => None,
        }
    }

    /// The guard called `flag`.
    pub fn parse(flag: &str) -> Option<Self> {
        [Self::MassDelete, Self::BigFile, Self::Secret, Self::Branch]
            .into_iter()
            .find(|guard| guard.flag() == Some(flag))
    }
}

/// Guards that the user switched off for this time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow(pub HashSet<Guard>);

/// One reason not to seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which guard.
    pub guard: Guard,
    /// What it saw, as a clause.
    pub why: String,
    /// What to do, as a sentence.
    pub fix: String,
}

/// What the guards judge.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// What differs from HEAD's tree.
    pub changes: &'a [PathChange],
    /// Files in HEAD's tree.
    pub tracked_count: usize,
    /// Files over the limit: path, bytes.
    pub big: &'a [(Vec<u8>, u64)],
    /// Untracked files that look like secrets: path, why.
    pub secrets: &'a [(Vec<u8>, &'static str)],
    /// Directories whose hidden entries would be dropped.
    pub hostile: &'a [Vec<u8>],
    /// The mounted branch and where HEAD is, when they differ.
    pub other_branch: Option<(String, String)>,
    /// What is under way, e.g. "a merge".
    pub operation: Option<String>,
}

/// All reasons not to seal that `allow` does not switch off.
pub fn refusals(facts: &Facts<'_>, allow: &Allow) -> Vec<Refusal> {
    let found = [
        operation(facts),
        branch(facts),
        hostile(facts),
        mass_delete(facts),
        big_file(facts),
        secret(facts),
    ];
    found.into_iter().flatten().filter(|refusal| !allow.0.contains(&refusal.guard)).collect()
}

fn refusal(guard: Guard, why: String, fix: &str) -> Option<Refusal> {
    let fix = match guard.flag() {
        Some(flag) => format!("{fix}, or pass --allow {flag} if it is meant."),
        None => format!("{fix}."),
    };
    Some(Refusal { guard, why, fix })
}

fn operation(facts: &Facts<'_>) -> Option<Refusal> {
    let what = facts.operation.as_ref()?;
    let fix = "Finish it or abort it with git inside the mount, then flush again";
    refusal(Guard::Operation, format!("{what} is under way"), fix)
}

fn branch(facts: &Facts<'_>) -> Option<Refusal> {
    let (mounted, now) = facts.other_branch.as_ref()?;
    let why = format!("{mounted} is mounted, but HEAD is on {now} and there are changes");
    refusal(Guard::Branch, why, "Commit them with git, or switch back")
}

fn hostile(facts: &Facts<'_>) -> Option<Refusal> {
    let first = facts.hostile.first()?;
    let why = format!(
        "the tree of '{}' has entries that cannot be shown and would be dropped",
        first.escape_ascii()
    );
    refusal(Guard::Hostile, why, "Repair that tree upstream, or undo the changes in that directory")
}

/// Deletions, less those whose content turns up under another path: those are renames.
fn mass_delete(facts: &Facts<'_>) -> Option<Refusal> {
    let added: HashSet<_> = facts
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Added)
        .filter_map(|change| change.new.map(|(_, oid)| oid))
        .collect();
    let deleted = facts
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Deleted)
        .filter(|change| change.old.is_none_or(|(_, oid)| !added.contains(&oid)))
        .count();
    let all = deleted > 0 && deleted == facts.tracked_count;
    let most = deleted > FEW && deleted * 2 > facts.tracked_count;
    if !all && !most {
        return None;
    }
    let why = format!("{deleted} of {} tracked files are deleted", facts.tracked_count);
    refusal(Guard::MassDelete, why, "Bring them back with 'git restore .' inside the mount")
}

fn big_file(facts: &Facts<'_>) -> Option<Refusal> {
    let (path, bytes) = facts.big.first()?;
    let more = more(facts.big.len() - 1);
    let why = format!("'{}' has {} MB{more}", path.escape_ascii(), bytes / 1_000_000);
    refusal(Guard::BigFile, why, "Remove it, ignore it in .gitignore, or put it under Git LFS")
}

fn secret(facts: &Facts<'_>) -> Option<Refusal> {
    let (_, reason) = facts.secrets.first()?;
    let named: Vec<_> = facts.secrets.iter().take(NAMED).collect();
    let paths: Vec<_> =
        named.iter().map(|(path, _)| format!("'{}'", path.escape_ascii())).collect();
    let more = more(facts.secrets.len() - named.len());
    let why = format!("{}{more} looks like a secret ({reason})", paths.join(", "));
    refusal(Guard::Secret, why, "Remove it, ignore it in .gitignore, or 'git add' it yourself")
}

fn more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}
