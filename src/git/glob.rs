//! Patterns of paths, as git's pathspecs have them.

use gix::bstr::{BStr, BString, ByteSlice};
use gix::glob::wildmatch;

/// A pattern of paths. `*` stands for anything, slashes included; a folder stands for all below it.
#[derive(Clone, Debug)]
pub struct Glob(BString);

impl Glob {
    /// Reads what somebody wrote.
    pub fn new(text: &str) -> Glob {
        Glob(text.trim_start_matches("./").trim_end_matches('/').into())
    }

    /// Whether it means `path`, which begins at the root and has no slash at its end.
    pub fn matches(&self, path: &[u8]) -> bool {
        let whole =
            |path: &BStr| gix::glob::wildmatch(self.0.as_bstr(), path, wildmatch::Mode::empty());
        let mut folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.0.is_empty()
            || self.0 == "."
            || whole(path.as_bstr())
            || folders.any(|(end, _)| whole(path[..end].as_bstr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_git_means_by_it() {
        for (glob, path, meant) in [
            ("*.c", "a/b.c", true),
            ("*.c", "a/b.h", false),
            ("src", "src/a/b", true),
            ("src/", "src/a/b", true),
            ("src", "source/a", false),
            ("./src/*.rs", "src/deep/a.rs", true),
            ("src/lib.rs", "src/lib.rs", true),
            ("lib.rs", "src/lib.rs", false),
            ("?", "a", true),
            ("[ab]/x", "b/x", true),
            (".", "anything", true),
            ("a*", "b/a", false),
        ] {
            assert_eq!(Glob::new(glob).matches(path.as_bytes()), meant, "{glob} {path}");
        }
    }
}
