//! Reads what a scan found: content, holes, link targets, extended attributes.
//!
//! Everything is reached from a root that is held open, without following links, and nothing but a
//! regular file is ever opened for reading. Remembers nothing, so that it sees what is there now.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::{Kind, Xattr};
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, StatxFlags};
use rustix::io::Errno;

use crate::SourceError;
use crate::error::path_of;
use crate::files::beneath::{is_name, open_beneath};
use crate::files::stat::Stat;

/// Longest value, and longest list of names, that Linux hands out.
const XATTR_BYTES_MAX: usize = 64 * 1024;

/// Attributes that are left alone: they are signatures over this very inode, made by this very
/// kernel. It makes new ones; a restored one would only make the file unusable.
const XATTRS_OF_THE_MACHINE: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// Longest target that a link can be made with again: `PATH_MAX` with its closing zero. Other programs'
/// file systems may show longer ones; an entry has no room for any length.
const TARGET_BYTES_MAX: usize = 4096;

const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

const PLACE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A tree whose files can be read by key.
#[derive(Debug)]
pub struct TreeReader {
    path: PathBuf,
    root: OwnedFd,
}

impl TreeReader {
    /// Holds the root (a directory, or a single file that is the whole tree) open.
    pub fn open(root: &Path) -> Result<Self, SourceError> {
        let refused = |errno: Errno| match errno {
            Errno::NOENT => SourceError::NotFound {
                path: root.to_path_buf(),
            },
            _ => SourceError::Unreadable {
                path: root.to_path_buf(),
                source: errno.into(),
            },
        };
        let open = rustix::fs::open(root, PLACE, Mode::empty()).map_err(refused)?;
        Ok(Self {
            path: root.to_path_buf(),
            root: open,
        })
    }

    /// The root, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root, held open.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a regular file and tells its state as of now. Use `pread`: the position isn't kept.
    pub fn open_file(&self, key: &[u8]) -> Result<(OwnedFd, Stat), SourceError> {
        let other = || SourceError::WrongKind {
            path: path_of(&self.path, key),
            expected: "a regular file",
        };
        let file = self.open_content(key).map_err(|errno| match errno {
            // Directories, and sockets or devices that nobody answers for.
            Errno::ISDIR | Errno::NXIO | Errno::NODEV => other(),
            errno => self.refused("open", key, errno),
        })?;
        let stat = Stat::of(&file).map_err(|errno| self.refused("look at", key, errno))?;
        if stat.kind != Kind::File {
            return Err(other());
        }
        Ok((file, stat))
    }

    /// The state of a path; a link is not followed.
    pub fn stat(&self, key: &[u8]) -> Result<Stat, SourceError> {
        let look = || Stat::of(self.place(key)?);
        look().map_err(|errno| self.refused("look at", key, errno))
    }

    /// Looks at many paths in key order, each directory opened once.
    pub fn look(&self) -> Look<'_> {
        Look {
            tree: self,
            directory: None,
        }
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, key: &[u8]) -> Result<Vec<u8>, SourceError> {
        let read = || rustix::fs::readlinkat(self.place(key)?, c"", Vec::new());
        match read() {
            Ok(target) if target.as_bytes().len() >= TARGET_BYTES_MAX => {
                Err(self.refused("read the link", key, Errno::NAMETOOLONG))
            }
            Ok(target) => Ok(target.into_bytes()),
            // The system says so of everything that is not a link.
            Err(Errno::NOENT | Errno::INVAL) if self.place(key).is_ok() => {
                let path = path_of(&self.path, key);
                Err(SourceError::WrongKind {
                    path,
                    expected: "a symbolic link",
                })
            }
            Err(errno) => Err(self.refused("read the link", key, errno)),
        }
    }

    /// Extended attributes of anything, sorted by name, without opening it. For an open file
    /// [`xattrs_of`] is cheaper.
    pub fn xattrs(&self, key: &[u8]) -> Result<Vec<Xattr>, SourceError> {
        let read = || xattrs_of_place(&self.place(key)?);
        read().map_err(|errno| self.refused("read the attributes of", key, errno))
    }

    fn open_content(&self, key: &[u8]) -> rustix::io::Result<OwnedFd> {
        let attempt = |flags: OFlags| {
            if key.is_empty() {
                return self.reopen_root(flags);
            }
            open_beneath(self.root.as_fd(), key, flags, Mode::empty())
        };
        let opened = match attempt(FILE | OFlags::NOATIME) {
            // Only the owner may ask for the access time to stay.
            Err(Errno::PERM) => attempt(FILE),
            opened => opened,
        };
        match opened {
            // Another program holds a lease on the file: wait until the system has broken it.
            Err(Errno::AGAIN) if Stat::of(self.place(key)?)?.kind == Kind::File => {
                attempt(FILE.difference(OFlags::NONBLOCK))
            }
            opened => opened,
        }
    }

    fn reopen_root(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let kind = Stat::of(&self.root)?.kind;
        if kind != Kind::File {
            return Err(if kind == Kind::Symlink {
                Errno::LOOP
            } else {
                Errno::ISDIR
            });
        }
        let flags = flags.difference(OFlags::NOFOLLOW);
        rustix::fs::open(proc_path(&self.root).as_str(), flags, Mode::empty())
    }

    fn place(&self, key: &[u8]) -> rustix::io::Result<OwnedFd> {
        if key.is_empty() {
            return rustix::io::fcntl_dupfd_cloexec(&self.root, 0);
        }
        open_beneath(self.root.as_fd(), key, PLACE, Mode::empty())
    }

    /// Absence is an answer here, not an error.
    fn refused_none<T>(
        &self,
        looked: rustix::io::Result<T>,
        key: &[u8],
    ) -> Result<Option<T>, SourceError> {
        match looked {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(self.refused("look at", key, errno)),
        }
    }

    fn refused(&self, action: &'static str, key: &[u8], errno: Errno) -> SourceError {
        SourceError::io(action, path_of(&self.path, key), errno)
    }
}

/// Looks at paths one after the other: see [`TreeReader::look`].
#[derive(Debug)]
pub struct Look<'t> {
    tree: &'t TreeReader,
    /// The directory looked into last, and what it is in the tree; `None` inside if there is none.
    directory: Option<(Vec<u8>, Option<OwnedFd>)>,
}

impl Look<'_> {
    /// The state of a path; `None` if nothing is there, which is so too where a directory on the way is
    /// not there, or is no directory any more. A link is not followed.
    pub fn stat(&mut self, key: &[u8]) -> Result<Option<Stat>, SourceError> {
        let look = || self.tree.refused_none(Stat::of(&self.tree.root), key);
        let Some(parent) = model::key::parent(key) else {
            return look();
        };
        if self.directory.as_ref().is_none_or(|(at, _)| at != parent) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let opened = open_beneath(self.tree.root(), parent, flags, Mode::empty());
            let opened = self.tree.refused_none(opened, key)?;
            self.directory = Some((parent.to_vec(), opened));
        }
        let Some((_, Some(directory))) = &self.directory else {
            return Ok(None);
        };
        let name = key.rsplit(|&byte| byte == 0).next().unwrap_or_default();
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let raw = rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS);
        self.tree
            .refused_none(raw.map(|raw| Stat::from_statx(&raw)), key)
    }
}

/// Extended attributes of an open file or directory, sorted by name; one system call when there are
/// none. A file system without attributes has none.
pub fn xattrs_of(file: impl AsFd) -> std::io::Result<Vec<Xattr>> {
    let file = file.as_fd();
    Ok(collect(
        |list| rustix::fs::flistxattr(file, list),
        |name, value| rustix::fs::fgetxattr(file, name, value),
    )?)
}

/// Extended attributes of what `name` is in an open directory, sorted by name, without opening it for
/// use or following it.
pub fn xattrs_at(directory: impl AsFd, name: &[u8]) -> std::io::Result<Vec<Xattr>> {
    if !is_name(name) {
        return Err(Errno::INVAL.into());
    }
    let place = rustix::fs::openat(directory, name, PLACE, Mode::empty())?;
    Ok(xattrs_of_place(&place)?)
}

/// Attribute calls refuse mere places; the link that the system keeps for each open descriptor leads to
/// the very inode, even when that is a symbolic link.
fn xattrs_of_place(place: &OwnedFd) -> rustix::io::Result<Vec<Xattr>> {
    let path = proc_path(place);
    collect(
        |list| rustix::fs::listxattr(path.as_str(), list),
        |name, value| rustix::fs::getxattr(path.as_str(), name, value),
    )
}

fn proc_path(place: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", place.as_raw_fd())
}

fn collect(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<Xattr>> {
    let mut small = [0; 512];
    let mut large = Vec::new();
    let names = match list(&mut small) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(len) => &small[..len],
        Err(Errno::RANGE | Errno::TOOBIG) => {
            large.resize(XATTR_BYTES_MAX, 0);
            let len = list(&mut large)?;
            &large[..len]
        }
        Err(errno) => return Err(errno),
    };
    let mut value = vec![0; XATTR_BYTES_MAX];
    let mut found = Vec::new();
    for name in names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if XATTRS_OF_THE_MACHINE.contains(&name) {
            continue;
        }
        match get(name, &mut value) {
            Ok(len) => found.push(Xattr {
                name: name.to_vec(),
                value: value[..len].to_vec(),
            }),
            // Removed since it was listed, or listed by a file system that doesn't hand it out.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.name == b.name);
    Ok(found)
}

/// What a stretch of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// Bytes to read.
    Data,
    /// Nothing is stored: reads as zeros.
    Hole,
}

/// The stretches of an open file: offset, length, what it is. Adjoining, from the beginning to the
/// size in `stat`, or to where the file ends now when it has shrunk. Moves the file's position.
#[derive(Debug)]
pub struct Extents<'f> {
    file: BorrowedFd<'f>,
    at: u64,
    size: u64,
    /// Not a hole anywhere, as far as can be known.
    dense: bool,
}

impl<'f> Extents<'f> {
    /// The stretches of `file`, whose state is `stat`. A file that uses as much space as it is long
    /// is taken to have no holes, without a system call.
    pub fn new(file: BorrowedFd<'f>, stat: &Stat) -> Self {
        let dense = stat.blocks.saturating_mul(512) >= stat.size;
        Self {
            file,
            at: 0,
            size: stat.size,
            dense,
        }
    }

    /// The stretches between two offsets only; the ends are cut off there.
    pub fn between(file: BorrowedFd<'f>, stat: &Stat, from: u64, to: u64) -> Self {
        let whole = Self::new(file, stat);
        Self {
            at: from,
            size: to.min(whole.size),
            ..whole
        }
    }

    fn find(&mut self) -> std::io::Result<Option<(u64, u64, Stretch)>> {
        let from = self.at;
        let (until, stretch) = match rustix::fs::seek(self.file, SeekFrom::Data(from)) {
            // No data from here on, or the file has become shorter.
            Err(Errno::NXIO) => (self.end_now()?, Stretch::Hole),
            Err(Errno::INVAL | Errno::NOTSUP) => (self.size, Stretch::Data),
            Ok(data) if data > from => (data, Stretch::Hole),
            Ok(_) => match rustix::fs::seek(self.file, SeekFrom::Hole(from)) {
                Ok(hole) => (hole, Stretch::Data),
                Err(Errno::NXIO) => (self.end_now()?, Stretch::Data),
                Err(errno) => return Err(errno.into()),
            },
            Err(errno) => return Err(errno.into()),
        };
        let until = until.min(self.size);
        if until <= from {
            self.at = self.size;
            return Ok(None);
        }
        self.at = until;
        Ok(Some((from, until - from, stretch)))
    }

    fn end_now(&self) -> std::io::Result<u64> {
        Ok(Stat::of(self.file)?.size)
    }
}

impl Iterator for Extents<'_> {
    type Item = std::io::Result<(u64, u64, Stretch)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.size {
            return None;
        }
        if self.dense {
            let from = std::mem::replace(&mut self.at, self.size);
            return Some(Ok((from, self.size - from, Stretch::Data)));
        }
        let found = self.find();
        if found.is_err() {
            self.at = self.size;
        }
        found.transpose()
    }
}
