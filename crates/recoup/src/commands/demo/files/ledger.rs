//! The demo's own books: for each load balancer the exact state that should be there. Nothing of what
//! is compared with them comes from Recoup.
//!
//! Whoever changes a file or a directory holds its entry while doing so: so the books know what came
//! first. Recoup holds nothing, and knows nothing of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fleet::Fleet;

/// What the job did to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    Deleted,
    /// Nothing is left in it.
    Truncated,
    /// The state of another load balancer was written into it.
    Overwritten,
}

/// One load balancer.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// The revision that the control plane knows as the last; `None` if there is none.
    now: Option<u32>,
    /// Revisions that were ever written. Each is written once: no two changes look alike.
    revisions: u32,
    /// What the job did.
    pub(super) damage: Option<Damage>,
    /// The control plane changed it, or removed it, after the job had.
    pub(super) since: bool,
    /// When the job came, the control plane had changed it since the backup.
    pub(super) newer_than_backup: bool,
}

impl Entry {
    /// The revision that is written next.
    pub(super) fn next_revision(&self) -> u32 {
        self.revisions
    }

    pub(super) fn wrote(&mut self) {
        self.now = Some(self.revisions);
        self.revisions += 1;
        self.since = self.damage.is_some();
    }

    pub(super) fn removed(&mut self) {
        self.now = None;
        self.since = self.damage.is_some();
    }

    pub(super) fn damaged(&mut self, damage: Damage) {
        self.damage = Some(damage);
        self.since = false;
        self.newer_than_backup = self.now != Some(0);
    }

    /// Whether the job was the last to change it.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.is_some() && !self.since
    }
}

/// One cell's directory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    /// The job removed it.
    pub(super) removed: bool,
    /// The control plane made it again.
    pub(super) made_again: bool,
}

/// Which of two states the tree should be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// What the job did is undone, what the control plane did is there.
    Repaired,
    /// What both did is there.
    Damaged,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: Vec<Mutex<Entry>>,
    cells: Vec<Mutex<Cell>>,
}

/// Load balancers that may be made beside those of the start; more than the control plane makes in the
/// minutes of a slow machine.
const NEW_MAX: u64 = 100_000;

impl Ledger {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let entry = |number| {
            let mut entry = Entry::default();
            if number < fleet.size {
                entry.wrote();
            }
            Mutex::new(entry)
        };
        Self {
            entries: (0..fleet.size + NEW_MAX).map(entry).collect(),
            cells: (0..fleet.cells()).map(|_| Mutex::default()).collect(),
        }
    }

    /// How many load balancers there may be.
    pub(super) fn capacity(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn entry(&self, number: u64) -> MutexGuard<'_, Entry> {
        let entry = &self.entries[number as usize];
        entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cell(&self, cell: u64) -> MutexGuard<'_, Cell> {
        let cell = &self.cells[cell as usize];
        cell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file should hold; `None` if it should not be there.
    pub(super) fn expected(&self, fleet: &Fleet, number: u64, state: State) -> Option<Vec<u8>> {
        let entry = self.entry(number);
        if !entry.is_damaged() {
            return entry.now.map(|revision| fleet.state(number, revision));
        }
        match state {
            State::Repaired => Some(protected(fleet, number)),
            State::Damaged => entry
                .damage
                .and_then(|damage| left_by(damage, fleet, number)),
        }
    }

    /// Whether the directory should be there. Where the control plane made it again, it is.
    pub(super) fn expects_cell(&self, cell: u64, state: State) -> bool {
        let cell = self.cell(cell);
        state == State::Repaired || !cell.removed || cell.made_again
    }

    /// The load balancers for which something holds.
    pub(super) fn those(&self, holds: impl Fn(&Entry) -> bool) -> Vec<u64> {
        (0..self.capacity())
            .filter(|number| holds(&self.entry(*number)))
            .collect()
    }
}

/// What the first backup holds of a load balancer: the fleet was quiet then.
pub(super) fn protected(fleet: &Fleet, number: u64) -> Vec<u8> {
    fleet.state(number, 0)
}

/// What is in a file after the job; `None` if it is gone.
pub(super) fn left_by(damage: Damage, fleet: &Fleet, number: u64) -> Option<Vec<u8>> {
    match damage {
        Damage::Deleted => None,
        Damage::Truncated => Some(Vec::new()),
        Damage::Overwritten => Some(fleet.state(number ^ 1, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_work_wins_and_damage_goes_back_to_what_was_protected() {
        let fleet = Fleet {
            root: "".into(),
            size: 1000,
            seed: 1,
        };
        let ledger = Ledger::new(&fleet);
        let expected = |number, state| ledger.expected(&fleet, number, state);
        // Changed, then truncated: the protected version is older.
        ledger.entry(5).wrote();
        assert_eq!(expected(5, State::Repaired), Some(fleet.state(5, 1)));
        ledger.entry(5).damaged(Damage::Truncated);
        assert!(ledger.entry(5).newer_than_backup);
        assert_eq!(expected(5, State::Repaired), Some(fleet.state(5, 0)));
        assert_eq!(expected(5, State::Damaged), Some(Vec::new()));
        // Changed again after that: both states hold the last change.
        ledger.entry(5).wrote();
        for state in [State::Repaired, State::Damaged] {
            assert_eq!(expected(5, state), Some(fleet.state(5, 2)));
        }
        ledger.entry(6).damaged(Damage::Deleted);
        assert!(!ledger.entry(6).newer_than_backup);
        assert_eq!(expected(6, State::Damaged), None);
        assert_eq!(ledger.those(Entry::is_damaged), [6]);
        assert_eq!(expected(1000, State::Repaired), None);
    }
}
