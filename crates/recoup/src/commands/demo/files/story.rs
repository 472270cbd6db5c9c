//! The steps of the night, and what is told of each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::build::build;
use super::control_plane::ControlPlane;
use super::fleet::Fleet;
use super::job::{self, Toll};
use super::ledger::Ledger;
use crate::commands::demo::stage::Stage;
use crate::commands::demo::stage::program::{Answer, argument};
use crate::commands::demo::stage::screen::{Row, during};
use crate::exit::{Exit, Failure, Result};
use crate::output::text::{self, count};

/// How long the control plane works after it is known what the job did.
const MEANWHILE: Duration = Duration::from_millis(1500);

/// Everything that the steps work on.
pub(super) struct Story<'a> {
    pub(super) fleet: Fleet,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stage: Stage<'a>,
}

/// An undo that was run.
pub(super) struct Undone {
    pub(super) op: String,
    pub(super) answer: Answer,
}

impl Story<'_> {
    pub(super) fn build(&mut self) -> Result<()> {
        let began = Instant::now();
        let built = during(&self.stage.context.terminal, "building a fleet", || {
            build(&self.fleet)
        })?;
        self.stage.show(&Row {
            step: "build",
            label: "The fleet",
            lines: vec![format!(
                "{} load balancers, a small state file each, {} directories, {}",
                count(built.files),
                count(built.directories),
                text::size(built.bytes)
            )],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "files": built.files, "directories": built.directories, "bytes": built.bytes,
            }),
        })
    }

    fn backup(&self) -> Result<Answer> {
        // Files come and go while they are read: what could not be read counts as partial.
        self.stage.run(
            &["backup", argument(&self.stage.scratch.tree())?],
            Exit::Partial,
        )
    }

    /// The first backup, of a quiet fleet.
    pub(super) fn protect(&mut self) -> Result<String> {
        let answer = self.backup()?;
        self.stage
            .scratch
            .know_repository(&answer.text("init", "id")?);
        let snapshot = answer.text("summary", "snapshot")?;
        let (files, stored) = (answer.number("files")?, answer.number("new_bytes")?);
        self.stage.show(&Row {
            step: "protect",
            label: "Protected",
            lines: vec![
                format!(
                    "`recoup backup`: snapshot {}, {} stored, encrypted",
                    short(&snapshot),
                    text::size(stored)
                ),
                "from here on a control plane makes, scales and removes them, all the time"
                    .to_owned(),
            ],
            seconds: answer.seconds,
            facts: json!({ "snapshot": snapshot, "files": files, "stored_bytes": stored }),
        })?;
        Ok(snapshot)
    }

    pub(super) fn mistake(&mut self, control_plane: &ControlPlane) -> Result<Toll> {
        let began = Instant::now();
        let toll = during(&self.stage.context.terminal, "a maintenance job", || {
            job::run(&self.fleet, &self.ledger, &self.stage.scratch.log())
        })?;
        self.stage.show(&Row {
            step: "mistake",
            label: "The mistake",
            lines: vec![format!(
                "a maintenance job deletes {} files ({:.1} %), {}; damages {}",
                count(toll.deleted),
                100.0 * toll.deleted as f64 / self.fleet.size as f64,
                text::counted(toll.directories, "directory", "directories"),
                count(toll.damaged)
            )],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "deleted": toll.deleted,
                "damaged": toll.damaged,
                "directories": toll.directories,
                "changes": control_plane.counted().changes,
            }),
        })?;
        Ok(toll)
    }

    /// A second backup, and what differs.
    pub(super) fn know(&mut self, before: &str) -> Result<(String, f64)> {
        let backup = self.backup()?;
        let after = backup.text("summary", "snapshot")?;
        let diff = self.stage.run(&["diff", before, &after], Exit::Ok)?;
        let seconds = backup.seconds + diff.seconds;
        let log = std::fs::read_to_string(self.stage.scratch.log())
            .map_err(|error| Failure::io("read the job's log", &error))?;
        let logged: HashSet<&str> = log.lines().collect();
        let path = |line: &Value| {
            line["path"]
                .as_str()
                .is_some_and(|path| logged.contains(path))
        };
        let by_job = diff.of("change").filter(|line| path(line)).count() as u64;
        let all = diff.of("change").count() as u64;
        let (deleted, changed) = (diff.number("deleted")?, diff.number("changed")?);
        let created = diff.number("created")?;
        self.stage.show(&Row {
            step: "know",
            label: "Known",
            lines: vec![
                format!(
                    "`recoup backup`, `recoup diff`: {} paths deleted, {} changed, {} new:",
                    count(deleted),
                    count(changed),
                    count(created)
                ),
                format!(
                    "{} of them are in the job's log, the other {} are the control plane's",
                    count(by_job),
                    count(all - by_job)
                ),
            ],
            seconds,
            facts: json!({
                "snapshot": after, "deleted": deleted, "changed": changed, "created": created,
                "by_job": by_job,
            }),
        })?;
        Ok((after, seconds))
    }

    /// The control plane goes on with what the job has left.
    pub(super) fn meanwhile(&mut self, control_plane: &ControlPlane) -> Result<()> {
        let (began, start) = (Instant::now(), control_plane.counted());
        control_plane.owners_return();
        self.stage
            .wait(MEANWHILE, "the control plane goes on with what is left")?;
        let end = control_plane.counted();
        let changes = end.changes - start.changes;
        let (errors, made_again) = (end.errors - start.errors, end.made_again - start.made_again);
        self.stage.show(&Row {
            step: "meanwhile",
            label: "Meanwhile",
            lines: vec![format!(
                "{} later changes; {} states missing or garbage, {} made again by owners",
                count(changes),
                count(errors),
                count(made_again)
            )],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({ "changes": changes, "errors": errors, "made_again": made_again }),
        })
    }

    pub(super) fn undo(
        &mut self,
        before: &str,
        after: &str,
        control_plane: &ControlPlane,
    ) -> Result<Undone> {
        let (tree, log) = (self.stage.scratch.tree(), self.stage.scratch.log());
        let start = control_plane.counted();
        let answer = self.stage.run(
            &[
                "undo",
                argument(&tree)?,
                "--before",
                before,
                "--after",
                after,
                "--paths-from",
                argument(&log)?,
                "--yes",
            ],
            Exit::Open,
        )?;
        let changes = control_plane.counted().changes - start.changes;
        let op = answer.number("op")?;
        let (restored, conflicts) = (answer.number("restored")?, answer.number("conflicts")?);
        let deferred = answer.number("deferred")?;
        let beside = answer.paths("beside").len() as u64;
        let mut lines = vec![format!(
            "`recoup undo`: {} restored, while {} more changes were made",
            count(restored),
            count(changes)
        )];
        if conflicts + deferred > 0 {
            lines.push(format!(
                "{}, where the control plane has worked on the path since:",
                text::counted(conflicts, "conflict", "conflicts")
            ));
            lines.push(format!(
                "its later state stays, {} older ones are put beside{}",
                count(beside),
                match deferred {
                    0 => String::new(),
                    _ => format!("; {} deferred", count(deferred)),
                }
            ));
        }
        self.stage.show(&Row {
            step: "undo",
            label: "Taken back",
            lines,
            seconds: answer.seconds,
            facts: json!({
                "op": op, "restored": restored, "conflicts": conflicts, "deferred": deferred,
                "beside": beside, "changes": changes,
            }),
        })?;
        Ok(Undone {
            op: op.to_string(),
            answer,
        })
    }
}

/// The digits by which people know a snapshot.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
