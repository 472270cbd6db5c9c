//! The steps: one file for each kind of thing that is done.

mod beside;
mod create;
mod metadata;
mod moving;
mod remove;
mod replace;
mod settle;
mod subtree;

use model::Action;

use super::order::Round;
use super::site::{Answer, Site, Way};
use crate::outcome::StepResult;

impl Site<'_> {
    /// Runs the part of a step that belongs to a round, and notes what became of it.
    pub(super) fn run(&self, round: Round, index: usize) {
        if self.notes.results[index].get().is_some() {
            return;
        }
        self.hands.hooks.before_step(self.plan_index[index]);
        let step = &self.steps[index];
        let answer = match (&step.action, round) {
            (Action::Move { from }, Round::Displace) => match self.displace(index, from) {
                Ok(None) => return,
                Ok(Some(result)) => Ok(result),
                Err(error) => Err(error),
            },
            (Action::Move { from }, _) => self.move_to_key(index, from),
            (Action::Create, _) => self.create(index),
            (Action::Replace | Action::Merge, _) => self.replace(index),
            (Action::Remove, _) => self.remove(index),
            (Action::Metadata, _) => self.metadata(index),
            (Action::Beside, _) if self.way == Way::Back => self.take_back_beside(index),
            (Action::Beside, _) => self.put_wanted_beside(index),
        };
        self.note(index, answer);
    }

    fn note(&self, index: usize, answer: Answer) {
        self.set(
            index,
            answer.unwrap_or_else(|error| StepResult::Failed(error.to_string())),
        );
    }
}
