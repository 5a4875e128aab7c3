//! Repositories for tests, made by the real git.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use toft::types::Oid;

/// A directory with repositories; gone when dropped.
pub struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> World {
        World { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes an empty bare repository and returns its URL.
    pub fn bare(&self, name: &str, extra: &[&str]) -> String {
        let path = self.path(name);
        let mut args = vec!["init", "-q", "--bare", "--initial-branch=main"];
        args.extend(extra);
        args.push(path.to_str().unwrap());
        git(self.dir.path(), &args);
        git(&path, &["config", "http.receivepack", "true"]);
        format!("file://{}", path.display())
    }

    /// Makes a bare repository whose branch `main` has one commit.
    pub fn seeded(&self, name: &str) -> (String, Oid) {
        let url = self.bare(name, &[]);
        let seed = self.checkout(&url, &format!("{name}-seed"));
        let tip = commit(&seed, &[("README", "one\n")], "first");
        git(&seed, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
        (url, tip)
    }

    /// Clones `url` into a working directory.
    pub fn checkout(&self, url: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        git(self.dir.path(), &["clone", "-q", url, path.to_str().unwrap()]);
        path
    }

    /// Makes an empty repository to fetch into and push from.
    pub fn gitdir(&self, name: &str) -> PathBuf {
        self.bare(name, &[]);
        self.path(name)
    }

    /// Puts a hook into the bare repository `name`.
    pub fn hook(&self, name: &str, hook: &str, script: &str) {
        let path = self.path(name).join("hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The git under test, without anything of the environment that could change its answers.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars() {
        if name.starts_with("GIT_") || name.starts_with("LC_") || name == "LANGUAGE" {
            command.env_remove(name);
        }
    }
    command.args(["-c", "user.name=Test", "-c", "user.email=test@localhost"]);
    command.args(["-c", "gc.auto=0", "-c", "commit.gpgSign=false"]);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.current_dir(dir).args(args);
    command
}

pub fn program() -> String {
    std::env::var("TOFT_GIT").unwrap_or_else(|_| "git".to_owned())
}

/// Runs git in `dir`; it must succeed. Returns stdout without the last line break.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = try_git(dir, args);
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub fn try_git(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

/// Writes `files` and commits them in the working directory `dir`.
pub fn commit(dir: &Path, files: &[(&str, &str)], message: &str) -> Oid {
    for (name, content) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
    rev(dir, "HEAD")
}

/// Commits `files` on top of `parent` in the bare repository `dir`, without moving a ref.
pub fn commit_on(dir: &Path, parent: Option<Oid>, files: &[(&str, &str)], message: &str) -> Oid {
    let index = dir.join(format!("index-{}", fs::read_dir(dir).unwrap().count()));
    let run = |args: &[&str]| {
        let output = command(dir, args).env("GIT_INDEX_FILE", &index).output().unwrap();
        assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    if let Some(parent) = parent {
        run(&["read-tree", &parent.to_string()]);
    }
    for (name, content) in files {
        let file = dir.join("content");
        fs::write(&file, content).unwrap();
        let blob = run(&["hash-object", "-w", file.to_str().unwrap()]);
        run(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{name}")]);
    }
    let tree = run(&["write-tree"]);
    let parent = parent.map(|parent| parent.to_string());
    let mut args = vec!["commit-tree", "-m", message];
    if let Some(parent) = &parent {
        args.extend(["-p", parent]);
    }
    args.push(&tree);
    oid(&run(&args))
}

pub fn rev(dir: &Path, name: &str) -> Oid {
    oid(&git(dir, &["rev-parse", name]))
}

pub fn oid(hex: &str) -> Oid {
    Oid::from_hex(hex.as_bytes()).unwrap()
}

/// The path of a `file://` URL.
pub fn path_of(url: &str) -> PathBuf {
    url.strip_prefix("file://").unwrap().into()
}

/// Runs this test binary again with the other installed git and an environment that a careless
/// caller would trip over; for one test in each binary.
pub fn again_with_the_other_git() {
    let other = "/usr/bin/git";
    let which = Command::new("sh").args(["-c", "command -v git"]).output().unwrap();
    let same = String::from_utf8_lossy(&which.stdout).trim() == other;
    if std::env::var_os("TOFT_GIT").is_some() || same || !Path::new(other).exists() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--skip", "the_other_git"])
        .env("TOFT_GIT", other)
        .env("GIT_DIR", "/nonexistent")
        .env("GIT_WORK_TREE", "/nonexistent")
        .env("GIT_INDEX_FILE", "/nonexistent")
        .env("GIT_TRACE", "1")
        .env("LANGUAGE", "de")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "with {other}: {said}");
}
