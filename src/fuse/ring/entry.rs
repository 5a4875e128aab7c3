//! The memory that the kernel and we share, entry by entry, and the commands about it.

#![expect(unsafe_code, reason = "memory that the kernel writes to, and commands as bytes")]

use io_uring::squeue::Entry128;
use io_uring::{opcode, types};
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// `struct fuse_uring_req_header`: the request's header (then the reply's), the operation's
/// structure, and `struct fuse_uring_ent_in_out`.
const HEADER: usize = 288;
const STRUCTURE_AT: usize = 128;
const COMMIT_ID_AT: usize = 264;
const PAYLOAD_SIZE_AT: usize = 272;
/// Where the payload begins: on a page of its own.
const PAYLOAD_AT: usize = 4096;
/// What the kernel wants room for: a write or a read of the largest size.
const PAYLOAD: usize = crate::fuse::kernel::MAX_WRITE as usize;

const REGISTER: u32 = 1;
const COMMIT_AND_FETCH: u32 = 2;

/// Memory for one request at a time. Pages that no request has touched cost nothing.
pub(super) struct Entry {
    memory: NonNull<u8>,
    /// Where it is, as the kernel is told.
    vectors: Box<[libc::iovec; 2]>,
}

impl Entry {
    const SIZE: usize = PAYLOAD_AT + PAYLOAD;

    pub fn new() -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let kind = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a mapping at a place of the kernel's choice touches nobody's memory.
        let memory =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), Self::SIZE, access, kind) }?;
        let at = |at: usize| memory.cast::<u8>().wrapping_add(at).cast::<c_void>();
        let header = libc::iovec { iov_base: at(0), iov_len: HEADER };
        let payload = libc::iovec { iov_base: at(PAYLOAD_AT), iov_len: PAYLOAD };
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, vectors: Box::new([header, payload]) })
    }

    fn all(&self) -> &[u8] {
        // SAFETY: the mapping is that long, readable, and lives as long as the entry. The kernel
        // writes to it only between a command and its completion, when the queue leaves it alone.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), Self::SIZE) }
    }

    fn all_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `all`, and nobody else has a reference.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), Self::SIZE) }
    }

    /// `fuse_in_header`.
    pub fn header(&self) -> &[u8] {
        &self.all()[..STRUCTURE_AT]
    }

    /// The operation's own structure.
    pub fn structure(&self) -> &[u8] {
        &self.all()[STRUCTURE_AT..2 * STRUCTURE_AT]
    }

    /// What the request carries besides.
    pub fn rest(&self) -> &[u8] {
        let size = (self.number::<4>(PAYLOAD_SIZE_AT) as usize).min(PAYLOAD);
        &self.all()[PAYLOAD_AT..][..size]
    }

    /// Where the reply goes.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.all_mut()[PAYLOAD_AT..]
    }

    /// What the kernel calls the request that is in it.
    pub fn commit_id(&self) -> u64 {
        self.number::<8>(COMMIT_ID_AT)
    }

    /// Writes `fuse_out_header` for a reply of so many bytes in the room, or of none with an errno.
    /// The request's number stays where it is: it has the same place in both.
    pub fn seal(&mut self, reply: Result<usize, i32>) {
        let (size, error) = match reply {
            Ok(size) => (size as u32, 0),
            Err(errno) => (0, -errno),
        };
        let all = self.all_mut();
        put(&mut all[0..4], u64::from(16 + size));
        put(&mut all[4..8], u64::from(error as u32));
        put(&mut all[PAYLOAD_SIZE_AT..PAYLOAD_SIZE_AT + 4], u64::from(size));
    }

    /// Hands the entry to the kernel for the first time.
    pub fn register(&self, device: BorrowedFd<'_>, queue: u16) -> Entry128 {
        let command = command(0, queue);
        let command = opcode::UringCmd80::new(types::Fd(device.as_raw_fd()), REGISTER)
            .cmd(command)
            .addr(Some(self.vectors.as_ptr() as u64));
        with_len(command.build(), self.vectors.len() as u32)
    }

    /// Hands back the reply that is in it, and asks for the next request.
    pub fn commit(&self, device: BorrowedFd<'_>, queue: u16, commit_id: u64) -> Entry128 {
        let command = command(commit_id, queue);
        opcode::UringCmd80::new(types::Fd(device.as_raw_fd()), COMMIT_AND_FETCH)
            .cmd(command)
            .build()
    }

    fn number<const N: usize>(&self, at: usize) -> u64 {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.all()[at..at + N]);
        u64::from_le_bytes(wide)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the queue lets go of an entry after its ring.
        let done = unsafe { rustix::mm::munmap(self.memory.as_ptr().cast(), Self::SIZE) };
        if let Err(error) = done {
            tracing::debug!(%error, "an entry of a ring stays in memory");
        }
    }
}

/// `struct fuse_uring_cmd_req`.
fn command(commit_id: u64, queue: u16) -> [u8; 80] {
    let mut command = [0; 80];
    command[8..16].copy_from_slice(&commit_id.to_le_bytes());
    command[16..18].copy_from_slice(&queue.to_le_bytes());
    command
}

/// The field `len` of a submission, which the crate has no word for with this opcode.
fn with_len(mut submission: Entry128, len: u32) -> Entry128 {
    const LEN_AT: usize = 24;
    const _: () = assert!(size_of::<Entry128>() == 128);
    let bytes = std::ptr::from_mut(&mut submission).cast::<[u8; 128]>();
    // SAFETY: a submission is `struct io_uring_sqe`, 128 bytes without padding (repr(C)).
    let bytes = unsafe { &mut *bytes };
    bytes[LEN_AT..LEN_AT + 4].copy_from_slice(&len.to_le_bytes());
    submission
}

/// The low bytes of `value`; the ring is for machines where these come first.
fn put(field: &mut [u8], value: u64) {
    field.copy_from_slice(&value.to_le_bytes()[..field.len()]);
}
