//! One path that is to be restored, and the window of paths that are dealt with together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32};

use model::{BlobId, Content, Entry, Extent};
use repository::{Location, Repository};

use crate::output::Progress;

/// What stands at the path, and so what is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: make it under its name.
    Create,
    /// A directory that may be removed: do so, then make it.
    RemoveTree,
    /// Something else: make it under a hidden name and put it in its place.
    Replace {
        /// It is of another kind.
        other_kind: bool,
    },
    /// A file of which only some stretches differ: their numbers, in order.
    Rewrite(Vec<u32>),
    /// The same content with other attributes.
    Attributes,
    /// The same.
    Same,
    /// It is left as it is, since Recoup itself needs what stands there.
    Guarded {
        /// Nothing stands there.
        absent: bool,
    },
    /// Something that must not be touched, or that can't be made.
    Refused(String),
    /// What belongs there can't be read from the repository.
    Damaged(String),
    /// Left out on purpose, and said so.
    LeftOut(&'static str),
}

/// An entry other than a directory.
pub(crate) struct Job {
    /// Key in the snapshot.
    pub(crate) key: Vec<u8>,
    pub(crate) entry: Entry,
    /// Its directory was made by us or was empty: nothing can stand at the path.
    pub(crate) fresh: bool,
    /// It lies beneath what must be left alone.
    pub(crate) guarded: bool,
    pub(crate) decision: Decision,
    /// Pieces still to be written.
    pub(crate) remaining: AtomicU32,
    /// How many pieces there are.
    pub(crate) pieces: u32,
    pub(crate) progress: Mutex<Progress>,
    /// It is there, as the snapshot says.
    pub(crate) restored: AtomicBool,
}

impl Job {
    pub(crate) fn new(key: Vec<u8>, entry: Entry, fresh: bool, guarded: bool) -> Self {
        Self {
            key,
            entry,
            fresh,
            guarded,
            decision: Decision::Create,
            remaining: AtomicU32::new(0),
            pieces: 0,
            progress: Mutex::default(),
            restored: AtomicBool::new(false),
        }
    }
}

/// A stretch of a file that a segment holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) location: Location,
    pub(crate) id: BlobId,
    /// Number of the job in its window.
    pub(crate) job: u32,
    /// Where it stands in the file.
    pub(crate) offset: u64,
}

/// What is dealt with together.
#[derive(Default)]
pub(crate) struct Window {
    pub(crate) jobs: Vec<Job>,
    /// Further names of files that have several.
    pub(crate) followers: Vec<Job>,
    /// Directories whose last entry is in this window or an earlier one; what lies beneath comes
    /// before.
    pub(crate) closed: Vec<(Vec<u8>, Entry)>,
}

/// The stretches of a file, as one would say them for any content.
pub(crate) fn extents_of(
    repository: &Repository,
    entry: &Entry,
) -> repository::error::Result<Vec<Extent>> {
    match entry.content {
        Content::Empty | Content::Inline(_) => Ok(Vec::new()),
        _ => repository.extents(entry),
    }
}
