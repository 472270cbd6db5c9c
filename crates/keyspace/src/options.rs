//! What the watcher of a store is asked, and what it tells.

use std::time::Duration;

use etcd::{Address, Settings};
use model::incident::Incident;
use model::point::Class;
use model::{SnapshotId, Timestamp};
use policy::thinning::Ladder;
use timeline::Thinning;

use crate::backup::Options;

/// A second: with storing, what was written can be restored within two.
const GATHER: Duration = Duration::from_secs(1);

/// An hour: the points of one can be gone through in a fraction of a second.
const CHECKPOINT: Duration = Duration::from_secs(3600);

/// How to watch a store.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The store.
    pub address: Address,
    /// How to enter it.
    pub settings: Settings,
    /// The source, and who watches.
    pub keyspace: Options,
    /// How long changes are gathered before they become a point.
    pub gather: Duration,
    /// How long after a checkpoint the next one is made.
    pub checkpoint: Duration,
    /// How points get fewer with age.
    pub ladder: Ladder,
}

impl WatchOptions {
    /// The usual.
    pub fn new(address: Address, settings: Settings, keyspace: Options) -> Self {
        Self {
            address,
            settings,
            keyspace,
            gather: GATHER,
            checkpoint: CHECKPOINT,
            ladder: Ladder::default(),
        }
    }
}

/// What a watcher tells.
#[derive(Debug)]
pub enum Event<'e> {
    /// It has a first state and sees what happens from here on.
    Ready {
        /// The first state.
        point: SnapshotId,
        /// Its revision.
        revision: i64,
        /// Keys in it.
        keys: u64,
        /// It goes on where an earlier watcher had ended.
        resumed: bool,
    },
    /// A point is durable.
    Point {
        /// Its name.
        id: SnapshotId,
        /// The moment at which its last revision was seen.
        time: Timestamp,
        /// How many keys changed.
        changes: u64,
        /// The revision whose state it is.
        revision: i64,
        /// What it can promise.
        class: Class,
        /// Bytes that it added to the repository.
        stored_bytes: u64,
        /// From its first revision being seen to its being durable.
        lag: Duration,
    },
    /// A state with all its nodes was stored.
    Checkpoint {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its revision.
        revision: i64,
    },
    /// Revisions are missing; everything is read anew.
    Gap {
        /// The first one that was not seen.
        from: i64,
        /// Up to here.
        to: i64,
    },
    /// Points were thinned by their age.
    Thinned(Thinning),
    /// The rules found something, or know more of it.
    Incident(&'e Incident),
    /// A connection was lost, or came back.
    Connection {
        /// The member, or why it was lost.
        what: &'e str,
        /// Whether it is there.
        is_there: bool,
    },
    /// Something stands in the way; it is tried again, and nothing that was seen is forgotten.
    Trouble {
        /// What.
        message: String,
        /// Keys that wait.
        waiting: u64,
    },
}
