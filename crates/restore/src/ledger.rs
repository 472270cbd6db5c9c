//! What all threads write into: counts, problems, and the reason to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::key::to_path;
use model::{Cancel, Monitor};
use source::SourceError;
use source::files::attributes::NotSet;

use crate::error::RestoreError;
use crate::report::{Problem, Report};

/// A worker tells the monitor when it has done this much.
const TELL_FILES: u64 = 256;
const TELL_BYTES: u64 = 8 << 20;

pub(crate) struct Ledger<'a> {
    monitor: &'a dyn Monitor,
    cancel: &'a Cancel,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    report: Report,
    failure: Option<RestoreError>,
}

/// What one worker has counted since it last told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
    pub(crate) verified: u64,
    /// Entries and bytes dealt with, whatever came of them.
    pub(crate) done_files: u64,
    pub(crate) done_bytes: u64,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(monitor: &'a dyn Monitor, cancel: &'a Cancel) -> Self {
        Self {
            monitor,
            cancel,
            stop: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub(crate) fn monitor(&self) -> &'a dyn Monitor {
        self.monitor
    }

    /// Whether work should end: something failed for good, or somebody asked to.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.cancel.requested()
    }

    /// Notes why the whole work can't go on; the first reason counts.
    pub(crate) fn fail(&self, error: impl Into<RestoreError>) {
        self.lock().failure.get_or_insert(error.into());
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The reason to stop, if there is one.
    pub(crate) fn check(&self) -> Result<(), RestoreError> {
        if let Some(failure) = self.lock().failure.take() {
            return Err(failure);
        }
        if self.stopped() {
            return Err(RestoreError::Cancelled);
        }
        Ok(())
    }

    /// Notes that a path is not what it should be.
    pub(crate) fn problem(&self, key: &[u8], message: String, content_missing: bool) {
        let path = to_path(key);
        self.monitor.problem(&path, &message);
        let report = &mut self.lock().report;
        report.problems_total += 1;
        report.missing_total += u64::from(content_missing);
        if report.problems.len() < Report::LISTED_MAX {
            report.problems.push(Problem {
                path,
                message,
                content_missing,
            });
        }
    }

    /// Counts a problem as damage of the repository.
    pub(crate) fn damaged(&self) {
        self.lock().report.damaged_total += 1;
    }

    /// Notes what the system said about a path: a full disk ends the work, the rest is a problem.
    pub(crate) fn refused(&self, key: &[u8], error: SourceError, content_missing: bool) {
        match error {
            SourceError::Full { .. } => self.fail(error),
            error => self.problem(key, error.to_string(), content_missing),
        }
    }

    /// Notes attributes that a path did not get.
    pub(crate) fn not_set(&self, key: &[u8], list: &[NotSet]) {
        for not_set in list {
            self.left_out(key, &not_set.what);
        }
    }

    /// Notes one thing that a path did not get.
    pub(crate) fn left_out(&self, key: &[u8], what: &str) {
        let report = &mut self.lock().report;
        report.not_set_total += 1;
        if report.not_set.len() < Report::LISTED_MAX {
            report.not_set.push((to_path(key), what.to_owned()));
        }
    }

    /// Takes a worker's counts when there is enough of them.
    pub(crate) fn tell_sometimes(&self, tally: &mut Tally) {
        if tally.done_files >= TELL_FILES || tally.done_bytes >= TELL_BYTES {
            self.tell(tally);
        }
    }

    /// Takes a worker's counts.
    pub(crate) fn tell(&self, tally: &mut Tally) {
        let tally = std::mem::take(tally);
        if tally.done_files > 0 || tally.done_bytes > 0 {
            self.monitor.done(tally.done_files, tally.done_bytes);
        }
        let report = &mut self.lock().report;
        report.files += tally.files;
        report.directories += tally.directories;
        report.bytes += tally.bytes;
        report.written_bytes += tally.written_bytes;
        report.unchanged += tally.unchanged;
        report.deleted += tally.deleted;
        report.verified += tally.verified;
    }

    pub(crate) fn into_report(self) -> Report {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).report
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
