//! What became of each step of a plan, whatever kind of source it was run on.

use std::path::PathBuf;

use model::{ConflictKind, PathKey};

/// What became of a step.
#[derive(Debug)]
pub enum StepResult {
    /// It was done.
    Done,
    /// There was nothing to do: what it leaves stood there.
    AlreadyDone,
    /// Somebody was faster; live stays.
    Conflict(ConflictKind),
    /// Left alone, and nothing is open about it.
    Kept(String),
    /// Left alone, to be tried again.
    Deferred(String),
    /// The system refused, in these words.
    Failed(String),
    /// What was to be placed was not staged.
    NotStaged,
    /// The work was asked to stop before.
    NotReached,
}

impl StepResult {
    /// Whether the key now holds what the step leaves.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::AlreadyDone)
    }

    /// The word that people and scripts read.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already-done",
            Self::Conflict(_) => "conflict",
            Self::Kept(_) => "kept",
            Self::Deferred(_) => "deferred",
            Self::Failed(_) => "failed",
            Self::NotStaged => "not-staged",
            Self::NotReached => "not-reached",
        }
    }
}

/// Somebody wrote to a file after it had been displaced. What they wrote is in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateWrite {
    /// The step that displaced it, as index in the plan.
    pub step: usize,
    /// Where the file had stood.
    pub key: PathKey,
    /// Where it is now.
    pub quarantined: PathBuf,
    /// Who had it open for writing, as number and command, where that could be seen.
    pub writer: Option<(u32, String)>,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// One for each step of the plan.
    pub results: Vec<StepResult>,
    /// What was put beside: index of the step, and the key it got.
    pub beside: Vec<(usize, PathKey)>,
    /// What was displaced: index of the step, and where it is now.
    pub displaced: Vec<(usize, PathBuf)>,
    /// Writes to what had been displaced.
    pub late_writes: Vec<LateWrite>,
    /// Where displaced things are.
    pub quarantine: PathBuf,
    /// The file system has no guarded moves: for a moment paths were absent, and a writer of that
    /// moment may have been overtaken.
    pub weaker: bool,
    /// The work was asked to stop before its end.
    pub cancelled: bool,
}

impl Outcome {
    /// Whether something is left to decide, or to try again.
    pub fn leaves_open(&self) -> bool {
        let closed =
            |result: &StepResult| result.is_done() || matches!(result, StepResult::Kept(_));
        self.cancelled || !self.results.iter().all(closed)
    }

    /// How many steps ended with this word.
    pub fn count(&self, word: &str) -> usize {
        self.results.iter().filter(|it| it.word() == word).count()
    }
}
