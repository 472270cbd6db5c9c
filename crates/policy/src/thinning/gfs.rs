//! Generations: a point per stretch of time, for so long.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keep::Kept;

/// One generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// One point is kept of each stretch of this length.
    pub every: Duration,
    /// As long as it is not older than this.
    pub until: Duration,
}

const fn tier(every_secs: u64, until_secs: u64) -> Tier {
    Tier {
        every: Duration::from_secs(every_secs),
        until: Duration::from_secs(until_secs),
    }
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// What auditors know: 5 s for an hour, a minute for a day, 10 minutes for a week, an hour for 30 days,
/// a day for a year, 30 days for 7 years. At most 3,924 points beside what is forced.
pub const GFS_TIERS: [Tier; 6] = [
    tier(5, HOUR),
    tier(60, DAY),
    tier(600, 7 * DAY),
    tier(HOUR, 30 * DAY),
    tier(DAY, 365 * DAY),
    tier(30 * DAY, 7 * 365 * DAY),
];

/// Which points stay: the newest of each stretch of each generation. Stretches are counted from the
/// beginning of the timeline, not from now, so that a point that was chosen stays chosen.
pub(super) fn stays(sorted: &[Kept], forced: &[bool], now: Duration, tiers: &[Tier]) -> Vec<bool> {
    let mut stays = forced.to_vec();
    for tier in tiers {
        let every = tier.every.as_nanos().max(1);
        let newest: BTreeMap<u128, usize> = sorted
            .iter()
            .enumerate()
            .filter(|(_, point)| now.saturating_sub(point.lived) <= tier.until)
            .map(|(at, point)| (point.lived.as_nanos() / every, at))
            .collect();
        for at in newest.into_values() {
            stays[at] = true;
        }
    }
    stays
}
