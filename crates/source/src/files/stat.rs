//! What the system says about one path, without opening it.

use std::os::fd::AsFd;

use model::{Device, Kind, Timestamp};
use rustix::fs::{AtFlags, Statx, StatxFlags};

/// The state of a path at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: twelve bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes; of the target for a symbolic link.
    pub size: u64,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// When content or metadata last changed; can't be set by programs.
    pub ctime: Timestamp,
    /// Inode number.
    pub ino: u64,
    /// Number of the file system.
    pub dev: u64,
    /// How many names the inode has.
    pub nlink: u32,
    /// Which device a device node stands for.
    pub device: Option<Device>,
    /// Space used, in units of 512 bytes.
    pub blocks: u64,
}

impl Stat {
    /// The state behind an open file.
    pub fn of(file: impl AsFd) -> rustix::io::Result<Self> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let raw = rustix::fs::statx(file, c"", flags, StatxFlags::BASIC_STATS)?;
        Ok(Self::from_statx(&raw))
    }

    /// The state of `name` in an open directory; a symbolic link is not followed, nothing is mounted.
    pub fn at(directory: impl AsFd, name: &std::ffi::CStr) -> rustix::io::Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let raw = rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS)?;
        Ok(Self::from_statx(&raw))
    }

    /// The state that `statx` told. Basic fields must have been asked for.
    pub fn from_statx(raw: &Statx) -> Self {
        let kind = match u32::from(raw.stx_mode) & 0o170_000 {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Symlink,
            0o010_000 => Kind::Fifo,
            0o020_000 => Kind::CharDevice,
            0o060_000 => Kind::BlockDevice,
            // Sockets. Linux lets no eighth kind into a tree: file systems in user space are checked.
            _ => Kind::Socket,
        };
        let device = matches!(kind, Kind::CharDevice | Kind::BlockDevice).then_some(Device {
            major: raw.stx_rdev_major,
            minor: raw.stx_rdev_minor,
        });
        Self {
            kind,
            mode: u32::from(raw.stx_mode) & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            mtime: Timestamp::new(raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec),
            ctime: Timestamp::new(raw.stx_ctime.tv_sec, raw.stx_ctime.tv_nsec),
            ino: raw.stx_ino,
            dev: u64::from(raw.stx_dev_major) << 32 | u64::from(raw.stx_dev_minor),
            nlink: raw.stx_nlink,
            device,
            blocks: raw.stx_blocks,
        }
    }
}
