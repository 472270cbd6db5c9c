//! A plan: what an undo would do to a live source, as a value.
//!
//! Equal inputs give equal plans. Every step says which state it expects and which it leaves, so that
//! whoever runs it can tell, by looking at the live source alone, whether it is still to be done, done
//! already, or overtaken by somebody else.

use crate::entry::Entry;
use crate::key::PathKey;

/// What a step does at its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing stands there: what the event took is made again.
    Create,
    /// What the event left there gives way to what stood there before.
    Replace,
    /// What the event made is moved to the quarantine.
    Remove,
    /// Mode, owner, times or attributes are set; content stays.
    Metadata,
    /// Live content and the content from before are both in what takes its place.
    Merge,
    /// What stands at `from` moves here with everything that was done to it since: the event had
    /// renamed it.
    Move {
        /// Where it stands now.
        from: PathKey,
    },
    /// Live stays; the version from before is put beside it under a name of its own.
    Beside,
}

impl Action {
    /// The word that people and scripts read.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "restore",
            Self::Replace => "put-back",
            Self::Remove => "remove",
            Self::Metadata => "metadata",
            Self::Merge => "merge",
            Self::Move { .. } => "move",
            Self::Beside => "beside",
        }
    }

    /// Whether something has to be written out for it, from what is stored.
    pub fn writes(&self) -> bool {
        match self {
            Self::Create | Self::Replace | Self::Merge | Self::Beside => true,
            Self::Remove | Self::Metadata | Self::Move { .. } => false,
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// Where. For [`Action::Beside`] the key of the live file: the name beside it carries the number of
    /// the operation, which is not known before it begins.
    pub key: PathKey,
    /// What is done.
    pub action: Action,
    /// What stood at the key when the plan was made; `None` if nothing did. For [`Action::Beside`], the
    /// live file that stays. For [`Action::Move`], what stood at `from`: at the key itself nothing did.
    pub expects: Option<Entry>,
    /// What stands there afterwards; `None` if nothing does. For [`Action::Beside`], what is put beside.
    pub leaves: Option<Entry>,
}

/// Why undo did not decide for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ConflictKind {
    /// The event deleted it, and something new was made at the path since.
    PathReused = 1,
    /// The event changed it, and it was deleted since.
    CleanedUp = 2,
    /// The event made it, and it was edited since.
    MadeThenEdited = 3,
    /// The event changed it, and it was edited since.
    EditedAfter = 4,
    /// Before, after and now are of different kinds.
    KindChanged = 5,
    /// The same owner, mode or attribute was changed by the event and again since.
    Metadata = 6,
    /// A file belongs where a directory must stay, or the other way round.
    DirectoryInTheWay = 7,
    /// Two names of the result would be one name on this file system.
    SameName = 8,
    /// It belongs to a group of files that must not be mixed from two times.
    Group = 9,
    /// The event renamed it, and it was renamed again since.
    RenamedTwice = 10,
    /// It was changed between plan and step.
    ChangedMeanwhile = 11,
    /// Somebody still wrote to what had been replaced.
    LateWrite = 12,
}

impl ConflictKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::PathReused,
        Self::CleanedUp,
        Self::MadeThenEdited,
        Self::EditedAfter,
        Self::KindChanged,
        Self::Metadata,
        Self::DirectoryInTheWay,
        Self::SameName,
        Self::Group,
        Self::RenamedTwice,
        Self::ChangedMeanwhile,
        Self::LateWrite,
    ];

    /// The kind with this number in stored records.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::PathReused => "path-reused",
            Self::CleanedUp => "cleaned-up",
            Self::MadeThenEdited => "made-then-edited",
            Self::EditedAfter => "edited-after",
            Self::KindChanged => "kind-changed",
            Self::Metadata => "metadata",
            Self::DirectoryInTheWay => "directory-in-the-way",
            Self::SameName => "same-name",
            Self::Group => "group",
            Self::RenamedTwice => "renamed-twice",
            Self::ChangedMeanwhile => "changed-meanwhile",
            Self::LateWrite => "late-write",
        }
    }
}

/// A key for which undo did not decide: a value, kept in the record of the operation, that never stops
/// the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// Where.
    pub key: PathKey,
    /// Why.
    pub kind: ConflictKind,
    /// Just before the event.
    pub before: Option<Entry>,
    /// Just after it.
    pub after: Option<Entry>,
    /// When the plan was made.
    pub live: Option<Entry>,
}

/// A key that was left alone although the event touched it, and why: nothing is open about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kept {
    /// Where.
    pub key: PathKey,
    /// Why, in words.
    pub why: String,
}

/// A key whose live state could not be known, or that is in use: to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Deferred {
    /// Where.
    pub key: PathKey,
    /// Why, in words.
    pub why: String,
}

/// What an undo would do. Everything is in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// What is to be done; at most one step that places something at a key.
    pub steps: Vec<Step>,
    /// What is not decided.
    pub conflicts: Vec<Conflict>,
    /// What stays as it is.
    pub kept: Vec<Kept>,
    /// What could not be looked at.
    pub deferred: Vec<Deferred>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether something is left for a person to decide or to try again.
    pub fn leaves_open(&self) -> bool {
        !self.conflicts.is_empty() || !self.deferred.is_empty()
    }
}
