//! What can be asked of the benchmark.

use clap::Parser;
use std::path::PathBuf;

/// Measures toft side by side with plain files, overlayfs and git
///
/// Three groups of rows: work in a tree, to plain files; the time until a file can be read, to git
/// clone; a remote that is 20 ms away, to git clone and push. What the drivers saw must be equal.
/// Kernel headers are made where --repo is the Linux source.
#[derive(Parser)]
pub struct Arguments {
    /// A look, no medians: one round of a repo of 5,000 files and a big file of 64 MB (instead of
    /// five, 78,600 and 512 MB). Under three minutes on two cores
    #[arg(long)]
    pub quick: bool,
    /// Rounds; medians are taken over them
    #[arg(long)]
    rounds: Option<usize>,
    /// A bare repo to use (see scripts/linux-repo); otherwise one is made
    #[arg(long)]
    pub repo: Option<PathBuf>,
    /// Files of the repo that is made
    #[arg(long)]
    files: Option<usize>,
    /// Only workloads whose name contains one of these words
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these drivers; as root also toft-pass, which mounts with -o passthrough, toft-ring, whose
    /// requests come by io_uring, and bare, the smallest FUSE server: what FUSE itself costs here
    #[arg(long, value_delimiter = ',', default_value = "native,overlayfs,worktree,toft")]
    drivers: Vec<String>,
    /// Where the samples go, as JSON lines
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Count, once, what each workload costs toft, instead of measuring times: requests of the
    /// kernel and to the remote, fsyncs, bytes written
    #[arg(long)]
    pub count: bool,
    /// Make so many workspaces in one mount, and five of git worktree, instead of the workloads
    #[arg(long, value_delimiter = ',')]
    pub many: Vec<usize>,
    /// What cargo passes
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 })
    }

    pub fn files(&self) -> usize {
        self.files.unwrap_or(if self.quick { 5_000 } else { 78_600 })
    }

    pub fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| workload.contains(word))
    }

    pub fn drives(&self, driver: &str) -> bool {
        self.drivers.iter().any(|name| name == driver)
    }
}
