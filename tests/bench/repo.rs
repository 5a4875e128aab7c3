//! The repo that all drivers show, and what is known of it.

use super::io::{self, Shuffle};
use crate::support::Host;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a workload needs to know.
pub struct Facts {
    /// Regular files, sorted.
    pub files: Vec<PathBuf>,
    /// Everything, shuffled.
    pub shuffled: Vec<PathBuf>,
    /// 100 files of moderate size, from all over.
    pub edited: Vec<PathBuf>,
    /// The directory at the top with the most files below it.
    pub biggest: PathBuf,
    /// A folder of files outside of any mount, and a tar of it.
    pub source: PathBuf,
    pub archive: PathBuf,
    /// The line that installs what npm would, and what it installs.
    pub npm: Option<String>,
    pub quick: bool,
}

/// Files and bytes of [`Facts::source`], at most.
const SOURCE: (usize, u64) = (1_900, 32 << 20);

impl Facts {
    /// Looks at a checkout.
    pub fn of(checkout: &Path, host: &Host, quick: bool) -> Self {
        let (files, others) = io::list(checkout);
        let mut shuffled: Vec<_> = files.iter().chain(&others).cloned().collect();
        let mut dice = Shuffle(1);
        dice.of(&mut shuffled);
        let len = |path: &PathBuf| fs::metadata(checkout.join(path)).expect("stat").len();
        let moderate: Vec<_> =
            files.iter().filter(|path| (64..64 << 10).contains(&len(path))).collect();
        let step = (moderate.len() / 100).max(1);
        let edited = moderate.iter().step_by(step).take(100).map(|path| (*path).clone()).collect();
        let mut below = std::collections::BTreeMap::<PathBuf, usize>::new();
        for path in &files {
            if let (Some(top), true) = (path.iter().next(), path.iter().count() > 1) {
                *below.entry(top.into()).or_default() += 1;
            }
        }
        let biggest = below.iter().max_by_key(|(_, count)| **count).expect("directories").0.clone();
        let (source, archive) = (host.path("work/source"), host.path("work/source.tar"));
        let (mut count, mut bytes) = (0, 0);
        for path in &files {
            if count == SOURCE.0 || bytes > SOURCE.1 {
                break;
            }
            let to = source.join(path);
            fs::create_dir_all(to.parent().expect("a parent")).expect("mkdir");
            bytes += fs::copy(checkout.join(path), to).expect("copy");
            count += 1;
        }
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(&source).arg(".");
        assert!(tar.status().expect("tar").success());
        let inner = host.path("work/inner.git");
        let line = format!(
            "cd {0} && git init -q . && git add -A -f && git -c user.name=b -c user.email=b@b commit -qm made \
             && git clone -q --bare . {1} && rm -rf .git",
            source.display(),
            inner.display()
        );
        assert!(Command::new("sh").args(["-c", &line]).status().expect("sh").success());
        let npm = super::build::packages_at(&host.path("work/packages"));
        Self { files, shuffled, edited, biggest, source, archive, npm, quick }
    }
}

/// Makes a bare repo of about so many files that looks like source code: directories of 16 files, of
/// a few KB each, the same each time.
pub fn make(host: &Host, files: usize) -> PathBuf {
    let bare = host.path("work/made.git");
    host.git(
        &host.path("work"),
        &["init", "-q", "--bare", "-b", "main", bare.to_str().expect("text")],
    );
    let mut command = host.command(host.path("bin/git"));
    command.current_dir(&bare).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut importer = command.spawn().expect("git");
    let mut stream = std::io::BufWriter::new(importer.stdin.take().expect("a pipe"));
    let text = "commit refs/heads/main\ncommitter b <b@b> 1700000000 +0000\ndata 4\nmade\n";
    std::io::Write::write_all(&mut stream, text.as_bytes()).expect("write");
    let mut dice = Shuffle(3);
    for number in 0..files {
        let dir = number / 16;
        let mut body = String::new();
        let lines = 10 + dice.below(30) * dice.below(30) / 4;
        for line in 0..lines {
            let word = dice.below(1 << 20);
            writeln!(
                body,
                "static int value_{line}_{word}(struct thing *t) {{ return {number}; }}"
            )
            .expect("memory");
        }
        let path = format!("src/m{}/d{}/file_{number}.c", dir / 40, dir % 40);
        let head = format!("M 100644 inline {path}\ndata {}\n{body}\n", body.len());
        std::io::Write::write_all(&mut stream, head.as_bytes()).expect("write");
    }
    drop(stream);
    assert!(importer.wait().expect("git").success());
    host.git(&bare, &["repack", "-q", "-a", "-d"]);
    bare
}
