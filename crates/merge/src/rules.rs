//! What a source asks of the engine.

use std::fmt;

use model::{Entry, PathKey};

use crate::groups::Group;

/// How names fold in a directory: the form under which two names are one, or `None` where every
/// difference counts.
pub type Fold<'a> = &'a dyn Fn(&PathKey, &[u8]) -> Option<Vec<u8>>;

/// Whether a key, seen with its state before the event, must never come back by undo.
pub type Ephemeral<'a> = &'a dyn Fn(&PathKey, &Entry) -> bool;

/// The rules of one kind of source.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Keys are paths: whatever stands at a key needs a directory above it. Without it keys are flat,
    /// and both `a` and a key that begins with `a` and a zero byte may hold a value; nothing is put
    /// beside anything.
    pub tree: bool,
    /// What the event deleted under one key and made, equal and once only, under another was renamed.
    pub renames: bool,
    /// What must never come back by undo: locks and leases, whose return would lie about who holds
    /// them, and keys that had to be deleted. Asked with the state from before.
    pub ephemeral: Option<Ephemeral<'a>>,
    /// How names fold. `None`: nowhere.
    pub fold: Option<Fold<'a>>,
    /// Whether everything of a group that the change set does not name is still as it was just after
    /// the event. Asked only if all that it names is. `None`: keys are not grouped.
    pub untouched: Option<&'a dyn Fn(&Group) -> bool>,
}

impl<'a> Rules<'a> {
    /// The rules of file trees.
    pub fn tree(untouched: &'a dyn Fn(&Group) -> bool) -> Self {
        Self {
            tree: true,
            renames: true,
            untouched: Some(untouched),
            ..Self::flat()
        }
    }

    /// The rules of plain maps.
    pub fn flat() -> Self {
        Self {
            tree: false,
            renames: false,
            ephemeral: None,
            fold: None,
            untouched: None,
        }
    }
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("tree", &self.tree)
            .field("renames", &self.renames)
            .finish_non_exhaustive()
    }
}
