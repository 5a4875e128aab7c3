//! The system calls that std does not have. All unsafe code of the helper is here.
#![expect(unsafe_code, reason = "libc calls that std does not offer")]

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Marks every descriptor from 3 on as close-on-exec, so that no child gets what we inherited.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: close_range takes three integers; marking descriptors closes none that we use.
    let failed =
        unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(failed as libc::c_int)
}

/// Moves this process into the mount namespace behind `path` (`/proc/PID/ns/mnt`).
pub fn enter_mount_namespace(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    // SAFETY: the descriptor is open for the length of the call.
    check(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNS) })
}

/// Takes the mount off the tree; with `force` its requests are aborted too.
pub fn detach(dir: &Path, force: bool) -> io::Result<()> {
    let dir = CString::new(dir.as_os_str().as_bytes())?;
    let force = if force { libc::MNT_FORCE } else { 0 };
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::umount2(dir.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW | force) })
}

/// Whether this process acts as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// An entry of the user database.
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: OsString,
}

/// Looks a user up by name or number.
pub fn user(name: &str) -> Option<User> {
    let c_name = CString::new(name).ok()?;
    // SAFETY: name, entry, buffer and result outlive the call, and the length is the buffer's.
    let by_name = lookup(|entry, buffer, result| unsafe {
        libc::getpwnam_r(c_name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), result)
    });
    by_name.or_else(|| user_by_id(name.parse().ok()?))
}

/// The user that this process acts as.
pub fn current_user() -> Option<User> {
    // SAFETY: geteuid has no preconditions.
    user_by_id(unsafe { libc::geteuid() })
}

fn user_by_id(uid: u32) -> Option<User> {
    // SAFETY: entry, buffer and result outlive the call, and the length is the buffer's.
    lookup(|entry, buffer, result| unsafe {
        libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), result)
    })
}

fn lookup(
    call: impl Fn(*mut libc::passwd, &mut [libc::c_char], *mut *mut libc::passwd) -> libc::c_int,
) -> Option<User> {
    let mut buffer = vec![0; 64 * 1024];
    // SAFETY: passwd is plain integers and pointers, for which all zeroes is a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut result = std::ptr::null_mut();
    if call(&mut entry, &mut buffer, &mut result) != 0 || result.is_null() {
        return None;
    }
    // SAFETY: the call succeeded, so pw_dir points at a C string inside `buffer`, still alive.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    let home = OsString::from_vec(home.to_bytes().to_vec());
    Some(User { uid: entry.pw_uid, gid: entry.pw_gid, home })
}

/// Whether `home` is worth to be called one.
pub fn is_home(home: &OsStr) -> bool {
    Path::new(home).is_absolute()
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
