//! The steps of the night, and what is told of each.

use std::time::{Duration, Instant};

use etcd::Client;
use serde_json::json;

use super::Arguments;
use super::books::{Compared, Span};
use super::plane::Plane;
use super::watcher::{Alarm, Watcher};
use crate::commands::demo::stage::Stage;
use crate::commands::demo::stage::program::Answer;
use crate::commands::demo::stage::screen::{Row, during};
use crate::exit::{Exit, Result};
use crate::output::text::{self, count};

/// How many keys the job deletes, of a thousand: 6.8 % were lost in 2012.
const LOST_PER_MILLE: u64 = 68;

/// The first state of five million keys takes minutes on a slow disk.
const READY_WITHIN: Duration = Duration::from_secs(1200);

/// How long the alarm may take. Well above what is promised: how long it took is told.
const ALARM_WITHIN: Duration = Duration::from_secs(60);

/// An alarm has all of the damage when nothing is added to it for so long: longer than from point to point.
const SETTLE: Duration = Duration::from_secs(4);

/// Everything that the steps work on.
pub(super) struct Story<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) address: String,
    pub(super) client: Client,
    pub(super) stage: Stage<'a>,
}

/// What the job did.
pub(super) struct Job {
    pub(super) deleted: u64,
    /// Of its last deletion.
    pub(super) revision: i64,
    pub(super) began: Instant,
    ended: Instant,
}

impl Story<'_> {
    pub(super) fn build(&mut self) -> Result<Plane> {
        let began = Instant::now();
        let Arguments { keys, seed, .. } = *self.arguments;
        let cancel = &self.stage.cancel;
        let plane = during(&self.stage.context.terminal, "filling etcd", || {
            Plane::load(&self.client, keys, seed, cancel)
        })?;
        self.stage.show(&Row {
            step: "build",
            label: "The fleet",
            lines: vec![format!(
                "{} load balancers, a key of 500 bytes each, in an etcd of its own",
                count(keys)
            )],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({ "keys": keys, "address": self.address }),
        })?;
        Ok(plane)
    }

    pub(super) fn protect(&mut self) -> Result<Watcher> {
        let began = Instant::now();
        // What `watch` would ask a person: whether to make a repository.
        self.stage.run(&["init"], Exit::Ok)?;
        let mut watcher = Watcher::start(&self.stage.program, &self.address)?;
        let cancel = &self.stage.cancel;
        let revision = during(&self.stage.context.terminal, "recoup watch", || {
            watcher.wait_until_ready(READY_WITHIN, cancel)
        })?;
        self.stage.show(&Row {
            step: "protect",
            label: "Protected",
            lines: vec![
                format!(
                    "`recoup watch {}`: all of revision {revision}",
                    self.address
                ),
                "from here on a control plane makes, scales and removes them, all the time"
                    .to_owned(),
            ],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({ "revision": revision }),
        })?;
        Ok(watcher)
    }

    pub(super) fn mistake(&mut self, plane: &Plane) -> Result<Job> {
        let began = Instant::now();
        let wanted = self.arguments.keys * LOST_PER_MILLE / 1000;
        let cancel = &self.stage.cancel;
        let (deleted, revision) =
            during(&self.stage.context.terminal, "a maintenance job", || {
                plane.damage(wanted, cancel)
            })?;
        let ended = Instant::now();
        self.stage.show(&Row {
            step: "mistake",
            label: "The mistake",
            lines: vec![format!(
                "a maintenance job deletes {} keys (6.8 %), in no order, and tells nobody",
                count(deleted)
            )],
            seconds: (ended - began).as_secs_f64(),
            facts: json!({ "deleted": deleted, "revision": revision }),
        })?;
        Ok(Job {
            deleted,
            revision,
            began,
            ended,
        })
    }

    /// The alarm of the watcher, when it knows all of the damage.
    pub(super) fn know(&mut self, watcher: &mut Watcher, job: &Job) -> Result<Alarm> {
        let cancel = &self.stage.cancel;
        let alarm = during(&self.stage.context.terminal, "until the alarm", || {
            watcher.wait_for_alarm(job.revision, (ALARM_WITHIN, SETTLE), cancel)
        })?;
        let first = alarm
            .first
            .saturating_duration_since(job.began)
            .as_secs_f64();
        let whole = alarm
            .whole
            .saturating_duration_since(job.ended)
            .as_secs_f64();
        let about = alarm.incident["about"].as_str().unwrap_or_default();
        self.stage.show(&Row {
            step: "know",
            label: "Known",
            lines: vec![
                format!(
                    "alarm {} after the first deletion, complete {} after the last:",
                    text::duration(first),
                    text::duration(whole)
                ),
                about.to_owned(),
            ],
            seconds: whole,
            facts: json!({
                "incident": alarm.incident["id"], "about": about,
                "first_seconds": first, "whole_seconds": whole,
            }),
        })?;
        Ok(alarm)
    }

    /// The control plane goes on with what the job has left.
    pub(super) fn meanwhile(&mut self, plane: &Plane, time: Duration) -> Result<()> {
        let why = ": the load balancer's state is gone";
        self.let_work(plane, time, ("meanwhile", "Meanwhile"), why)
    }

    /// Customers find everything where they left it.
    pub(super) fn back_in(&mut self, plane: &Plane, time: Duration) -> Result<()> {
        self.let_work(plane, time, ("back", "Back in"), "")
    }

    fn let_work(
        &mut self,
        plane: &Plane,
        time: Duration,
        (step, label): (&str, &str),
        why: &str,
    ) -> Result<()> {
        let (began, start) = (Instant::now(), plane.counted());
        self.stage.wait(time, "the control plane goes on")?;
        let (requests, refused) = since(plane, start);
        self.stage.show(&Row {
            step,
            label,
            lines: vec![format!(
                "{} more requests of customers, {} refused{why}",
                count(requests),
                count(refused)
            )],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({ "requests": requests, "refused": refused }),
        })
    }

    /// What would be done; gives how long it took.
    pub(super) fn plan(&mut self, incident: &str) -> Result<f64> {
        let answer = self
            .stage
            .run(&["undo", "--incident", incident, "--dry-run"], Exit::Open)?;
        let steps = answer.of("step").count() as u64;
        self.stage.show(&Row {
            step: "plan",
            label: "The plan",
            lines: vec![format!(
                "`recoup undo --incident {incident} --dry-run`: {} to bring back, to read first",
                text::counted(steps, "key", "keys")
            )],
            seconds: answer.seconds,
            facts: json!({ "steps": steps }),
        })?;
        Ok(answer.seconds)
    }

    pub(super) fn undo(&mut self, incident: &str, plane: &Plane) -> Result<Answer> {
        let start = plane.counted();
        let rate = self.arguments.rate.to_string();
        let undo = ["undo", "--incident", incident, "--rate", &rate, "--yes"];
        let answer = self.stage.run(&undo, Exit::Open)?;
        let (requests, _) = since(plane, start);
        let (restored, conflicts) = (answer.number("restored")?, answer.number("conflicts")?);
        self.stage.show(&Row {
            step: "undo",
            label: "Taken back",
            lines: vec![
                format!(
                    "`recoup undo --incident {incident} --rate {rate}`: {} restored, {},",
                    count(restored),
                    text::counted(conflicts, "conflict", "conflicts"),
                ),
                format!(
                    "at most {rate} a second, while {} more requests came",
                    count(requests)
                ),
            ],
            seconds: answer.seconds,
            facts: json!({
                "restored": restored, "conflicts": conflicts, "requests": requests,
            }),
        })?;
        Ok(answer)
    }

    pub(super) fn check(&mut self, plane: &Plane, span: Span) -> Result<Compared> {
        let began = Instant::now();
        let compared = during(&self.stage.context.terminal, "comparing every key", || {
            plane.books().compare(&self.client, span)
        })?;
        let mut lines = vec![
            format!(
                "{} keys, byte for byte, against books that the control plane keeps itself:",
                count(compared.keys)
            ),
            format!(
                "{} lost, {} wrong; of {} later changes {} lost",
                count(compared.lost),
                count(compared.wrong),
                count(compared.later),
                count(compared.later_lost)
            ),
        ];
        if compared.came_back > 0 {
            lines.push(format!(
                "{} deleted by their owners while the job ran came back: etcd names no deleter",
                count(compared.came_back)
            ));
        }
        self.stage.show(&Row {
            step: "check",
            label: "Checked",
            lines,
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "keys": compared.keys, "lost": compared.lost, "wrong": compared.wrong,
                "later_changes": compared.later, "later_changes_lost": compared.later_lost,
                "came_back": compared.came_back,
            }),
        })?;
        Ok(compared)
    }
}

/// Requests since then, and how many of them were refused.
fn since(plane: &Plane, start: super::plane::Counted) -> (u64, u64) {
    let now = plane.counted();
    (now.requests - start.requests, now.refused - start.refused)
}
