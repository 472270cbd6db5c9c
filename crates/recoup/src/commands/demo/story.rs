//! The steps, one after the other, and what is told of each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Cancel;
use serde_json::{Value, json};

use super::build::build;
use super::check::{Beside, Compared, compare};
use super::control_plane::ControlPlane;
use super::fleet::{Fleet, number_of};
use super::job::{self, Toll};
use super::ledger::{Entry, Ledger, State, left_by, protected};
use super::program::{Answer, Program, argument};
use super::scratch::Scratch;
use super::screen::{Row, during, show};
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::text::{self, count};

/// How long the control plane works before the job comes, and after it is known what the job did.
const BEFORE: Duration = Duration::from_millis(1500);
const MEANWHILE: Duration = Duration::from_millis(1500);

/// Between two looks at whether somebody asked to stop.
const NAP: Duration = Duration::from_millis(50);

/// Everything that the steps work on.
pub(super) struct Story<'a> {
    pub(super) fleet: Fleet,
    pub(super) ledger: Arc<Ledger>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) program: Program,
    pub(super) cancel: Arc<Cancel>,
    pub(super) context: &'a mut Context,
}

/// What the summary is made of.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) toll: Toll,
    pub(super) know_seconds: f64,
    pub(super) undo_seconds: f64,
    pub(super) restored: u64,
    pub(super) conflicts: u64,
    pub(super) deferred: u64,
    pub(super) newer_than_backup: u64,
    pub(super) compared: Compared,
    /// After the undo of the undo.
    pub(super) back: Compared,
    /// After the undo of that.
    pub(super) again: Compared,
}

/// An undo that was run.
struct Undone {
    op: String,
    answer: Answer,
}

impl Story<'_> {
    pub(super) fn tell(&mut self) -> Result<Told> {
        self.build()?;
        let before = self.protect()?;
        let began = Instant::now();
        let temporary = self.scratch.temporary();
        let control_plane = ControlPlane::start(&self.fleet, &self.ledger, &temporary);
        self.wait(BEFORE, "the control plane is at work")?;
        let toll = self.mistake(&control_plane)?;
        let gap = began.elapsed().as_secs_f64();
        let (after, know_seconds) = self.know(&before)?;
        self.meanwhile(&control_plane)?;
        let touched_before = self
            .ledger
            .those(|entry| entry.damage.is_some() && entry.since);
        let undone = self.undo(&before, &after, &control_plane)?;
        control_plane.stop()?;
        let beside = self.beside(&undone.answer, |number| {
            Some(protected(&self.fleet, number))
        });
        let newer = self
            .ledger
            .those(|entry| entry.is_damaged() && entry.newer_than_backup);
        let newer = newer.len() as u64;
        let mut compared = self.check(&beside, newer, gap)?;
        self.explain(&undone.answer, &touched_before, &mut compared);
        let (back, again) = self.there_and_back(&undone.op, &beside)?;
        Ok(Told {
            toll,
            know_seconds,
            undo_seconds: undone.answer.seconds,
            restored: undone.answer.number("restored")?,
            conflicts: undone.answer.number("conflicts")?,
            deferred: undone.answer.number("deferred")?,
            newer_than_backup: newer,
            compared,
            back,
            again,
        })
    }

    fn show(&mut self, row: &Row<'_>) -> Result<()> {
        self.stop_if_asked()?;
        show(row, self.context)
    }

    fn stop_if_asked(&self) -> Result<()> {
        match self.cancel.requested() {
            true => Err(Failure {
                message: "interrupted; the scratch directory was removed".to_owned(),
                ..Failure::interrupted()
            }),
            false => Ok(()),
        }
    }

    fn wait(&self, time: Duration, what: &str) -> Result<()> {
        let began = Instant::now();
        during(&self.context.terminal, what, || {
            while began.elapsed() < time {
                self.stop_if_asked()?;
                std::thread::sleep(NAP);
            }
            Ok(())
        })
    }

    fn run(&self, arguments: &[&str], also: Exit) -> Result<Answer> {
        let what = format!("recoup {}", arguments[0]);
        let answer = during(&self.context.terminal, &what, || {
            self.program.run(arguments, also)
        })?;
        self.stop_if_asked()?;
        Ok(answer)
    }

    fn build(&mut self) -> Result<()> {
        let began = Instant::now();
        let built = during(&self.context.terminal, "building a fleet", || {
            build(&self.fleet)
        })?;
        self.show(&Row {
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
        self.run(&["backup", argument(&self.scratch.tree())?], Exit::Partial)
    }

    /// The first backup, of a quiet fleet.
    fn protect(&mut self) -> Result<String> {
        let answer = self.backup()?;
        self.scratch.know_repository(&answer.text("init", "id")?);
        let snapshot = answer.text("summary", "snapshot")?;
        let (files, stored) = (answer.number("files")?, answer.number("new_bytes")?);
        self.show(&Row {
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

    fn mistake(&mut self, control_plane: &ControlPlane) -> Result<Toll> {
        let began = Instant::now();
        let toll = during(&self.context.terminal, "a maintenance job", || {
            job::run(&self.fleet, &self.ledger, &self.scratch.log())
        })?;
        self.show(&Row {
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
    fn know(&mut self, before: &str) -> Result<(String, f64)> {
        let backup = self.backup()?;
        let after = backup.text("summary", "snapshot")?;
        let diff = self.run(&["diff", before, &after], Exit::Ok)?;
        let seconds = backup.seconds + diff.seconds;
        let log = std::fs::read_to_string(self.scratch.log())
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
        self.show(&Row {
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
    fn meanwhile(&mut self, control_plane: &ControlPlane) -> Result<()> {
        let (began, start) = (Instant::now(), control_plane.counted());
        control_plane.owners_return();
        self.wait(MEANWHILE, "the control plane goes on with what is left")?;
        let end = control_plane.counted();
        let changes = end.changes - start.changes;
        let (errors, made_again) = (end.errors - start.errors, end.made_again - start.made_again);
        self.show(&Row {
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

    fn undo(&mut self, before: &str, after: &str, control_plane: &ControlPlane) -> Result<Undone> {
        let (tree, log) = (self.scratch.tree(), self.scratch.log());
        let start = control_plane.counted();
        let answer = self.run(
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
                "{}: the control plane has worked on these paths since;",
                text::counted(conflicts, "conflict", "conflicts")
            ));
            lines.push(format!(
                "its later state stays; {} older ones are put beside{}",
                count(beside),
                match deferred {
                    0 => String::new(),
                    _ => format!("; {} deferred", count(deferred)),
                }
            ));
        }
        self.show(&Row {
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

    /// What an undo has put beside, and what that should hold.
    fn beside(&self, answer: &Answer, expected: impl Fn(u64) -> Option<Vec<u8>>) -> Beside {
        let content = |path: &String| number_of(path.as_ref()).and_then(&expected);
        let paths = answer.paths("beside").into_iter();
        paths.map(|path| (path.clone(), content(&path))).collect()
    }

    fn compare(&self, state: State, beside: &Beside) -> Result<Compared> {
        during(&self.context.terminal, "comparing every file", || {
            compare(&self.fleet, &self.ledger, state, beside)
        })
    }

    fn check(&mut self, beside: &Beside, newer: u64, gap: f64) -> Result<Compared> {
        let began = Instant::now();
        let compared = self.compare(State::Repaired, beside)?;
        let mut lines = vec![
            format!(
                "{} files, byte for byte, against books that the demo keeps itself:",
                count(compared.files)
            ),
            format!(
                "{} lost, {} later changes lost, {} unexpected",
                count(compared.lost),
                count(compared.later_lost),
                count(compared.other)
            ),
        ];
        if newer > 0 {
            lines.push(format!(
                "{} came back as they were at the backup: changed in the {} before the mistake",
                count(newer),
                text::duration(gap)
            ));
        }
        self.show(&Row {
            step: "check",
            label: "Checked",
            lines,
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "files": compared.files, "lost": compared.lost,
                "later_changes_lost": compared.later_lost, "unexpected": compared.other,
                "changed_between_backup_and_event": newer,
            }),
        })?;
        Ok(compared)
    }

    /// Every conflict has its cause in the books, and every cause its conflict.
    fn explain(&self, answer: &Answer, touched_before: &[u64], compared: &mut Compared) {
        let mut in_conflict = HashSet::new();
        for line in answer.of("conflict") {
            let path = line["path"].as_str().unwrap_or_default();
            let number = number_of(path.as_ref()).filter(|number| *number < self.ledger.capacity());
            in_conflict.extend(number);
            let touched = |entry: &Entry| entry.damage.is_some() && entry.since;
            if !number.is_some_and(|number| touched(&self.ledger.entry(number))) {
                compared.note(format!("{path}: in conflict, and nobody touched it since"));
            }
        }
        for number in touched_before {
            if !in_conflict.contains(number) {
                let path = self.fleet.file_path(*number);
                compared.note(format!(
                    "{path}: made again before the undo, but no conflict"
                ));
            }
        }
    }

    /// Undoes the undo, and that again; the control plane rests.
    fn there_and_back(&mut self, op: &str, first: &Beside) -> Result<(Compared, Compared)> {
        let began = Instant::now();
        let undone = self.run(&["undo", "--op", op, "--yes"], Exit::Open)?;
        let beside = self.beside(&undone, |number| {
            let damage = self.ledger.entry(number).damage;
            damage.and_then(|damage| left_by(damage, &self.fleet, number))
        });
        let back = self.compare(State::Damaged, &beside)?;
        let second = undone.number("op")?.to_string();
        let redone = self.run(&["undo", "--op", &second, "--yes"], Exit::Open)?;
        let again = self.compare(State::Repaired, first)?;
        let word = |compared: &Compared| match compared.is_exact() {
            true => "exactly",
            false => "NOT exactly",
        };
        self.show(&Row {
            step: "redo",
            label: "And back",
            lines: vec![
                format!(
                    "`recoup undo --op {op}`: {} the damaged tree again, {} files",
                    word(&back),
                    count(back.files)
                ),
                format!(
                    "`recoup undo --op {second}`: {} the repaired tree, {} files",
                    word(&again),
                    count(again.files)
                ),
            ],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "op": redone.number("op")?,
                "files": back.files + again.files,
                "exact_back": back.is_exact(),
                "exact_again": again.is_exact(),
            }),
        })?;
        Ok((back, again))
    }
}

/// The digits by which people know a snapshot.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
