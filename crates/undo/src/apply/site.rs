//! Where the work is done: the live tree, the trees of the work directory, and what is known of both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use model::plan::Step;
use model::{Cancel, Entry, Kind, PathKey, Timestamp};
use source::SourceError;
use source::files::write::{Directory, Swap, TreeWriter};
use source::files::{FileId, Stat, Writer};

use super::hands::Hands;
use super::judge::{Judge, Options, Seen};
use super::quarantine::Displaced;
use crate::outcome::StepResult;

/// What changed so shortly before it was looked at may have changed again within the same tick: ticks
/// are milliseconds on local file systems, and up to two seconds on the oldest.
const RACY_SECS: i64 = 2;

/// A file open for writing that was written to this shortly before is in use.
const BUSY_SECS: i64 = 2;

/// How the steps are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// For the first time.
    First,
    /// An earlier run may have done any part of any step.
    Again,
    /// The same, but nothing is placed that is not live already: what was displaced is put away, and what
    /// was never compared is put back.
    Settle,
    /// Backwards, after that: what is placed was displaced before, so that directories are to be given their
    /// attributes.
    Back,
}

/// Everything that a step needs.
pub(super) struct Site<'a> {
    pub(super) live: TreeWriter,
    /// Where what the steps place comes from.
    pub(super) source: &'a TreeWriter,
    /// Where what the steps displace goes.
    pub(super) sink: &'a TreeWriter,
    /// Where things are that are on their way from one name to another.
    pub(super) moving: &'a TreeWriter,
    pub(super) steps: &'a [Step],
    /// The index that each step has in the plan.
    pub(super) plan_index: Vec<usize>,
    /// Where the moves of the plan lead, and where they come from.
    pub(super) moves: Vec<(PathKey, PathKey)>,
    pub(super) hands: Hands<'a>,
    pub(super) judge: &'a dyn Judge,
    pub(super) seen: &'a Seen,
    pub(super) options: &'a Options,
    pub(super) cancel: &'a Cancel,
    pub(super) way: Way,
    /// Number of the file system.
    pub(super) device: u64,
    /// Who had which file open for writing when the work began.
    pub(super) writers: HashMap<FileId, Writer>,
    pub(super) notes: Notes,
}

/// What the steps leave to tell, and to each other.
pub(super) struct Notes {
    pub(super) results: Vec<OnceLock<StepResult>>,
    pub(super) displaced: Mutex<Vec<Displaced>>,
    pub(super) beside: Mutex<Vec<(usize, PathKey)>>,
    /// Directories that were made here, or into which more was put after they were placed: attributes
    /// and times are still to be set.
    pub(super) unfinished: Mutex<Vec<(usize, Stat)>>,
    /// What became of steps after all: they count for more than the first results.
    pub(super) revised: Mutex<Vec<(usize, StepResult)>>,
    /// Files with several names of which we moved one: their change time is of our making.
    pub(super) moved_links: Mutex<HashMap<FileId, Timestamp>>,
}

impl Notes {
    pub(super) fn new(steps: usize) -> Self {
        let mut results = Vec::new();
        results.resize_with(steps, OnceLock::new);
        Self {
            results,
            displaced: Mutex::default(),
            beside: Mutex::default(),
            unfinished: Mutex::default(),
            revised: Mutex::default(),
            moved_links: Mutex::default(),
        }
    }
}

/// How a live path compares with a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// As the plan expected.
    Expected {
        /// Its state before it was compared.
        stat: Stat,
        /// Whether a change since could go without a trace in its times.
        racy: bool,
    },
    /// As the step leaves it.
    Already(Stat),
    /// Nothing is there.
    Absent,
    /// Something else is there.
    Other(Stat),
}

/// The directory that holds a key, and the name in it.
pub(super) type Place<'k> = (Arc<Directory>, &'k [u8]);

/// Why there is no directory to work in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoParent {
    /// It is gone.
    Gone,
    /// Something else is there, or a symbolic link on the way.
    Other,
}

/// What became of a step, or the system's refusal.
pub(super) type Answer = Result<StepResult, SourceError>;

impl Site<'_> {
    /// Whether an earlier run may have done any part of any step.
    pub(super) fn is_resuming(&self) -> bool {
        self.way != Way::First
    }

    /// Says what became of a step, unless that is known.
    pub(super) fn set(&self, index: usize, result: StepResult) {
        let _ = self.notes.results[index].set(result);
    }

    /// The directory that holds a live key, and the name in it; `None` with the reason where there is
    /// no such directory.
    pub(super) fn live_place<'k>(
        &self,
        key: &'k PathKey,
    ) -> Result<Result<Place<'k>, NoParent>, SourceError> {
        match self.place(&self.live, key) {
            Ok(place) => Ok(Ok(place)),
            Err(SourceError::NotFound { .. }) => Ok(Err(NoParent::Gone)),
            Err(SourceError::WrongKind { .. } | SourceError::Symlink { .. }) => {
                Ok(Err(NoParent::Other))
            }
            Err(error) => Err(error),
        }
    }

    /// The directory that holds a key in a tree, and the name in it.
    pub(super) fn place<'k>(
        &self,
        tree: &TreeWriter,
        key: &'k PathKey,
    ) -> Result<Place<'k>, SourceError> {
        let parent = model::key::parent(key.as_bytes()).unwrap_or_default();
        Ok((tree.directory(parent)?, key.name()))
    }

    /// The same for reading from a tree of the work directory, where a missing directory means that
    /// there is nothing.
    pub(super) fn place_if_any<'k>(
        &self,
        tree: &TreeWriter,
        key: &'k PathKey,
    ) -> Result<Option<Place<'k>>, SourceError> {
        match self.place(tree, key) {
            Err(SourceError::NotFound { .. } | SourceError::WrongKind { .. }) => Ok(None),
            done => done.map(Some),
        }
    }

    /// Compares a live path with its step.
    pub(super) fn look(
        &self,
        step: &Step,
        at: &Directory,
        name: &[u8],
    ) -> Result<Look, SourceError> {
        let Some(stat) = self.hands.look(at, name)? else {
            return Ok(Look::Absent);
        };
        if let Some(expects) = &step.expects {
            if self
                .seen_of(&step.key)
                .is_some_and(|then| self.is_unchanged(then, &stat))
            {
                let racy = is_recent(stat.ctime, self.options.seen_at, RACY_SECS);
                return Ok(Look::Expected { stat, racy });
            }
            if self.holds(at, name, &stat, expects)? {
                let racy = is_recent(stat.ctime, now(), RACY_SECS);
                return Ok(Look::Expected { stat, racy });
            }
        }
        match &step.leaves {
            Some(leaves) if self.holds(at, name, &stat, leaves)? => Ok(Look::Already(stat)),
            _ => Ok(Look::Other(stat)),
        }
    }

    /// What a path, or the one that the plan moves there, was when the plan was made.
    fn seen_of(&self, key: &PathKey) -> Option<&Stat> {
        self.seen.get(key).or_else(|| {
            let (to, from) = self
                .moves
                .iter()
                .find(|(to, _)| to.contains(key.as_bytes()))?;
            let rest = &key.as_bytes()[to.as_bytes().len()..];
            self.seen.get([from.as_bytes(), rest].concat().as_slice())
        })
    }

    /// Asks the judge, unless the kind or size says enough.
    pub(super) fn holds(
        &self,
        at: &Directory,
        name: &[u8],
        stat: &Stat,
        entry: &Entry,
    ) -> Result<bool, SourceError> {
        if stat.kind != entry.kind || stat.kind == Kind::File && stat.size != entry.size {
            return Ok(false);
        }
        let held = self.judge.holds(at, name, entry);
        self.hands.hooks.after_call("compare");
        held
    }

    /// Whether a name holds an entry; `false` where nothing is.
    pub(super) fn name_holds(
        &self,
        at: &Directory,
        name: &[u8],
        entry: &Entry,
    ) -> Result<bool, SourceError> {
        match self.hands.look(at, name)? {
            Some(stat) => self.holds(at, name, &stat, entry),
            None => Ok(false),
        }
    }

    /// Whether this is what was seen, untouched. What happens inside of a directory changes its times:
    /// only what it is and whose it is counts.
    fn is_unchanged(&self, then: &Stat, now: &Stat) -> bool {
        if then.kind == Kind::Directory {
            return is_same_object(then, now);
        }
        if !is_same_object(then, now) || then.mtime != now.mtime {
            return false;
        }
        then.ctime == now.ctime
            || then.nlink > 1
                && locked(&self.notes.moved_links).get(&(now.dev, now.ino)) == Some(&now.ctime)
    }

    /// Whether what was displaced is what stood there when it was looked at.
    pub(super) fn is_what_was_seen(
        &self,
        step: &Step,
        before: &Stat,
        racy: bool,
        at: &Directory,
        name: &[u8],
        after: &Stat,
    ) -> Result<bool, SourceError> {
        let same = is_same_object(before, after)
            && (before.kind == Kind::Directory || before.mtime == after.mtime);
        match &step.expects {
            Some(expects) if same && racy => self.holds(at, name, after, expects),
            _ => Ok(same),
        }
    }

    /// Remembers that a change time of a file with several names is of our making.
    pub(super) fn note_link(&self, stat: &Stat) {
        if stat.nlink > 1 && stat.kind != Kind::Directory {
            locked(&self.notes.moved_links).insert((stat.dev, stat.ino), stat.ctime);
        }
    }

    /// Why a live path must not be touched now, if so.
    pub(super) fn why_not_now(&self, stat: &Stat) -> Option<StepResult> {
        if stat.dev != self.device {
            return Some(elsewhere());
        }
        let writer = self.writers.get(&(stat.dev, stat.ino))?;
        let in_use = stat.kind == Kind::File && is_recent(stat.mtime, now(), BUSY_SECS);
        in_use.then(|| {
            let Writer { pid, command } = writer;
            StepResult::Deferred(format!("open for writing by pid {pid} ({command})"))
        })
    }

    /// What an answer of the system that is neither success nor an expected refusal means for a step.
    pub(super) fn unusual(&self, swap: Swap, at: &Directory, name: &[u8]) -> Answer {
        match swap {
            Swap::Elsewhere => Ok(elsewhere()),
            Swap::InUse => Ok(StepResult::Deferred("something is mounted there".into())),
            _ => Err(at.error("move", name, std::io::ErrorKind::Unsupported)),
        }
    }
}

/// The result for what a rename can't reach.
fn elsewhere() -> StepResult {
    StepResult::Deferred("on another file system".into())
}

/// Whether both are one object with the same content and rights, as far as its state tells without
/// times.
pub(super) fn is_same_object(one: &Stat, two: &Stat) -> bool {
    (one.dev, one.ino, one.kind, one.device) == (two.dev, two.ino, two.kind, two.device)
        && (one.mode, one.uid, one.gid) == (two.mode, two.uid, two.gid)
        && (one.kind == Kind::Directory || one.size == two.size)
}

fn is_recent(changed: Timestamp, looked: Timestamp, secs: i64) -> bool {
    changed.secs.saturating_add(secs) >= looked.secs
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::new(
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}

/// What a thread that panicked left behind is still whole: every entry is written at once.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
