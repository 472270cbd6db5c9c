//! One file-system object held by a descriptor, and the calls that change what it has.
//!
//! Owns the difference between a descriptor that was opened for use and one that only names a place
//! (`O_PATH`), on which most calls fail: those go through the descriptor's link beneath `/proc`, which
//! leads to the object itself and never further, a symbolic link included.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use model::entry::Kind;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};

/// A descriptor and how to speak to it.
pub(super) struct Object<'a> {
    fd: BorrowedFd<'a>,
    /// The descriptor's link, where it only names a place.
    link: Option<&'a str>,
}

/// An object opened by name.
pub(super) struct Opened {
    fd: OwnedFd,
    link: Option<String>,
}

impl Opened {
    pub(super) fn place(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn object(&self) -> Object<'_> {
        Object {
            fd: self.fd.as_fd(),
            link: self.link.as_deref(),
        }
    }
}

/// Opens what `name` is, without following it and without any effect that opening may have (a pipe
/// would wait, a tape rewind). Directories are opened for reading where that is allowed: fewer calls.
pub(super) fn open_name(directory: BorrowedFd<'_>, name: &[u8], kind: Kind) -> Result<Opened> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if kind == Kind::Directory {
        let flags = flags | OFlags::DIRECTORY | OFlags::RDONLY;
        match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(fd) => return Ok(Opened { fd, link: None }),
            Err(Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    let fd = rustix::fs::openat(directory, name, flags | OFlags::PATH, Mode::empty())?;
    let link = Some(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    Ok(Opened { fd, link })
}

/// The kind of an `st_mode`.
pub(super) fn kind_of(mode: u32) -> Option<Kind> {
    Some(match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return None,
    })
}

impl<'a> Object<'a> {
    /// A descriptor that was opened for reading or writing.
    pub(super) fn open_file(fd: BorrowedFd<'a>) -> Self {
        Self { fd, link: None }
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        rustix::fs::fstat(self.fd)
    }

    pub(super) fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        // All ones would mean "leave it" and must not pass for success.
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self.link {
            None => rustix::fs::fchown(self.fd, uid, gid),
            Some(_) => rustix::fs::chownat(self.fd, c"", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    pub(super) fn chmod(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self.link {
            None => rustix::fs::fchmod(self.fd, mode),
            Some(link) => rustix::fs::chmodat(CWD, link, mode, AtFlags::empty()),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<()> {
        let Some(link) = self.link else {
            return rustix::fs::futimens(self.fd, times);
        };
        match rustix::fs::utimensat(self.fd, c"", times, AtFlags::EMPTY_PATH) {
            // Kernels before 5.8.
            Err(Errno::INVAL) => rustix::fs::utimensat(CWD, link, times, AtFlags::empty()),
            done => done,
        }
    }

    /// Names of the extended attributes, each closed by a zero byte; none where the file system has
    /// no such thing.
    pub(super) fn list_xattrs(&self) -> Result<Vec<u8>> {
        // Enough for a handful of names; the kernel caps the list at 64 KiB.
        let mut list = [0; 1024];
        let len = match self.list_into(&mut list) {
            Ok(len) => len,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
            Err(Errno::RANGE) => {
                let mut list = vec![0; 1 << 16];
                let len = self.list_into(&mut list)?;
                list.truncate(len);
                return Ok(list);
            }
            Err(errno) => return Err(errno),
        };
        Ok(list[..len].to_vec())
    }

    fn list_into(&self, list: &mut [u8]) -> Result<usize> {
        match self.link {
            None => rustix::fs::flistxattr(self.fd, list),
            Some(link) => rustix::fs::listxattr(link, list),
        }
    }

    /// Whether the attribute has exactly this value.
    pub(super) fn has_xattr(&self, name: &[u8], value: &[u8]) -> bool {
        let mut found = vec![0; value.len() + 1];
        let len = match self.link {
            None => rustix::fs::fgetxattr(self.fd, name, &mut found[..]),
            Some(link) => rustix::fs::getxattr(link, name, &mut found[..]),
        };
        len.is_ok_and(|len| &found[..len] == value)
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
        match self.link {
            None => rustix::fs::fsetxattr(self.fd, name, value, XattrFlags::empty()),
            Some(link) => rustix::fs::setxattr(link, name, value, XattrFlags::empty()),
        }
    }

    pub(super) fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        match self.link {
            None => rustix::fs::fremovexattr(self.fd, name),
            Some(link) => rustix::fs::removexattr(link, name),
        }
    }
}
