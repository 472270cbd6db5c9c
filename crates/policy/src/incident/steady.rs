//! The time that the rules go by. It passes as time really does, whatever the wall clock is set to: a step of
//! that clock would take marks for old, or for not yet made.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;

/// By how much the wall clock may drift before that is noted: what is shown has whole seconds.
const DRIFT_NANOS: i128 = 1_000_000_000;

/// Steps that are remembered: far more than anybody makes in the day that the rules look back.
const STEPS_MAX: usize = 1_024;

/// A clock that nobody can set.
#[derive(Debug)]
pub struct Steady {
    began: i128,
    /// From a time of this clock on, by how much the wall clock was ahead of it; nanoseconds.
    ahead: BTreeMap<i128, i128>,
}

impl Steady {
    /// Begins at what the wall clock shows.
    pub fn new(wall: Timestamp) -> Self {
        Self {
            began: wall.as_nanos(),
            ahead: BTreeMap::new(),
        }
    }

    /// The time when so much has passed since the beginning, and the wall clock shows this.
    pub fn now(&mut self, passed: Duration, wall: Timestamp) -> Timestamp {
        let steady = self.began.saturating_add_unsigned(passed.as_nanos());
        self.note(steady, wall);
        Timestamp::from_nanos(steady)
    }

    /// Times before the beginning, given the oldest first as the wall clock showed them: laid out so that
    /// they keep their order and their distances. Where the clock went back no time passed.
    pub fn past(&mut self, walls: &[Timestamp]) -> Vec<Timestamp> {
        let (mut steady, mut later) = (self.began, self.began);
        let mut times: Vec<Timestamp> = Vec::with_capacity(walls.len());
        for wall in walls.iter().rev() {
            steady = steady.saturating_sub((later - wall.as_nanos()).max(0));
            later = wall.as_nanos();
            times.push(Timestamp::from_nanos(steady));
        }
        times.reverse();
        for (time, wall) in times.iter().zip(walls) {
            self.note(time.as_nanos(), *wall);
        }
        times
    }

    /// What the wall clock showed at a time of this clock.
    pub fn wall(&self, time: Timestamp) -> Timestamp {
        let steady = time.as_nanos();
        let before = self.ahead.range(..=steady).next_back();
        let known = before.or_else(|| self.ahead.iter().next());
        Timestamp::from_nanos(steady + known.map_or(0, |(_, ahead)| *ahead))
    }

    fn note(&mut self, steady: i128, wall: Timestamp) {
        let ahead = wall.as_nanos() - steady;
        let known = self.ahead.range(..=steady).next_back();
        if known.is_none_or(|(_, known)| (known - ahead).abs() > DRIFT_NANOS) {
            // What is shown is in milliseconds: the beginning of that one counts.
            self.ahead
                .insert(steady - steady.rem_euclid(1_000_000), ahead);
        }
        while self.ahead.len() > STEPS_MAX {
            self.ahead.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 86_400;

    fn at(secs: i64) -> Timestamp {
        Timestamp::new(1_000_000_000 + secs, 500)
    }

    #[test]
    fn steps_of_the_wall_clock_pass_no_time() {
        let mut clock = Steady::new(at(0));
        let mut steady = Vec::new();
        for (passed, step) in [(5, 0), (10, YEAR), (15, YEAR), (20, -YEAR), (25, 0)] {
            let wall = at(i64::try_from(passed).unwrap() + step);
            let time = clock.now(Duration::from_secs(passed), wall);
            steady.push((time, wall));
            assert_eq!(time, at(i64::try_from(passed).unwrap()));
        }
        // And what is shown of each is what the clock on the wall showed.
        for (time, wall) in steady {
            assert_eq!(clock.wall(time), wall);
        }
    }

    #[test]
    fn the_past_keeps_its_order_over_a_step_back() {
        let mut clock = Steady::new(at(100));
        let walls = [at(10), at(50), at(40), at(90)];
        let times = clock.past(&walls);
        // From 50 to 40 nothing passed: both are 50 seconds before the one at 90.
        assert_eq!(times, [at(0), at(40), at(40), at(90)]);
        assert_eq!(clock.wall(times[0]), at(10));
        assert_eq!(clock.wall(times[3]), at(90));
        let now = clock.now(Duration::ZERO, at(100));
        assert_eq!((now, clock.wall(now)), (at(100), at(100)));
    }
}
