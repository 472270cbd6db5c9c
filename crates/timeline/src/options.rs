//! What a watcher is asked, and what it tells.

use std::path::{Path, PathBuf};
use std::time::Duration;

use backup::BackupOptions;
use model::incident::Incident;
use model::point::Class;
use model::{SnapshotId, Timestamp};
use policy::thinning::Ladder;
use source::files::watch::{Capture, CaptureInfo, Settle};

use crate::thin::Thinning;

/// How to watch a tree.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// How the tree is read: root, source, exclusions, machine, threads, change cache.
    pub backup: BackupOptions,
    /// Absolute paths that belong to Recoup itself: what happens there is not looked at.
    pub own: Vec<PathBuf>,
    /// How long changes are gathered before they become a point.
    pub gather: Duration,
    /// When a file that is being written is read.
    pub settle: Settle,
    /// How long after the last checkpoint the whole tree is scanned and becomes the next one.
    pub checkpoint: Duration,
    /// The best way of sensing to try.
    pub best: Capture,
    /// How points get fewer with age.
    pub ladder: Ladder,
    /// The program file of Recoup itself: what it does is no incident.
    pub own_program: String,
}

/// Two seconds: with reading and storing, what changed can be restored within five.
const GATHER: Duration = Duration::from_secs(2);

/// An hour: the deltas of one can be gone through in a fraction of a second.
const CHECKPOINT: Duration = Duration::from_secs(3600);

impl WatchOptions {
    /// The usual.
    pub fn new(backup: BackupOptions) -> Self {
        Self {
            backup,
            own: Vec::new(),
            gather: GATHER,
            settle: Settle::default(),
            checkpoint: CHECKPOINT,
            best: Capture::Fanotify,
            ladder: Ladder::default(),
            own_program: String::new(),
        }
    }
}

/// What a watcher tells.
#[derive(Debug)]
pub enum Event<'e> {
    /// It has a first state and sees what happens from here on.
    Ready {
        /// How it sees, and what it can't see.
        capture: &'e CaptureInfo,
        /// The first state.
        point: SnapshotId,
        /// Files in it.
        files: u64,
    },
    /// A point is durable.
    Point {
        /// Its name.
        id: SnapshotId,
        /// The moment whose state it is.
        time: Timestamp,
        /// How many keys changed, directories' own times apart.
        changes: u64,
        /// What it can promise.
        class: Class,
        /// Bytes that it added to the repository.
        stored_bytes: u64,
        /// From the first change of it to its being durable.
        lag: Duration,
    },
    /// The whole tree was scanned and is a snapshot.
    Checkpoint {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Files in it.
        files: u64,
    },
    /// Points were thinned by their age.
    Thinned(Thinning),
    /// Something happened that somebody may want to know of; again when more of it is known.
    Incident(&'e Incident),
    /// The root is not at its path, or is there again.
    Root(RootEvent<'e>),
    /// Something stands in the way; it is tried again, and nothing that was seen is forgotten.
    Trouble {
        /// What.
        message: String,
        /// Keys that wait.
        waiting: u64,
    },
}

/// What became of the root.
#[derive(Debug)]
pub enum RootEvent<'e> {
    /// It was removed: that everything is gone is a point.
    Removed,
    /// It was renamed: nothing in it changed by that, and no point is made.
    Renamed {
        /// Where it is now.
        to: &'e Path,
        /// Whether another directory is in its place.
        replaced: bool,
    },
    /// It exists and can't be reached: no point is made, since nothing says that anything was removed.
    Hidden,
    /// There is a directory at its path again. It is watched, and scanned at once.
    Back(&'e CaptureInfo),
}
