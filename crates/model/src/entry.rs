//! What the map of a file tree holds for one path.
//!
//! An entry holds nothing that changes without the file changing: inode number, device, ctime and atime
//! live in the local change cache, never here, so that equal trees have equal maps.

use crate::id::BlobId;
use crate::time::Timestamp;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A named pipe.
    Fifo = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
    /// A Unix socket's name.
    Socket = 7,
    /// A value of a key-value store.
    Value = 8,
}

impl Kind {
    /// The kind with this number in stored entries.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::Fifo,
            5 => Self::CharDevice,
            6 => Self::BlockDevice,
            7 => Self::Socket,
            8 => Self::Value,
            _ => return None,
        })
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "dir",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::CharDevice => "chardev",
            Self::BlockDevice => "blockdev",
            Self::Socket => "socket",
            Self::Value => "value",
        }
    }
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Bytes kept as a blob.
    Data {
        /// The blob that is exactly these bytes.
        id: BlobId,
        /// Length in bytes.
        len: u64,
    },
    /// Zero bytes that the file system had allocated.
    Zeros {
        /// Length in bytes.
        len: u64,
    },
    /// A hole: zero bytes that the file system had not allocated.
    Hole {
        /// Length in bytes.
        len: u64,
    },
}

impl Extent {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match *self {
            Self::Data { len, .. } | Self::Zeros { len } | Self::Hole { len } => len,
        }
    }

    /// Whether the stretch has no bytes, which no stored extent may have.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Content {
    /// No bytes: an empty file, or not a file.
    #[default]
    Empty,
    /// The bytes themselves, for tiny files whose id would be longer.
    Inline(Vec<u8>),
    /// One blob is the whole file.
    Blob(BlobId),
    /// Several stretches, in order; their lengths add up to the size.
    Extents(Vec<Extent>),
    /// Too many stretches for an entry: a blob holds the list of them.
    ExtentList(BlobId),
}

impl Content {
    /// Whether both stand for the same bytes, as far as can be told without reading: holes and stored
    /// zeros are the same, lists kept elsewhere are compared by their ids.
    pub fn same_bytes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Extents(one), Self::Extents(two)) => one == two || pieces(one).eq(pieces(two)),
            (one, two) => one == two,
        }
    }
}

/// The stretches with neighbouring zeros joined, as `(blob or zeros, length)`.
fn pieces(extents: &[Extent]) -> impl Iterator<Item = (Option<BlobId>, u64)> {
    let mut rest = extents.iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        if let Extent::Data { id, len } = first {
            return Some((Some(*id), *len));
        }
        let mut len = first.len();
        while let Some(Extent::Zeros { .. } | Extent::Hole { .. }) = rest.peek() {
            len = len.saturating_add(rest.next().map_or(0, Extent::len));
        }
        Some((None, len))
    })
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// Full name with its namespace, as `user.comment`.
    pub name: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
}

/// The extended attributes of an entry, POSIX ACLs and capabilities among them, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Xattrs {
    /// Few and short enough to stand in the entry.
    Inline(Vec<Xattr>),
    /// A blob holds them.
    Blob(BlobId),
}

impl Default for Xattrs {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

/// Major and minor number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// Names a group of hard links: made from the first key of the group in key order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub [u8; 16]);

/// One path of a file tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: the low twelve bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of content.
    pub mtime: Timestamp,
    /// Length in bytes; zero for what is not a regular file.
    pub size: u64,
    /// Bytes of a regular file.
    pub content: Content,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// What a symbolic link points to; empty for other kinds.
    pub target: Vec<u8>,
    /// Numbers of a device.
    pub device: Option<Device>,
    /// The group of hard links that the path belongs to, where there was more than one link.
    pub link: Option<LinkId>,
    /// The file never held still while it was read: its bytes may mix two moments.
    pub unsettled: bool,
}

impl Entry {
    /// An entry of this kind with nothing else known.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            size: 0,
            content: Content::Empty,
            xattrs: Xattrs::default(),
            target: Vec::new(),
            device: None,
            link: None,
            unsettled: false,
        }
    }

    /// Whether both hold the same thing: kind, bytes, link target and device; not who owns it, nor
    /// when it changed, nor whether zeros are stored or a hole.
    pub fn same_content(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.size == other.size
            && self.content.same_bytes(&other.content)
            && self.target == other.target
            && self.device == other.device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_zeros_are_the_same_bytes() {
        let data = |byte| Extent::Data {
            id: BlobId([byte; 32]),
            len: 5,
        };
        let (zeros, hole) = (Extent::Zeros { len: 4 }, Extent::Hole { len: 8 });
        let one = Content::Extents(vec![data(1), zeros, hole, data(2)]);
        let two = Content::Extents(vec![data(1), Extent::Hole { len: 12 }, data(2)]);
        assert!(one != two && one.same_bytes(&two));
        let three = Content::Extents(vec![data(1), Extent::Hole { len: 12 }, data(3)]);
        assert!(!one.same_bytes(&three) && !one.same_bytes(&Content::Empty));
    }
}
