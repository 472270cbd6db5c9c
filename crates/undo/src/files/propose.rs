//! From an event to a plan for a live tree.

use merge::{ChangeSet, Choice, Rules};
use model::{Change, Conflict, Kept, Kind, PathKey, Plan};
use source::files::write::TreeWriter;

use super::folding::fold;
use super::ground::{Files, Looks};
use super::live::LiveFiles;
use crate::conflicts::decide_each;
use crate::error::Result;
use crate::event::Event;
use crate::ground::{ContentMerge, Proposal};
use crate::needs::Needs;

impl Files<'_> {
    pub(super) fn propose_plan(&self, event: &Event, contents: ContentMerge) -> Result<Proposal> {
        let (event, left_alone) = self.without_own(event)?;
        let seen_at = (self.clock)();
        let mut live = LiveFiles::look(self, &event)?;
        let plan = self.engine(&event, &mut live)?;
        let looks = Looks {
            seen: live
                .stats()
                .map(|(key, stat)| (key.clone(), stat))
                .collect(),
            seen_at,
        };
        self.remember(looks);
        let tree = TreeWriter::open(&self.options.backup.root)?;
        let mut proposal = self.merge_contents(plan, &tree, contents)?;
        proposal.plan.kept.extend(left_alone);
        proposal.plan.kept.sort_by(|one, two| one.key.cmp(&two.key));
        proposal.needs = self.needs(&proposal.plan)?;
        Ok(proposal)
    }

    /// The plan as the engine makes it of this tree.
    fn engine(&self, event: &Event, live: &mut LiveFiles<'_, '_>) -> Result<Plan> {
        let failed = std::cell::RefCell::new(None);
        let untouched = |group: &merge::Group| match self.is_untouched(
            group,
            &event.changes,
            event.after.as_ref(),
        ) {
            Ok(untouched) => untouched,
            Err(error) => {
                failed.borrow_mut().get_or_insert(error);
                false
            }
        };
        let tree = TreeWriter::open(&self.options.backup.root)?;
        let folding = |directory: &PathKey, name: &[u8]| fold(&tree, directory, name);
        let rules = Rules {
            fold: Some(&folding),
            ..Rules::tree(&untouched)
        };
        let plan = merge::plan(&event.changes, live, &rules)?;
        match failed.into_inner() {
            Some(error) => Err(error),
            None => Ok(plan),
        }
    }

    /// The event without what belongs to Recoup itself: its repository, its keys, its caches.
    fn without_own(&self, event: &Event) -> Result<(Event, Vec<Kept>)> {
        let own: Vec<PathKey> = self
            .options
            .protected
            .iter()
            .filter_map(|path| {
                use std::os::unix::ffi::OsStrExt;
                let inner = path.strip_prefix(&self.options.backup.root).ok()?;
                PathKey::from_path(inner.as_os_str().as_bytes()).ok()
            })
            .collect();
        let is_own = |key: &PathKey| own.iter().any(|own| own.contains(key.as_bytes()));
        let mut kept = Vec::new();
        for change in event.changes.changes() {
            if is_own(&change.key) {
                kept.push(Kept {
                    key: change.key.clone(),
                    why: "it belongs to Recoup".to_owned(),
                });
            }
        }
        if kept.is_empty() {
            return Ok((event.clone(), kept));
        }
        let changes: ChangeSet = event.changes.clone().filter(|key| !is_own(key));
        let event = Event {
            changes,
            ..event.clone()
        };
        Ok((event, kept))
    }

    fn needs(&self, plan: &Plan) -> Result<Needs> {
        let mut needs = Needs::default();
        for step in &plan.steps {
            if let Some(leaves) = step.leaves.as_ref().filter(|_| step.action.writes()) {
                needs.inodes += 1;
                if leaves.kind == Kind::File {
                    needs.bytes = needs.bytes.saturating_add(leaves.size);
                }
            }
        }
        let root = &self.options.backup.root;
        let stat = rustix::fs::statvfs(root)
            .map_err(|errno| source::SourceError::io("measure the free space of", root, errno))?;
        needs.free_bytes = Some(stat.f_bavail.saturating_mul(stat.f_frsize));
        // Some file systems make inodes as they are needed, and say that there are none.
        needs.free_inodes = (stat.f_files > 0).then_some(stat.f_favail);
        Ok(needs)
    }

    /// The plan that decides conflicts.
    pub(super) fn resolve_plan(
        &self,
        event: &Event,
        conflicts: &[Conflict],
        choice: Choice,
    ) -> Result<Proposal> {
        let changes = conflicts.iter().map(|conflict| Change {
            key: conflict.key.clone(),
            before: conflict.before.clone(),
            after: conflict.live.clone(),
        });
        let asked: Vec<PathKey> = conflicts.iter().map(|it| it.key.clone()).collect();
        let event = Event {
            changes: changes.collect(),
            ..event.clone()
        };
        let seen_at = (self.clock)();
        let mut live = LiveFiles::look_at(self, &asked, &event)?;
        let tree = TreeWriter::open(&self.options.backup.root)?;
        let folding = |directory: &PathKey, name: &[u8]| fold(&tree, directory, name);
        let rules = Rules {
            fold: Some(&folding),
            untouched: None,
            ..Rules::tree(&|_| true)
        };
        let plan = decide_each(conflicts, |conflict| {
            merge::resolve(conflict, choice, &mut live, &rules)
        })?;
        self.remember(Looks {
            seen: live
                .stats()
                .map(|(key, stat)| (key.clone(), stat))
                .collect(),
            seen_at,
        });
        Ok(Proposal {
            needs: self.needs(&plan)?,
            plan,
            ..Proposal::default()
        })
    }
}
