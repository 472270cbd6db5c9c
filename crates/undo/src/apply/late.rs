//! Who writes to files that are, or were, in the way.
//!
//! A process that has a file open goes on writing to it after the file has lost its name. What it
//! writes then is in the quarantine: nothing is lost, but somebody has to be told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use model::plan::Step;
use model::{Action, ConflictKind, Kind};
use source::files::{FileId, Stat, Writer, writers_of};

use super::judge::Seen;
use super::quarantine::Displaced;
use super::site::{Site, locked};
use crate::outcome::{LateWrite, StepResult};

/// Between two looks at displaced files that are still open.
const BREAK: Duration = Duration::from_millis(50);

/// Who has which of the files open for writing that the steps will displace.
pub(super) fn writers_in_the_way(steps: &[Step], seen: &Seen) -> HashMap<FileId, Writer> {
    let mut files = HashSet::new();
    for step in steps {
        if !matches!(
            step.action,
            Action::Replace | Action::Merge | Action::Remove
        ) {
            continue;
        }
        if let Some(stat) = seen.get(&step.key).filter(|stat| stat.kind == Kind::File) {
            files.insert((stat.dev, stat.ino));
        }
    }
    writers_of(&files)
}

impl Site<'_> {
    /// Looks once more at everything that was displaced, and longer at what is still open.
    pub(super) fn late_writes(&self) -> Vec<LateWrite> {
        let displaced = locked(&self.notes.displaced).clone();
        let file = |it: &&Displaced| it.stat.is_some_and(|stat| stat.kind == Kind::File);
        let mut files: Vec<&Displaced> = displaced.iter().filter(file).collect();
        let ids: HashSet<FileId> = files.iter().filter_map(|it| id_of(it)).collect();
        let mut writers = writers_of(&ids);
        let end = Instant::now() + self.options.late_wait;
        let mut open = writers.clone();
        while !open.is_empty() && Instant::now() < end && !self.cancel.requested() {
            std::thread::sleep(BREAK.min(self.options.late_wait));
            open = writers_of(&open.into_keys().collect());
        }
        for (file, writer) in &self.writers {
            writers.entry(*file).or_insert_with(|| writer.clone());
        }
        files.retain(|displaced| self.has_changed(displaced));
        files
            .into_iter()
            .map(|displaced| {
                let key = &self.steps[displaced.step].key;
                let writer = id_of(displaced).and_then(|id| writers.get(&id));
                let result = StepResult::Conflict(ConflictKind::LateWrite);
                locked(&self.notes.revised).push((displaced.step, result));
                LateWrite {
                    step: self.plan_index[displaced.step],
                    key: key.clone(),
                    quarantined: displaced.path.clone(),
                    writer: writer.map(|writer| (writer.pid, writer.command.clone())),
                }
            })
            .collect()
    }

    fn has_changed(&self, displaced: &Displaced) -> bool {
        let look = || {
            let at = self.sink.directory(&displaced.directory).ok()?;
            at.stat(&displaced.name).ok()?
        };
        match (look(), displaced.stat) {
            (Some(now), Some(then)) => (now.size, now.mtime) != (then.size, then.mtime),
            _ => false,
        }
    }
}

fn id_of(displaced: &Displaced) -> Option<FileId> {
    displaced.stat.map(|Stat { dev, ino, .. }| (dev, ino))
}
