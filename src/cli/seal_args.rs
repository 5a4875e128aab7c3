//! The arguments that umount, flush and commit share.

use crate::daemon::control::FlushRequest;
use crate::daemon::guard_words;
use clap::Args;

/// How to make a commit.
#[derive(Clone, Debug, Default, Args)]
pub struct SealArgs {
    /// Message of the commit, instead of one made from the list of changes
    #[arg(short, long, value_name = "MESSAGE")]
    pub message: Option<String>,
    /// Commit although this guard refuses; its refusal names it (may be repeated)
    #[arg(long, value_name = "GUARD", value_parser = guard_word)]
    pub allow: Vec<String>,
}

fn guard_word(word: &str) -> Result<String, String> {
    if guard_words().any(|known| known == word) {
        return Ok(word.to_owned());
    }
    Err(format!("the guards are {}", Vec::from_iter(guard_words()).join(", ")))
}

impl SealArgs {
    /// The request for a seal, and for a push where `push` says so.
    pub fn request(&self, push: bool, timeout_s: Option<u64>) -> FlushRequest {
        FlushRequest {
            seal: true,
            push,
            message: self.message.clone(),
            allow: self.allow.clone(),
            timeout_s,
        }
    }
}
