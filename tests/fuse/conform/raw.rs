//! Calls that the libraries have no safe form for.
#![allow(unsafe_code, reason = "tests make calls that no library lets through")]

use std::io;

/// A user whom no file here belongs to.
pub const STRANGER: u32 = 4711;

/// Runs `act` as the user and group `id`, in a thread of its own: Linux keeps ids by thread.
pub fn as_user<T: Send>(id: u32, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            become_user(id).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

fn become_user(id: u32) -> io::Result<()> {
    // The wrappers of libc change all threads.
    // SAFETY: the calls take numbers only; no groups, so no pointer is read.
    let codes = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, id, id, id),
            libc::syscall(libc::SYS_setresuid, id, id, id),
        ]
    };
    if codes == [0; 3] { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The name of an errno, as the tables write it; `.` when there is none.
pub fn errno_name<T>(result: &io::Result<T>) -> String {
    let Err(error) = result else { return ".".into() };
    let code = error.raw_os_error().unwrap_or(-1);
    let known = NAMES.iter().find(|(number, _)| *number == code);
    known.map_or_else(|| format!("errno-{code}"), |(_, name)| (*name).to_owned())
}

macro_rules! names {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

const NAMES: &[(i32, &str)] = names!(
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENODATA EOVERFLOW EILSEQ EOPNOTSUPP EADDRINUSE ESTALE EDQUOT ECONNREFUSED
);

/// truncate(2), with any size.
pub fn truncate(path: &std::ffi::CStr, size: i64) -> io::Result<()> {
    // SAFETY: the path is a string that ends with NUL and outlives the call.
    check(unsafe { libc::truncate(path.as_ptr(), size) }.into()).map(drop)
}

fn check(code: i64) -> io::Result<i64> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}
