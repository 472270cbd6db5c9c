//! Units of work between the thread that walks and the threads that read.

use model::{Entry, Extent, LinkId, Xattr};
use source::files::Stat;

use crate::cache::Fingerprint;

/// File data after which a batch is closed: long enough that handing it over costs nothing.
pub(crate) const BATCH_BYTES: u64 = 2 << 20;

/// Entries after which a batch is closed.
pub(crate) const BATCH_ENTRIES: usize = 2048;

/// Larger files are divided into regions of this length, which several workers read at once. A chunk
/// ends with its region: part of the format only in so far as equal files give equal chunks.
pub(crate) const REGION_BYTES: u64 = 64 << 20;

/// Neighbouring entries in key order. Keys and values lie behind each other in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) items: Vec<Item>,
    /// Bytes of files that have to be read.
    pub(crate) file_bytes: u64,
    /// Whether any item needs a worker.
    pub(crate) has_work: bool,
}

/// One entry of a batch.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where its key is in the buffer.
    pub(crate) key: (u32, u32),
    pub(crate) stat: Stat,
    pub(crate) link: Option<LinkId>,
    pub(crate) known: Known,
    pub(crate) state: State,
}

/// What the cache knew of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Changed,
    Unchanged,
}

/// How far an entry has come.
#[derive(Debug)]
pub(crate) enum State {
    /// A worker has to look at it.
    Wanted,
    /// Its encoded value is in the buffer.
    Ready {
        value: (u32, u32),
        fingerprint: Fingerprint,
        unsettled: bool,
    },
    /// Something of it is too long for an entry: the walker gives it blobs of its own.
    Long(Box<Long>),
    /// It vanished between scan and read.
    Vanished,
    /// It can't be read.
    Failed(String),
}

/// An entry whose lists still have to be stored.
#[derive(Debug)]
pub(crate) struct Long {
    pub(crate) entry: Entry,
    pub(crate) extents: Vec<Extent>,
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) fingerprint: Fingerprint,
}

/// What a worker is given.
#[derive(Debug)]
pub(crate) enum Task {
    /// Everything in a batch that is [`State::Wanted`].
    Batch(Batch),
    /// One region of a large file.
    Region(Region),
}

/// A region of a large file.
#[derive(Debug)]
pub(crate) struct Region {
    /// Number of the batch that holds the file alone.
    pub(crate) number: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) index: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What a worker gives back.
#[derive(Debug)]
pub(crate) enum Done {
    Batch(Batch),
    Region {
        number: u64,
        index: usize,
        read: Result<RegionRead, ReadFailure>,
    },
    /// A worker ended early: its own error says why.
    Lost,
}

/// What a region held.
#[derive(Debug)]
pub(crate) struct RegionRead {
    pub(crate) extents: Vec<Extent>,
    /// State of the file before and after reading.
    pub(crate) before: Stat,
    pub(crate) after: Stat,
    /// Attributes, read with the first region.
    pub(crate) xattrs: Vec<Xattr>,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    Vanished,
    Failed(String),
}

impl Batch {
    /// Adds an entry; gives its position.
    pub(crate) fn push(&mut self, key: &[u8], stat: Stat, link: Option<LinkId>, known: Known) {
        let key = self.append(key);
        self.items.push(Item {
            key,
            stat,
            link,
            known,
            state: State::Wanted,
        });
    }

    /// Copies bytes into the buffer.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> (u32, u32) {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        (from, self.bytes.len() as u32)
    }

    /// The bytes at a position.
    pub(crate) fn at(&self, (from, to): (u32, u32)) -> &[u8] {
        &self.bytes[from as usize..to as usize]
    }
}
