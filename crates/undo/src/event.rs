//! Events: what is to be taken back, as a change set with the states around it.

use merge::ChangeSet;
use model::operation::{Operation, OperationKind, Outcome};
use model::{Change, PathKey, SnapshotId};
use repository::{MapReader, Repository, Stored};

use crate::error::{Result, UndoError};

/// What is to be taken back.
#[derive(Debug, Clone)]
pub struct Event {
    /// What changed.
    pub changes: ChangeSet,
    /// The state just before, as far as it is one.
    pub before: Option<Stored>,
    /// The state just after, as far as it is one: of the whole source, so that it can be told whether a
    /// group of files was touched since.
    pub after: Option<Stored>,
    /// What it is, in words.
    pub about: String,
    /// The operation that it was, when one is taken back.
    pub of: Option<u64>,
    /// What taking it back is.
    pub kind: OperationKind,
}

impl Event {
    /// What happened at a place, and beneath it, between two snapshots of one source.
    pub fn between(
        repository: &Repository,
        before: &Stored,
        after: &Stored,
        below: &PathKey,
    ) -> Result<Self> {
        if before.snapshot.source != after.snapshot.source {
            return Err(UndoError::TwoSources {
                before: before.id,
                after: after.id,
            });
        }
        if before.snapshot.time > after.snapshot.time {
            return Err(UndoError::Backwards {
                before: before.id,
                after: after.id,
            });
        }
        let changes = changes(repository, before, after, below)?;
        Ok(Self {
            changes,
            about: format!("from {} to {}", before.id.short(), after.id.short()),
            before: Some(before.clone()),
            after: Some(after.clone()),
            of: None,
            kind: OperationKind::Undo,
        })
    }

    /// What happened since a snapshot, up to now: `changes` were found by comparing with the live tree.
    pub fn since(before: &Stored, changes: impl IntoIterator<Item = Change>) -> Self {
        Self {
            changes: changes.into_iter().collect(),
            about: format!("everything since {}", before.id.short()),
            before: Some(before.clone()),
            after: None,
            of: None,
            kind: OperationKind::Undo,
        }
    }

    /// What an operation did: the undo of an undo. Its record names what was there before it began and
    /// what was there when it had ended, of all that it touched.
    pub fn of_operation(repository: &Repository, operation: &Operation) -> Result<Self> {
        let number = operation.begun.number;
        let refuse = |why| Err(UndoError::NotUndoable { number, why });
        let Some((_, ended)) = &operation.ended else {
            return refuse("it is not finished: `recoup undo --resume` finishes it first");
        };
        if ended.outcome != Outcome::Done {
            return refuse("it changed nothing");
        }
        let (Some(before), Some(after)) = (operation.begun.safety, ended.left) else {
            return refuse("it kept no record of what was there before and afterwards");
        };
        let stored = |id: SnapshotId| -> Result<Stored> {
            Ok(Stored {
                id,
                snapshot: repository.snapshot(id)?,
            })
        };
        let (before, after) = (stored(before)?, stored(after)?);
        let mut changes = changes(repository, &before, &after, &PathKey::root())?;
        if !ended.left_is_whole {
            changes = changes
                .into_iter()
                .filter(|change| change.after.is_some())
                .collect();
        }
        Ok(Self {
            changes,
            before: Some(before),
            after: None,
            about: format!("operation {number}"),
            of: Some(number),
            kind: OperationKind::Redo,
        })
    }
}

fn changes(
    repository: &Repository,
    before: &Stored,
    after: &Stored,
    below: &PathKey,
) -> Result<ChangeSet> {
    let reader = MapReader::new(repository);
    let (from, to) = (before.snapshot.root, after.snapshot.root);
    let mut changes = Vec::new();
    for change in reader.changes(from, to, below) {
        changes.push(change?);
    }
    Ok(changes.into_iter().collect())
}
