//! The system calls for which no crate has a safe wrapper.
//!
//! Everything unsafe of the watcher is here; each function checks what it hands to the kernel and gives
//! back owned descriptors.

#![expect(
    unsafe_code,
    reason = "fanotify, file handles and signal 0 through a pidfd have no safe wrapper"
)]

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use crate::files::watch::event::{
    ATTRIB, CLOSE_WRITE, CREATE, DELETE, HANDLE_BYTES_MAX, HANDLE_HEAD_BYTES, MODIFY, ONDIR, RENAME,
};

/// What is asked for: everything that changes a tree.
pub(super) const MASK: u64 = CREATE | DELETE | RENAME | MODIFY | CLOSE_WRITE | ATTRIB | ONDIR;

/// Opens a notification group that reports names, objects and processes.
pub(super) fn fanotify_init(unlimited_queue: bool) -> Result<OwnedFd> {
    let mut flags = libc::FAN_CLASS_NOTIF
        | libc::FAN_CLOEXEC
        | libc::FAN_NONBLOCK
        | libc::FAN_REPORT_DFID_NAME
        | libc::FAN_REPORT_FID
        | libc::FAN_REPORT_TARGET_FID
        | libc::FAN_REPORT_PIDFD;
    if unlimited_queue {
        flags |= libc::FAN_UNLIMITED_QUEUE;
    }
    // SAFETY: takes two numbers and gives back a descriptor or -1.
    let fd = unsafe { libc::fanotify_init(flags, libc::O_RDONLY as libc::c_uint) };
    own(fd)
}

/// Watches the whole file system that `place` lies on.
pub(super) fn mark_file_system(group: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: both descriptors are open for the length of the call, and the path is a C string. It is
    // "." because a null path is refused for descriptors that were opened with O_PATH.
    let done = unsafe {
        libc::fanotify_mark(
            group.as_raw_fd(),
            libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM,
            MASK,
            place.as_raw_fd(),
            c".".as_ptr(),
        )
    };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

/// A file handle in the memory layout that the kernel wants: length, type, opaque bytes.
#[repr(C, align(8))]
struct RawHandle([u8; HANDLE_HEAD_BYTES + HANDLE_BYTES_MAX]);

/// The handle of `name` in `directory`; an empty name means the directory itself.
pub(super) fn handle_of(directory: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
    let mut raw = RawHandle([0; HANDLE_HEAD_BYTES + HANDLE_BYTES_MAX]);
    raw.0[..4].copy_from_slice(&(HANDLE_BYTES_MAX as u32).to_ne_bytes());
    let mut mount = 0;
    // SAFETY: the buffer is aligned, begins with the room it has, and is as long as it says; the name
    // is a C string; the kernel writes nothing else.
    let done = unsafe {
        libc::name_to_handle_at(
            directory.as_raw_fd(),
            name.as_ptr(),
            raw.0.as_mut_ptr().cast(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    if done != 0 {
        return Err(last_error());
    }
    let [a, b, c, d, ..] = raw.0;
    let len = HANDLE_HEAD_BYTES + u32::from_ne_bytes([a, b, c, d]) as usize;
    raw.0.get(..len).map(<[u8]>::to_vec).ok_or(Errno::OVERFLOW)
}

/// How often a handle is tried again for which the kernel says that it has no memory.
const AGAIN_MAX: usize = 64;

/// Opens what a handle names, as a mere place, on the file system of `root`.
///
/// `ESTALE` says that it is gone. Of a directory that is just being removed or renamed the kernel says `ENOMEM`
/// for a moment, with gigabytes free; seen with Linux 6.
pub(super) fn open_handle(root: BorrowedFd<'_>, handle: &[u8]) -> Result<OwnedFd> {
    let mut raw = RawHandle([0; HANDLE_HEAD_BYTES + HANDLE_BYTES_MAX]);
    let room = raw.0.get_mut(..handle.len()).ok_or(Errno::INVAL)?;
    room.copy_from_slice(handle);
    let says = handle.get(..4).and_then(|len| len.try_into().ok());
    let says: [u8; 4] = says.ok_or(Errno::INVAL)?;
    if HANDLE_HEAD_BYTES + u32::from_ne_bytes(says) as usize != handle.len() {
        return Err(Errno::INVAL);
    }
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    let mut open = || {
        // SAFETY: the buffer is aligned and holds the whole handle, as was just checked; the kernel only
        // reads it.
        own(unsafe { libc::open_by_handle_at(root.as_raw_fd(), raw.0.as_mut_ptr().cast(), flags) })
    };
    for _ in 0..AGAIN_MAX {
        match open() {
            Err(Errno::NOMEM) => std::thread::yield_now(),
            done => return done,
        }
    }
    open()
}

/// Whether the process number behind a pidfd still belongs to it: it runs, or has ended and nobody has
/// waited for it.
pub(super) fn is_unreaped(pidfd: BorrowedFd<'_>) -> bool {
    // SAFETY: signal 0 does nothing but ask; the information pointer may be null.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            0,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    // Not being allowed to send means that there is somebody.
    done == 0 || last_error() == Errno::PERM
}

/// Takes ownership of a descriptor that the kernel put into an event.
pub(super) fn adopt(descriptor: i32) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: the kernel made this descriptor for us when the event was read, and each event is taken
    // apart once: nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn own(fd: libc::c_int) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the call just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Reads events into `buffer`; none if there are none.
pub(super) fn read_events(group: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match rustix::io::read(&group, &mut *buffer) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(0),
            done => return done,
        }
    }
}
