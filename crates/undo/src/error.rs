//! Why an undo ended early. Messages fit after "failed to".
//!
//! Trouble with one path among many is no error of the whole: it is the result of its step.

use std::path::PathBuf;

use backup::BackupError;
use model::SnapshotId;
use repository::RepositoryError;
use restore::RestoreError;
use source::SourceError;

use crate::needs::Needs;

/// What the work returns.
pub type Result<T, E = UndoError> = std::result::Result<T, E>;

/// Why an undo ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The live tree, or the work directory, refused.
    #[error("work on the tree: {0}")]
    Tree(#[from] SourceError),
    /// A live source of another kind than a tree refused as a whole.
    #[error("{source}")]
    Live {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Nothing had been changed by then.
        untouched: bool,
    },
    /// No directory on the file system of the tree takes the work directory.
    #[error("make a work directory for {} on its file system: {why}", .root.display())]
    NoPlace {
        /// The root of the tree.
        root: PathBuf,
        /// What the last place tried said.
        why: String,
    },
    /// A work directory that somebody else could have made, or could write to.
    #[error("use {}: {why}", .path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An operation of this name has left its work directory behind.
    #[error("begin: {} is there already, resume or abort that operation first", .path.display())]
    Begun {
        /// The work directory.
        path: PathBuf,
    },
    /// The plan is not one that could be run.
    #[error("run the plan: {why}")]
    Plan {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The repository refused.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Live paths could not be looked at or kept.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// What is to be placed could not be staged.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The map of what is to be staged could not be built.
    #[error("list what is to be placed: {why}")]
    Map {
        /// What was wrong.
        why: String,
    },
    /// Two snapshots of different sources.
    #[error("compare {} with {}: they are of different sources", .before.short(), .after.short())]
    TwoSources {
        /// The one named first.
        before: SnapshotId,
        /// The other.
        after: SnapshotId,
    },
    /// The earlier snapshot is the later one.
    #[error("undo from {} to {}: the first is the later one", .before.short(), .after.short())]
    Backwards {
        /// The one named first.
        before: SnapshotId,
        /// The other.
        after: SnapshotId,
    },
    /// An operation that can't be taken back, or gone on with.
    #[error("undo operation {number}: {why}")]
    NotUndoable {
        /// Its number.
        number: u64,
        /// Why not.
        why: &'static str,
    },
    /// The timeline does not reach back to before the incident.
    #[error("undo incident {incident}: the timeline has no state before it")]
    NoStateBefore {
        /// Its number.
        incident: u64,
    },
    /// What is there now could not be kept, so nothing was changed.
    #[error("keep what is there now: {count} paths could not be read, first {}: {why}; nothing was changed", String::from_utf8_lossy(.path))]
    NotKept {
        /// How many.
        count: u64,
        /// The first.
        path: Vec<u8>,
        /// What is wrong with it.
        why: String,
    },
    /// Not enough space.
    #[error("find room: {} bytes and {} files are to be written; nothing was changed", .0.bytes, .0.inodes)]
    NoRoom(Needs),
    /// Nothing of the operation was begun.
    #[error("take back: nothing was begun")]
    NothingBegun,
    /// It broke off between the first and the last step.
    #[error("finish operation {number}: {source}")]
    Interrupted {
        /// Its number.
        number: u64,
        /// Why.
        source: Box<UndoError>,
    },
    /// Somebody asked to stop in the middle.
    #[error("finish operation {number}: interrupted")]
    Cancelled {
        /// Its number.
        number: u64,
    },
}
