//! In which order steps are run.
//!
//! Directories from the top down, then files and links, then moves, then removals from the bottom up,
//! attributes last. What is in the way of a move, or moves itself, leaves first: names that form a
//! cycle are free before the first of them is needed.

use std::collections::HashSet;

use model::plan::Step;
use model::{Action, Kind, PathKey};

use super::judge::Seen;

/// What is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Round {
    /// Beneath what will be moved away: placed while its path still leads there.
    PlaceBeforeMoves,
    /// The same, removed.
    RemoveBeforeMoves,
    /// The same, attributes.
    MetadataBeforeMoves,
    /// What moves leaves its name, as far as the name is needed.
    Displace,
    /// Removed because something else is to stand at the very name, or at one above it.
    Clear,
    /// Directories, from the top down.
    Directories,
    /// Files with several names: one look at a time, since each move changes the others' times.
    Linked,
    /// All other files, on several threads.
    Files,
    /// What moves gets its new name.
    Move,
    /// Beneath what was moved.
    PlaceAfterMoves,
    /// Removals of files with several names.
    RemoveLinked,
    /// Removals of all other files, on several threads.
    RemoveFiles,
    /// Directories, from the bottom up; what takes the place of one too.
    RemoveDirectories,
    /// Owner, mode, attributes and times, from the bottom up.
    Metadata,
}

impl Round {
    /// Whether its steps may run at the same time.
    pub(super) fn is_parallel(self) -> bool {
        matches!(self, Self::Files | Self::RemoveFiles)
    }

    fn is_bottom_up(self) -> bool {
        matches!(
            self,
            Self::RemoveBeforeMoves
                | Self::MetadataBeforeMoves
                | Self::Clear
                | Self::Displace
                | Self::RemoveDirectories
                | Self::Metadata
        )
    }
}

/// Indices of steps, in the order in which they are run. Displaced moves are in two rounds.
pub(super) fn rounds(steps: &[Step], seen: &Seen) -> Vec<(Round, Vec<usize>)> {
    let moves = Moves::of(steps);
    let mut placed: Vec<(Round, usize)> = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        if let Action::Move { from } = &step.action {
            if moves.is_in_the_way(steps, index, from) {
                placed.push((Round::Displace, index));
            }
            placed.push((Round::Move, index));
        } else {
            placed.push((moves.round(step, seen), index));
        }
    }
    placed.sort_by(|one, two| {
        let place = one.0.cmp(&two.0);
        let key = |index: usize| match (&steps[index].action, one.0) {
            (Action::Move { from }, Round::Displace) => from,
            _ => &steps[index].key,
        };
        let inner = || key(one.1).cmp(key(two.1)).then(one.1.cmp(&two.1));
        place.then_with(|| {
            if one.0.is_bottom_up() {
                inner().reverse()
            } else {
                inner()
            }
        })
    });
    let mut rounds: Vec<(Round, Vec<usize>)> = Vec::new();
    for (round, index) in placed {
        match rounds.last_mut() {
            Some((last, indices)) if *last == round => indices.push(index),
            _ => rounds.push((round, vec![index])),
        }
    }
    rounds
}

/// What the moves of a plan mean for the other steps.
struct Moves<'a> {
    from: HashSet<&'a [u8]>,
    to: HashSet<&'a [u8]>,
    /// Keys at which a step places something.
    placed: HashSet<&'a [u8]>,
    /// Those of them at which another step removes something.
    cleared: HashSet<&'a [u8]>,
}

impl<'a> Moves<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let mut moves = Self {
            from: HashSet::new(),
            to: HashSet::new(),
            placed: HashSet::new(),
            cleared: HashSet::new(),
        };
        for step in steps {
            match &step.action {
                Action::Move { from } => {
                    moves.from.insert(from.as_bytes());
                    moves.to.insert(step.key.as_bytes());
                    moves.placed.insert(step.key.as_bytes());
                }
                Action::Create | Action::Replace | Action::Merge => {
                    moves.placed.insert(step.key.as_bytes());
                }
                Action::Remove | Action::Metadata | Action::Beside => {}
            }
        }
        let removed = |step: &&Step| step.action == Action::Remove;
        for step in steps.iter().filter(removed) {
            if moves.placed.contains(step.key.as_bytes()) {
                moves.cleared.insert(step.key.as_bytes());
            }
        }
        moves
    }

    fn round(&self, step: &Step, seen: &Seen) -> Round {
        let key = step.key.as_bytes();
        let leaves = |kind| step.leaves.as_ref().is_some_and(|it| it.kind == kind);
        let was_directory = step
            .expects
            .as_ref()
            .is_some_and(|it| it.kind == Kind::Directory);
        let leaves_early = !self.from.is_empty()
            && above(key).any(|above| self.from.contains(above) && !self.placed.contains(above));
        let comes_late = !self.from.is_empty() && above(key).any(|above| self.to.contains(above));
        let makes_room = !self.cleared.is_empty()
            && (self.cleared.contains(key) || above(key).any(|it| self.cleared.contains(it)));
        match step.action {
            Action::Remove if makes_room => Round::Clear,
            Action::Remove if leaves_early => Round::RemoveBeforeMoves,
            Action::Remove if was_directory => Round::RemoveDirectories,
            Action::Remove if is_linked(step, seen) => Round::RemoveLinked,
            Action::Remove => Round::RemoveFiles,
            Action::Metadata if leaves_early => Round::MetadataBeforeMoves,
            Action::Metadata => Round::Metadata,
            _ if leaves_early => Round::PlaceBeforeMoves,
            _ if comes_late => Round::PlaceAfterMoves,
            Action::Replace | Action::Merge if was_directory => Round::RemoveDirectories,
            _ if leaves(Kind::Directory) => Round::Directories,
            _ if is_linked(step, seen) => Round::Linked,
            _ => Round::Files,
        }
    }

    /// Whether the name that a move leaves, or one beneath or above it, is needed by another step
    /// before the move would come to its turn.
    fn is_in_the_way(&self, steps: &[Step], index: usize, from: &PathKey) -> bool {
        let own = steps[index].key.as_bytes();
        let bytes = from.as_bytes();
        self.placed.contains(bytes)
            || above(bytes).any(|above| self.from.contains(above))
            || above(own).any(|above| above == bytes)
            || above(bytes).any(|above| above == own)
    }
}

fn is_linked(step: &Step, seen: &Seen) -> bool {
    let entries = [&step.expects, &step.leaves];
    entries
        .into_iter()
        .flatten()
        .any(|entry| entry.link.is_some())
        || seen
            .get(&step.key)
            .is_some_and(|stat| stat.nlink > 1 && stat.kind != Kind::Directory)
}

/// The keys of the directories above a key, innermost first; the root is left out, which nothing moves.
fn above(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(model::key::parent(key), |key| model::key::parent(key))
        .take_while(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use model::Entry;

    use super::*;

    fn key(path: &str) -> PathKey {
        PathKey::from_path(path.as_bytes()).unwrap()
    }

    fn step(path: &str, action: Action, expects: Option<Kind>, leaves: Option<Kind>) -> Step {
        Step {
            key: key(path),
            action,
            expects: expects.map(Entry::new),
            leaves: leaves.map(Entry::new),
        }
    }

    fn order(steps: &[Step]) -> Vec<(Round, String)> {
        let name = |index: usize| String::from_utf8(steps[index].key.to_path()).unwrap();
        rounds(steps, &Seen::new())
            .into_iter()
            .flat_map(|(round, indices)| indices.into_iter().map(move |index| (round, name(index))))
            .collect()
    }

    #[test]
    fn directories_come_first_and_go_last() {
        let (file, dir) = (Some(Kind::File), Some(Kind::Directory));
        let steps = [
            step("a", Action::Create, None, dir),
            step("a/x", Action::Create, None, file),
            step("b", Action::Remove, dir, None),
            step("b/y", Action::Remove, file, None),
            step("c", Action::Replace, dir, file),
            step("c/z", Action::Remove, file, None),
            step("d", Action::Metadata, dir, dir),
            step("d/m", Action::Metadata, file, file),
        ];
        let found = order(&steps);
        let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a", "a/x", "b/y", "c/z", "c", "b", "d/m", "d"]);
    }

    #[test]
    fn a_swap_and_a_file_that_moves_into_its_own_name_leave_first() {
        let (file, dir) = (Some(Kind::File), Some(Kind::Directory));
        let to = |from: &str| Action::Move { from: key(from) };
        let swap = [
            step("a", to("b"), file, file),
            step("b", to("a"), file, file),
        ];
        let rounds: Vec<_> = order(&swap).into_iter().map(|(round, _)| round).collect();
        use Round::{Displace, Move};
        assert_eq!(rounds, [Displace, Displace, Move, Move]);

        let inward = [
            step("k", Action::Replace, file, dir),
            step("k/x", to("k"), None, file),
        ];
        let found = order(&inward);
        let rounds: Vec<_> = found.iter().map(|(round, _)| *round).collect();
        assert_eq!(rounds, [Displace, Round::Directories, Move]);

        let plain = [
            step("a", to("b"), None, dir),
            step("a/f", Action::Replace, file, file),
        ];
        let rounds: Vec<_> = order(&plain).into_iter().map(|(round, _)| round).collect();
        assert_eq!(rounds, [Move, Round::PlaceAfterMoves]);
    }
}
