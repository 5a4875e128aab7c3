//! Every room's error as a [`Failure`]: one table, no catch-all, so that a new error must be given
//! a kind and, where there is one, a way out.

use super::control::ClientError;
use super::failure::{Failure, Kind, kind_of_io};
use crate::git::GitError;
use crate::registry::RegistryError;

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
                Failure::new(Kind::Unreachable, "the remote cannot be reached").cause(text)
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
            GitError::Io { source, .. } => Failure::new(kind_of_io(&source), text),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let text = error.to_string();
        match error {
            RegistryError::Io { source, .. } => Failure::new(kind_of_io(&source), text),
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
