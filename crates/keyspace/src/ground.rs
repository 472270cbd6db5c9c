//! A key-value store as the ground of an undo: the same engine, records and order as for files.
//!
//! What is compared and swapped is the revision of the last write of each key, as it was when the plan was
//! made. After an interruption the plan's own states take its place, compared by their bytes: what is done
//! already says so itself.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use etcd::{Applied, Applier, Client, EtcdError, Expect, KeyValue, Lease, Outcome as Wrote, Write};
use merge::Choice;
use model::plan::Step;
use model::{
    Action, Cancel, Conflict, ConflictKind, Entry, Monitor, PathKey, Plan, SnapshotId, Timestamp,
};
use repository::Repository;
use undo::outcome::{Outcome, StepResult};
use undo::{ContentMerge, Event, Ground, Proposal, UndoError, Way};

use crate::backup::{Options, keep};
use crate::error::{KeyspaceError, Result};
use crate::value::{contents, fitting, lease_of, raw_key};

/// A store that is undone on.
pub struct Keyspace<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) client: &'a Client,
    pub(crate) options: Options,
    /// Keys that are written in a second at most.
    pub(crate) rate: Option<u32>,
    pub(crate) clock: &'a (dyn Fn() -> Timestamp + Sync),
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) cancel: &'a Cancel,
    /// Revision of the last write of each key that was looked at for the last proposal; `None` for a key
    /// that was not there.
    pub(crate) seen: Mutex<HashMap<PathKey, Option<i64>>>,
}

impl std::fmt::Debug for Keyspace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyspace")
            .field("address", &self.client.address())
            .finish_non_exhaustive()
    }
}

impl<'a> Keyspace<'a> {
    /// The store behind a client, and the repository that its snapshots are in.
    pub fn new(
        repository: &'a Repository,
        client: &'a Client,
        options: Options,
        rate: Option<u32>,
        clock: &'a (dyn Fn() -> Timestamp + Sync),
        monitor: &'a dyn Monitor,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            repository,
            client,
            options,
            rate,
            clock,
            monitor,
            cancel,
            seen: Mutex::default(),
        }
    }

    /// What stands at these keys at one revision.
    pub(crate) fn look(&self, keys: &[PathKey]) -> Result<BTreeMap<PathKey, Option<KeyValue>>> {
        let raw: Vec<Vec<u8>> = keys.iter().map(raw_key).collect::<Result<_>>()?;
        let raw: Vec<&[u8]> = raw.iter().map(Vec::as_slice).collect();
        let (_, found) = self.client.get_many(&raw, None)?;
        Ok(keys.iter().cloned().zip(found).collect())
    }

    /// The writes of some steps.
    fn writes(&self, steps: &[Step], way: Way) -> Result<Vec<Write>> {
        let new: Vec<_> = steps
            .iter()
            .map(|step| ends(step, way).1.as_ref())
            .collect();
        let new = contents(self.repository, &new)?;
        let pairs = steps.iter().zip(new);
        pairs
            .map(|(step, new)| self.write(step, ends(step, way), new, way))
            .collect()
    }

    /// The write of a step from one state to another, whose bytes these are.
    fn write(
        &self,
        step: &Step,
        (from, to): (&Option<Entry>, &Option<Entry>),
        new: Vec<u8>,
        way: Way,
    ) -> Result<Write> {
        let seen = match way {
            Way::Fresh => {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.get(&step.key).copied()
            }
            Way::Resume | Way::RollBack => None,
        };
        let expect = match (seen, from) {
            (Some(Some(revision)), _) => Expect::ModRevision(revision),
            (Some(None), _) | (None, None) => Expect::Absent,
            (None, Some(entry)) => Expect::Value(self.repository.content(entry)?),
        };
        let keeps_lease = to.as_ref().is_some_and(|entry| lease_of(entry) != 0)
            && from.as_ref().is_some_and(|entry| lease_of(entry) != 0);
        Ok(Write {
            key: raw_key(&step.key)?,
            new: to.as_ref().map(|_| new),
            expect,
            lease: if keeps_lease {
                Lease::Keep
            } else {
                Lease::None
            },
        })
    }

    /// Runs the steps in their order; gives their results, and why it ended early.
    fn write_all(&self, plan: &Plan, way: Way) -> Result<(Vec<StepResult>, Option<EtcdError>)> {
        let mut applier = Applier::new(self.client, self.rate);
        let mut results: Vec<StepResult> = Vec::with_capacity(plan.steps.len());
        let mut stopped = None;
        let mut rest = plan.steps.as_slice();
        while !rest.is_empty() && stopped.is_none() {
            let sizes = rest
                .iter()
                .map(|step| size_of(&step.leaves).max(size_of(&step.expects)));
            let (steps, later) = rest.split_at(fitting(sizes));
            rest = later;
            let writes = self.writes(steps, way)?;
            let mut report = |_: usize, _: &Wrote| self.monitor.done(1, 0);
            let Applied {
                outcomes,
                stopped: why,
            } = applier.apply(&writes, self.cancel, &mut report);
            stopped = why;
            results.extend(outcomes.into_iter().map(result_of));
        }
        results.resize_with(plan.steps.len(), || StepResult::NotReached);
        Ok((results, stopped))
    }
}

/// What a step leads from, and to.
fn ends(step: &Step, way: Way) -> (&Option<Entry>, &Option<Entry>) {
    match way {
        Way::RollBack => (&step.leaves, &step.expects),
        Way::Fresh | Way::Resume => (&step.expects, &step.leaves),
    }
}

fn size_of(entry: &Option<Entry>) -> u64 {
    entry.as_ref().map_or(0, |entry| entry.size)
}

fn result_of(outcome: Wrote) -> StepResult {
    match outcome {
        Wrote::Done(_) => StepResult::Done,
        Wrote::Already(_) => StepResult::AlreadyDone,
        Wrote::Conflict(_) => StepResult::Conflict(ConflictKind::ChangedMeanwhile),
        Wrote::Refused(error) => StepResult::Failed(error.to_string()),
        Wrote::Unknown => StepResult::Deferred("etcd did not say what became of it".to_owned()),
        Wrote::NotTried => StepResult::NotReached,
    }
}

impl Ground for Keyspace<'_> {
    fn source(&self) -> &[u8] {
        &self.options.source
    }

    fn propose(&self, event: &Event, contents: ContentMerge) -> undo::Result<Proposal> {
        Ok(self.propose_plan(event, contents)?)
    }

    fn resolve(
        &self,
        _event: &Event,
        conflicts: &[Conflict],
        choice: Choice,
    ) -> undo::Result<Proposal> {
        Ok(self.resolve_plan(conflicts, choice)?)
    }

    fn keep(&self, keys: Arc<[PathKey]>) -> undo::Result<SnapshotId> {
        let clock = || (self.clock)();
        let kept = keep(
            self.repository,
            self.client,
            &self.options,
            &keys,
            &clock,
            self.monitor,
        );
        Ok(kept?)
    }

    fn work(&self, _number: u64) -> undo::Result<Option<PathBuf>> {
        Ok(None)
    }

    fn run(&self, _number: u64, plan: &Plan, way: Way) -> undo::Result<Outcome> {
        let is_of_trees = |step: &Step| matches!(step.action, Action::Beside | Action::Move { .. });
        if plan.steps.iter().any(is_of_trees) {
            let why = "a store has no place beside a key, and nothing moves in it";
            return Err(UndoError::Plan { why });
        }
        let (results, stopped) = self.write_all(plan, way)?;
        let cancelled = self.cancel.requested();
        if let Some(error) = stopped.filter(|_| !cancelled) {
            // A new try finds out what was done: rows whose state is not known count as begun.
            let untouched = results
                .iter()
                .all(|result| matches!(result, StepResult::NotReached));
            return Err(UndoError::Live {
                source: Box::new(KeyspaceError::Etcd(error)),
                untouched: untouched && way == Way::Fresh,
            });
        }
        Ok(Outcome {
            results,
            beside: Vec::new(),
            displaced: Vec::new(),
            late_writes: Vec::new(),
            quarantine: PathBuf::new(),
            weaker: false,
            cancelled,
        })
    }
}
