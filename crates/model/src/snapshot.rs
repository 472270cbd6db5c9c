//! A snapshot: the state of one source at one moment.

use crate::id::{BlobId, SnapshotId};
use crate::time::Timestamp;

/// How much a snapshot holds, and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Sum of the sizes of regular files; hard links count once per path.
    pub bytes: u64,
    /// Bytes that this snapshot added to the repository's packs, as stored.
    pub stored_bytes: u64,
}

/// User and group names by number, as the machine knew them: a restore elsewhere can show them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Users, sorted by number.
    pub users: Vec<(u32, String)>,
    /// Groups, sorted by number.
    pub groups: Vec<(u32, String)>,
}

/// The record of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When the scan began.
    pub time: Timestamp,
    /// When everything was read.
    pub finished: Timestamp,
    /// Machine.
    pub host: String,
    /// Who ran the backup.
    pub user: String,
    /// What was backed up: for files, the absolute path of the root.
    pub source: Vec<u8>,
    /// Labels given by the user, sorted.
    pub tags: Vec<String>,
    /// Root node of the map; `None` when the map is empty.
    pub root: Option<BlobId>,
    /// The snapshot of the same source that this machine made before.
    pub parent: Option<SnapshotId>,
    /// Size and cost.
    pub totals: Totals,
    /// How many paths could not be read.
    pub errors: u64,
    /// Taken by Recoup itself of what a restore is about to change.
    pub safety: bool,
    /// Names of owners.
    pub names: Names,
    /// Version of the program that made it.
    pub program: String,
}

impl Snapshot {
    /// Whether something of the source is missing from it.
    pub fn is_partial(&self) -> bool {
        self.errors > 0
    }
}
