//! How old a point is: by the time that has really passed, as far as two clocks agree on it.
//!
//! The wall clock can be set by anybody with the right to, by accident or to make good points age away;
//! the monotonic clock stands still while the machine is off. So a timeline counts its own *lived* time,
//! which grows by the smaller progress of the two.

use std::time::Duration;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Names the boot: the monotonic clock begins anew with each.
    pub boot: u128,
    /// Time since that boot.
    pub monotonic: Duration,
    /// Nanoseconds since 1970 by the wall clock; negative before it.
    pub wall_nanos: i128,
}

/// By how many nanoseconds a timeline has aged between two readings: the smaller progress of the two
/// clocks, and none where either went back. After a new boot only the time since it counts, since
/// nothing but the wall clock knows how long the machine was off.
pub fn lived_nanos(before: &Reading, now: &Reading) -> u128 {
    let monotonic = if before.boot == now.boot {
        now.monotonic.saturating_sub(before.monotonic)
    } else {
        now.monotonic
    };
    let wall = now.wall_nanos.saturating_sub(before.wall_nanos).max(0);
    monotonic.as_nanos().min(wall.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i128 = 365 * 86_400 * 1_000_000_000;

    fn reading(boot: u128, monotonic: u64, wall_nanos: i128) -> Reading {
        Reading {
            boot,
            monotonic: Duration::from_secs(monotonic),
            wall_nanos,
        }
    }

    #[test]
    fn a_wall_clock_that_jumps_ages_nothing() {
        let before = reading(1, 100, 0);
        assert_eq!(
            lived_nanos(&before, &reading(1, 105, YEAR)),
            5_000_000_000,
            "forward: only what really passed"
        );
        assert_eq!(lived_nanos(&before, &reading(1, 105, -YEAR)), 0, "back");
        assert_eq!(
            lived_nanos(&before, &reading(2, 7, YEAR)),
            7_000_000_000,
            "a year switched off"
        );
        assert_eq!(
            lived_nanos(&before, &reading(1, 10_000, 3_000_000_000)),
            3_000_000_000,
            "a monotonic clock that runs ahead"
        );
    }
}
