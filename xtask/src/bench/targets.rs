//! What each row must reach: the project's targets, as ratios to peers measured in the same run.

use super::lab::{Cell, Row};
use serde_json::Value;

/// Who a ratio compares with.
#[derive(Clone, Copy)]
pub(crate) enum Rival {
    Best,
    Named(&'static str),
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Wall time, as a share of the rival's.
    Wall(Rival, f64),
    /// Repository size, as a share of the rival's.
    Size(Rival, f64),
    WallSeconds(f64),
    MemoryMegabytes(f64),
}

pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) met: bool,
}

const ROWS: &[(&str, &str, &[Target])] = &[
    (
        "small",
        "first backup",
        &[
            Target::Wall(Rival::Named("bupstash"), 0.60),
            Target::Wall(Rival::Named("restic"), 0.20),
            Target::Size(Rival::Named("bupstash"), 1.0),
        ],
    ),
    (
        "small",
        "unchanged",
        &[Target::Wall(Rival::Named("bupstash"), 0.50)],
    ),
    ("small", "1 % changed", &[Target::Wall(Rival::Best, 0.20)]),
    (
        "small",
        "full restore, tmpfs",
        &[Target::Wall(Rival::Named("bupstash"), 0.60)],
    ),
    (
        "small",
        "full restore, disk",
        &[Target::Wall(Rival::Named("cp -a"), 1.3)],
    ),
    ("small", "one file back", &[Target::WallSeconds(0.15)]),
    ("small", "list all", &[Target::WallSeconds(0.5)]),
    ("small", "log of a path", &[Target::WallSeconds(0.15)]),
    (
        "small",
        "check, all data read",
        &[Target::Wall(Rival::Best, 0.30)],
    ),
    (
        "big",
        "first backup",
        &[
            Target::Wall(Rival::Named("borg"), 0.40),
            Target::Size(Rival::Named("rustic"), 1.0),
        ],
    ),
    ("big", "2 % changed", &[Target::Wall(Rival::Best, 0.30)]),
    (
        "big",
        "full restore, tmpfs",
        &[Target::Wall(Rival::Best, 0.70)],
    ),
    ("media", "first backup", &[Target::Wall(Rival::Best, 0.30)]),
    ("million", "unchanged", &[Target::WallSeconds(2.5)]),
];

/// Where physics sets the limit: seconds computed for two cores of 2.5 GHz, perfectly used, and
/// 159,000 files of 2.6 GB (reference measurements of the design).
const LIMITS: &[(&str, &str, f64)] = &[
    ("small", "first backup", 5.0),
    ("small", "unchanged", 0.15),
    ("small", "1 % changed", 0.4),
    ("small", "full restore, tmpfs", 2.6),
    ("small", "one file back", 0.01),
    ("small", "list all", 0.1),
    ("small", "check, all data read", 1.5),
    ("big", "first backup", 6.2),
    ("big", "unchanged", 0.01),
    ("big", "2 % changed", 2.0),
    ("big", "full restore, tmpfs", 2.9),
    ("media", "first backup", 1.6),
    ("media", "full restore, tmpfs", 1.2),
];

pub(crate) fn limit(row: &Row, facts: &Value) -> Option<f64> {
    if facts["quick"] == true {
        return None;
    }
    let found = LIMITS
        .iter()
        .find(|(group, title, _)| (*group, *title) == (row.group, row.title));
    found.map(|(_, _, seconds)| *seconds)
}

/// How the row stands to its targets; nothing if we were not measured.
pub(crate) fn verdicts(row: &Row) -> Vec<Verdict> {
    let Some(ours) = row.cells.iter().find(|cell| cell.tool == "recoup") else {
        return Vec::new();
    };
    if ours.samples.is_empty() {
        return Vec::new();
    }
    let found = ROWS
        .iter()
        .find(|(group, title, _)| (*group, *title) == (row.group, row.title));
    let targets = found.map_or(&[][..], |(_, _, targets)| targets);
    let memory = Target::MemoryMegabytes(if row.group == "million" { 250.0 } else { 120.0 });
    targets
        .iter()
        .chain([&memory])
        .filter_map(|target| judge(target, ours, row))
        .collect()
}

fn judge(target: &Target, ours: &Cell, row: &Row) -> Option<Verdict> {
    let (value, limit, what) = match *target {
        Target::Wall(rival, limit) => {
            let rival = find(rival, row)?;
            (ratio(ours, rival)?, limit, format!("of {}", rival.tool))
        }
        Target::Size(rival, limit) => {
            let rival = find(rival, row)?;
            let share = ours.repository_bytes? as f64 / rival.repository_bytes? as f64;
            (share, limit, format!("of {}'s size", rival.tool))
        }
        Target::WallSeconds(limit) => (ours.wall()?, limit, "s".to_owned()),
        Target::MemoryMegabytes(limit) => (ours.memory()? / 1e6, limit, "MB of memory".to_owned()),
    };
    let digits = if limit >= 10.0 { 0 } else { 2 };
    let text = format!("{value:.digits$} {what} (target {limit})");
    Some(Verdict {
        text,
        met: value <= limit,
    })
}

fn find(rival: Rival, row: &Row) -> Option<&Cell> {
    match rival {
        Rival::Named(name) => row.cells.iter().find(|cell| cell.tool == name),
        Rival::Best => best_peer(row),
    }
}

/// The peer with the lowest median wall time; floors don't count.
pub(crate) fn best_peer(row: &Row) -> Option<&Cell> {
    let peers = row
        .cells
        .iter()
        .filter(|cell| cell.tool != "recoup" && !cell.floor);
    let timed = peers.filter_map(|cell| Some((cell, cell.wall()?)));
    timed
        .min_by(|left, right| left.1.total_cmp(&right.1))
        .map(|(cell, _)| cell)
}

/// The median of the ratios of each pair of runs: drift of the machine between runs falls out.
pub(crate) fn ratio(ours: &Cell, rival: &Cell) -> Option<f64> {
    let pairs = ours.samples.iter().zip(&rival.samples);
    median(
        pairs
            .map(|(left, right)| left.wall_seconds / right.wall_seconds)
            .collect(),
    )
}

impl Cell {
    pub(crate) fn wall(&self) -> Option<f64> {
        median(
            self.samples
                .iter()
                .map(|sample| sample.wall_seconds)
                .collect(),
        )
    }

    pub(crate) fn cpu(&self) -> Option<f64> {
        median(
            self.samples
                .iter()
                .map(|sample| sample.cpu_seconds)
                .collect(),
        )
    }

    /// The highest peak of all runs, in bytes.
    pub(crate) fn memory(&self) -> Option<f64> {
        self.samples
            .iter()
            .map(|sample| sample.memory_bytes as f64)
            .max_by(f64::total_cmp)
    }
}

/// The middle of `values`, or halfway between the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_odd_and_none() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
