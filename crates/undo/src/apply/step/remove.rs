//! Takes away what the event made: files to the quarantine, directories only if they are empty.

use model::Kind;
use source::files::Stat;
use source::files::write::{Directory, Emptied, Swap};

use super::create::changed_meanwhile;
use crate::apply::site::{Answer, Look, Site};
use crate::outcome::StepResult;

impl Site<'_> {
    pub(super) fn remove(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        // Without a directory to be in, it is gone, whatever stands in the directory's place.
        let Ok((at, name)) = self.live_place(&step.key)? else {
            return Ok(StepResult::AlreadyDone);
        };
        match self.look(step, &at, name)? {
            Look::Expected { stat, racy } => {
                if let Some(result) = self.why_not_now(&stat) {
                    return Ok(result);
                }
                if stat.kind == Kind::Directory {
                    return self.remove_directory(index, &at, name);
                }
                self.remove_file(index, &at, name, &stat, racy)
            }
            Look::Absent if self.is_resuming() => self.settle_removed(index, &at, name),
            Look::Absent | Look::Already(_) => Ok(StepResult::AlreadyDone),
            Look::Other(_) => Ok(changed_meanwhile()),
        }
    }

    fn remove_file(
        &self,
        index: usize,
        at: &Directory,
        name: &[u8],
        before: &Stat,
        racy: bool,
    ) -> Answer {
        let step = &self.steps[index];
        let (swap, put) = self.to_sink(&step.key, at, name)?;
        let Some(put) = put else {
            return match swap {
                Swap::Gone => Ok(StepResult::AlreadyDone),
                other => self.unusual(other, at, name),
            };
        };
        let Some(after) = self.hands.look(&put.directory, &put.name)? else {
            return Ok(changed_meanwhile());
        };
        if self.is_what_was_seen(step, before, racy, &put.directory, &put.name, &after)? {
            self.note_link(&after);
            self.note_displaced(index, &put, Some(after));
            return Ok(StepResult::Done);
        }
        if self.hands.put(&put.directory, &put.name, at, name)? != Swap::Done {
            // They have made yet another thing at the path, which stays.
            self.note_displaced(index, &put, Some(after));
        }
        Ok(changed_meanwhile())
    }

    /// The system removes nothing but an empty directory: no look could be as sure.
    fn remove_directory(&self, index: usize, at: &Directory, name: &[u8]) -> Answer {
        self.live.forget(self.steps[index].key.as_bytes());
        match self.hands.remove_if_empty(at, name) {
            Ok(Emptied::Removed) => Ok(StepResult::Done),
            Ok(Emptied::NotEmpty) => Ok(StepResult::Kept("holds later work".into())),
            Ok(Emptied::Absent) => Ok(StepResult::AlreadyDone),
            Err(source::SourceError::WrongKind { .. }) => Ok(changed_meanwhile()),
            Err(error) => Err(error),
        }
    }

    /// An earlier run may have moved something away and not have come to comparing it.
    pub(super) fn settle_removed(&self, index: usize, at: &Directory, name: &[u8]) -> Answer {
        let step = &self.steps[index];
        let (Some((sink, sink_name)), Some(expects)) =
            (self.place_if_any(self.sink, &step.key)?, &step.expects)
        else {
            return Ok(StepResult::AlreadyDone);
        };
        let Some(stat) = self.hands.look(&sink, sink_name)? else {
            return Ok(StepResult::AlreadyDone);
        };
        // Directories there only hold what was displaced from beneath them.
        if stat.kind == Kind::Directory || self.holds(&sink, sink_name, &stat, expects)? {
            return Ok(StepResult::AlreadyDone);
        }
        self.hands.put(&sink, sink_name, at, name)?;
        Ok(changed_meanwhile())
    }
}
