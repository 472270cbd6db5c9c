//! Where work directories may be: on the file system of the tree, outside of the tree if possible.
//!
//! Owns the rules for `.recoup`: reached without following a symbolic link, a directory of ours, closed
//! to everybody else, marked so that backups leave its content out.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use source::SourceError;
use source::files::Stat;
use source::files::beneath::open_beneath;
use source::files::exclude::{OWN_HOME, OWN_TAG};

use crate::error::{Result, UndoError};

/// The directory that holds the work directories of all operations on a file system.
pub(super) const HOME: &str = ".recoup";
const _: () = assert!(matches!(OWN_HOME, b".recoup"));

/// What marks a directory whose content backups leave out, see bford.info/cachedir.
const TAG_NAME: &str = "CACHEDIR.TAG";

const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// An open `.recoup`.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// The directories that `.recoup` may be in, best first: from the mount point inwards; the root of the
/// tree itself is the last.
pub(super) fn candidates(root: &Path) -> Result<Vec<PathBuf>> {
    let root =
        std::fs::canonicalize(root).map_err(|error| SourceError::io("look at", root, error))?;
    let own = mount_of(&root)?;
    let mut found = Vec::new();
    for ancestor in root.ancestors() {
        if mount_of(ancestor).ok() != Some(own) {
            break;
        }
        found.push(ancestor.to_path_buf());
    }
    found.reverse();
    Ok(found)
}

/// Whether things can be renamed between both: same file system, same mount.
pub(super) fn same_mount(one: &Path, other: &Path) -> Result<bool> {
    Ok(mount_of(one)? == mount_of(other)?)
}

/// Number of the file system and of the mount; renames cross neither.
fn mount_of(path: &Path) -> Result<(u32, u32, u64)> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let raw = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted)
        .map_err(|errno| SourceError::io("look at", path, errno))?;
    Ok((raw.stx_dev_major, raw.stx_dev_minor, raw.stx_mnt_id))
}

/// Opens the `.recoup` of a directory; with `make`, makes it where it does not exist.
pub(super) fn home_in(place: &Path, make: bool) -> Result<Option<Home>> {
    let path = place.join(HOME);
    let refused = |errno| UndoError::from(SourceError::io("open", &path, errno));
    let directory =
        open_without_links(place).map_err(|errno| SourceError::io("open", place, errno))?;
    if make {
        check_neighbourhood(&directory, place)?;
        match rustix::fs::mkdirat(&directory, HOME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(refused(errno)),
        }
    }
    let fd = match open_beneath(directory.as_fd(), HOME.as_bytes(), PLACE, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(errno)),
    };
    let stat = Stat::of(&fd).map_err(refused)?;
    let why = if stat.uid != rustix::process::geteuid().as_raw() {
        Some("it belongs to another user")
    } else if stat.mode & 0o077 != 0 {
        Some("other users may look or write into it")
    } else {
        None
    };
    if let Some(why) = why {
        return Err(UndoError::NotOurs { path, why });
    }
    if make {
        write_tag(&fd).map_err(refused)?;
    }
    Ok(Some(Home { fd, path }))
}

/// Whoever may rename in the directory could put a `.recoup` of their own in place of ours.
fn check_neighbourhood(directory: &OwnedFd, path: &Path) -> Result<()> {
    let stat = Stat::of(directory).map_err(|errno| SourceError::io("look at", path, errno))?;
    if stat.mode & WRITABLE_BY_OTHERS != 0 && stat.mode & STICKY == 0 {
        return Err(UndoError::NotOurs {
            path: path.to_path_buf(),
            why: "other users may rename what is in it",
        });
    }
    Ok(())
}

fn open_without_links(path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = std::fs::canonicalize(path)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let top = rustix::fs::open("/", PLACE | OFlags::CLOEXEC, Mode::empty())?;
    // An absolute path without `.` and `..`: its names are a key beneath the top.
    let mut key = path.as_os_str().as_bytes()[1..].to_vec();
    for byte in &mut key {
        if *byte == b'/' {
            *byte = 0;
        }
    }
    open_beneath(top.as_fd(), &key, PLACE, Mode::empty())
}

fn write_tag(home: &OwnedFd) -> rustix::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(home, TAG_NAME, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => std::fs::File::from(fd)
            .write_all(OWN_TAG)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Removes the tag and `.recoup` if nothing else is in it.
pub(super) fn remove_home(home: &Home, names: &[Vec<u8>]) -> rustix::io::Result<bool> {
    if names.iter().any(|name| name != TAG_NAME.as_bytes()) {
        return Ok(false);
    }
    let Some(place) = home.path.parent() else {
        return Ok(false);
    };
    let directory = open_without_links(place)?;
    match rustix::fs::unlinkat(&home.fd, TAG_NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    match rustix::fs::unlinkat(&directory, HOME, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Another operation began meanwhile: it needs the tag again.
        Err(Errno::NOTEMPTY | Errno::EXIST) => write_tag(&home.fd).map(|()| false),
        Err(errno) => Err(errno),
    }
}

/// Whether an entry of `.recoup` is a work directory.
pub(super) fn is_operation(name: &[u8]) -> bool {
    OsStr::from_bytes(name) != TAG_NAME
}
