//! What happened to one path between two moments.

use crate::entry::Entry;
use crate::key::PathKey;

/// How a path changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It was not there before.
    Created,
    /// It is not there afterwards.
    Deleted,
    /// Kind, bytes, target or device differ.
    Changed,
    /// Only mode, owner, times, attributes or links differ.
    Metadata,
}

impl ChangeKind {
    /// What leads from one state to another, which are not both `None`.
    pub fn between(before: Option<&Entry>, after: Option<&Entry>) -> Self {
        match (before, after) {
            (None, _) => Self::Created,
            (_, None) => Self::Deleted,
            (Some(before), Some(after)) if before.same_content(after) => Self::Metadata,
            _ => Self::Changed,
        }
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::Metadata => "metadata",
        }
    }
}

/// One path's change: `before` and `after` are not both `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which path.
    pub key: PathKey,
    /// What was there.
    pub before: Option<Entry>,
    /// What is there.
    pub after: Option<Entry>,
}

impl Change {
    /// How the path changed.
    pub fn kind(&self) -> ChangeKind {
        ChangeKind::between(self.before.as_ref(), self.after.as_ref())
    }
}
