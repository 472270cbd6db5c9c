//! What is usual for a program: how many files it loses in one burst of work.

use std::collections::{BTreeMap, VecDeque};

use super::limits::{BASELINE_BURSTS, BASELINE_DEVIATIONS, BASELINE_MEMORY, CLASSES_MAX, QUIET};

#[derive(Debug, Default)]
struct Class {
    running: u64,
    last: i64,
    bursts: VecDeque<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Baselines {
    classes: BTreeMap<String, Class>,
}

impl Baselines {
    /// A program lost so many files in the point of this time.
    pub(super) fn add(&mut self, class: &str, lost: u64, now: i64) {
        if !self.classes.contains_key(class) {
            if self.classes.len() >= CLASSES_MAX {
                return;
            }
            self.classes.insert(class.to_owned(), Class::default());
        }
        if let Some(class) = self.classes.get_mut(class) {
            class.settle(now);
            class.running += lost;
            class.last = now;
        }
    }

    /// Ends bursts that have been quiet for long enough.
    pub(super) fn settle(&mut self, now: i64) {
        for class in self.classes.values_mut() {
            class.settle(now);
        }
    }

    /// More than this is unusual; `None` where nothing is known yet.
    pub(super) fn usual(&self, class: &str) -> Option<u64> {
        let bursts = &self.classes.get(class)?.bursts;
        if bursts.len() < BASELINE_BURSTS {
            return None;
        }
        let values: Vec<u64> = bursts.iter().copied().collect();
        let middle = median(&values);
        let deviations: Vec<u64> = values.iter().map(|value| value.abs_diff(middle)).collect();
        // Work that is always the same has no deviation; a tenth of it, and one, is none either.
        let deviation = median(&deviations).max(middle / 10).max(1);
        Some(middle.saturating_add(deviation.saturating_mul(BASELINE_DEVIATIONS)))
    }
}

impl Class {
    fn settle(&mut self, now: i64) {
        if self.running > 0 && now - self.last > QUIET {
            if self.bursts.len() >= BASELINE_MEMORY {
                self.bursts.pop_front();
            }
            self.bursts.push_back(std::mem::take(&mut self.running));
        }
    }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bursts_make_a_usual() {
        let mut baselines = Baselines::default();
        for burst in 0..BASELINE_BURSTS {
            assert_eq!(baselines.usual("sweep"), None);
            let at = burst as i64 * 2 * QUIET;
            baselines.add("sweep", 60, at);
            baselines.add("sweep", 40, at + 1);
            baselines.settle(at + QUIET + 2);
        }
        // Median 100, deviation 0, taken as 10.
        assert_eq!(baselines.usual("sweep"), Some(180));
        assert_eq!(baselines.usual("rm"), None);
    }
}
