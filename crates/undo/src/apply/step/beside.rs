//! Puts the version from before beside the live one, under a name that is free.

use source::SourceError;
use source::files::write::{Directory, Swap};

use super::create::changed_meanwhile;
use crate::apply::names;
use crate::apply::site::{Answer, Site, locked};
use crate::outcome::StepResult;

/// Names tried before giving up.
const TRIES_MAX: usize = 1000;

impl Site<'_> {
    /// The step whose whole purpose it is.
    pub(super) fn put_wanted_beside(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        let Ok((at, _)) = self.live_place(&step.key)? else {
            return Ok(changed_meanwhile());
        };
        if let Some((from, name)) = self.place_if_any(self.source, &step.key)?
            && self.is_source(step, &from, name)?
            && self.put_beside(index, &from, name, &at)?
        {
            return Ok(StepResult::Done);
        }
        if self.is_beside(index, &at)? {
            return Ok(StepResult::AlreadyDone);
        }
        Ok(StepResult::NotStaged)
    }

    /// Moves what is staged for a step beside the step's key; `false` if there is nothing.
    pub(super) fn put_beside(
        &self,
        index: usize,
        from: &Directory,
        name: &[u8],
        at: &Directory,
    ) -> Result<bool, SourceError> {
        let step = &self.steps[index];
        // An earlier run may have come as far as that.
        if self.is_resuming() && self.is_beside(index, at)? {
            return Ok(true);
        }
        let inside = self.directory_inside(index)?;
        for number in 1..TRIES_MAX {
            let free = names::beside(step.key.name(), &self.options.mark, number);
            match self.hands.put(from, name, at, &free)? {
                Swap::Taken => {}
                Swap::Done => {
                    self.source.forget(step.key.as_bytes());
                    self.note_beside(index, at, &free);
                    for below in inside {
                        self.set(below, StepResult::Done);
                    }
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Whether an earlier run put the step's content beside; notes it if so.
    pub(super) fn is_beside(&self, index: usize, at: &Directory) -> Result<bool, SourceError> {
        let name = self.name_beside(index, at)?;
        if let Some(name) = &name {
            self.note_beside(index, at, name);
        }
        Ok(name.is_some())
    }

    /// Backwards: what was put beside is taken away again.
    pub(super) fn take_back_beside(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        let Ok((at, _)) = self.live_place(&step.key)? else {
            return Ok(StepResult::AlreadyDone);
        };
        let Some(name) = self.name_beside(index, &at)? else {
            return Ok(StepResult::AlreadyDone);
        };
        let (swap, put) = self.to_sink(&step.key, &at, &name)?;
        match (swap, put, &step.leaves) {
            (Swap::Done, Some(put), Some(leaves)) => {
                if self.name_holds(&put.directory, &put.name, leaves)? {
                    return Ok(StepResult::Done);
                }
                // Edited between look and move.
                self.hands.put(&put.directory, &put.name, &at, &name)?;
                Ok(changed_meanwhile())
            }
            (Swap::Gone, ..) => Ok(StepResult::AlreadyDone),
            (other, ..) => self.unusual(other, &at, &name),
        }
    }

    /// The name beside the key under which the step's content stands.
    fn name_beside(&self, index: usize, at: &Directory) -> Result<Option<Vec<u8>>, SourceError> {
        let step = &self.steps[index];
        let Some(leaves) = &step.leaves else {
            return Ok(None);
        };
        for number in 1..TRIES_MAX {
            let name = names::beside(step.key.name(), &self.options.mark, number);
            let Some(stat) = self.hands.look(at, &name)? else {
                return Ok(None);
            };
            if self.holds(at, &name, &stat, leaves)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn note_beside(&self, index: usize, at: &Directory, name: &[u8]) {
        let key = [at.key(), name].join(&0);
        let key = if at.key().is_empty() {
            name.to_vec()
        } else {
            key
        };
        if let Ok(key) = model::PathKey::from_bytes(key) {
            locked(&self.notes.beside).push((self.plan_index[index], key));
        }
    }
}
