//! Puts something where nothing is.

use model::plan::Step;
use model::{ConflictKind, Kind};
use source::SourceError;
use source::files::write::{Directory, Swap};

use crate::apply::site::{Answer, Look, NoParent, Site};
use crate::outcome::StepResult;

/// How often a name is tried that was taken and free again by the time we looked.
const TRIES_MAX: usize = 5;

impl Site<'_> {
    pub(super) fn create(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        let (at, name) = match self.live_place(&step.key)? {
            Ok(place) => place,
            Err(NoParent::Gone) => return Ok(changed_meanwhile()),
            Err(NoParent::Other) => {
                return Ok(StepResult::Conflict(ConflictKind::DirectoryInTheWay));
            }
        };
        if step
            .leaves
            .as_ref()
            .is_some_and(|it| it.kind == Kind::Directory)
        {
            return self.create_directory(index, &at, name);
        }
        let Some((from, from_name)) = self.place_if_any(self.source, &step.key)? else {
            return self.without_source(index, &at, name);
        };
        if !self.is_source(step, &from, from_name)? {
            return self.without_source(index, &at, name);
        }
        for _ in 0..TRIES_MAX {
            match self.hands.put(&from, from_name, &at, name)? {
                Swap::Done => return Ok(StepResult::Done),
                Swap::Gone => return self.without_source(index, &at, name),
                Swap::Taken => match self.look(step, &at, name)? {
                    Look::Already(_) => return Ok(StepResult::AlreadyDone),
                    Look::Absent => {}
                    Look::Expected { .. } | Look::Other(_) => {
                        self.put_beside(index, &from, from_name, &at)?;
                        return Ok(StepResult::Conflict(ConflictKind::PathReused));
                    }
                },
                other => return self.unusual(other, &at, name),
            }
        }
        Ok(changed_meanwhile())
    }

    /// Whether what stands in the source is what the step places. It always is in a first run; later,
    /// what was displaced and not yet put away may stand there.
    pub(super) fn is_source(
        &self,
        step: &Step,
        from: &Directory,
        name: &[u8],
    ) -> Result<bool, SourceError> {
        match &step.leaves {
            Some(leaves) if self.is_resuming() => self.name_holds(from, name, leaves),
            leaves => Ok(leaves.is_some()),
        }
    }

    /// What it means that there is nothing to place: it was placed before, or never staged.
    pub(super) fn without_source(&self, index: usize, at: &Directory, name: &[u8]) -> Answer {
        let step = &self.steps[index];
        match self.look(step, at, name)? {
            Look::Already(_) => Ok(StepResult::AlreadyDone),
            Look::Absent if !self.is_resuming() => Ok(StepResult::NotStaged),
            _ if self.is_beside(index, at)? => Ok(StepResult::Conflict(ConflictKind::PathReused)),
            Look::Expected { .. } => Ok(StepResult::NotStaged),
            // Placed before, and changed or removed since.
            Look::Absent | Look::Other(_) => Ok(changed_meanwhile()),
        }
    }
}

pub(super) fn changed_meanwhile() -> StepResult {
    StepResult::Conflict(ConflictKind::ChangedMeanwhile)
}
