/// Lets large buffers go back to the system as soon as they are free.
///
/// The C library would keep more for later with each large buffer that it sees, up to 32 MiB at a
/// time, and a heap for each thread: a daemon that has read a big repository would hold twice what
/// it needs for ever.
#[expect(unsafe_code, reason = "no safe wrapper of mallopt(3) exists")]
#[cfg(target_env = "gnu")]
pub fn return_memory_early() {
    const LARGE: i32 = 256 << 10;
    const SPARE: i32 = 4 << 20;
    const HEAPS: i32 = 2;
    // SAFETY: the calls only set numbers of the allocator; one that it does not know is refused.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Other C libraries do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn return_memory_early() {}
