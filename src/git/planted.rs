//! What the configuration of a git directory may not say while we talk to a remote (threat T4).
//!
//! Whoever works in a mount can write it, and our git reads it: it could name programs for us to
//! run, or send us, and the user's secrets, to another host. The user's own configuration may say
//! all of that.

use super::{GitError, Result};
use gix::config::{File, Source};
use std::io::ErrorKind;
use std::path::Path;

/// Sections of which no key is for a git directory.
const SECTIONS: &[&str] =
    &["bundle", "credential", "gpg", "hook", "http", "include", "includeif", "url"];

/// Keys of other sections.
const KEYS: &[(&str, &str)] = &[
    ("core", "alternaterefscommand"),
    ("core", "askpass"),
    ("core", "gitproxy"),
    ("core", "sshcommand"),
    ("fetch", "bundleuri"),
    ("gc", "recentobjectshook"),
    ("push", "gpgsign"),
    ("remote", "proxy"),
    ("remote", "receivepack"),
    ("remote", "uploadpack"),
    ("remote", "vcs"),
    ("transfer", "bundleuri"),
];

/// Keys of those sections that only a server reads.
const OF_SERVERS: &[&str] = &["getanyfile", "receivepack", "uploadpack"];

/// Refuses what the files of the git directory say that only the user may say.
pub(super) fn refuse(gitdir: &Path) -> Result<()> {
    for name in ["config", "config.worktree"] {
        let path = gitdir.join(name);
        match std::fs::metadata(&path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => {
                return Err(GitError::io(format!("look at {}", path.display()))(error));
            }
            Ok(_) => {}
        }
        let unreadable = |error: gix::Error| {
            GitError::Refused(format!("{} cannot be read: {error}", path.display()))
        };
        let file = File::from_path_no_includes(path.clone(), Source::Local)
            .map_err(|error| unreadable(gix::Error::from_error(error)))?;
        if let Some(key) = first_planted(&file) {
            return Err(GitError::Refused(format!(
                "the workspace's own git configuration sets {key}, which is the user's to say: put \
                 it there (git config --global), or take it out of {}",
                path.display()
            )));
        }
    }
    Ok(())
}

fn first_planted(file: &File) -> Option<String> {
    file.sections().find_map(|section| {
        let name = section.header().name().to_string().to_ascii_lowercase();
        let of = section.header().subsection_name().map(ToString::to_string);
        // A remote that is called as the URL stands in the URL's place.
        let is_url = name == "remote" && of.as_ref().is_some_and(|of| of.contains([':', '/']));
        let whole = is_url || SECTIONS.contains(&name.as_str());
        let for_servers = |key: &str| name == "http" && OF_SERVERS.contains(&key);
        let keys = section.value_names().map(|key| key.to_string().to_ascii_lowercase());
        let mut planted = keys.filter(|key| {
            whole && !for_servers(key) || KEYS.contains(&(name.as_str(), key.as_str()))
        });
        let key = planted.next()?;
        Some(of.map_or(format!("{name}.{key}"), |of| format!("{name}.{of}.{key}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(text: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), text).unwrap();
        match refuse(dir.path()) {
            Ok(()) => None,
            Err(GitError::Refused(why)) => Some(why),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_only_the_user_may_say_is_refused_by_its_name() {
        for (text, key) in [
            ("[core]\n\tsshCommand = x", "core.sshcommand"),
            ("[CORE]\nAskPass=x", "core.askpass"),
            ("[core]\nbare = true\n[core]\ngitProxy = x", "core.gitproxy"),
            ("[core]\nalternateRefsCommand=x", "core.alternaterefscommand"),
            ("[credential]\nhelper=!x", "credential.helper"),
            ("[credential \"https://h\"]\nhelper=!x", "credential.https://h.helper"),
            ("[include]\npath=/x", "include.path"),
            ("[includeIf \"gitdir:/\"]\npath=/x", "includeif.gitdir:/.path"),
            ("[remote \"origin\"]\nuploadpack=x", "remote.origin.uploadpack"),
            ("[remote \"origin\"]\nreceivepack=x", "remote.origin.receivepack"),
            ("[remote \"origin\"]\nvcs=x", "remote.origin.vcs"),
            ("[remote \"https://h/r\"]\nurl=x", "remote.https://h/r.url"),
            ("[url \"/x\"]\ninsteadOf=https://h", "url./x.insteadof"),
            ("[url.x]\npushInsteadOf=https://h", "url.x.pushinsteadof"),
            ("[http]\nsslVerify=false", "http.sslverify"),
            ("[http \"https://h\"]\nproxy=x", "http.https://h.proxy"),
            ("[gpg]\nprogram=x", "gpg.program"),
            ("[push]\ngpgSign=true", "push.gpgsign"),
            ("[hook \"x\"]\ncommand=x", "hook.x.command"),
            ("[gc]\nrecentObjectsHook=x", "gc.recentobjectshook"),
            ("[broken", "cannot be read"),
        ] {
            let why = planted(text).unwrap_or_else(|| panic!("{text} was let pass"));
            assert!(why.contains(key), "{text}: {why}");
        }
    }

    #[test]
    fn what_git_writes_there_by_itself_is_let_pass() {
        for text in [
            "",
            "[core]\n\tbare = false\n\tfsmonitor = false\n\thooksPath = /x",
            "[remote \"origin\"]\n\turl = https://h/r\n\tfetch = +refs/heads/*:refs/remotes/origin/*",
            "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main",
            "[user]\n\tname = A\n[alias]\n\tx = !x\n[filter \"lfs\"]\n\tclean = x",
            "[http]\n\treceivepack = true",
            "[submodule \"m\"]\n\turl = https://h/m\n\tactive = true",
        ] {
            assert_eq!(planted(text), None, "{text}");
        }
        assert!(refuse(Path::new("/nowhere")).is_ok());
    }
}
