//! Directories: whole staged subtrees in one move, or made here and filled by the steps beneath.

use model::plan::Step;
use model::{Action, ConflictKind, Kind, PathKey};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Swap};

use super::create::changed_meanwhile;
use crate::apply::site::{Answer, Look, Site, Way, locked};
use crate::outcome::StepResult;

impl Site<'_> {
    /// Puts a directory where nothing is: with everything staged beneath it in one move, if all of that
    /// belongs there.
    pub(super) fn create_directory(&self, index: usize, at: &Directory, name: &[u8]) -> Answer {
        let step = &self.steps[index];
        let from = self.place_if_any(self.source, &step.key)?;
        if let Some((from, from_name)) = from
            && let Some((staged, inside)) = self.whole_subtree(index, &from, from_name)?
        {
            match self.hands.put(&from, from_name, at, name)? {
                Swap::Done => {
                    self.came_live(index, &staged, inside);
                    return Ok(StepResult::Done);
                }
                Swap::Taken => {
                    return self.directory_in_the_way(index, &from, from_name, at, name);
                }
                Swap::Gone => {}
                other => return self.unusual(other, at, name),
            }
        }
        self.make_directory_here(index, at, name)
    }

    /// What is staged for a directory step, if it can go live in one move: its state, and the steps
    /// that it holds the content of. Everything in it must be the content of a step that places.
    pub(super) fn whole_subtree(
        &self,
        index: usize,
        from: &Directory,
        name: &[u8],
    ) -> Result<Option<(Stat, Vec<usize>)>, SourceError> {
        let Some(stat) = self.hands.look(from, name)? else {
            return Ok(None);
        };
        if stat.kind != Kind::Directory {
            return Ok(None);
        }
        let found = self.steps_staged_beneath(index)?;
        Ok(found.map(|inside| (stat, inside)))
    }

    /// The steps whose content is staged beneath a directory; `None` if something else is there.
    fn steps_staged_beneath(&self, index: usize) -> Result<Option<Vec<usize>>, SourceError> {
        let mut inside = Vec::new();
        let mut todo = vec![index];
        while let Some(above) = todo.pop() {
            let key = &self.steps[above].key;
            for name in self.source.directory(key.as_bytes())?.names()? {
                let Ok(child) = key.child(&name) else {
                    return Ok(None);
                };
                let Some(step) = self.step_that_places(&child) else {
                    return Ok(None);
                };
                inside.push(step);
                let leaves = self.steps[step].leaves.as_ref();
                if leaves.is_some_and(|entry| entry.kind == Kind::Directory) {
                    todo.push(step);
                }
            }
        }
        Ok(Some(inside))
    }

    /// The steps staged beneath a step that places a directory; none for anything else.
    pub(super) fn directory_inside(&self, index: usize) -> Result<Vec<usize>, SourceError> {
        let leaves = self.steps[index].leaves.as_ref();
        if leaves.is_none_or(|entry| entry.kind != Kind::Directory) {
            return Ok(Vec::new());
        }
        match self.steps_staged_beneath(index) {
            Ok(inside) => Ok(inside.unwrap_or_default()),
            Err(SourceError::NotFound { .. } | SourceError::WrongKind { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn step_that_places(&self, key: &PathKey) -> Option<usize> {
        let places = |step: &Step| matches!(step.action, Action::Create | Action::Beside);
        let first = self.steps.partition_point(|step| step.key < *key);
        (first..self.steps.len())
            .take_while(|&index| self.steps[index].key == *key)
            .find(|&index| places(&self.steps[index]))
    }

    /// Notes that a staged directory is live now, with what was in it.
    pub(super) fn came_live(&self, index: usize, staged: &Stat, inside: Vec<usize>) {
        let key = &self.steps[index].key;
        self.source.forget(key.as_bytes());
        self.live.forget(key.as_bytes());
        // What is put into them later changes their times; what comes from a quarantine has lost its
        // attributes altogether.
        let unfinished = self.way == Way::Back || self.steps_beneath(index) > inside.len();
        if unfinished {
            locked(&self.notes.unfinished).push((index, *staged));
        }
        for below in inside {
            let leaves = self.steps[below].leaves.as_ref();
            if unfinished && leaves.is_some_and(|entry| entry.kind == Kind::Directory) {
                self.note_unfinished(below);
            }
            self.set(below, StepResult::Done);
        }
    }

    fn steps_beneath(&self, index: usize) -> usize {
        let key = &self.steps[index].key;
        let beneath = |step: &&Step| key.contains(step.key.as_bytes());
        self.steps[index + 1..].iter().take_while(beneath).count()
    }

    /// A directory that is live now is to get its attributes, or its time, at the end.
    pub(super) fn note_unfinished(&self, index: usize) {
        let step = &self.steps[index];
        if let Ok((at, name)) = self.place(&self.live, &step.key)
            && let Ok(Some(stat)) = self.hands.look(&at, name)
        {
            locked(&self.notes.unfinished).push((index, stat));
        }
    }

    fn make_directory_here(&self, index: usize, at: &Directory, name: &[u8]) -> Answer {
        if self.hands.make_directory(at, name)? {
            self.live.forget(self.steps[index].key.as_bytes());
            self.note_unfinished(index);
            return Ok(StepResult::Done);
        }
        match self.look(&self.steps[index], at, name)? {
            Look::Already(stat) => Ok(self.directory_stands(index, stat)),
            // Made by an earlier run, which did not come to setting its attributes.
            Look::Other(stat) if self.is_resuming() && is_bare(&stat) => {
                locked(&self.notes.unfinished).push((index, stat));
                Ok(StepResult::Done)
            }
            Look::Other(stat) if stat.kind != Kind::Directory => {
                Ok(StepResult::Conflict(ConflictKind::DirectoryInTheWay))
            }
            _ => Ok(changed_meanwhile()),
        }
    }

    /// An earlier run may have placed it, and not have come to setting its time.
    fn directory_stands(&self, index: usize, stat: Stat) -> StepResult {
        if self.is_resuming() {
            locked(&self.notes.unfinished).push((index, stat));
        }
        StepResult::AlreadyDone
    }

    /// Somebody made something at the name of a directory: into a directory, what belongs there is put
    /// by the steps beneath; beside anything else, the subtree is put as a whole, as one conflict.
    fn directory_in_the_way(
        &self,
        index: usize,
        from: &Directory,
        from_name: &[u8],
        at: &Directory,
        name: &[u8],
    ) -> Answer {
        match self.look(&self.steps[index], at, name)? {
            Look::Already(stat) => Ok(self.directory_stands(index, stat)),
            Look::Other(stat) if stat.kind == Kind::Directory => {
                if self.is_resuming() && is_bare(&stat) {
                    locked(&self.notes.unfinished).push((index, stat));
                    return Ok(StepResult::Done);
                }
                Ok(changed_meanwhile())
            }
            Look::Absent => self.make_directory_here(index, at, name),
            Look::Expected { .. } | Look::Other(_) => {
                self.put_beside(index, from, from_name, at)?;
                Ok(StepResult::Conflict(ConflictKind::DirectoryInTheWay))
            }
        }
    }
}

/// Whether a directory looks as one that we made and did not finish.
fn is_bare(stat: &Stat) -> bool {
    stat.kind == Kind::Directory
        && stat.mode == 0o700
        && stat.uid == rustix::process::geteuid().as_raw()
}
