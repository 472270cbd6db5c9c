//! Staging: what a plan places is written out beside the tree, whole, before the first step.
//!
//! A map of just these keys goes into the repository, and an ordinary restore writes it: every byte is
//! verified, attributes and hard links are set as everywhere else.

use std::collections::HashMap;
use std::path::Path;

use format::entry::{encode_entry, entry_bytes};
use model::{Action, BlobId, Kind, PathKey, Plan, Snapshot, Totals};
use prolly::Builder;
use repository::{MapWriter, Packer, RepositoryError};
use restore::RestoreOptions;

use super::ground::Files;
use crate::error::{Result, UndoError};

/// What could not be staged, and why.
pub(super) type Unstaged = HashMap<PathKey, String>;

impl Files<'_> {
    /// Writes what the steps place to `target`, under the keys of the steps.
    pub(super) fn stage(
        &self,
        plan: &Plan,
        target: &Path,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<Unstaged> {
        let (root, totals) = self.staged_map(plan, wanted)?;
        if root.is_none() {
            return Ok(Unstaged::new());
        }
        let options = &self.options;
        let snapshot = Snapshot {
            time: (self.clock)(),
            finished: (self.clock)(),
            host: options.backup.host.clone(),
            user: options.backup.user.clone(),
            source: options.backup.source.clone(),
            tags: Vec::new(),
            root,
            parent: None,
            totals,
            errors: 0,
            safety: true,
            names: model::Names::default(),
            program: options.backup.program.clone(),
        };
        let restore = RestoreOptions {
            threads: options.backup.threads,
            root_user: options.root_user,
            ..RestoreOptions::new(target)
        };
        let report = restore::run(
            self.repository,
            &snapshot,
            &PathKey::root(),
            &restore,
            self.monitor,
            self.cancel,
        )?;
        let mut unstaged = Unstaged::new();
        for problem in report.problems.into_iter().filter(|it| it.content_missing) {
            if let Ok(key) = PathKey::from_path(&problem.path) {
                unstaged.insert(key, problem.message);
            }
        }
        Ok(unstaged)
    }

    fn staged_map(
        &self,
        plan: &Plan,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Result<(Option<BlobId>, Totals)> {
        let mut totals = Totals::default();
        let (root, _) = self.repository.write(self.monitor, |session| {
            let mut packer = Packer::map(session);
            let mut nodes = MapWriter(&mut packer);
            let params = self.repository.map_params();
            let mut builder = Builder::new(params, entry_bytes, &mut nodes);
            let mut value = Vec::new();
            for (index, step) in plan.steps.iter().enumerate() {
                let is_staged = step.action.writes() && wanted(index);
                let Some(leaves) = step.leaves.as_ref().filter(|_| is_staged) else {
                    continue;
                };
                let mut entry = leaves.clone();
                // What is put beside, and what was merged, is a file of its own.
                if matches!(step.action, Action::Merge | Action::Beside) {
                    entry.link = None;
                }
                totals.bytes = totals.bytes.saturating_add(entry.size);
                match entry.kind {
                    Kind::Directory => totals.directories += 1,
                    _ => totals.files += 1,
                }
                value.clear();
                encode_entry(&entry, &mut value);
                builder
                    .push(step.key.as_bytes(), &value)
                    .map_err(|error| UndoError::map(&error))?;
            }
            let root = builder.finish().map_err(|error| UndoError::map(&error))?;
            packer.finish().map_err(UndoError::Repository)?;
            Ok::<_, UndoError>(root)
        })?;
        Ok((root, totals))
    }
}

impl UndoError {
    fn map(error: &prolly::BuildError<RepositoryError>) -> Self {
        Self::Map {
            why: error.to_string(),
        }
    }
}
