//! One open directory, and all that can be done to the names in it.
//!
//! Every call takes a single name, checked to be one, and never follows what it stands for.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::entry::{Device, Kind};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, StatxFlags};
use rustix::io::Errno;

use super::{Result, failed};
use crate::error::{SourceError, path_of};
use crate::files::attributes::{self, Attributes, NotSet, Rights};
use crate::files::beneath::is_name;
use crate::files::stat::Stat;

/// What is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Anything but a directory.
    File,
    /// A directory without entries.
    EmptyDirectory,
}

/// A directory held open.
pub struct Directory {
    fd: OwnedFd,
    root: Arc<Path>,
    key: Vec<u8>,
}

impl Directory {
    pub(super) fn new(fd: OwnedFd, root: Arc<Path>, key: Vec<u8>) -> Self {
        Self { fd, root, key }
    }

    /// The stored key of the directory.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The path of an entry, for messages only.
    pub fn path(&self, name: &[u8]) -> PathBuf {
        path_of(&self.root, &self.key).join(OsStr::from_bytes(name))
    }

    /// What is known about the entry; `None` if there is none. A symbolic link is not followed.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>> {
        self.check(name)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match rustix::fs::statx(&self.fd, name, flags, StatxFlags::BASIC_STATS) {
            Ok(raw) => Ok(Some(Stat::from_statx(&raw))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// The names in the directory, in no order, without `.` and `..`.
    pub fn names(&self) -> Result<Vec<Vec<u8>>> {
        let fd = self.open_readable()?;
        // Holds several hundred names per call.
        let mut buffer = [MaybeUninit::uninit(); 1 << 15];
        let mut entries = RawDir::new(&fd, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| self.failed("list", b"", errno))?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Makes a directory; the umask takes its share of the mode.
    pub fn make_directory(&self, name: &[u8], mode: u32) -> Result<()> {
        self.check(name)?;
        rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode))
            .map_err(|errno| self.failed("create the directory", name, errno))
    }

    /// Makes a file that did not exist and opens it for writing; nobody but the owner may open it
    /// until its attributes are set.
    pub fn create_file(&self, name: &[u8]) -> Result<File> {
        self.check(name)?;
        self.create_new(name)
            .map_err(|errno| self.failed("create", name, errno))
    }

    pub(super) fn create_new(&self, name: &[u8]) -> rustix::io::Result<File> {
        let flags = OFlags::CREATE
            | OFlags::EXCL
            | OFlags::WRONLY
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// Opens a file that exists, for reading or for reading and writing. Anything but a regular file
    /// is refused. A file with several hard links has names that may lie outside of the tree: whoever
    /// writes in place asks for that first.
    pub fn open_existing(&self, name: &[u8], write: bool) -> Result<File> {
        self.check(name)?;
        let refuse = |errno| self.failed("open", name, errno);
        let regular = |mode| match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Ok(()),
            FileType::Symlink => Err(SourceError::Symlink {
                path: self.path(name),
            }),
            _ => Err(self.wrong_kind(name, "a regular file")),
        };
        // Asked before too, since merely opening a device may do something.
        let before = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        regular(before.map_err(refuse)?.st_mode)?;
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty()).map_err(refuse)?;
        regular(rustix::fs::fstat(&fd).map_err(refuse)?.st_mode)?;
        Ok(fd.into())
    }

    /// Makes a symbolic link with this text.
    pub fn symlink(&self, name: &[u8], target: &[u8]) -> Result<()> {
        self.check(name)?;
        rustix::fs::symlinkat(target, &self.fd, name)
            .map_err(|errno| self.failed("create the symbolic link", name, errno))
    }

    /// Makes a pipe, socket name or device that only the owner may open.
    pub fn make_special(&self, name: &[u8], kind: Kind, device: Option<Device>) -> Result<()> {
        self.check(name)?;
        self.make_node(name, kind, device)
            .map_err(|errno| self.failed("create the special file", name, errno))
    }

    pub(super) fn make_node(
        &self,
        name: &[u8],
        kind: Kind,
        device: Option<Device>,
    ) -> rustix::io::Result<()> {
        let (file_type, device) = match (kind, device) {
            (Kind::Fifo, _) => (FileType::Fifo, 0),
            (Kind::Socket, _) => (FileType::Socket, 0),
            (Kind::CharDevice, Some(device)) => (FileType::CharacterDevice, number(device)),
            (Kind::BlockDevice, Some(device)) => (FileType::BlockDevice, number(device)),
            // A device without numbers, or no special file at all.
            _ => return Err(Errno::NXIO),
        };
        rustix::fs::mknodat(&self.fd, name, file_type, Mode::RUSR | Mode::WUSR, device)
    }

    /// Makes another name for what `from_name` is in `from`; a symbolic link is not followed.
    pub fn hard_link(&self, name: &[u8], from: &Self, from_name: &[u8]) -> Result<()> {
        self.check(name)?;
        from.check(from_name)?;
        self.link_from(name, from, from_name)
            .map_err(|errno| self.failed("create the hard link", name, errno))
    }

    pub(super) fn link_from(
        &self,
        name: &[u8],
        from: &Self,
        from_name: &[u8],
    ) -> rustix::io::Result<()> {
        rustix::fs::linkat(&from.fd, from_name, &self.fd, name, AtFlags::empty())
    }

    /// Removes an entry.
    pub fn remove(&self, name: &[u8], what: Removal) -> Result<()> {
        self.check(name)?;
        let flags = match what {
            Removal::File => AtFlags::empty(),
            Removal::EmptyDirectory => AtFlags::REMOVEDIR,
        };
        rustix::fs::unlinkat(&self.fd, name, flags)
            .map_err(|errno| self.failed("remove", name, errno))
    }

    /// Renames an entry. Without flags, what stands at the new name is replaced.
    pub fn rename(&self, name: &[u8], to: &Self, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.check(name)?;
        to.check(to_name)?;
        self.rename_to(name, to, to_name, flags)
            .map_err(|errno| self.failed("rename", name, errno))
    }

    pub(super) fn rename_to(
        &self,
        name: &[u8],
        to: &Self,
        to_name: &[u8],
        flags: RenameFlags,
    ) -> rustix::io::Result<()> {
        if flags.is_empty() {
            rustix::fs::renameat(&self.fd, name, &to.fd, to_name)
        } else {
            rustix::fs::renameat_with(&self.fd, name, &to.fd, to_name, flags)
        }
    }

    /// Sets everything on an entry that was made before: see [`attributes::apply_to_name`].
    pub fn apply(
        &self,
        name: &[u8],
        attributes: &Attributes<'_>,
        rights: &Rights,
    ) -> Result<Vec<NotSet>> {
        self.check(name)?;
        attributes::apply_to_name(self.fd.as_fd(), name, attributes, rights)
            .map_err(|errno| SourceError::io("set the attributes of", self.path(name), errno))
    }

    /// Makes the names in the directory survive a power cut.
    pub fn sync(&self) -> Result<()> {
        let fd = self.open_readable()?;
        rustix::fs::fsync(&fd).map_err(|errno| self.failed("sync", b"", errno))
    }

    /// The error for something that was done to a file of this directory.
    pub fn error(
        &self,
        action: &'static str,
        name: &[u8],
        source: impl Into<io::Error>,
    ) -> SourceError {
        SourceError::io(action, self.path(name), source)
    }

    fn open_readable(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, c".", flags, Mode::empty())
            .map_err(|errno| self.failed("open", b"", errno))
    }

    pub(super) fn check(&self, name: &[u8]) -> Result<()> {
        if is_name(name) {
            Ok(())
        } else {
            Err(SourceError::Outside {
                path: self.path(name),
            })
        }
    }

    pub(super) fn failed(&self, action: &'static str, name: &[u8], errno: Errno) -> SourceError {
        match errno {
            Errno::ISDIR => self.wrong_kind(name, "something other than a directory"),
            // Names were checked: the kernel means something else by it.
            Errno::INVAL => SourceError::io(action, self.path(name), errno),
            errno => failed(action, self.path(name), errno),
        }
    }

    fn wrong_kind(&self, name: &[u8], expected: &'static str) -> SourceError {
        SourceError::WrongKind {
            path: self.path(name),
            expected,
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("path", &self.path(b""))
            .finish_non_exhaustive()
    }
}

fn number(device: Device) -> u64 {
    rustix::fs::makedev(device.major, device.minor)
}
