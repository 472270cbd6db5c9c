//! Checking logs: every record can be read and follows the one before it, and what operations name is
//! there.

use std::collections::BTreeSet;

use format::timeline::decode_record;
use model::LogId;
use model::operation::Listed;
use model::point::TimelineRecord;
use storage::{ObjectKind, ObjectName};

use crate::check_report::CheckReport;
use crate::error::{RepositoryError, Result};
use crate::repository::Repository;

impl Repository {
    pub(crate) fn check_logs(&self, report: &mut CheckReport) -> Result<()> {
        let names = self.storage().list(ObjectKind::Log)?;
        let logs: BTreeSet<LogId> = names
            .iter()
            .filter_map(|(name, _)| match name {
                ObjectName::Log(log, _) => Some(*log),
                _ => None,
            })
            .collect();
        let operations_log = self.operations_log();
        for log in logs.into_iter().filter(|&log| log != operations_log) {
            self.check_timeline(log, report)?;
        }
        let (operations, wrong) = self.operations()?;
        wrong.iter().for_each(|error| report.find(error, None));
        for operation in &operations {
            let open = operation
                .ended
                .as_ref()
                .and_then(|(_, end)| end.open.as_ref());
            for listed in [operation.begun.plan.as_ref(), open].into_iter().flatten() {
                self.check_listed(listed, report)?;
            }
        }
        Ok(())
    }

    /// Every record of a timeline says something, what it names is there, and the changes lead to the
    /// last state.
    fn check_timeline(&self, log: LogId, report: &mut CheckReport) -> Result<()> {
        let mut checkpoints = Vec::new();
        let mut lists = Vec::new();
        let mut bad = Vec::new();
        let wrong = self.walk_log(log, &mut |read| {
            match decode_record(read.record.kind, &read.record.body) {
                Ok(Some(TimelineRecord::Checkpoint { snapshot, .. })) => checkpoints.push(snapshot),
                Ok(Some(TimelineRecord::Incident {
                    keys: Some(keys), ..
                })) => lists.push(keys),
                // Of a newer program, or naming nothing: it must not hide the rest.
                Ok(_) => {}
                Err(error) => {
                    let name = ObjectName::Log(log, read.number);
                    bad.push(RepositoryError::format(name, &error));
                }
            }
        })?;
        for error in wrong.iter().chain(&bad) {
            report.find(error, None);
        }
        for keys in &lists {
            report.note(self.keys(keys), None)?;
        }
        let mut last = None;
        for id in checkpoints {
            last = report.note(self.snapshot(id), None)?.or(last);
        }
        // A log is named by the hash of what it is of: only a snapshot in it says the names.
        let Some(snapshot) = last else { return Ok(()) };
        let timeline = self.timeline(&snapshot.host, &snapshot.source)?;
        let Some(state) = report.note(timeline.last(), None)?.flatten() else {
            return Ok(());
        };
        report.note(timeline.open(&state), None).map(drop)
    }

    /// Plans are read whole: a few pieces, and none of them is data that `--read-data` would read.
    fn check_listed(&self, listed: &Listed, report: &mut CheckReport) -> Result<()> {
        let plan = self.plan(listed);
        report.note(plan, None).map(drop)
    }
}
