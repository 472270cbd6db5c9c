//! Naming the moment: when an event began, and the last point before it.

use std::collections::{BTreeMap, VecDeque};

use super::limits::{POINTS_MAX, START_BIN, START_KEYS};
use super::mark::Mark;

/// Start of the event. By a known actor: its first damage. Else the first mark of the earliest ten
/// seconds that hold three of the keys, so that one unrelated change before does not move it.
pub(super) fn start(marks: &[&Mark], known_actor: bool) -> i64 {
    let first = marks.iter().map(|mark| mark.at).min().unwrap_or(0);
    if known_actor {
        return first;
    }
    let mut bins: BTreeMap<i64, (usize, i64)> = BTreeMap::new();
    for mark in marks {
        let bin = bins
            .entry(mark.at.div_euclid(START_BIN))
            .or_insert((0, mark.at));
        *bin = (bin.0 + 1, bin.1.min(mark.at));
    }
    bins.values()
        .find(|(keys, _)| *keys >= START_KEYS)
        .map_or(first, |(_, at)| *at)
}

/// The points of the last day.
#[derive(Debug, Default)]
pub(super) struct Points {
    points: VecDeque<(u64, bool)>,
}

impl Points {
    pub(super) fn add(&mut self, number: u64, blurred: bool) {
        if self.points.len() >= POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back((number, blurred));
    }

    /// The last point before `first` that is exact. At none before `first` any of the keys was damaged,
    /// since that is the first point with damage; a blurred one may hide when it was done.
    pub(super) fn last_good(&self, first: u64) -> Option<u64> {
        let mut earlier = self.points.iter().rev();
        earlier
            .find(|(number, blurred)| *number < first && !blurred)
            .map(|(number, _)| *number)
    }
}
