//! Replacements that an earlier run may have left half done.
//!
//! After an exchange, what was displaced stands under the key in the source, until it is put away. What
//! is found there tells how far the step had come.

use model::{Action, Kind};
use source::SourceError;
use source::files::write::{Emptied, Swap};

use super::create::changed_meanwhile;
use super::replace::{Ends, is_directory};
use crate::apply::site::{Answer, Look, Site, Way};
use crate::outcome::StepResult;

/// What stands under a key in the source.
enum Left {
    Nothing,
    /// What the step places.
    Wanted,
    /// What the step displaces.
    Expected,
    /// What somebody wrote and an exchange brought out.
    Other,
}

impl Site<'_> {
    /// Finishes what an earlier run has begun at a key, and begins nothing.
    pub(in crate::apply) fn settle(&self, index: usize) -> Result<(), SourceError> {
        let step = &self.steps[index];
        let Ok((at, name)) = self.live_place(&step.key)? else {
            return Ok(());
        };
        match step.action {
            Action::Replace | Action::Merge => {
                let Some((from, from_name)) = self.place_if_any(self.source, &step.key)? else {
                    return Ok(());
                };
                let ends = Ends {
                    index,
                    from,
                    from_name,
                    at,
                    name,
                };
                match self.look(step, &ends.at, name)? {
                    Look::Already(_) => self.settle_placed(&ends).map(drop),
                    Look::Expected { .. } | Look::Absent | Look::Other(_) => {
                        match self.left_over(&ends)? {
                            Left::Expected | Left::Other => self.put_away(&ends, None),
                            Left::Nothing | Left::Wanted => Ok(()),
                        }
                    }
                }
            }
            Action::Remove if self.hands.look(&at, name)?.is_none() => {
                self.settle_removed(index, &at, name).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The live path holds what the step leaves.
    pub(super) fn settle_placed(&self, ends: &Ends<'_>) -> Answer {
        if !self.is_resuming() {
            return Ok(StepResult::AlreadyDone);
        }
        match self.left_over(ends)? {
            Left::Nothing => Ok(self.placed_before(ends)),
            // Never exchanged: somebody else brought it back.
            Left::Wanted => Ok(StepResult::AlreadyDone),
            Left::Expected => {
                if self.left_a_directory(ends)? {
                    return match self.hands.remove_if_empty(&ends.from, ends.from_name)? {
                        Emptied::NotEmpty => self.exchange_back(ends),
                        Emptied::Removed | Emptied::Absent => Ok(self.placed_before(ends)),
                    };
                }
                self.put_away(ends, None)?;
                Ok(self.placed_before(ends))
            }
            // Exchanged and not compared any more.
            Left::Other => self.exchange_back(ends),
        }
    }

    /// Something that the plan does not know is at the live path.
    pub(super) fn settle_other(&self, ends: &Ends<'_>) -> Answer {
        if !self.is_resuming() {
            self.offer_beside(ends)?;
            return Ok(changed_meanwhile());
        }
        match self.left_over(ends)? {
            Left::Nothing => {
                self.is_beside(ends.index, &ends.at)?;
            }
            Left::Wanted => self.offer_beside(ends)?,
            Left::Expected | Left::Other => self.put_away(ends, None)?,
        }
        Ok(changed_meanwhile())
    }

    /// Nothing is at the live path.
    pub(super) fn settle_absent(&self, ends: &Ends<'_>) -> Answer {
        if !self.is_resuming() {
            return Ok(changed_meanwhile());
        }
        let leaves = &self.steps[ends.index].leaves;
        if self.way == Way::Back && is_directory(leaves) && self.expected_is_in_sink(ends)? {
            return self.create(ends.index);
        }
        match self.left_over(ends)? {
            Left::Nothing => {}
            // Without guarded moves, a path is empty for a moment.
            Left::Wanted if self.expected_is_in_sink(ends)? => {
                return match self
                    .hands
                    .put(&ends.from, ends.from_name, &ends.at, ends.name)?
                {
                    Swap::Done => Ok(StepResult::Done),
                    _ => Ok(changed_meanwhile()),
                };
            }
            Left::Wanted => {}
            Left::Expected | Left::Other => self.put_away(ends, None)?,
        }
        Ok(changed_meanwhile())
    }

    fn left_over(&self, ends: &Ends<'_>) -> Result<Left, SourceError> {
        let step = &self.steps[ends.index];
        let Some(stat) = self.hands.look(&ends.from, ends.from_name)? else {
            return Ok(Left::Nothing);
        };
        // In a quarantine, directories only hold what was displaced from beneath them.
        if self.way == Way::Back && stat.kind == Kind::Directory && !is_directory(&step.expects) {
            return Ok(Left::Nothing);
        }
        let holds = |entry: &Option<model::Entry>| match entry {
            Some(entry) => self.holds(&ends.from, ends.from_name, &stat, entry),
            None => Ok(false),
        };
        Ok(if holds(&step.leaves)? {
            Left::Wanted
        } else if holds(&step.expects)? {
            Left::Expected
        } else {
            Left::Other
        })
    }

    /// The steps beneath look for themselves; a directory's time is set again.
    fn placed_before(&self, ends: &Ends<'_>) -> StepResult {
        let leaves = &self.steps[ends.index].leaves;
        if is_directory(leaves) {
            self.note_unfinished(ends.index);
        }
        StepResult::AlreadyDone
    }

    fn left_a_directory(&self, ends: &Ends<'_>) -> Result<bool, SourceError> {
        let stat = self.hands.look(&ends.from, ends.from_name)?;
        Ok(stat.is_some_and(|stat| stat.kind == Kind::Directory))
    }

    fn expected_is_in_sink(&self, ends: &Ends<'_>) -> Result<bool, SourceError> {
        let step = &self.steps[ends.index];
        // Empty directories are removed, not kept.
        if !self.hands.guarded && is_directory(&step.expects) {
            return Ok(true);
        }
        match (self.place_if_any(self.sink, &step.key)?, &step.expects) {
            (Some((at, name)), Some(expects)) => self.name_holds(&at, name, expects),
            _ => Ok(false),
        }
    }
}
