//! What a seal that nobody looked at refuses to commit, and how to overrule it (T13). Pure.

use super::change::{ChangeKind, PathChange};
use crate::git::Head;
use crate::types::Oid;
use std::collections::HashSet;

/// The largest file that goes without a question, in bytes.
pub const BIG_FILE: u64 = 100_000_000;
/// So many files may be deleted, whatever part of all they are (but not all of them).
pub const FEW_DELETIONS: usize = 100;
/// Paths that a reason names.
const NAMED: usize = 3;

/// A guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// More than half of the tracked files would be deleted (and more than 100), or all.
    MassDelete,
    /// A new file is over 100 MB.
    BigFile,
    /// An untracked path looks like a secret.
    Secret,
    /// HEAD is on another branch than the one that was mounted.
    Branch,
    /// HEAD is on no branch.
    Detached,
    /// Git is in the middle of something.
    Operation,
    /// Power loss took the files back behind a commit that was made with git in the mount.
    RolledBack,
    /// HEAD's tree has entries that no file can stand for, and they would be lost.
    Hostile,
}

/// Guards that somebody overruled for this time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow(pub HashSet<Guard>);

/// One reason not to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which guard.
    pub guard: Guard,
    /// What it saw, as a clause.
    pub why: String,
    /// The paths it is about.
    pub paths: Vec<Vec<u8>>,
    /// What to do about it, as a sentence.
    pub fix: String,
}

/// A path that a guard looks at, and what it saw there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub path: Vec<u8>,
    /// What.
    pub what: String,
}

/// What the guards judge.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What differs from HEAD's tree.
    pub changes: &'a [PathChange],
    /// Files that HEAD tracks; counting may stop above twice [`lost_files`].
    pub tracked_count: usize,
    /// New contents over [`BIG_FILE`].
    pub big: &'a [Finding],
    /// New files that look like secrets.
    pub secrets: &'a [Finding],
    /// Directories with entries that would be lost.
    pub hostile: &'a [Finding],
    /// Where it would be committed.
    pub head: &'a Head,
    /// Full name of the branch that was mounted.
    pub mounted_branch: &'a str,
    /// What git is in the middle of, as a clause.
    pub operation: Option<&'a str>,
    /// The files may be older than HEAD.
    pub rolled_back: bool,
}

impl Guard {
    /// The word that overrules it (`--allow WORD`); None where nothing does.
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::MassDelete => Some("mass-delete"),
            Self::BigFile => Some("big-file"),
            Self::Secret => Some("secret"),
            Self::Branch => Some("branch"),
            Self::RolledBack => Some("rolled-back"),
            Self::Detached | Self::Operation | Self::Hostile => None,
        }
    }

    /// Those that a word overrules.
    pub const OVERRULABLE: [Self; 5] =
        [Self::MassDelete, Self::BigFile, Self::Secret, Self::Branch, Self::RolledBack];

    /// The guard that `flag` overrules.
    pub fn parse(flag: &str) -> Option<Self> {
        Self::OVERRULABLE.into_iter().find(|guard| guard.flag() == Some(flag))
    }
}

impl Allow {
    /// Whether `guard` was overruled.
    pub fn has(&self, guard: Guard) -> bool {
        self.0.contains(&guard)
    }
}

/// The paths that go without their content living on elsewhere: a moved file is not lost.
pub fn lost_files(changes: &[PathChange]) -> Vec<&PathChange> {
    let kept: HashSet<Oid> = changes.iter().filter_map(|change| Some(change.new?.oid)).collect();
    let lost = |change: &&PathChange| {
        change.kind == ChangeKind::Deleted
            && change.old.is_some_and(|leaf| !kept.contains(&leaf.oid))
    };
    changes.iter().filter(lost).collect()
}

/// All reasons not to commit that `allow` does not overrule.
pub fn refusals(facts: &Facts<'_>, allow: &Allow) -> Vec<Refusal> {
    let reasons = [
        operation(facts),
        branch(facts),
        rolled_back(facts),
        hostile(facts),
        mass_delete(facts),
        big_file(facts),
        secret(facts),
    ];
    reasons.into_iter().flatten().filter(|refusal| !allow.has(refusal.guard)).collect()
}

fn operation(facts: &Facts<'_>) -> Option<Refusal> {
    let fix = "Finish it or abort it with git in the mount, then flush again";
    refuse(Guard::Operation, facts.operation?.to_owned(), Vec::new(), fix)
}

fn branch(facts: &Facts<'_>) -> Option<Refusal> {
    let short = |name: &str| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned();
    let mounted = short(facts.mounted_branch);
    match facts.head {
        Head::Detached(_) => {
            let why = "HEAD is on no branch, and there are changes".to_owned();
            let fix = "Give them a branch (git switch -c NAME in the mount), or switch back";
            refuse(Guard::Detached, why, Vec::new(), fix)
        }
        Head::Branch { name, .. } if name != facts.mounted_branch => {
            let on = short(name);
            let why = format!("'{mounted}' is mounted, HEAD is on '{on}', and there are changes");
            refuse(Guard::Branch, why, Vec::new(), "Commit them with git, or switch back")
        }
        Head::Branch { .. } => None,
    }
}

fn rolled_back(facts: &Facts<'_>) -> Option<Refusal> {
    let why = "the host went down, and the files may be older than what was committed last";
    let fix = "Look at git diff in the mount, and bring files back with git restore";
    facts.rolled_back.then(|| refuse(Guard::RolledBack, why.to_owned(), Vec::new(), fix))?
}

fn hostile(facts: &Facts<'_>) -> Option<Refusal> {
    let first = facts.hostile.first()?;
    let why = format!(
        "entries of {} cannot be shown and would be lost: {}",
        named(facts.hostile),
        first.what
    );
    let fix = "Undo the changes in that directory or remove it whole; repair it elsewhere with git";
    refuse(Guard::Hostile, why, paths(facts.hostile), fix)
}

fn mass_delete(facts: &Facts<'_>) -> Option<Refusal> {
    let lost = lost_files(facts.changes);
    let (count, tracked) = (lost.len(), facts.tracked_count);
    let all = count > 0 && count >= tracked;
    if !all && (count <= FEW_DELETIONS || 2 * count <= tracked) {
        return None;
    }
    let why = if all {
        format!("all {count} tracked files would be deleted")
    } else {
        format!("{count} files, more than half of those tracked, would be deleted")
    };
    let fix = "Bring them back with git restore . in the mount";
    let paths = lost.into_iter().map(|change| change.path.clone()).collect();
    refuse(Guard::MassDelete, why, paths, fix)
}

fn big_file(facts: &Facts<'_>) -> Option<Refusal> {
    let first = facts.big.first()?;
    let why = format!("{} is over 100 MB ({})", named(facts.big), first.what);
    let fix = "Remove it, ignore it in .gitignore, or put it under Git LFS";
    refuse(Guard::BigFile, why, paths(facts.big), fix)
}

fn secret(facts: &Facts<'_>) -> Option<Refusal> {
    let first = facts.secrets.first()?;
    let why = format!("{} looks like a secret ({})", named(facts.secrets), first.what);
    let fix = "Remove it, ignore it in .gitignore, or git add it in the mount";
    refuse(Guard::Secret, why, paths(facts.secrets), fix)
}

fn refuse(guard: Guard, why: String, paths: Vec<Vec<u8>>, fix: &str) -> Option<Refusal> {
    let fix = match guard.flag() {
        Some(flag) => format!("{fix}; if it is meant, pass --allow {flag}."),
        None => format!("{fix}."),
    };
    Some(Refusal { guard, why, paths, fix })
}

fn paths(findings: &[Finding]) -> Vec<Vec<u8>> {
    findings.iter().map(|finding| finding.path.clone()).collect()
}

/// The first few paths, and how many more there are.
fn named(findings: &[Finding]) -> String {
    let show = |finding: &Finding| match &*finding.path {
        b"" => "the root".to_owned(),
        path => format!("'{}'", path.escape_ascii()),
    };
    let names: Vec<_> = findings.iter().take(NAMED).map(show).collect();
    let names = names.join(", ");
    match findings.len() - findings.len().min(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
