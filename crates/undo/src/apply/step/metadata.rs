//! Owner, mode, attributes and times of what stays where it is.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use model::{Entry, Kind, Timestamp};
use rustix::io::Errno;
use source::files::Stat;
use source::files::attributes::{Attributes, NotSet, apply_to_name_if};
use source::files::write::Directory;

use super::create::changed_meanwhile;
use crate::apply::site::{Answer, Look, NoParent, Site, is_same_object, locked};
use crate::outcome::StepResult;

impl Site<'_> {
    pub(super) fn metadata(&self, index: usize) -> Answer {
        let step = &self.steps[index];
        if step.key.is_root() {
            return self.metadata_of_root(index);
        }
        let (at, name) = match self.live_place(&step.key)? {
            Ok(place) => place,
            Err(NoParent::Gone | NoParent::Other) => return Ok(changed_meanwhile()),
        };
        match self.look(step, &at, name)? {
            Look::Expected { stat, .. } => {
                if let Some(result) = self.why_not_now(&stat) {
                    return Ok(result);
                }
                // Times inside of a directory are of everybody's making, ours too; a file's tell of
                // any change since the look.
                let is_it = |now: &Stat| {
                    is_same_object(&stat, now)
                        && (stat.kind == Kind::Directory || stat.ctime == now.ctime)
                };
                let mtime = self.wanted_time(index, &stat);
                self.set_attributes(index, &at, name, mtime, is_it)
            }
            Look::Already(_) => Ok(StepResult::AlreadyDone),
            Look::Absent | Look::Other(_) => Ok(changed_meanwhile()),
        }
    }

    /// Sets what directories that were made here, or filled after they came, are still to have.
    pub(in crate::apply) fn finish_directories(&self) {
        let mut unfinished = std::mem::take(&mut *locked(&self.notes.unfinished));
        unfinished.sort_by(|one, two| self.steps[two.0].key.cmp(&self.steps[one.0].key));
        unfinished.dedup_by_key(|(index, _)| *index);
        for (index, made) in unfinished {
            let step = &self.steps[index];
            let Some(leaves) = &step.leaves else {
                continue;
            };
            let is_it = |now: &Stat| (now.dev, now.ino) == (made.dev, made.ino);
            let done = match self.live_place(&step.key) {
                Ok(Ok((at, name))) => self.set_attributes(index, &at, name, leaves.mtime, is_it),
                // Moved away by somebody, with what is in it.
                Ok(Err(_)) => continue,
                Err(error) => Err(error),
            };
            if !matches!(done, Ok(StepResult::Done)) {
                self.hands.hooks.after_call("unfinished");
                let result = done.unwrap_or_else(|error| StepResult::Failed(error.to_string()));
                locked(&self.notes.revised).push((index, result));
            }
        }
    }

    fn metadata_of_root(&self, index: usize) -> Answer {
        let root = self.live.directory(b"")?;
        let stat = Stat::of(root.as_fd()).map_err(|errno| root.error("look at", b"", errno))?;
        let step = &self.steps[index];
        let seen = self.seen.get(&step.key);
        if seen.is_some_and(|then| !is_same_object(then, &stat)) {
            return Ok(changed_meanwhile());
        }
        let mtime = self.wanted_time(index, &stat);
        self.set_attributes(index, &root, b".", mtime, |now| is_same_object(&stat, now))
    }

    /// The time follows the content: if somebody has touched a file since the plan, their time stays.
    fn wanted_time(&self, index: usize, stat: &Stat) -> Timestamp {
        let step = &self.steps[index];
        let planned = step.expects.as_ref().map(|entry| entry.mtime);
        match &step.leaves {
            Some(leaves) if stat.kind == Kind::Directory || planned == Some(stat.mtime) => {
                leaves.mtime
            }
            _ => stat.mtime,
        }
    }

    /// Sets, and looks whether it is so now.
    fn set_attributes(
        &self,
        index: usize,
        at: &Arc<Directory>,
        name: &[u8],
        mtime: Timestamp,
        is_it: impl FnOnce(&Stat) -> bool,
    ) -> Answer {
        let Some(leaves) = &self.steps[index].leaves else {
            return Ok(changed_meanwhile());
        };
        let xattrs = self.judge.xattrs(leaves)?;
        let wanted = Attributes {
            kind: leaves.kind,
            mode: leaves.mode,
            uid: leaves.uid,
            gid: leaves.gid,
            mtime,
            xattrs: &xattrs,
        };
        let set = apply_to_name_if(at.as_fd(), name, is_it, &wanted, &self.options.rights);
        self.hands.hooks.after_call("attributes");
        let not_set = match set {
            Ok(Some(not_set)) => not_set,
            // Another object, or one of another kind, or none.
            Ok(None) | Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                return Ok(changed_meanwhile());
            }
            Err(errno) => return Err(at.error("set the attributes of", name, errno)),
        };
        let refused: Vec<&NotSet> = not_set.iter().filter(|not| !not.by_choice).collect();
        if let Some(first) = refused.first() {
            let message = format!("{}: {}", first.what, first.error);
            let error = io::Error::new(first.error.kind(), message);
            return Err(at.error("set the attributes of", name, error));
        }
        if !not_set.is_empty() {
            return Ok(StepResult::Done);
        }
        self.compare_after(at, name, leaves)
    }

    fn compare_after(&self, at: &Directory, name: &[u8], leaves: &Entry) -> Answer {
        let now = if name == b"." {
            Some(Stat::of(at.as_fd()).map_err(|errno| at.error("look at", b"", errno))?)
        } else {
            self.hands.look(at, name)?
        };
        let Some(now) = now else {
            return Ok(changed_meanwhile());
        };
        self.note_link(&now);
        let owner = (now.uid, now.gid) == (leaves.uid, leaves.gid);
        let mode = now.kind == Kind::Symlink || now.mode == leaves.mode;
        if owner && mode && now.kind == leaves.kind {
            Ok(StepResult::Done)
        } else {
            Ok(changed_meanwhile())
        }
    }
}
