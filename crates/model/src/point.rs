//! A point of a timeline: the state of a watched source at one moment, as the changes since the point
//! before.

use crate::entry::Entry;
use crate::id::{BlobId, SnapshotId};
use crate::incident::{Actor, Dismissal, Incident};
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

/// Records that are gone, and what stands in for them: the points of one checkpoint interval that the
/// ladder no longer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thinned {
    /// First and last numbers of records that are gone, ascending.
    pub replaces: Vec<(u64, u64)>,
    /// The number of the record of the checkpoint that begins the interval.
    pub base: u64,
    /// What the points that are gone did, as far as a point that is left needs it.
    pub runs: Vec<ThinnedRun>,
}

impl Thinned {
    /// Whether the record with this number is one of those that are gone.
    pub fn has(&self, number: u64) -> bool {
        let at = self.replaces.partition_point(|&(_, last)| last < number);
        let range = self.replaces.get(at);
        range.is_some_and(|&(first, _)| first <= number)
    }
}

/// Points that followed one another, as one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinnedRun {
    /// The number of the last of them: what comes behind it builds upon the run.
    pub last: u64,
    /// The keyed hash of that one's record.
    pub hash: [u8; 32],
    /// For each key that they touched what the last one left, in key order.
    pub changes: Vec<PointChange>,
    /// Who left it.
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
        /// For how long the source had been watched, in milliseconds that really passed. Points age by this.
        lived_millis: u64,
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
    /// An incident, as far as it is known by then, is taken for nothing.
    Dismissed(Dismissal),
    /// Points that are gone.
    Thinned(Thinned),
}
