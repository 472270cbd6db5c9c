//! The exponential ladder: the gap between neighbours grows with their age.

use std::time::Duration;

use super::keep::Kept;

/// Gaps of at most age / 64 lose at most 1.6 % of the age of any moment, for about 800 points of a year
/// made every 5 s (64 + 64 ln(year / 320 s)); twice as many would cost twice the checkpoints.
pub(super) const GAPS_PER_AGE: u32 = 64;

/// Which points stay. From the oldest on, the next one kept is the furthest whose distance is at most
/// its own age divided by `gaps`: every moment between the two is older than that. Where even the next
/// point is further away, it is kept, since the gap was there before.
pub(super) fn stays(sorted: &[Kept], forced: &[bool], now: Duration, gaps: u32) -> Vec<bool> {
    let mut stays = vec![false; sorted.len()];
    let mut at = 0;
    while at < sorted.len() {
        stays[at] = true;
        let mut next = at + 1;
        // Nothing is leapt over that must stay.
        while next + 1 < sorted.len() && !forced[next] {
            let further = &sorted[next + 1];
            let gap = further.lived - sorted[at].lived;
            let age = now.saturating_sub(further.lived);
            if gap.saturating_mul(gaps.max(1)) > age {
                break;
            }
            next += 1;
        }
        at = next;
    }
    stays
}
