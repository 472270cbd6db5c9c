//! Runs a plan, finishes one, takes one back.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::plan::Step;
use model::{Action, Cancel, Plan};
use rustix::fs::{Mode, OFlags};
use source::SourceError;
use source::files::Stat;
use source::files::write::TreeWriter;

use super::hands::Hands;
use super::judge::{Hooks, Judge, Options, Seen};
use super::late::writers_in_the_way;
use super::order::{Round, rounds};
use super::place;
use super::reverse::reversed;
use super::site::{Notes, Site, Way, locked};
use super::work::Work;
use crate::error::{Result, UndoError};
use crate::outcome::{Outcome, StepResult};

/// Steps that a thread takes at once: enough that threads seldom meet, few enough for both to end at
/// about the same time.
const BATCH: usize = 64;

/// Everything that it takes to run a plan.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The live tree.
    pub root: &'a Path,
    /// What is to be done; its steps in key order.
    pub plan: &'a Plan,
    /// The work directory, with what the steps place staged in it.
    pub work: &'a Work,
    /// What the touched paths were when the plan was made.
    pub seen: &'a Seen,
    /// Compares paths with entries.
    pub judge: &'a dyn Judge,
    /// How.
    pub options: &'a Options,
    /// For tests.
    pub hooks: &'a dyn Hooks,
    /// Asked between steps: what was begun is finished, and the rest can be resumed.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("root", &self.root)
            .field("work", &self.work.path())
            .finish_non_exhaustive()
    }
}

/// Runs a plan for the first time.
pub fn apply(job: &Job<'_>) -> Result<Outcome> {
    let indices = (0..job.plan.steps.len()).collect();
    Run::new(job, &job.plan.steps, indices, Way::First)?.all()
}

/// Finishes a plan that an earlier run may have left at any point. What is known in `seen` saves
/// comparing; it may be empty.
pub fn resume(job: &Job<'_>) -> Result<Outcome> {
    let indices = (0..job.plan.steps.len()).collect();
    Run::new(job, &job.plan.steps, indices, Way::Again)?.all()
}

/// Takes back what earlier runs have done, with the same care: what was changed since stays. Results
/// are those of the reverse of each step.
pub fn rollback(job: &Job<'_>) -> Result<Outcome> {
    let nothing = Seen::new();
    let job = Job {
        seen: &nothing,
        ..*job
    };
    let indices: Vec<usize> = (0..job.plan.steps.len()).collect();
    // What was displaced and not yet put away is looked for where it is put away.
    Run::new(&job, &job.plan.steps, indices, Way::Settle)?.settle()?;
    let (steps, indices) = reversed(job.plan);
    Run::new(&job, &steps, indices, Way::Back)?.all()
}

struct Run<'a> {
    site: Site<'a>,
    work: &'a Work,
}

impl<'a> Run<'a> {
    fn new(job: &Job<'a>, steps: &'a [Step], plan_index: Vec<usize>, way: Way) -> Result<Self> {
        check(steps)?;
        let work = job.work;
        if !place::same_mount(&canonical(job.root)?, work.path())? {
            return Err(UndoError::NotOurs {
                path: work.path().to_path_buf(),
                why: "it is on another file system than the tree",
            });
        }
        let live = TreeWriter::open(job.root)?;
        let device = Stat::of(live.root_fd())
            .map_err(|errno| SourceError::io("look at", job.root, errno))?
            .dev;
        let hands = Hands::probe(&work.moving, job.options.weaker, job.hooks)?;
        let (source, sink) = match way {
            Way::Back => (&work.quarantine, &work.staged),
            _ => (&work.staged, &work.quarantine),
        };
        let moves = steps.iter().filter_map(|step| match &step.action {
            Action::Move { from } => Some((step.key.clone(), from.clone())),
            _ => None,
        });
        let site = Site {
            live,
            source,
            sink,
            moving: &work.moving,
            steps,
            plan_index,
            moves: moves.collect(),
            hands,
            judge: job.judge,
            seen: job.seen,
            options: job.options,
            cancel: job.cancel,
            way,
            device,
            writers: writers_in_the_way(steps, job.seen),
            notes: Notes::new(steps.len()),
        };
        Ok(Self { site, work })
    }

    fn all(self) -> Result<Outcome> {
        // What is about to go live must not be lost to a power cut that the moves survive.
        sync(&self.work.staged, self.site.hands.hooks)?;
        for (round, indices) in rounds(self.site.steps, self.site.seen) {
            self.site.run_round(round, &indices);
        }
        self.site.finish_directories();
        // One call writes every directory that was touched, and says whether it could.
        sync(&self.site.live, self.site.hands.hooks)?;
        let late_writes = self.site.late_writes();
        Ok(self.outcome(late_writes))
    }

    fn settle(self) -> Result<()> {
        for index in 0..self.site.steps.len() {
            if self.site.cancel.requested() {
                break;
            }
            self.site.settle(index)?;
        }
        Ok(())
    }

    fn outcome(self, late_writes: Vec<super::LateWrite>) -> Outcome {
        let Site {
            notes,
            plan_index,
            hands,
            cancel,
            sink,
            ..
        } = self.site;
        let mut results: Vec<StepResult> = Vec::new();
        results.resize_with(plan_index.len(), || StepResult::NotReached);
        for (result, &index) in notes.results.into_iter().zip(&plan_index) {
            if let Some(result) = result.into_inner() {
                results[index] = result;
            }
        }
        for (index, result) in std::mem::take(&mut *locked(&notes.revised)) {
            results[plan_index[index]] = result;
        }
        let displaced = std::mem::take(&mut *locked(&notes.displaced));
        let mut displaced: Vec<_> = displaced
            .into_iter()
            .map(|displaced| (plan_index[displaced.step], displaced.path))
            .collect();
        displaced.sort();
        let mut beside = std::mem::take(&mut *locked(&notes.beside));
        beside.sort();
        Outcome {
            results,
            beside,
            displaced,
            late_writes,
            quarantine: sink.path().to_path_buf(),
            weaker: !hands.guarded,
            cancelled: cancel.requested(),
        }
    }
}

impl Site<'_> {
    fn run_round(&self, round: Round, indices: &[usize]) {
        // Somebody may have renamed a directory that is held open, and made another at its path.
        self.live.forget(b"");
        let workers = if round.is_parallel() {
            self.options.workers.clamp(1, indices.len().div_ceil(BATCH))
        } else {
            1
        };
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(batch) = indices
                .chunks(BATCH)
                .nth(next.fetch_add(1, Ordering::Relaxed))
            {
                for &index in batch {
                    if self.cancel.requested() {
                        return;
                    }
                    self.run(round, index);
                }
            }
        };
        if workers == 1 {
            return work();
        }
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
    }
}

fn check(steps: &[Step]) -> Result<()> {
    let why = |step: &Step| {
        let places = !matches!(step.action, Action::Remove);
        if places && step.leaves.is_none() {
            Some("a step that places something does not say what")
        } else if step.key.is_root() && step.action != Action::Metadata {
            Some("a step would move the root")
        } else if matches!(
            step.action,
            Action::Replace | Action::Merge | Action::Remove
        ) && step.expects.is_none()
        {
            Some("a step that displaces something does not say what")
        } else {
            None
        }
    };
    let unsorted = !steps.is_sorted_by(|one, two| one.key <= two.key);
    match steps.iter().find_map(why) {
        _ if unsorted => Err(UndoError::Plan {
            why: "its steps are not in key order",
        }),
        Some(why) => Err(UndoError::Plan { why }),
        None => Ok(()),
    }
}

fn canonical(root: &Path) -> Result<std::path::PathBuf> {
    Ok(std::fs::canonicalize(root).map_err(|error| SourceError::io("look at", root, error))?)
}

fn sync(tree: &TreeWriter, hooks: &dyn Hooks) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(tree.root_fd(), c".", flags, Mode::empty())
        .and_then(rustix::fs::syncfs)
        .map_err(|errno| SourceError::io("sync", tree.path(), errno))?;
    hooks.after_call("sync");
    Ok(())
}
