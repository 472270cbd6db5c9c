//! Merging the contents of files that were edited after the event.

use merge::content::{self, Verdict};
use model::plan::Step;
use model::{Action, Conflict, ConflictKind, Content, Entry, Kind, Plan};
use source::files::write::TreeWriter;

use super::ground::Files;
use super::live::parent;
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
        let mut proposal = Proposal {
            plan,
            ..Proposal::default()
        };
        if how == ContentMerge::Off {
            return Ok(proposal);
        }
        let conflicts = std::mem::take(&mut proposal.plan.conflicts);
        for conflict in conflicts {
            let Some(proposed) = self.merge_content(&conflict, tree)? else {
                proposal.plan.conflicts.push(conflict);
                continue;
            };
            if how == ContentMerge::Propose {
                proposal.proposed.push(proposed);
                proposal.plan.conflicts.push(conflict);
                continue;
            }
            replace_step(&mut proposal.plan, &conflict, proposed.entry.clone());
            proposal.merged.insert(conflict.key, proposed.bytes);
        }
        Ok(proposal)
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
        let (before_bytes, after_bytes) = (self.content(before)?, self.content(after)?);
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

    /// The whole content of a stored file.
    pub(super) fn content(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Content::Inline(inline) = &entry.content {
            bytes.extend_from_slice(inline);
        }
        for extent in self.repository.extents(entry)? {
            match extent {
                model::Extent::Data { id, .. } => {
                    bytes.extend_from_slice(&self.repository.read_blob(&id)?);
                }
                zeros => bytes.resize(bytes.len() + zeros.len() as usize, 0),
            }
        }
        Ok(bytes)
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

/// Puts a merge in the place of what the conflict would have put beside.
fn replace_step(plan: &mut Plan, conflict: &Conflict, leaves: Entry) {
    plan.steps
        .retain(|step| step.key != conflict.key || step.action == Action::Metadata);
    let at = plan.steps.partition_point(|step| step.key < conflict.key);
    // A metadata step of the same key sets what the merged file then has.
    let metadata = plan.steps.get(at).filter(|step| step.key == conflict.key);
    let leaves = match metadata.and_then(|step| step.leaves.as_ref()) {
        Some(wanted) => Entry {
            mode: wanted.mode,
            uid: wanted.uid,
            gid: wanted.gid,
            xattrs: wanted.xattrs.clone(),
            ..leaves
        },
        None => leaves,
    };
    plan.steps.retain(|step| step.key != conflict.key);
    plan.steps.insert(
        at,
        Step {
            key: conflict.key.clone(),
            action: Action::Merge,
            expects: conflict.live.clone(),
            leaves: Some(leaves),
        },
    );
}
