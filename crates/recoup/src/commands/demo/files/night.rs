//! The night: the order of the steps, and what they came to.

use std::time::{Duration, Instant};

use super::check::Compared;
use super::control_plane::ControlPlane;
use super::job::Toll;
use super::ledger::protected;
use super::story::Story;
use crate::exit::Result;

/// How long the control plane works before the job comes.
const BEFORE: Duration = Duration::from_millis(1500);

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

impl Story<'_> {
    /// Plays the night.
    pub(super) fn tell(&mut self) -> Result<Told> {
        self.build()?;
        let before = self.protect()?;
        let began = Instant::now();
        let temporary = self.stage.scratch.temporary();
        let control_plane = ControlPlane::start(&self.fleet, &self.ledger, &temporary);
        self.stage.wait(BEFORE, "the control plane is at work")?;
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
}
