//! What goes in, a point at a time, and what comes out.

use model::incident::Observed;
use model::{Actor, Level, PathKey, Timestamp};

/// The changes between two points of a timeline.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// Its number in the timeline; higher than that of the one before.
    pub number: u64,
    /// When it was closed. By a clock that is not set: see `thinning::lived_nanos`.
    pub time: Timestamp,
    /// Events were lost since the point before: what is seen is true, but not when it happened.
    pub blurred: bool,
    /// The net change of each key, at most one per key, in any order. A rename is a removal and a creation.
    pub observed: &'a [Observed],
    /// Who; `Observed::actor` is an index of it.
    pub actors: &'a [Actor],
}

/// How it stands with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// May still grow.
    Open,
    /// Nothing was added for a while. It opens again if the same event goes on within a day.
    Closed,
    /// It turned out to be nothing, or part of another finding: the contents came back, or what looked
    /// like a loss was a program's orderly work.
    Withdrawn,
}

/// Something that happened. Handed out again under the same id whenever it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its identity: from 1, given once by a detector.
    pub id: u64,
    /// Whether it may still grow.
    pub state: State,
    /// How bad it is taken to be.
    pub level: Level,
    /// The rule, in a word: `lost`, `scrambled`, `emptied`, `metadata`, `rewritten`, `regenerable`,
    /// `deleted`, `overwritten`, `same-value`.
    pub rule: &'static str,
    /// What happened, in words and numbers.
    pub about: String,
    /// Who did it, if one did; for several processes of a kind the first of them.
    pub actor: Option<Actor>,
    /// How many processes did it; 0 if nobody knows.
    pub processes: usize,
    /// Start of the event: the first change of the one who did it, or the first ten seconds that hold
    /// three damaged keys.
    pub from: Timestamp,
    /// Last change that belongs to it.
    pub to: Timestamp,
    /// The last point before it at which none of the keys was damaged and no event had been lost.
    /// `None` if the detector has seen none.
    pub last_good: Option<u64>,
    /// First point that holds damage.
    pub first_point: u64,
    /// Last point that added damage.
    pub last_point: u64,
    /// The damaged keys, in order. At most 65,536; `deleted + changed` says how many there are. The rest
    /// is found in the changes from `last_good` to `last_point` by the same rule and actor.
    pub keys: Vec<PathKey>,
    /// How many keys are gone.
    pub deleted: u64,
    /// How many keys are changed.
    pub changed: u64,
}

impl Finding {
    /// How many keys were damaged.
    pub fn damaged(&self) -> u64 {
        self.deleted + self.changed
    }
}
