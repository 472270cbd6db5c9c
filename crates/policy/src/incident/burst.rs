//! The burst in a stream of deletions: what one job did fast, told from what goes on all the time.
//!
//! A store does not say who deletes. A job deletes hundreds of keys a second; customers of a control plane
//! delete one now and then, before it, after it, and as long as nobody has taken the damage back. Bringing
//! theirs back would be damage of its own.

use super::limits::{
    BURST_MARKS, BURST_PART, BURST_PAUSE, BURST_RATE_MAX, BURST_SHARE, PREFIX_KEYS, SECOND,
};
use super::mark::Mark;
use super::windows::densest;

/// Marks, in order of time, as those from the beginning of the burst to its end, and the others. What
/// falls between beginning and end can't be told apart. Where there is no burst, all are of it.
pub(super) fn split<'a>(sorted: &[&'a Mark]) -> (Vec<&'a Mark>, Vec<&'a Mark>) {
    let times: Vec<i64> = sorted.iter().map(|mark| mark.at).collect();
    let (from, to) = hull(&times);
    let within = sorted[from..to].to_vec();
    let others = sorted[..from].iter().chain(&sorted[to..]).copied();
    (within, others.collect())
}

/// First and end of the burst, as places in the times.
fn hull(times: &[i64]) -> (usize, usize) {
    let all = (0, times.len());
    let sized: Vec<(i64, u64)> = times.iter().map(|at| (*at, 0)).collect();
    let (peak, _) = densest(&sized, SECOND);
    // Slower than this is not of the burst, in marks a second.
    let rate = (peak / BURST_SHARE).min(BURST_RATE_MAX);
    if rate == 0 || times.len() < BURST_MARKS {
        return all;
    }
    let span = BURST_MARKS as i64 * SECOND / rate as i64;
    let clusters = clusters(times, span);
    let largest = clusters.iter().map(|(from, to)| to - from).max();
    let least = largest.unwrap_or(0) / BURST_PART;
    let counts = |(from, to): &&(usize, usize)| {
        let marks = to - from;
        marks >= least && marks as u64 >= PREFIX_KEYS
    };
    let mut counting = clusters.iter().filter(counts);
    let Some(first) = counting.next() else {
        return all;
    };
    let last = counting.next_back().unwrap_or(first);
    (first.0, last.1)
}

/// Stretches in which marks come close upon each other, but for pauses.
fn clusters(times: &[i64], span: i64) -> Vec<(usize, usize)> {
    let mut clusters: Vec<(usize, usize)> = Vec::new();
    for (from, window) in times.windows(BURST_MARKS).enumerate() {
        if window[BURST_MARKS - 1] - window[0] > span {
            continue;
        }
        let to = from + BURST_MARKS;
        match clusters.last_mut() {
            Some((_, end)) if times[from] - times[*end - 1] <= BURST_PAUSE => *end = to,
            _ => clusters.push((from, to)),
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many marks at this distance, from this time on.
    fn every(millis: i64, from: i64, count: i64) -> impl Iterator<Item = i64> {
        (0..count).map(move |at| from + at * millis)
    }

    fn sorted(parts: &[Vec<i64>]) -> Vec<i64> {
        let mut times = parts.concat();
        times.sort_unstable();
        times
    }

    #[test]
    fn what_goes_on_all_the_time_is_not_of_the_burst() {
        let customers: Vec<i64> = every(3_000, 0, 40).collect();
        let job: Vec<i64> = every(2, 40_300, 200).collect();
        let times = sorted(&[customers, job.clone()]);
        let (from, to) = hull(&times);
        assert_eq!((times[from], times[to - 1]), (job[0], job[199]));
    }

    #[test]
    fn pauses_and_a_slower_end_are_of_the_burst() {
        let fast: Vec<i64> = every(1, 10_000, 1_000).collect();
        let slower: Vec<i64> = every(40, 15_000, 200).collect();
        let again: Vec<i64> = every(1, 60_000, 300).collect();
        let times = sorted(&[fast, slower, again]);
        assert_eq!(hull(&times), (0, times.len()));
    }

    #[test]
    fn a_slow_job_is_taken_whole() {
        let times: Vec<i64> = every(700, 0, 400).collect();
        assert_eq!(hull(&times), (0, 400));
        assert_eq!(hull(&[]), (0, 0));
        assert_eq!(hull(&[1, 2, 3]), (0, 3));
    }

    /// As they are seen when a point has one time for all of its changes.
    #[test]
    fn marks_of_a_point_have_one_time() {
        let customers = (0..60).flat_map(|at| [at * 2_000; 3]);
        let job = [40_000; 800].into_iter().chain([42_000; 500]);
        let times = sorted(&[customers.collect(), job.collect()]);
        let (from, to) = hull(&times);
        assert_eq!((times[from], times[to - 1]), (40_000, 42_000));
        assert_eq!(to - from, 800 + 500 + 6);
    }
}
