//! The night: the order of the steps, and what they came to.

use std::time::Duration;

use super::books::{Compared, Span};
use super::plane::Counted;
use super::story::Story;
use crate::commands::demo::stage::screen::Night;
use crate::exit::Result;

/// How long the control plane works before the job comes, on what is left, and after the undo.
const BEFORE: Duration = Duration::from_secs(3);
const MEANWHILE: Duration = Duration::from_secs(5);
const AFTER: Duration = Duration::from_secs(3);

/// What the summary is made of.
pub(super) struct Told {
    pub(super) deleted: u64,
    pub(super) restored: u64,
    pub(super) conflicts: u64,
    pub(super) counted: Counted,
    pub(super) compared: Compared,
    pub(super) night: Night,
}

impl Story<'_> {
    /// Plays the night.
    pub(super) fn tell(&mut self) -> Result<Told> {
        let plane = self.build()?;
        let mut watcher = self.protect()?;
        let working = plane.start();
        self.stage.wait(BEFORE, "the control plane is at work")?;
        let job = self.mistake(&plane)?;
        let alarm = self.know(&mut watcher, &job)?;
        self.meanwhile(&plane, MEANWHILE)?;
        let number = alarm.incident["id"].to_string();
        let plan = self.plan(&number)?;
        let undone = self.undo(&number, &plane)?;
        self.back_in(&plane, AFTER)?;
        working.stop()?;
        watcher.end()?;
        let span = Span {
            job_ended: job.revision,
            incident_ended: alarm.ended,
        };
        let compared = self.check(&plane, span)?;
        Ok(Told {
            deleted: job.deleted,
            restored: undone.number("restored")?,
            conflicts: undone.number("conflicts")?,
            counted: plane.counted(),
            compared,
            night: Night {
                // From the first deletion, as the hours of 2012 are counted.
                know: (alarm.whole - job.began).as_secs_f64(),
                open: Some(plan),
                merge: undone.seconds,
            },
        })
    }
}
