//! Which points of a timeline may go: never the newest, never a pinned or the last proven one, nothing
//! while an alarm is open, and nothing because a clock was set.

mod ageing;
mod keep;
mod ladder;
mod gfs;

pub use ageing::{Reading, lived_nanos};
pub use gfs::{GFS_TIERS, Tier};
pub use keep::Kept;

use std::time::Duration;

/// How points get fewer as they get older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ladder {
    /// Every moment can be had back to within its age divided by this: 64 loses at most 1.6 %.
    Exponential(u32),
    /// So many generations, each a point per stretch of time for so long; for those who must show it.
    Gfs(Vec<Tier>),
}

impl Default for Ladder {
    fn default() -> Self {
        Self::Exponential(ladder::GAPS_PER_AGE)
    }
}

/// The ids of the points that may go. `points` in any order; `now` is the lived time (see
/// [`lived_nanos`]) of this moment, in the same clock as [`Kept::lived`]. Nothing goes while
/// `alarm_open`, since the good point of an incident that nobody has looked at must not age away.
pub fn droppable(points: &[Kept], now: Duration, ladder: &Ladder, alarm_open: bool) -> Vec<u64> {
    if alarm_open {
        return Vec::new();
    }
    let sorted = keep::oldest_first(points);
    let forced = keep::forced(&sorted);
    let stays = match ladder {
        Ladder::Exponential(gaps) => ladder::stays(&sorted, &forced, now, *gaps),
        Ladder::Gfs(tiers) => gfs::stays(&sorted, &forced, now, tiers),
    };
    sorted
        .iter()
        .zip(stays)
        .filter(|(_, stays)| !stays)
        .map(|(point, _)| point.id)
        .collect()
}
