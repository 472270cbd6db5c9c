//! A point of a timeline: the state of a watched source at one moment, as the changes since the point
//! before.

use crate::entry::Entry;
use crate::id::{BlobId, SnapshotId};
use crate::incident::{Actor, Incident};
use crate::key::PathKey;
use crate::operation::Listed;
use crate::time::Timestamp;

/// What a point can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// One moment for all keys.
    Instant = 1,
    /// Each key as it was at some moment between the first and the last.
    Fuzzy = 2,
    /// Not everything of the interval was seen: states in between may be missing.
    Blurred = 3,
}

impl Class {
    /// The class with this number in stored records.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Instant, Self::Fuzzy, Self::Blurred]
            .into_iter()
            .find(|class| *class as u8 == code)
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Fuzzy => "fuzzy",
            Self::Blurred => "blurred",
        }
    }
}

/// What became of one key since the point before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointChange {
    /// Which key.
    pub key: PathKey,
    /// What is there; `None` if nothing is.
    pub after: Option<Entry>,
    /// Who did it: a place in [`Point::actors`].
    pub actor: Option<u32>,
}

/// A point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The number of the record of the checkpoint that it builds upon.
    pub base: u64,
    /// Root of the map before it.
    pub from: Option<BlobId>,
    /// Root of the map.
    pub root: Option<BlobId>,
    /// When the first change of it was seen.
    pub first: Timestamp,
    /// When everything of it had been read.
    pub last: Timestamp,
    /// What it can promise.
    pub class: Class,
    /// The revision of a store that counts them.
    pub revision: Option<u64>,
    /// What changed, in key order.
    pub changes: Vec<PointChange>,
    /// Who changed it.
    pub actors: Vec<Actor>,
}

/// A record of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineRecord {
    /// The state is that of a snapshot, all nodes of which are stored.
    Checkpoint {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Root of its map.
        root: Option<BlobId>,
        /// The revision of a store that counts them.
        revision: Option<u64>,
    },
    /// A point.
    Point(Point),
    /// An incident, or what became of an earlier one of the same number.
    Incident {
        /// What is known of it.
        incident: Incident,
        /// The keys that were damaged.
        keys: Option<Listed>,
    },
    /// A moment that is kept whatever the ladder says.
    Pin {
        /// The point.
        point: SnapshotId,
        /// Its moment.
        time: Timestamp,
        /// Whether the pin is taken away.
        removed: bool,
    },
}
