//! Merging the contents of files that were edited after the event.

use merge::content::{self, Verdict};
use model::{Conflict, ConflictKind, Entry, Kind, Plan};
use source::files::write::TreeWriter;

use super::ground::Files;
use super::live::parent;
use crate::conflicts;
use crate::error::Result;
use crate::ground::{ContentMerge, Proposal, Proposed};

/// Longer files are not merged: nobody could judge the result.
const MERGED_BYTES_MAX: u64 = 1 << 20;

impl Files<'_> {
    /// Looks for merges of what was edited since, and makes them steps where that was asked for.
    pub(super) fn merge_contents(
        &self,
        plan: Plan,
        tree: &TreeWriter,
        how: ContentMerge,
    ) -> Result<Proposal> {
        conflicts::merge_contents(plan, how, |conflict| self.merge_content(conflict, tree))
    }

    fn merge_content(&self, conflict: &Conflict, tree: &TreeWriter) -> Result<Option<Proposed>> {
        let (Some(before), Some(after), Some(live)) =
            (&conflict.before, &conflict.after, &conflict.live)
        else {
            return Ok(None);
        };
        let sides = [before, after, live];
        let mergeable = conflict.kind == ConflictKind::EditedAfter
            && sides.iter().all(|entry| {
                entry.kind == Kind::File && (1..=MERGED_BYTES_MAX).contains(&entry.size)
            });
        if !mergeable {
            return Ok(None);
        }
        let Some(live_bytes) = read_live(tree, conflict, live) else {
            return Ok(None);
        };
        let (before_bytes, after_bytes) = (
            self.repository.content(before)?,
            self.repository.content(after)?,
        );
        let name = conflict.key.name();
        match content::merge(name, &before_bytes, &after_bytes, &live_bytes) {
            Verdict::Merged { bytes, how, .. } => Ok(Some(Proposed {
                key: conflict.key.clone(),
                how: how.word(),
                entry: self.entry_of(live, &bytes)?,
                bytes,
                live: live_bytes,
            })),
            Verdict::Refused(_) => Ok(None),
        }
    }

    /// The live entry with other bytes, as a backup would store it.
    fn entry_of(&self, live: &Entry, bytes: &[u8]) -> Result<Entry> {
        Ok(Entry {
            size: bytes.len() as u64,
            content: backup::content_of_bytes(self.repository, bytes)?,
            link: None,
            unsettled: false,
            ..live.clone()
        })
    }
}

/// The bytes of the live file, if it still is what was looked at.
fn read_live(tree: &TreeWriter, conflict: &Conflict, live: &Entry) -> Option<Vec<u8>> {
    let (directory, name) = parent(tree, &conflict.key).ok()?;
    let mut file = directory.open_existing(name, false).ok()?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).ok()?;
    (bytes.len() as u64 == live.size).then_some(bytes)
}
