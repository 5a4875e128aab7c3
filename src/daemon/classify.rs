//! Every room's error as a [`Failure`]: one table, no catch-all, so that a new error must be given
//! a kind and, where there is one, a way out.

use super::control::ClientError;
use super::failure::{Failure, Kind};
use crate::base::{BaseError, Unavailable};
use crate::commit::{CommitError, Guard, Refusal};
use crate::dotgit::DotgitError;
use crate::fuse::MountError;
use crate::git::GitError;
use crate::overlay::OverlayError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use crate::sync::SyncError;
use crate::workspace::FsError;

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let text = error.to_string();
        match error {
            GitError::NotFound(_) | GitError::Corrupt { .. } => {
                Failure::new(Kind::Corrupt, "the repository is damaged here").cause(text).fix(
                    "fetch the objects again: remove the store that `toft status --json` names, \
                     then mount again (work that is not pushed is kept elsewhere)",
                )
            }
            GitError::RefMoved { name, .. } => {
                Failure::new(Kind::InProgress, format!("{name} moved while toft worked"))
                    .cause(text)
                    .fix("try again")
            }
            GitError::Ref { .. } => Failure::new(Kind::NoSuchRef, text),
            GitError::Open { .. } | GitError::Merge(_) => Failure::new(Kind::System, text),
            GitError::Filter { .. } => Failure::new(Kind::Guard, text)
                .fix("install the filter's program, or take the path out of .gitattributes"),
            GitError::Unreachable(_) => {
                Failure::new(Kind::Unreachable, "the remote cannot be reached").cause(text).fix(
                    "check network and URL with: git ls-remote URL; what this host has of it \
                     already is mounted with --offline",
                )
            }
            GitError::Credentials(_) => {
                Failure::new(Kind::Credentials, "the remote refused the credentials")
                    .cause(text)
                    .fix(
                        "sign in with git (git credential approve), or give --credential file:PATH",
                    )
            }
            GitError::NoSuchRepository(_) => {
                Failure::new(Kind::NoSuchRepository, "there is no such repository")
                    .cause(text)
                    .fix("check the URL with: git ls-remote URL")
            }
            GitError::NoSuchBranch(_) => Failure::new(Kind::NoSuchRef, text)
                .fix("list what there is with: git ls-remote URL"),
            GitError::Cancelled { .. } => Failure::new(Kind::Interrupted, text),
            GitError::Refused(_) => Failure::new(Kind::System, "git refused").cause(text),
            GitError::TooOld(_) => {
                Failure::new(Kind::GitUnusable, "the installed git cannot be used")
                    .cause(text)
                    .fix("install git 2.39 or newer")
            }
            GitError::Timeout { .. } => Failure::new(Kind::Deadline, text),
            GitError::Process { .. } => Failure::new(Kind::System, text),
            GitError::Io { source, .. } => Failure::system(text, &source),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let text = error.to_string();
        match error {
            RegistryError::Io { source, .. } => Failure::system(text, &source),
            RegistryError::Corrupt { .. } => Failure::new(Kind::Corrupt, text)
                .fix("its files are untouched; toft rm --discard removes them"),
            RegistryError::NoSuchWorkspace(_) => {
                Failure::new(Kind::NoSuchWorkspace, text).fix("see toft list")
            }
            RegistryError::Held(_) => Failure::new(Kind::Held, text)
                .fix("toft umount it there, or toft status to see what it does"),
            RegistryError::Unsafe { .. } => {
                Failure::new(Kind::Permission, "a directory of toft's is not safe to use")
                    .cause(text)
            }
            RegistryError::NoHome => {
                Failure::new(Kind::System, "cannot tell where to keep state").cause(text)
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        let kind = match &error {
            ClientError::Deadline(_) => Kind::Deadline,
            ClientError::NoDaemon
            | ClientError::Silent
            | ClientError::OtherVersion(_)
            | ClientError::Protocol(_) => Kind::DaemonGone,
        };
        Failure::new(kind, "the daemon of this workspace cannot be asked").cause(text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Source(_) | StoreError::Subdirectory(_) => {
                Failure::new(Kind::Usage, text).fix("see toft mount --help")
            }
            StoreError::SecretInUrl => {
                Failure::new(Kind::Usage, "the URL holds a password or token")
                    .cause("it would show in ps, logs and configuration")
                    .fix(
                        "sign in with git (git credential approve), or give --credential file:PATH",
                    )
            }
            StoreError::NoSuchPath(_) => Failure::new(Kind::NoSuchRepository, text)
                .fix("name a URL, user@host:path, or the path of a repository"),
            StoreError::NoSuchBranch { .. } | StoreError::NoDefaultBranch { .. } => {
                Failure::new(Kind::NoSuchRef, text).fix("pick one of: git ls-remote URL")
            }
            StoreError::NoSuchCommit(_) => Failure::new(Kind::NoSuchRef, text)
                .fix("name a commit that a branch or tag of the remote holds"),
            StoreError::HashChanged { .. } => Failure::new(Kind::Corrupt, text),
            StoreError::Io { source, .. } => Failure::system(text, &source),
            StoreError::Git(error) => error.into(),
        }
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let text = error.to_string();
        match error {
            SyncError::Io { source, .. } => Failure::system(text, &source),
            SyncError::Format { .. } => Failure::new(Kind::System, text).fix("use the newer toft"),
            SyncError::Busy { .. } => Failure::new(Kind::Deadline, text),
            SyncError::Git(error) => error.into(),
        }
    }
}

impl From<OverlayError> for Failure {
    fn from(error: OverlayError) -> Self {
        let what = "the workspace cannot be read or written";
        match error.io() {
            Some(source) => Failure::system(format!("{what}: {error}"), source),
            None => Failure::new(Kind::System, what).cause(error),
        }
    }
}

impl From<BaseError> for Failure {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Unavailable { source, .. } => source.into(),
            error => Failure::new(Kind::Corrupt, "the base cannot be read").cause(error),
        }
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        let kind = match error {
            Unavailable::Unreachable(_) => Kind::Unreachable,
            Unavailable::TimedOut(_) => Kind::Deadline,
            Unavailable::Denied(_) => Kind::Credentials,
            Unavailable::Refused(_) => Kind::System,
        };
        Failure::new(kind, "files that are on the remote only do not come")
            .cause(error)
            .fix("make the remote reachable and try again: git ls-remote URL")
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let text = error.to_string();
        match error {
            CommitError::Refused(refusals) => refused(&refusals),
            CommitError::Base { source, .. } => Failure::new(
                Kind::Guard,
                "no commit: the base cannot be read, and what cannot be read is not deleted",
            )
            .cause(format!("{text}: {source}")),
            CommitError::Body { source, .. } => Failure::system(text, &source),
            CommitError::Busy { .. } => Failure::new(Kind::InProgress, text),
            CommitError::Git(error) => error.into(),
        }
    }
}

fn refused(refusals: &[Refusal]) -> Failure {
    let in_progress = refusals.iter().any(|refusal| refusal.guard == Guard::Operation);
    let kind = if in_progress { Kind::InProgress } else { Kind::Guard };
    let join =
        |part: fn(&Refusal) -> &str| refusals.iter().map(part).collect::<Vec<_>>().join("\n");
    Failure::new(kind, "nothing was committed: a guard refused")
        .cause(join(|refusal| &refusal.why))
        .fix(join(|refusal| &refusal.fix))
}

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        let text = error.to_string();
        match &error {
            MountError::Device(_) | MountError::NoHelper(_) | MountError::Handshake(_) => {
                Failure::new(Kind::NoFuse, "FUSE cannot be used here")
                    .cause(text)
                    .fix("toft doctor")
            }
            _ if error.is_busy() => Failure::new(Kind::Busy, text),
            MountError::Directory { source, .. } | MountError::Refused { source, .. } => {
                Failure::system(text, source)
            }
            MountError::Helper(_) => {
                Failure::new(Kind::Permission, "fusermount3 refused").cause(text).fix("toft doctor")
            }
        }
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        Failure::new(Kind::System, "the view could not be changed").cause(error)
    }
}

impl From<DotgitError> for Failure {
    fn from(error: DotgitError) -> Self {
        let text = error.to_string();
        match error {
            DotgitError::Io { source, .. } => Failure::system(text, &source),
            DotgitError::Index { .. } => {
                Failure::new(Kind::Corrupt, "git's index in the mount cannot be read")
                    .cause(text)
                    .fix("in the mount: rm \"$(git rev-parse --git-dir)/index\" && git reset -q")
            }
            DotgitError::TooLarge { .. } => Failure::new(Kind::System, text),
            DotgitError::Git(error) => error.into(),
        }
    }
}
