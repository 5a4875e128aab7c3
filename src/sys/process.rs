use std::io;

/// Marks every descriptor but stdin, stdout and stderr as close-on-exec, whoever opened it.
///
/// Ours are already; this is for those that we inherited ourselves, from a shell or a test runner.
#[expect(unsafe_code, reason = "no safe wrapper of close_range(2) exists")]
pub fn keep_descriptors_from_children() -> io::Result<()> {
    // SAFETY: the call only sets flags of descriptors; it closes none and touches no memory.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
