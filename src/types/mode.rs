/// The kind of a git tree entry (gitformat: "mode" of a tree object).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreeMode {
    /// `40000`, a directory.
    Tree,
    /// `100644`, a regular file.
    Blob,
    /// `100755`, a regular file that may be executed.
    BlobExec,
    /// `120000`, a symbolic link.
    Link,
    /// `160000`, a gitlink: the commit of a submodule.
    Commit,
}

impl TreeMode {
    /// Reads the octal number of a tree object. Git also wrote `100664`, read as a plain blob.
    pub fn from_octal(mode: u32) -> Option<Self> {
        match mode {
            0o40000 => Some(Self::Tree),
            0o100644 | 0o100664 => Some(Self::Blob),
            0o100755 => Some(Self::BlobExec),
            0o120000 => Some(Self::Link),
            0o160000 => Some(Self::Commit),
            _ => None,
        }
    }

    /// The number that git writes.
    pub fn octal(self) -> u32 {
        match self {
            Self::Tree => 0o40000,
            Self::Blob => 0o100644,
            Self::BlobExec => 0o100755,
            Self::Link => 0o120000,
            Self::Commit => 0o160000,
        }
    }

    /// Whether the entry shows as a directory in the mount (a gitlink is an empty one).
    pub fn is_dir(self) -> bool {
        matches!(self, Self::Tree | Self::Commit)
    }

    /// The permission bits that a base entry of this kind shows.
    pub fn permissions(self) -> u32 {
        match self {
            Self::Tree | Self::Commit | Self::BlobExec => 0o755,
            Self::Blob => 0o644,
            Self::Link => 0o777,
        }
    }
}
