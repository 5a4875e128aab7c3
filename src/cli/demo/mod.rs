//! The story that `toft demo` tells, with real parts: the user's git, this very program, the
//! kernel. Every step is checked by looking at what is there, not at what was said.

mod shell;
mod tree;

use crate::daemon::{Failure, Kind, fuse_access, mountinfo};
use crate::sys::{Clock, OsClock};
use serde::Serialize;
use shell::{Place, Shell};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use tree::Tree;

/// Files of the repository that the demo begins with.
const FILES: usize = 200;
const BRANCH: &str = "main";

/// What happened.
#[derive(Debug, Default, Serialize)]
pub struct Story {
    /// In order.
    pub steps: Vec<Step>,
    /// What should be the same and is not.
    pub differences: Vec<String>,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub what: String,
    /// What came of it.
    pub result: String,
    /// How long it took.
    pub seconds: f64,
}

/// Tells the story; prints it as it goes when `aloud`.
pub fn tell(aloud: bool) -> Result<Story, Failure> {
    fuse_access::check()?;
    let place = Place::new()?;
    let mut teller = Teller { aloud, clock: OsClock::new(), story: Story::default() };
    teller.say("A repository edited as a folder, committed by unmounting it.\n");
    teller.whole(&place)?;
    Ok(teller.story)
}

struct Teller {
    aloud: bool,
    clock: OsClock,
    story: Story,
}

impl Teller {
    fn whole(&mut self, place: &Place) -> Result<(), Failure> {
        let (here, there) = (place.host("here")?, place.host("there")?);
        let remote = place.path("widgets.git");
        self.step("a repository on a server", || seed(&here, &remote))?;
        let folder = place.path("widgets");
        self.step("toft mount widgets.git widgets", || mount(&here, &remote, &folder))?;
        self.step("edit by ordinary file I/O", || edit(&folder))?;
        self.show("git status --short", || here.git(&folder, &["status", "--short"]))?;
        self.show("git diff --stat", || here.git(&folder, &["diff", "--stat"]))?;
        let written = Tree::read(&folder)?;
        self.step("toft umount widgets -m 'Rework the parser'", || umount(&here, &folder))?;
        let history = here.git(&remote, &["log", "--format=%H %s", BRANCH])?;
        self.expect("two commits on the server", history.lines().count() == 2);
        self.step("git fsck on the server", || {
            here.git(&remote, &["fsck", "--strict", "--no-dangling"]).map(|_| "clean".to_owned())
        })?;
        let elsewhere = place.path("elsewhere");
        self.step("on another host: toft mount widgets.git", || {
            mount(&there, &remote, &elsewhere)
        })?;
        self.step("compare bytes, modes and links", || {
            Ok(format!("{} files, folders and links", written.len()))
        })?;
        let found = Tree::read(&elsewhere)?;
        self.story.differences.extend(written.differences(&found));
        let seen = there.git(&elsewhere, &["log", "--format=%H %s"])?;
        self.expect("the history is the same", seen == history);
        let clean = there.git(&elsewhere, &["status", "--porcelain"])?;
        self.expect("git finds nothing to commit there", clean.is_empty());
        self.step("toft umount", || umount(&there, &elsewhere))?;
        let mounts = mountinfo::read()?;
        self.expect("no mount is left", !mounts.iter().any(|mount| place.holds(&mount.point)));
        self.expect("no folder is left", !folder.exists() && !elsewhere.exists());
        Ok(())
    }

    fn say(&self, text: &str) {
        if self.aloud {
            super::output::line(text);
        }
    }

    /// One step: one line.
    fn step(
        &mut self,
        what: &str,
        work: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let start = self.clock.monotonic();
        let result = work()?;
        let took = self.clock.monotonic() - start;
        self.say(&format!("{what:<44} {result:<34} {:>6.2} s", took.as_secs_f64()));
        self.note(what, result, took);
        Ok(())
    }

    /// One step whose output is the point.
    fn show(
        &mut self,
        what: &str,
        work: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let start = self.clock.monotonic();
        let output = work()?;
        let took = self.clock.monotonic() - start;
        self.say(&format!("{what:<44} {:<34} {:>6.2} s", "", took.as_secs_f64()));
        output.lines().for_each(|line| self.say(&format!("    {line}")));
        self.expect(&format!("{what} says something"), !output.is_empty());
        self.note(what, output, took);
        Ok(())
    }

    fn note(&mut self, what: &str, result: String, took: Duration) {
        let step = Step { what: what.to_owned(), result, seconds: took.as_secs_f64() };
        self.story.steps.push(step);
    }

    fn expect(&mut self, what: &str, holds: bool) {
        if !holds {
            self.story.differences.push(format!("expected: {what}"));
        }
    }
}

/// A bare repository with one commit of a small project.
fn seed(shell: &Shell, remote: &Path) -> Result<String, Failure> {
    let work = remote.with_extension("seed");
    make(&work, "bin/run", "#!/bin/sh\nexec widgets \"$@\"\n")?;
    executable(&work.join("bin/run"))?;
    make(&work, "README.md", "# Widgets\n")?;
    make(&work, ".gitignore", "*.o\n")?;
    for number in 0..FILES - 3 {
        let name = format!("src/part{}/file{number}.rs", number % 50);
        make(
            &work,
            &name,
            &format!("pub const NUMBER: u32 = {number};\n").repeat(number % 40 + 1),
        )?;
    }
    let at = |path: &Path| path.display().to_string();
    shell.git(&work, &["init", "-q", "-b", BRANCH])?;
    shell.git(&work, &["add", "-A"])?;
    shell.git(&work, &["commit", "-q", "-m", "Begin"])?;
    shell.git(&work, &["clone", "-q", "--bare", "--no-hardlinks", ".", &at(remote)])?;
    std::fs::remove_dir_all(&work).map_err(Failure::io("cannot remove the seed"))?;
    Ok(format!("{FILES} files, 1 commit"))
}

fn mount(shell: &Shell, remote: &Path, folder: &Path) -> Result<String, Failure> {
    shell.toft(&["mount".as_ref(), remote.as_os_str(), folder.as_os_str()])?;
    let mounts = mountinfo::read()?;
    let mount = mountinfo::ours_at(&mounts, folder);
    let mount = mount.ok_or_else(|| Failure::new(Kind::System, "the kernel shows no mount"))?;
    Ok(format!("the kernel shows a {}", mount.fstype))
}

fn umount(shell: &Shell, folder: &Path) -> Result<String, Failure> {
    let message = ["umount".as_ref(), folder.as_os_str(), "-m".as_ref()];
    let said = shell.toft(&[&message[..], &["Rework the parser".as_ref()]].concat())?;
    let pushed = said.lines().find(|line| line.starts_with("pushed"));
    Ok(pushed.unwrap_or("nothing was changed").trim_start_matches("pushed").trim().to_owned())
}

/// What people do in a working tree, with system calls only.
fn edit(folder: &Path) -> Result<String, Failure> {
    let failed = || Failure::io("an edit in the mount failed");
    make(folder, "src/parser/mod.rs", "pub fn parse() {}\n")?;
    make(folder, "notes/a file with blanks.txt", "blanks are fine\n")?;
    make(folder, "build.o", "ignored by .gitignore\n")?;
    make(folder, "README.md", "# Widgets\n\nNow with a parser.\n")?;
    std::fs::rename(folder.join("src/part3"), folder.join("src/moved")).map_err(failed())?;
    std::fs::remove_file(folder.join("src/part1/file1.rs")).map_err(failed())?;
    symlink("src/parser/mod.rs", folder.join("parser.rs")).map_err(failed())?;
    make(folder, "bin/test", "#!/bin/sh\nexit 0\n")?;
    executable(&folder.join("bin/test"))?;
    // Ignored files stay with the workspace; without this one it is the same on both hosts.
    std::fs::remove_file(folder.join("build.o")).map_err(failed())?;
    Ok("write, rename a folder, delete, link".to_owned())
}

fn make(dir: &Path, name: &str, content: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&path, content))
        .map_err(Failure::io(format!("cannot write {}", path.display())))
}

fn executable(path: &Path) -> Result<(), Failure> {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))
        .map_err(Failure::io(format!("cannot change {}", path.display())))
}
