//! Makes objects and refs in a bare repository by git's plumbing, byte for byte.

use super::Host;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A bare repository under construction.
pub struct Builder {
    host: Host,
    repo: PathBuf,
}

/// Mode in octal, name and object id of a tree entry.
pub type RawEntry<'a> = (&'a str, &'a [u8], &'a str);

/// What a path of a tree under construction holds.
#[derive(Clone, Debug)]
pub enum Node {
    /// An object with its mode in octal: `("100644", blob id)`.
    Object(&'static str, String),
    /// A folder.
    Folder(BTreeMap<Vec<u8>, Node>),
}

impl Builder {
    /// Works on an existing bare repository.
    pub fn on(repo: &Path) -> Builder {
        Builder { host: Host::new(), repo: repo.to_owned() }
    }

    /// Makes a bare repository with object ids of `format` (`sha1`, `sha256`).
    pub fn init(repo: &Path, format: &str) -> Builder {
        let builder = Builder::on(repo);
        let format = format!("--object-format={format}");
        let path = repo.to_str().expect("text");
        let parent = repo.parent().expect("a parent");
        let init = ["init", "-q", "--bare", "--initial-branch=main", &format, path];
        builder.host.git(parent, &init);
        builder.git(&["config", "http.receivepack", "true"]);
        builder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.repo
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.host.git(&self.repo, arguments)
    }

    /// Runs git in it with `input` on stdin.
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all_at(input, 0).expect("write");
        file.flush().expect("flush");
        self.git_reading(arguments, file)
    }

    fn git_reading(&self, arguments: &[&str], input: File) -> String {
        let mut command = self.host.command("git");
        command.current_dir(&self.repo).args(arguments).stdin(Stdio::from(input));
        self.host.run_with_stdin(command).ok()
    }

    /// A blob.
    pub fn blob(&self, bytes: &[u8]) -> String {
        self.git_with(&["hash-object", "-w", "--stdin"], bytes)
    }

    /// A blob of so many zeroes, through a sparse file.
    pub fn zeroes(&self, length: u64) -> String {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(length).expect("truncate");
        self.git_reading(&["-c", "core.compression=1", "hash-object", "-w", "--stdin"], file)
    }

    /// A tree as git writes it: sorted, names unique.
    pub fn tree(&self, folder: &BTreeMap<Vec<u8>, Node>) -> String {
        let mut lines = Vec::new();
        for (name, node) in folder {
            let (mode, kind, oid) = match node {
                Node::Object("160000", oid) => ("160000", "commit", oid.clone()),
                Node::Object("040000", oid) => ("040000", "tree", oid.clone()),
                Node::Object(mode, oid) => (*mode, "blob", oid.clone()),
                Node::Folder(inner) => ("040000", "tree", self.tree(inner)),
            };
            lines.extend(format!("{mode} {kind} {oid}\t").bytes());
            lines.extend(name);
            lines.push(0);
        }
        self.git_with(&["mktree", "-z", "--missing"], &lines)
    }

    /// A tree with exactly these entries in this order, whatever git thinks of them.
    pub fn raw_tree(&self, entries: &[RawEntry<'_>]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, oid) in entries {
            bytes.extend(format!("{mode} ").bytes());
            bytes.extend(*name);
            bytes.push(0);
            let digit = |at: usize| u8::from_str_radix(&oid[at..at + 2], 16).expect("hex");
            bytes.extend((0..oid.len()).step_by(2).map(digit));
        }
        self.git_with(&["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], &bytes)
    }

    /// A commit.
    pub fn commit(&self, tree: &str, parents: &[&str], message: &str) -> String {
        let mut arguments = vec!["commit-tree", "-m", message, tree];
        arguments.extend(parents.iter().flat_map(|parent| ["-p", *parent]));
        self.git(&arguments)
    }

    /// Points a branch at a commit.
    pub fn branch(&self, name: &str, commit: &str) {
        self.git(&["update-ref", &format!("refs/heads/{name}"), commit]);
    }
}
