//! Counting in windows of time and under directories.

use std::collections::BTreeMap;

use model::key::parent;

use super::mark::Mark;

/// The most that any window of this width holds, of moments in order: their number, and the most bytes.
pub(super) fn densest(sorted: &[(i64, u64)], width: i64) -> (usize, u64) {
    let (mut first, mut bytes, mut best) = (0, 0_u64, (0, 0));
    for (at, (time, size)) in sorted.iter().enumerate() {
        bytes = bytes.saturating_add(*size);
        while time - sorted[first].0 > width {
            bytes = bytes.saturating_sub(sorted[first].1);
            first += 1;
        }
        best.0 = best.0.max(at + 1 - first);
        best.1 = best.1.max(bytes);
    }
    best
}

/// Times and sizes of marks, in order of time.
pub(super) fn times(marks: &[&Mark]) -> Vec<(i64, u64)> {
    let mut times: Vec<(i64, u64)> = marks.iter().map(|mark| (mark.at, mark.size())).collect();
    times.sort_unstable();
    times
}

/// Directories, each with the marks somewhere beneath it; only those with at least `least` of them.
pub(super) fn beneath<'a>(marks: &[&'a Mark], least: usize) -> Vec<(&'a [u8], Vec<&'a Mark>)> {
    let mut of: BTreeMap<&[u8], Vec<&Mark>> = BTreeMap::new();
    for mark in marks {
        if let Some(dir) = parent(mark.key.as_bytes()) {
            of.entry(dir).or_default().push(mark);
        }
    }
    // Deepest first, so that a directory is complete when it is added to the one above.
    let mut by_depth: BTreeMap<usize, BTreeMap<&[u8], Vec<&Mark>>> = BTreeMap::new();
    for (dir, marks) in of {
        by_depth.entry(depth(dir)).or_default().insert(dir, marks);
    }
    let mut done = Vec::new();
    while let Some((deep, level)) = by_depth.pop_last() {
        for (dir, marks) in level {
            if let Some(above) = parent(dir) {
                let above = by_depth
                    .entry(deep - 1)
                    .or_default()
                    .entry(above)
                    .or_default();
                above.extend_from_slice(&marks);
            }
            if marks.len() >= least {
                done.push((dir, marks));
            }
        }
    }
    done
}

fn depth(dir: &[u8]) -> usize {
    if dir.is_empty() {
        return 0;
    }
    1 + dir.iter().filter(|&&byte| byte == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_window_is_found() {
        let times = [(0, 1), (10, 1), (60, 5), (65, 5), (70, 5), (131, 100)];
        assert_eq!(densest(&times, 60), (4, 100));
        assert_eq!(densest(&times, 1), (1, 100));
        assert_eq!(densest(&[], 60), (0, 0));
    }
}
