//! Moves what the event had renamed back to its name, with everything that was done to it since.

use std::sync::Arc;

use model::{ConflictKind, Kind, PathKey};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Emptied, Swap};

use super::create::changed_meanwhile;
use crate::apply::site::{Answer, Look, NoParent, Site};
use crate::outcome::StepResult;

/// Something that is to be moved, where it stands now.
struct Standing {
    at: Arc<Directory>,
    name: Vec<u8>,
    /// It waits in the work directory.
    displaced: bool,
    stat: Stat,
}

impl Site<'_> {
    /// Frees the name that a move leaves, as another step needs it: to the work directory for now.
    /// `None` if the move has still to come.
    pub(super) fn displace(
        &self,
        index: usize,
        from: &PathKey,
    ) -> Result<Option<StepResult>, SourceError> {
        let Some(standing) = self.standing(index, from)? else {
            return Ok(None);
        };
        if standing.displaced {
            return Ok(None);
        }
        if !self.is_the_one(index, from, &standing)? {
            return Ok(Some(changed_meanwhile()));
        }
        if let Some(result) = self.why_not_now(&standing.stat) {
            return Ok(Some(result));
        }
        let (room, slot) = self.slot(index)?;
        self.live.forget(from.as_bytes());
        match self
            .hands
            .take(&standing.at, &standing.name, &room, &slot)?
        {
            Swap::Done => {}
            Swap::Gone => return Ok(Some(changed_meanwhile())),
            other => return self.unusual(other, &standing.at, &standing.name).map(Some),
        }
        self.live.forget(from.as_bytes());
        let out = self.hands.look(&room, &slot)?;
        if out.is_some_and(|out| is_same_inode(&out, &standing.stat)) {
            return Ok(None);
        }
        if self.hands.put(&room, &slot, &standing.at, &standing.name)? != Swap::Done {
            self.keep(index, from, &room, &slot)?;
        }
        Ok(Some(changed_meanwhile()))
    }

    pub(super) fn move_to_key(&self, index: usize, from: &PathKey) -> Answer {
        let step = &self.steps[index];
        let place = self.live_place(&step.key)?;
        // Without guarded moves, nothing can be moved safely but what nobody else can reach.
        if !self.hands.guarded
            && let Some(result) = self.displace(index, from)?
        {
            return Ok(result);
        }
        let Some(standing) = self.standing(index, from)? else {
            // Moved before, or renamed again since.
            let arrived = match (&place, &step.leaves) {
                (Ok((at, name)), Some(leaves)) => self.name_holds(at, name, leaves)?,
                _ => false,
            };
            return Ok(if arrived {
                StepResult::AlreadyDone
            } else {
                StepResult::Conflict(ConflictKind::RenamedTwice)
            });
        };
        if !standing.displaced {
            if !self.is_the_one(index, from, &standing)? {
                return Ok(changed_meanwhile());
            }
            if let Some(result) = self.why_not_now(&standing.stat) {
                return Ok(result);
            }
        }
        let (at, name) = match place {
            Ok(place) => place,
            Err(NoParent::Gone) => return self.back(index, from, &standing, changed_meanwhile()),
            Err(NoParent::Other) => {
                let why = StepResult::Conflict(ConflictKind::DirectoryInTheWay);
                return self.back(index, from, &standing, why);
            }
        };
        self.make_way(index, &at, name)?;
        self.live.forget(from.as_bytes());
        self.live.forget(step.key.as_bytes());
        match self.hands.put(&standing.at, &standing.name, &at, name)? {
            Swap::Done => {}
            Swap::Gone => return Ok(changed_meanwhile()),
            Swap::Taken if self.has_both_names(&standing, &at, name)? => {
                self.keep(index, from, &standing.at, &standing.name)?;
                return Ok(StepResult::Done);
            }
            Swap::Taken => {
                let why = StepResult::Conflict(ConflictKind::PathReused);
                return self.back(index, from, &standing, why);
            }
            other => {
                let result = self.unusual(other, &at, name)?;
                return self.back(index, from, &standing, result);
            }
        }
        self.live.forget(from.as_bytes());
        if standing.displaced {
            self.drop_second_name(index, from, &standing)?;
            return Ok(StepResult::Done);
        }
        let out = self.hands.look(&at, name)?;
        if out.is_some_and(|out| is_same_inode(&out, &standing.stat)) {
            return Ok(StepResult::Done);
        }
        // Somebody put another thing at the old name between look and move.
        self.hands.put(&at, name, &standing.at, &standing.name)?;
        Ok(changed_meanwhile())
    }

    /// Without guarded moves, an earlier run may have given it the new name and not have come to
    /// taking the old one.
    fn has_both_names(
        &self,
        standing: &Standing,
        at: &Directory,
        name: &[u8],
    ) -> Result<bool, SourceError> {
        if self.hands.guarded || !self.is_resuming() {
            return Ok(false);
        }
        let there = self.hands.look(at, name)?;
        Ok(there.is_some_and(|there| is_same_inode(&there, &standing.stat)))
    }

    /// The same the other way round: what waited in the work directory may have got a name already
    /// that it is not to have any more.
    fn drop_second_name(
        &self,
        index: usize,
        from: &PathKey,
        standing: &Standing,
    ) -> Result<(), SourceError> {
        if self.hands.guarded || !self.is_resuming() {
            return Ok(());
        }
        if let Ok((at, name)) = self.live_place(from)?
            && let Some(there) = self.hands.look(&at, name)?
            && is_same_inode(&there, &standing.stat)
        {
            self.keep(index, from, &at, name)?;
        }
        Ok(())
    }

    /// What stands at the key and should, by the plan, give way to what moves there.
    fn make_way(&self, index: usize, at: &Arc<Directory>, name: &[u8]) -> Result<(), SourceError> {
        let step = &self.steps[index];
        if step.expects.is_none() {
            return Ok(());
        }
        let Look::Expected { stat, racy } = self.look(step, at, name)? else {
            return Ok(());
        };
        if self.why_not_now(&stat).is_some() {
            return Ok(());
        }
        if stat.kind == Kind::Directory {
            self.live.forget(step.key.as_bytes());
            let _: Emptied = self.hands.remove_if_empty(at, name)?;
            return Ok(());
        }
        let (_, put) = self.to_sink(&step.key, at, name)?;
        let Some(put) = put else {
            return Ok(());
        };
        let Some(after) = self.hands.look(&put.directory, &put.name)? else {
            return Ok(());
        };
        let same = self.is_what_was_seen(step, &stat, racy, &put.directory, &put.name, &after)?;
        if same || self.hands.put(&put.directory, &put.name, at, name)? != Swap::Done {
            self.note_displaced(index, &put, Some(after));
        }
        Ok(())
    }

    /// What was displaced and can't be placed gets its old name back; if that is taken by now, a name
    /// beside it.
    fn back(
        &self,
        index: usize,
        from: &PathKey,
        standing: &Standing,
        result: StepResult,
    ) -> Answer {
        if !standing.displaced {
            return Ok(result);
        }
        if let Ok((at, name)) = self.live_place(from)?
            && self.hands.put(&standing.at, &standing.name, &at, name)? == Swap::Done
        {
            return Ok(result);
        }
        if let Ok((at, _)) = self.live_place(&self.steps[index].key)?
            && self.put_beside(index, &standing.at, &standing.name, &at)?
        {
            return Ok(result);
        }
        self.keep(index, from, &standing.at, &standing.name)?;
        Ok(result)
    }

    /// Where the thing to be moved stands; `None` if it is nowhere.
    fn standing(&self, index: usize, from: &PathKey) -> Result<Option<Standing>, SourceError> {
        let (room, slot) = self.slot(index)?;
        if let Some(stat) = self.hands.look(&room, &slot)? {
            return Ok(Some(Standing {
                at: room,
                name: slot,
                displaced: true,
                stat,
            }));
        }
        let Ok((at, name)) = self.live_place(from)? else {
            return Ok(None);
        };
        let found = self.hands.look(&at, name)?;
        Ok(found.map(|stat| Standing {
            at,
            name: name.to_vec(),
            displaced: false,
            stat,
        }))
    }

    /// Whether it is the thing that the event renamed. Work done in it or to it since goes along: only
    /// where nothing is known of it, its content has to speak for it.
    fn is_the_one(
        &self,
        index: usize,
        from: &PathKey,
        standing: &Standing,
    ) -> Result<bool, SourceError> {
        if let Some(seen) = self.seen.get(from) {
            return Ok(is_same_inode(seen, &standing.stat));
        }
        match &self.steps[index].leaves {
            Some(leaves) => self.holds(&standing.at, &standing.name, &standing.stat, leaves),
            None => Ok(false),
        }
    }

    /// Where a step's displaced thing waits.
    fn slot(&self, index: usize) -> Result<(Arc<Directory>, Vec<u8>), SourceError> {
        let room = self.moving.directory(b"")?;
        Ok((room, self.plan_index[index].to_string().into_bytes()))
    }
}

fn is_same_inode(one: &Stat, two: &Stat) -> bool {
    (one.dev, one.ino, one.kind) == (two.dev, two.ino, two.kind)
}
