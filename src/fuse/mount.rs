//! Getting a FUSE device mounted: mount(2) for root, fusermount3 for everybody else.

use super::MountError;
use rustix::fs::{AtFlags, StatxFlags};
use rustix::mount::{MountFlags as KernelFlags, UnmountFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The type that findmnt shows.
const FS_TYPE: &str = "fuse.toft";
const SUBTYPE: &str = "toft";
/// One request's worth, see `kernel`.
const READ_AHEAD_KB: &str = "1024";
const DEVICE: &str = "/dev/fuse";

/// How a workspace is mounted.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What findmnt shows as the source; no secret may be in it.
    pub source: String,
    /// The kernel refuses writes.
    pub read_only: bool,
    /// Who may look.
    pub access: Access,
    /// What else the kernel is told.
    pub flags: MountFlags,
    /// Who opens files.
    pub opens: Opens,
    /// How requests come, where there is a choice.
    pub transport: Transport,
}

/// How requests come to us, and answers go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// By read(2) and writev(2) on `/dev/fuse`.
    Device,
    /// By io_uring, where the kernel offers it; otherwise by the device.
    #[default]
    IoUring,
}

/// Whether we are told of each open(2) and close(2) of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opens {
    /// The kernel does it alone where it can: a file whose pages it has costs no request.
    #[default]
    Untold,
    /// Each is told, for those who want to know when a file was closed.
    Told,
    /// Each is told, and large files and those that are made are the kernel's to read and write,
    /// where it can (root only).
    Passed,
}

/// Who may look into a mount, as permissions allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Who mounts it; everybody, where that is root.
    #[default]
    Owner,
    /// Who mounts it, and root. For others than root /etc/fuse.conf decides.
    RootAndOwner,
    /// Everybody. For others than root /etc/fuse.conf decides.
    All,
}

/// Words of mount(8) that are for the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountFlags {
    /// Programs do not run.
    pub noexec: bool,
    /// Times of reads are not kept. (None are in any case.)
    pub noatime: bool,
    /// Large files are its to read and write ([`Opens::Passed`]).
    pub passthrough: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        // mount(2) takes no empty source.
        Self {
            source: SUBTYPE.into(),
            read_only: false,
            access: Access::default(),
            flags: MountFlags::default(),
            opens: Opens::default(),
            transport: Transport::default(),
        }
    }
}

/// Opens the device, as each worker thread would to have a queue of its own.
pub(super) fn device() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(DEVICE)
}

/// Mounts on `dir`; the answer is the other end of the conversation.
pub(super) fn mount(dir: &Path, options: &MountOptions) -> Result<OwnedFd, MountError> {
    let at_dir = |source| MountError::Directory { dir: dir.to_owned(), source };
    if !std::fs::metadata(dir).map_err(at_dir)?.is_dir() {
        return Err(at_dir(io::ErrorKind::NotADirectory.into()));
    }
    if rustix::process::geteuid().is_root() {
        mount_as_root(dir, options)
    } else {
        mount_by_helper(dir, options)
    }
}

/// The device number of what is mounted at `dir`. Never asks the one who serves it: works on a dead
/// mount, and before the first request is answered (statx(2), `AT_STATX_DONT_SYNC`).
pub(super) fn device_id(dir: &Path) -> io::Result<(u32, u32)> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(rustix::fs::CWD, dir, flags, StatxFlags::empty())?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor))
}

/// Lets the kernel read ahead as much as one request carries. Its own 128 KB make eight round trips
/// of each megabyte; only root may say so, and without it reading only takes longer.
pub(super) fn read_ahead((major, minor): (u32, u32)) {
    let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if let Err(error) = std::fs::write(&path, READ_AHEAD_KB) {
        tracing::debug!(%error, path, "the kernel reads ahead as it likes");
    }
}

/// Unmounts `dir`; `lazy` also when it is in use (it goes when it is not any more).
pub(super) fn unmount(dir: &Path, lazy: bool) -> Result<(), MountError> {
    if !rustix::process::geteuid().is_root() {
        return unmount_by_helper(dir, lazy);
    }
    let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    rustix::mount::unmount(dir, flags | UnmountFlags::NOFOLLOW).map_err(|source| {
        MountError::Refused { what: "unmount", dir: dir.to_owned(), source: source.into() }
    })
}

fn mount_as_root(dir: &Path, options: &MountOptions) -> Result<OwnedFd, MountError> {
    let at_dir = |source| MountError::Directory { dir: dir.to_owned(), source };
    let mode = std::fs::metadata(dir).map_err(at_dir)?.permissions().mode();
    let device = device().map_err(MountError::Device)?;
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let data = format!(
        "fd={},rootmode={mode:o},user_id={uid},group_id={gid},default_permissions,allow_other",
        device.as_raw_fd(),
    );
    let data = CString::new(data).map_err(|error| at_dir(error.into()))?;
    let flags = kernel_flags(options);
    rustix::mount::mount(options.source.as_str(), dir, FS_TYPE, flags, data.as_c_str()).map_err(
        |source| MountError::Refused { what: "mount", dir: dir.to_owned(), source: source.into() },
    )?;
    Ok(device.into())
}

fn kernel_flags(options: &MountOptions) -> KernelFlags {
    let mut flags = KernelFlags::NOSUID | KernelFlags::NODEV;
    flags.set(KernelFlags::RDONLY, options.read_only);
    flags.set(KernelFlags::NOEXEC, options.flags.noexec);
    flags.set(KernelFlags::NOATIME, options.flags.noatime);
    flags
}

fn mount_by_helper(dir: &Path, options: &MountOptions) -> Result<OwnedFd, MountError> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        // Without close-on-exec: the helper inherits its end.
        SocketFlags::empty(),
        None,
    )
    .map_err(|error| MountError::NoHelper(error.into()))?;
    let child = helper()
        .arg("-o")
        .arg(helper_options(options))
        .arg("--")
        .arg(dir)
        .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
        .spawn()
        .map_err(MountError::NoHelper)?;
    drop(theirs);
    let received = receive_fd(ours.as_fd());
    drop(ours);
    let output = child.wait_with_output().map_err(MountError::NoHelper)?;
    match received {
        Ok(Some(fd)) if output.status.success() => Ok(fd),
        Err(error) if output.status.success() => Err(MountError::NoHelper(error)),
        _ => Err(said(&output.stderr)),
    }
}

fn unmount_by_helper(dir: &Path, lazy: bool) -> Result<(), MountError> {
    let mut helper = helper();
    helper.arg("-u");
    if lazy {
        helper.arg("-z");
    }
    let output = helper.arg("--").arg(dir).output().map_err(MountError::NoHelper)?;
    if output.status.success() { Ok(()) } else { Err(said(&output.stderr)) }
}

#[expect(clippy::disallowed_methods, reason = "the helper of this room; no git is started here")]
fn helper() -> Command {
    let mut helper = Command::new("fusermount3");
    helper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
    // It needs nothing of ours, which may hold secrets.
    helper.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    helper
}

fn said(stderr: &[u8]) -> MountError {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    let text = text.strip_prefix("fusermount3: ").unwrap_or(text);
    MountError::Helper(if text.is_empty() { "failed".into() } else { text.into() })
}

/// The helper splits at commas and takes a backslash for an escape.
fn helper_options(options: &MountOptions) -> String {
    let source = options.source.replace('\\', "\\\\").replace(',', "\\,");
    let mut text = format!("fsname={source},subtype={SUBTYPE},default_permissions,nosuid,nodev");
    // The kernel knows no allow_root: there the session looks who asks.
    let others = options.access != Access::Owner;
    for (word, wanted) in [
        (",ro", options.read_only),
        (",noexec", options.flags.noexec),
        (",noatime", options.flags.noatime),
        (",allow_other", others),
    ] {
        text.push_str(if wanted { word } else { "" });
    }
    text
}

/// What the helper sends when the mount stands: one byte and the device.
fn receive_fd(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_the_source_do_not_become_options() {
        let options = MountOptions {
            source: "https://host/a,suid\\b#main".into(),
            read_only: true,
            ..MountOptions::default()
        };
        let text = helper_options(&options);
        assert!(text.starts_with("fsname=https://host/a\\,suid\\\\b#main,subtype=toft,"), "{text}");
        assert!(text.ends_with(",ro"), "{text}");
    }
}
