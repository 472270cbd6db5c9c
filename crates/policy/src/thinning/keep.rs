//! A point as thinning sees it, and the points that stay whatever their age.

use std::time::Duration;

/// A point of a timeline, as far as thinning must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its name, handed back if it may go.
    pub id: u64,
    /// The lived time of the timeline when it was made.
    pub lived: Duration,
    /// Somebody, or an incident, wants it to stay.
    pub pinned: bool,
    /// All map nodes of it are stored: what came before it needs no later one.
    pub checkpoint: bool,
    /// It was really restored once.
    pub proven: bool,
}

/// Oldest first; equal times by id, so that the answer does not depend on the order given.
pub(super) fn oldest_first(points: &[Kept]) -> Vec<Kept> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|point| (point.lived, point.id));
    sorted
}

/// Whether each point stays whatever its age: pinned, the newest, the last proven one, and what comes
/// after the last checkpoint, which is still being written on.
pub(super) fn forced(sorted: &[Kept]) -> Vec<bool> {
    let last_checkpoint = sorted.iter().rposition(|point| point.checkpoint);
    let last_proven = sorted.iter().rposition(|point| point.proven);
    sorted
        .iter()
        .enumerate()
        .map(|(at, point)| {
            point.pinned
                || at + 1 == sorted.len()
                || Some(at) == last_proven
                || last_checkpoint.is_none_or(|last| at >= last)
        })
        .collect()
}
