//! Checking logs: every record can be read and follows the one before it, and what operations name is
//! there.

use std::collections::BTreeSet;

use model::LogId;
use model::operation::Listed;
use storage::{ObjectKind, ObjectName};

use crate::check_report::CheckReport;
use crate::error::Result;
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
        for log in logs {
            let (_, wrong) = self.log(log)?;
            wrong.iter().for_each(|error| report.find(error, None));
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

    /// Plans are read whole: a few pieces, and none of them is data that `--read-data` would read.
    fn check_listed(&self, listed: &Listed, report: &mut CheckReport) -> Result<()> {
        let plan = self.plan(listed);
        report.note(plan, None).map(drop)
    }
}
