//! Many threads on one workspace: nothing breaks, nothing leaks, and a restart shows the same.

use crate::ground::{CALLER, Dice, lower, no_node_is_lost, picture};
use crate::view::State;
use std::sync::atomic::{AtomicBool, Ordering};
use toft::fuse::errno;
use toft::types::{FileKind, Ino};
use toft::workspace::{FsError, OpenMode, RenameMode, SetAttr, Workspace, WriteMode};

const DIRS: [&[u8]; 5] = [b"", b"dir", b"dir/dir", b"many", b"shared"];
const NAMES: [&[u8]; 8] = [b"a", b"b", b"c", b"0", b"1", b"README", b"x", b"dir"];

fn pick(dice: &mut Dice) -> &'static [u8] {
    NAMES[dice.roll(NAMES.len())]
}

/// Walks to one of the directories, as the kernel would: each step a lookup.
fn walk(workspace: &Workspace, dice: &mut Dice, held: &mut Vec<Ino>) -> Option<Ino> {
    let path = DIRS[dice.roll(DIRS.len())];
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).try_fold(
        Ino::ROOT,
        |dir, name| {
            let attr = workspace.lookup(dir, name).ok()??;
            held.push(attr.ino);
            Some(attr.ino)
        },
    )
}

fn one_step(workspace: &Workspace, dice: &mut Dice, held: &mut Vec<Ino>) -> Result<(), FsError> {
    let Some(dir) = walk(workspace, dice, held) else { return Ok(()) };
    let name = pick(dice);
    match dice.roll(12) {
        0 | 1 => {
            let (attr, fh) = workspace.create(CALLER, dir, name, 0o644)?;
            held.push(attr.ino);
            workspace.write(fh, &[7; 3000], 0, WriteMode::default())?;
            workspace.release(fh);
        }
        2 => held.push(workspace.mkdir(CALLER, dir, name, 0o755)?.ino),
        3 => workspace.unlink(dir, name)?,
        4 => workspace.rmdir(dir, name)?,
        5 | 6 => {
            let Some(to) = walk(workspace, dice, held) else { return Ok(()) };
            let modes = [RenameMode::Replace, RenameMode::NoReplace, RenameMode::Exchange];
            workspace.rename(dir, name, to, pick(dice), modes[dice.roll(3)], None)?;
        }
        7 => {
            let Some(attr) = workspace.lookup(dir, name)? else { return Ok(()) };
            held.push(attr.ino);
            let to = walk(workspace, dice, held).unwrap_or(Ino::ROOT);
            held.push(workspace.link(attr.ino, to, pick(dice))?.ino);
        }
        8 | 9 => {
            let Some(attr) = workspace.lookup(dir, name)? else { return Ok(()) };
            held.push(attr.ino);
            if attr.kind != FileKind::Regular {
                return Ok(());
            }
            let write = OpenMode { write: true, truncate: dice.roll(3) == 0, kill_suid: false };
            let fh = workspace.open(attr.ino, write)?;
            let append = WriteMode { append: true, ..WriteMode::default() };
            let wrote = workspace.write(fh, b"appended", 0, append);
            let mut buf = [0; 16];
            let read = workspace.read(fh, &mut buf, 0);
            workspace.release(fh);
            wrote?;
            read?;
        }
        10 => {
            let mut last = 0;
            workspace.readdir_plus(dir, 0, |entry, found| {
                let cookie = match entry {
                    toft::workspace::DirEntry::Dot { cookie, .. } => cookie,
                    toft::workspace::DirEntry::Listed(listed) => listed.cookie,
                };
                assert!(cookie > last);
                last = cookie;
                held.extend(found.map(|(ino, _)| ino));
                true
            })?;
        }
        _ => {
            let Some(attr) = workspace.lookup(dir, name)? else { return Ok(()) };
            held.push(attr.ino);
            let set = SetAttr { perm: Some(0o700 + dice.roll(64) as u32), ..SetAttr::default() };
            workspace.setattr(CALLER, attr.ino, &set)?;
        }
    }
    Ok(())
}

#[test]
fn threads_that_do_everything_at_once_leave_a_whole_tree() {
    let state = State::new(lower());
    let workspace = state.open();
    workspace.mkdir(CALLER, Ino::ROOT, b"shared", 0o755).unwrap();
    workspace.forget([(workspace.attr_at(b"shared").unwrap().ino, 1)]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (workspace, stop) = (&*workspace, &stop);
        let workers: Vec<_> = (1..=4_u64)
            .map(|seed| {
                scope.spawn(move || {
                    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let mut held = Vec::new();
                    for _ in 0..4000 {
                        if let Err(error) = one_step(workspace, &mut dice, &mut held) {
                            let code = errno(&error);
                            assert!(code != libc::EIO && code != libc::EBADF, "{error}");
                        }
                        if dice.roll(8) == 0 {
                            workspace.forget(held.drain(..).map(|ino| (ino, 1)));
                        }
                    }
                    workspace.forget(held.drain(..).map(|ino| (ino, 1)));
                })
            })
            .collect();
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let freeze = workspace.overlay().freeze();
                workspace.overlay().sync().unwrap();
                drop(freeze);
            }
        });
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        stop.store(true, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    assert_eq!((workspace.counters().inodes, workspace.counters().handles), (0, 0));
    no_node_is_lost(&workspace);
    let before = picture(&workspace);
    assert!(before.len() > 10);
    drop(workspace);
    assert_eq!(picture(&state.open()), before);
}
