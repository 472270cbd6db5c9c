//! Whether a group of files was touched since the event, beside what the event touched.

use std::collections::HashSet;

use backup::{BackupOptions, Selection};
use merge::{ChangeSet, Group};
use model::{PathKey, Silent};
use repository::Stored;

use super::ground::Files;
use crate::error::Result;

impl Files<'_> {
    /// Whether everything of a group that the event did not touch is still as it was just after it.
    /// `after` is the state then; without one the event reaches up to now, and nothing came later.
    pub(super) fn is_untouched(
        &self,
        group: &Group,
        changes: &ChangeSet,
        after: Option<&Stored>,
    ) -> Result<bool> {
        let Some(after) = after else {
            return Ok(true);
        };
        let members: HashSet<&PathKey> = group
            .members
            .iter()
            .map(|&member| &changes.changes()[member].key)
            .collect();
        // Siblings of a database lie beside it, everything else beneath its root.
        let below = match group.kind {
            merge::GroupKind::Sqlite => group.root.parent().unwrap_or_default(),
            _ => group.root.clone(),
        };
        let options = BackupOptions {
            selection: Selection::Below(below),
            ..self.options.backup.clone()
        };
        let mut touched = false;
        let problems = backup::compare_live(
            self.repository,
            &after.snapshot,
            &options,
            (self.clock)(),
            &Silent,
            self.cancel,
            &mut |change| {
                touched |= group.contains(&change.key) && !members.contains(&change.key);
            },
        )?;
        // What can't be read may have been touched.
        Ok(!touched && problems.is_empty())
    }
}
