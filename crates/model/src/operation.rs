//! An operation: something Recoup did to live data, kept so that it can be shown, finished and undone.

use crate::id::{BlobId, SnapshotId};
use crate::incident::Incident;
use crate::key::PathKey;
use crate::time::Timestamp;

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OperationKind {
    /// Reverted an event.
    Undo = 1,
    /// Reverted an earlier operation.
    Redo = 2,
    /// Settled a conflict of an earlier operation.
    Resolve = 3,
    /// Brought a state back.
    Restore = 4,
}

impl OperationKind {
    /// The kind with this number in stored records.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Undo, Self::Redo, Self::Resolve, Self::Restore]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Redo => "redo",
            Self::Resolve => "resolve",
            Self::Restore => "restore",
        }
    }
}

/// How many paths a plan, or what was done of it, comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Made again or put back.
    pub restored: u64,
    /// Moved to the quarantine.
    pub removed: u64,
    /// Given other metadata only.
    pub metadata: u64,
    /// Left as they are.
    pub kept: u64,
    /// Given content in which both sides are.
    pub merged: u64,
    /// Not decided.
    pub conflicts: u64,
    /// To be tried again.
    pub deferred: u64,
    /// Bytes of files that are written.
    pub bytes: u64,
}

/// Long lists of an operation, kept as blobs: a plan, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Keyed hash of the whole.
    pub hash: [u8; 32],
    /// Length of the whole in bytes.
    pub len: u64,
    /// The pieces, in order.
    pub blobs: Vec<BlobId>,
}

/// Stored before the first step of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its number: 1 for the first of the repository.
    pub number: u64,
    /// What it does.
    pub kind: OperationKind,
    /// Machine.
    pub host: String,
    /// Who asked for it.
    pub user: String,
    /// The source that it changes.
    pub source: Vec<u8>,
    /// What it is about, in words: an event, a span of time, a path.
    pub about: String,
    /// The state that is gone back to, where it is one.
    pub before: Option<SnapshotId>,
    /// The state just after the event, where it is one.
    pub after: Option<SnapshotId>,
    /// The operation that it reverts, or a conflict of which it settles.
    pub of: Option<u64>,
    /// The incident of its source that it reverts.
    pub incident: Option<u64>,
    /// What was there before: everything that the operation may touch.
    pub safety: Option<SnapshotId>,
    /// The plan; `None` for a restore.
    pub plan: Option<Listed>,
    /// What the plan comes to.
    pub planned: Amounts,
    /// The directory that holds what is staged and what was displaced.
    pub work: Vec<u8>,
    /// Version of the program.
    pub program: String,
    /// The place in the source that it was about: nothing beside it was touched.
    pub below: PathKey,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Every step was run or is listed as open.
    Done = 1,
    /// What had been done was taken back.
    RolledBack = 2,
    /// It ended before the first step.
    Nothing = 3,
}

impl Outcome {
    /// The outcome with this number in stored records.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Done, Self::RolledBack, Self::Nothing]
            .into_iter()
            .find(|outcome| *outcome as u8 == code)
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::Nothing => "nothing",
        }
    }
}

/// Stored when an operation is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its number.
    pub number: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done.
    pub amounts: Amounts,
    /// Conflicts, what was kept and what was deferred, as a plan without steps.
    pub open: Option<Listed>,
    /// What was there afterwards, of everything that was touched.
    pub left: Option<SnapshotId>,
    /// Paths that `left` lacks and the safety snapshot has were removed by it. Otherwise `left` says
    /// nothing of them: a restore leaves alone what its snapshot lacks.
    pub left_is_whole: bool,
    /// The directory that holds what was displaced.
    pub quarantine: Vec<u8>,
}

/// An operation as its records tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// When it began.
    pub time: Timestamp,
    /// How it began.
    pub begun: Begun,
    /// When and how it ended; `None` while it runs, or after a crash.
    pub ended: Option<(Timestamp, Ended)>,
}

impl Operation {
    /// Whether it did what it was for, but for what it lists as open.
    pub fn is_done(&self) -> bool {
        matches!(&self.ended, Some((_, ended)) if ended.outcome == Outcome::Done)
    }

    /// Whether it took this incident of a machine's source back. One that began anew since keeps its number,
    /// and is not taken back by what came before.
    fn took_back(&self, incident: &Incident, host: &str, source: &[u8]) -> bool {
        let begun = &self.begun;
        let is_it = begun.incident == Some(incident.number) && begun.host == host;
        self.time >= incident.from && is_it && begun.source == source && self.is_done()
    }
}

/// The operation that took an incident back, unless what it did was taken back in turn.
pub fn that_took_back<'o>(
    all: &'o [Operation],
    incident: &Incident,
    host: &str,
    source: &[u8],
) -> Option<&'o Operation> {
    all.iter()
        .find(|op| op.took_back(incident, host, source) && !is_taken_back(op.begun.number, all))
}

/// Whether a later operation has taken this one back, and was not itself taken back.
pub fn is_taken_back(number: u64, all: &[Operation]) -> bool {
    all.iter().any(|op| {
        let redo = op.begun.of == Some(number) && op.begun.kind == OperationKind::Redo;
        // Later ones have higher numbers: whatever records say, this ends.
        redo && op.begun.number > number && op.is_done() && !is_taken_back(op.begun.number, all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Level;

    fn operation(number: u64, kind: OperationKind, of: Option<u64>) -> Operation {
        let time = Timestamp::new(1, 0);
        let begun = Begun {
            number,
            kind,
            host: "attic".to_owned(),
            user: String::new(),
            source: b"/srv".to_vec(),
            about: String::new(),
            before: None,
            after: None,
            of,
            incident: of.is_none().then_some(7),
            safety: None,
            plan: None,
            planned: Amounts::default(),
            work: Vec::new(),
            program: String::new(),
            below: PathKey::root(),
        };
        let ended = Ended {
            number,
            outcome: Outcome::Done,
            amounts: Amounts::default(),
            open: None,
            left: None,
            left_is_whole: true,
            quarantine: Vec::new(),
        };
        Operation {
            time,
            begun,
            ended: Some((time, ended)),
        }
    }

    fn incident(number: u64) -> Incident {
        Incident {
            number,
            level: Level::Alarm,
            rule: "deleted".to_owned(),
            about: String::new(),
            from: Timestamp::new(1, 0),
            to: Timestamp::new(1, 0),
            before: SnapshotId([0; 32]),
            after: SnapshotId([1; 32]),
            keys: 1,
            deleted: 1,
            changed: 0,
            actor: None,
            points: (1, 1),
        }
    }

    #[test]
    fn an_incident_is_over_as_long_as_its_undo_holds() {
        use OperationKind::{Redo, Undo};
        let mut incident = incident(7);
        let by = |all: &[Operation], host, source: &[u8]| {
            that_took_back(all, &incident, host, source).map(|op| op.begun.number)
        };
        let mut all = vec![operation(1, Undo, None)];
        assert_eq!(by(&all, "attic", b"/srv"), Some(1));
        assert_eq!(by(&all, "attic", b"/home"), None);
        assert_eq!(by(&all, "cellar", b"/srv"), None, "another machine's");
        all.push(operation(2, Redo, Some(1)));
        assert_eq!(
            by(&all, "attic", b"/srv"),
            None,
            "it was taken back in turn"
        );
        all.push(operation(3, Redo, Some(2)));
        assert_eq!(by(&all, "attic", b"/srv"), Some(1));
        all.truncate(2);
        all.push(operation(3, Undo, None));
        assert_eq!(by(&all, "attic", b"/srv"), Some(3));
        all[2].ended = None;
        assert_eq!(by(&all, "attic", b"/srv"), None, "interrupted");
        all.truncate(1);
        assert_eq!(by(&all, "attic", b"/srv"), Some(1));
        incident.from = Timestamp::new(2, 0);
        let again = that_took_back(&all, &incident, "attic", b"/srv");
        assert!(again.is_none(), "it happened once more");
    }
}
