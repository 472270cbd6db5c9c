//! What a backup is asked, and what it answers.

use std::path::PathBuf;
use std::sync::Arc;

use model::{PathKey, Snapshot, SnapshotId};
use source::files::Excludes;

/// Which part of a source is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    #[default]
    All,
    /// A place and everything beneath it.
    Below(PathKey),
    /// Just these, in ascending order: what is not there is passed over.
    Keys(Arc<[PathKey]>),
}

impl Selection {
    /// The place that everything selected lies at or beneath.
    pub(crate) fn base(&self) -> PathKey {
        match self {
            Self::Below(key) => key.clone(),
            Self::All | Self::Keys(_) => PathKey::root(),
        }
    }
}

/// What to back up, and how.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Root of the source: absolute and canonical.
    pub root: PathBuf,
    /// Name of the source: for files, the bytes of its root.
    pub source: Vec<u8>,
    /// Which part of it: what is about to be changed, for a safety snapshot.
    pub selection: Selection,
    /// Labels.
    pub tags: Vec<String>,
    /// This machine.
    pub host: String,
    /// Who runs the backup.
    pub user: String,
    /// Program and version.
    pub program: String,
    /// What to leave out.
    pub exclude: Excludes,
    /// Stay on the file system of the root.
    pub one_file_system: bool,
    /// Threads that read and compress.
    pub threads: usize,
    /// The change cache of this source; `None` reads every file.
    pub cache: Option<PathBuf>,
    /// The snapshot is one that Recoup takes of what it is about to change.
    pub safety: bool,
}

/// A path that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path relative to the root, with slashes.
    pub path: Vec<u8>,
    /// What went wrong.
    pub message: String,
}

/// How the entries compare with the backup before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not there before, or no earlier backup is known.
    pub created: u64,
    /// There before, and different.
    pub changed: u64,
    /// As before.
    pub unchanged: u64,
    /// There before, and gone.
    pub deleted: u64,
    /// Files that never held still while they were read.
    pub unsettled: u64,
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The snapshot; `None` after a dry run.
    pub id: Option<SnapshotId>,
    /// Its record.
    pub snapshot: Snapshot,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// How the entries compare with the backup before.
    pub changes: Counts,
    /// Entries left out by the exclusions.
    pub excluded: u64,
    /// Bytes that were added to the repository, compressed; before compression after a dry run.
    pub new_bytes: u64,
}
