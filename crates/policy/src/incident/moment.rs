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

#[cfg(test)]
mod tests {
    use model::PathKey;

    use super::*;
    use crate::incident::mark::Deed;

    fn mark(at: i64) -> Mark {
        Mark {
            key: PathKey::from_path(at.to_string().as_bytes()).unwrap(),
            at,
            point: 0,
            blurred: false,
            who: None,
            deed: Deed::Removed,
            before: None,
            after: None,
            lost: None,
            born: None,
            soft: false,
            novel: false,
            excused: false,
            finding: 0,
        }
    }

    #[test]
    fn the_start_is_where_three_keys_are() {
        // One alone long before, two in a bin, then the event at 120.5 s.
        let times = [3_000, 61_000, 62_000, 120_500, 121_000, 122_000, 140_000];
        let marks: Vec<Mark> = times.into_iter().map(mark).collect();
        let marks: Vec<&Mark> = marks.iter().collect();
        assert_eq!(start(&marks, false), 120_500);
        assert_eq!(start(&marks, true), 3_000, "all by the one who did it");
        assert_eq!(start(&marks[..3], false), 3_000, "no bin holds three");
    }

    #[test]
    fn a_blurred_point_is_never_the_last_good_one() {
        let mut points = Points::default();
        for (number, blurred) in [(1, false), (2, false), (3, true), (4, true), (5, false)] {
            points.add(number, blurred);
        }
        assert_eq!(points.last_good(6), Some(5));
        assert_eq!(points.last_good(5), Some(2));
        assert_eq!(points.last_good(1), None);
    }
}
