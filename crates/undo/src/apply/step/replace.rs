//! Puts something where something else is: an exchange, then a look at what came out.

use std::sync::Arc;

use model::plan::Step;
use model::{Action, ConflictKind, Entry, Kind};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Emptied, Swap};

use super::create::changed_meanwhile;
use crate::apply::site::{Answer, Look, Site, Way};
use crate::outcome::StepResult;

/// Both ends of an exchange.
pub(super) struct Ends<'a> {
    pub(super) index: usize,
    /// What is to be placed.
    pub(super) from: Arc<Directory>,
    pub(super) from_name: &'a [u8],
    /// Where.
    pub(super) at: Arc<Directory>,
    pub(super) name: &'a [u8],
}

impl Site<'_> {
    pub(super) fn replace(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        let Ok((at, name)) = self.live_place(&step.key)? else {
            return Ok(changed_meanwhile());
        };
        let look = self.look(step, &at, name)?;
        if self.way == Way::Back && matches!(look, Look::Expected { .. }) {
            self.make_source_directory(step)?;
        }
        let Some((from, from_name)) = self.place_if_any(self.source, &step.key)? else {
            return match look {
                Look::Already(_) => Ok(StepResult::AlreadyDone),
                Look::Expected { .. } => Ok(StepResult::NotStaged),
                Look::Absent | Look::Other(_) => Ok(changed_meanwhile()),
            };
        };
        let ends = Ends {
            index,
            from,
            from_name,
            at,
            name,
        };
        match look {
            Look::Expected { stat, racy } => self.replace_expected(&ends, &stat, racy),
            Look::Already(_) => self.settle_placed(&ends),
            Look::Absent if self.was_moved_away(index) => self.create(index),
            Look::Absent => self.settle_absent(&ends),
            Look::Other(_) => self.settle_other(&ends),
        }
    }

    /// Directories are not kept when they are displaced, only what was in them.
    fn make_source_directory(&self, step: &Step) -> Result<(), SourceError> {
        if is_directory(&step.leaves) {
            match self.source.create_directory(step.key.as_bytes()) {
                Ok(_) | Err(SourceError::WrongKind { .. } | SourceError::Symlink { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn replace_expected(&self, ends: &Ends<'_>, before: &Stat, racy: bool) -> Answer {
        if let Some(result) = self.why_not_now(before) {
            return Ok(result);
        }
        if before.kind == Kind::Directory && !self.is_empty(ends)? {
            self.put_beside(ends.index, &ends.from, ends.from_name, &ends.at)?;
            return Ok(StepResult::Conflict(ConflictKind::DirectoryInTheWay));
        }
        let step = &self.steps[ends.index];
        let subtree = if is_directory(&step.leaves) {
            let subtree = self.whole_subtree(ends.index, &ends.from, ends.from_name)?;
            if subtree.is_none() {
                return Ok(StepResult::NotStaged);
            }
            subtree
        } else if self.is_resuming() && !self.is_source(step, &ends.from, ends.from_name)? {
            return Ok(StepResult::NotStaged);
        } else {
            None
        };
        let result = if self.hands.guarded {
            self.exchange(ends, before, racy)?
        } else {
            self.replace_weakly(ends, before, racy)?
        };
        if let (StepResult::Done, Some((staged, inside))) = (&result, subtree) {
            self.came_live(ends.index, &staged, inside);
        }
        Ok(result)
    }

    fn exchange(&self, ends: &Ends<'_>, before: &Stat, racy: bool) -> Answer {
        self.forget(ends);
        match self
            .hands
            .exchange(&ends.from, ends.from_name, &ends.at, ends.name)?
        {
            Swap::Done => {}
            Swap::Gone => return self.gone_at_exchange(ends),
            other => return self.unusual(other, &ends.at, ends.name),
        }
        self.forget(ends);
        // Gone only if somebody works in our own directory: then there is nothing to compare.
        let Some(after) = self.hands.look(&ends.from, ends.from_name)? else {
            return Ok(changed_meanwhile());
        };
        let step = &self.steps[ends.index];
        let (from, name) = (&ends.from, ends.from_name);
        if !self.is_what_was_seen(step, before, racy, from, name, &after)? {
            return self.exchange_back(ends);
        }
        if after.kind == Kind::Directory {
            return match self.hands.remove_if_empty(from, name)? {
                Emptied::NotEmpty => self.exchange_back(ends),
                Emptied::Removed | Emptied::Absent => Ok(StepResult::Done),
            };
        }
        self.put_away(ends, Some(after))?;
        Ok(StepResult::Done)
    }

    /// What came out is not what the plan expected: it gets its name back. If meanwhile somebody has
    /// put a third thing there, theirs is the newest and stays.
    pub(super) fn exchange_back(&self, ends: &Ends<'_>) -> Answer {
        let (from, name) = (&ends.from, ends.from_name);
        let step = &self.steps[ends.index];
        self.forget(ends);
        let back = self.hands.exchange(from, name, &ends.at, ends.name)?;
        self.forget(ends);
        if back != Swap::Done {
            // They removed the path meanwhile.
            self.put_away(ends, None)?;
            return Ok(changed_meanwhile());
        }
        let is_ours = match &step.leaves {
            Some(leaves) => self.name_holds(from, name, leaves)?,
            None => false,
        };
        if is_ours {
            self.offer_beside(ends)?;
        } else {
            self.hands.exchange(from, name, &ends.at, ends.name)?;
            self.put_away(ends, None)?;
        }
        Ok(changed_meanwhile())
    }

    /// Without exchanges: away with the old, then the new into the free name. In between there is
    /// nothing at the path, and what somebody makes there then stays.
    fn replace_weakly(&self, ends: &Ends<'_>, before: &Stat, racy: bool) -> Answer {
        let step = &self.steps[ends.index];
        if before.kind == Kind::Directory {
            self.live.forget(step.key.as_bytes());
            if self.hands.remove_if_empty(&ends.at, ends.name)? != Emptied::Removed {
                return Ok(changed_meanwhile());
            }
        } else {
            let (swap, put) = self.to_sink(&step.key, &ends.at, ends.name)?;
            let Some(put) = put else {
                return match swap {
                    Swap::Gone => Ok(changed_meanwhile()),
                    other => self.unusual(other, &ends.at, ends.name),
                };
            };
            let Some(after) = self.hands.look(&put.directory, &put.name)? else {
                return Ok(changed_meanwhile());
            };
            let (at, name) = (&put.directory, &put.name[..]);
            if !self.is_what_was_seen(step, before, racy, at, name, &after)? {
                if self.hands.put(at, name, &ends.at, ends.name)? != Swap::Done {
                    self.note_displaced(ends.index, &put, Some(after));
                }
                self.offer_beside(ends)?;
                return Ok(changed_meanwhile());
            }
            self.note_link(&after);
            self.note_displaced(ends.index, &put, Some(after));
        }
        match self
            .hands
            .put(&ends.from, ends.from_name, &ends.at, ends.name)?
        {
            Swap::Done => Ok(StepResult::Done),
            Swap::Gone => Ok(StepResult::NotStaged),
            Swap::Taken => {
                self.offer_beside(ends)?;
                Ok(changed_meanwhile())
            }
            other => self.unusual(other, &ends.at, ends.name),
        }
    }

    /// What stands in the source's place is displaced: to the sink with it.
    pub(super) fn put_away(&self, ends: &Ends<'_>, stat: Option<Stat>) -> Result<(), SourceError> {
        let key = &self.steps[ends.index].key;
        if let (Swap::Done, Some(put)) = self.to_sink(key, &ends.from, ends.from_name)? {
            let linked = stat.is_none_or(|stat| stat.nlink > 1);
            let stat = if linked {
                let now = self.hands.look(&put.directory, &put.name)?;
                now.iter().for_each(|stat| self.note_link(stat));
                now
            } else {
                stat
            };
            self.note_displaced(ends.index, &put, stat);
        }
        Ok(())
    }

    /// Puts what was to stand at the key beside it, for a person to choose; what was merged with a live
    /// file that is no longer the same is of no use.
    pub(super) fn offer_beside(&self, ends: &Ends<'_>) -> Result<(), SourceError> {
        if self.steps[ends.index].action == Action::Replace && self.way != Way::Settle {
            self.put_beside(ends.index, &ends.from, ends.from_name, &ends.at)?;
        }
        Ok(())
    }

    fn gone_at_exchange(&self, ends: &Ends<'_>) -> Answer {
        if self.hands.look(&ends.from, ends.from_name)?.is_none() {
            return Ok(StepResult::NotStaged);
        }
        Ok(changed_meanwhile())
    }

    fn is_empty(&self, ends: &Ends<'_>) -> Result<bool, SourceError> {
        let key = &self.steps[ends.index].key;
        match self.live.directory(key.as_bytes()) {
            Ok(directory) => Ok(directory.names()?.is_empty()),
            Err(SourceError::NotFound { .. } | SourceError::WrongKind { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Directories held open under these keys would be others after a move.
    fn forget(&self, ends: &Ends<'_>) {
        let step = &self.steps[ends.index];
        if is_directory(&step.expects) || is_directory(&step.leaves) {
            self.source.forget(step.key.as_bytes());
            self.live.forget(step.key.as_bytes());
        }
    }

    /// Whether the plan itself moves away what stood at the key of a step.
    fn was_moved_away(&self, index: usize) -> bool {
        let key = &self.steps[index].key;
        self.moves.iter().any(|(_, from)| from == key)
    }
}

pub(super) fn is_directory(entry: &Option<Entry>) -> bool {
    entry
        .as_ref()
        .is_some_and(|entry| entry.kind == Kind::Directory)
}
