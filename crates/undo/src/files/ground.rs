//! The file tree as a ground.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use backup::{BackupOptions, Looked, Selection};
use merge::Choice;
use model::{Cancel, Conflict, Monitor, PathKey, Plan, SnapshotId, Timestamp};
use repository::Repository;
use source::files::attributes::Rights;

use crate::apply::{self, Job, NoHooks, Outcome, Seen, StepResult, Work};
use crate::error::{Result, UndoError};
use crate::event::Event;
use crate::ground::{ContentMerge, Ground, Proposal, Way};
use crate::verify::Verifier;

/// How a tree is dealt with.
#[derive(Debug, Clone)]
pub struct FilesOptions {
    /// How the tree is read: root, source, exclusions, machine and user, threads. The selection does not
    /// matter.
    pub backup: BackupOptions,
    /// Absolute paths that belong to Recoup itself: never touched.
    pub protected: Vec<PathBuf>,
    /// Whether the process has the rights of root.
    pub root_user: bool,
}

/// A file tree that is undone on.
pub struct Files<'a> {
    pub(super) repository: &'a Repository,
    pub(super) options: FilesOptions,
    pub(super) clock: &'a (dyn Fn() -> Timestamp + Sync),
    pub(super) monitor: &'a dyn Monitor,
    pub(super) cancel: &'a Cancel,
    /// What was looked at for the last proposal: what the executor compares with.
    looks: Mutex<Looks>,
}

/// What was looked at, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    pub(super) seen: Seen,
    pub(super) seen_at: Timestamp,
}

/// Beside `staged`: everything that belongs there is there, with all its attributes.
const STAGED_MARK: &str = "staged.complete";

impl<'a> Files<'a> {
    /// The tree that the options name, and the repository that its snapshots are in.
    pub fn new(
        repository: &'a Repository,
        options: FilesOptions,
        clock: &'a (dyn Fn() -> Timestamp + Sync),
        monitor: &'a dyn Monitor,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            repository,
            options,
            clock,
            monitor,
            cancel,
            looks: Mutex::default(),
        }
    }

    pub(super) fn look(&self, keys: Arc<[PathKey]>) -> Result<BTreeMap<PathKey, Looked>> {
        let mut found = BTreeMap::new();
        backup::look(
            self.repository,
            &self.options.backup,
            keys,
            (self.clock)(),
            self.monitor,
            self.cancel,
            &mut |key, looked| _ = found.insert(key, looked),
        )?;
        Ok(found)
    }

    pub(super) fn remember(&self, looks: Looks) {
        *self.looks.lock().unwrap_or_else(PoisonError::into_inner) = looks;
    }

    fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.repository.id().short())
    }

    /// Runs what is left of a plan, staging again what an interruption left unstaged.
    fn resume(&self, plan: &Plan, work: &Work, options: &apply::Options) -> Result<Outcome> {
        if !work.path().join(STAGED_MARK).exists() {
            // Interrupted before the first step: directories may lack their attributes.
            self.stage(plan, work.staged(), &|_| true)?;
            self.mark(work)?;
        }
        let nothing = Seen::new();
        let go = || self.with_job(plan, work, &nothing, options, apply::resume);
        let outcome = go()?;
        let missing = |index: usize| matches!(outcome.results[index], StepResult::NotStaged);
        if !(0..plan.steps.len()).any(missing) {
            return Ok(outcome);
        }
        self.stage(plan, work.staged(), &missing)?;
        go()
    }

    fn mark(&self, work: &Work) -> Result<()> {
        let path = work.path().join(STAGED_MARK);
        std::fs::File::create(&path)
            .and_then(|file| file.sync_all())
            .map_err(|error| source::SourceError::io("create", path, error).into())
    }

    fn apply(&self, plan: &Plan, work: &Work, options: &apply::Options) -> Result<Outcome> {
        let unstaged = self.stage(plan, work.staged(), &|_| true)?;
        self.mark(work)?;
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = self.with_job(plan, work, &looks.seen, options, apply::apply)?;
        for (step, result) in plan.steps.iter().zip(&mut outcome.results) {
            if let (StepResult::NotStaged, Some(why)) = (&*result, unstaged.get(&step.key)) {
                *result = StepResult::Deferred(why.clone());
            }
        }
        Ok(outcome)
    }

    fn with_job(
        &self,
        plan: &Plan,
        work: &Work,
        seen: &Seen,
        options: &apply::Options,
        run: impl FnOnce(&Job<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        run(&Job {
            root: &self.options.backup.root,
            plan,
            work,
            seen,
            judge: &Verifier::new(self.repository),
            options,
            hooks: &NoHooks,
            cancel: self.cancel,
        })
    }
}

impl Ground for Files<'_> {
    fn source(&self) -> &[u8] {
        &self.options.backup.source
    }

    fn propose(&self, event: &Event, contents: ContentMerge) -> Result<Proposal> {
        self.propose_plan(event, contents)
    }

    fn resolve(&self, event: &Event, conflicts: &[Conflict], choice: Choice) -> Result<Proposal> {
        self.resolve_plan(event, conflicts, choice)
    }

    fn keep(&self, keys: Arc<[PathKey]>) -> Result<SnapshotId> {
        let options = BackupOptions {
            selection: Selection::Keys(keys),
            safety: true,
            cache: None,
            ..self.options.backup.clone()
        };
        let clock = || (self.clock)();
        let report = backup::backup(self.repository, &options, &clock, self.monitor, self.cancel)?;
        if let Some(problem) = report.problems.first() {
            return Err(UndoError::NotKept {
                count: report.snapshot.errors,
                path: problem.path.clone(),
                why: problem.message.clone(),
            });
        }
        report.id.ok_or(UndoError::Plan {
            why: "what is there now was not kept",
        })
    }

    fn work(&self, number: u64) -> Result<Option<PathBuf>> {
        let work = Work::open(&self.options.backup.root, &self.name(number))?;
        Ok(work.map(|work| work.path().to_owned()))
    }

    fn run(&self, number: u64, plan: &Plan, way: Way) -> Result<Outcome> {
        let rights = Rights::for_user(self.options.root_user, false);
        let seen_at = self
            .looks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .seen_at;
        let options = apply::Options::new(number.to_string(), rights, seen_at);
        let (root, name) = (&self.options.backup.root, self.name(number));
        let work = match (Work::open(root, &name)?, way) {
            (Some(work), Way::Resume | Way::RollBack) => work,
            (None, Way::RollBack) => return Err(UndoError::NothingBegun),
            // Where an interruption came before the work directory was made, no step was begun.
            _ => Work::create(root, &name)?,
        };
        match way {
            Way::Fresh => self.apply(plan, &work, &options),
            Way::Resume => self.resume(plan, &work, &options),
            Way::RollBack if !work.path().join(STAGED_MARK).exists() => {
                // No step is begun before everything is staged: there is nothing to take back, and what
                // lies there are pieces of our own.
                let staged = work.staged();
                std::fs::remove_dir_all(staged)
                    .map_err(|error| source::SourceError::io("remove", staged, error))?;
                Err(UndoError::NothingBegun)
            }
            Way::RollBack => self.with_job(plan, &work, &Seen::new(), &options, apply::rollback),
        }
    }

    fn tidy(&self, number: u64) -> Result<()> {
        let root = &self.options.backup.root;
        if let Some(work) = Work::open(root, &self.name(number))? {
            let _ = std::fs::remove_file(work.path().join(STAGED_MARK));
            // What was displaced keeps the directory; without any it is of no more use.
            work.remove_when_empty()?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("root", &self.options.backup.root)
            .finish_non_exhaustive()
    }
}
