//! From an event to a plan for a live store.

use std::collections::{BTreeMap, BTreeSet};

use etcd::KeyValue;
use merge::content::{self, Verdict};
use merge::{ChangeSet, Choice, Live, LiveTree, Rules};
use model::plan::Step;
use model::{Change, Conflict, ConflictKind, Entry, PathKey, Xattrs};
use std::sync::PoisonError;
use undo::conflicts::{self, decide_each};
use undo::{ContentMerge, Event, Proposal, Proposed};

use crate::error::{KeyspaceError, Result};
use crate::ground::Keyspace;
use crate::value::{lease_of, name, without_lease};

/// The name under which a structured value is merged: values have no endings that would tell.
const MERGED_AS: &[u8] = b"value.json";

/// The live keys as they were looked at.
struct LiveKeys {
    found: BTreeMap<PathKey, (Entry, KeyValue)>,
}

impl LiveKeys {
    fn look(ground: &Keyspace<'_>, keys: &[PathKey]) -> Result<Self> {
        let mut found = BTreeMap::new();
        let mut seen = std::collections::HashMap::with_capacity(keys.len());
        for (key, kv) in ground.look(keys)? {
            seen.insert(key.clone(), kv.as_ref().map(|kv| kv.mod_revision));
            if let Some(kv) = kv {
                found.insert(key, (name(ground.repository, &kv)?, kv));
            }
        }
        *ground.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(Self { found })
    }

    fn lease(&self, key: &PathKey) -> i64 {
        self.found.get(key).map_or(0, |(_, kv)| kv.lease)
    }
}

impl LiveTree for LiveKeys {
    type Error = KeyspaceError;

    fn state(&mut self, key: &PathKey) -> Result<Live> {
        let entry = self.found.get(key).map(|(entry, _)| without_lease(entry));
        Ok(entry.into())
    }

    fn names(&mut self, _key: &PathKey) -> Result<Vec<Vec<u8>>> {
        // Asked only of trees.
        Ok(Vec::new())
    }
}

impl Keyspace<'_> {
    pub(crate) fn propose_plan(&self, event: &Event, how: ContentMerge) -> Result<Proposal> {
        let of = |change: &Change| change.before.as_ref().is_some_and(|it| lease_of(it) != 0);
        let changes = event.changes.changes();
        let leased: BTreeSet<&PathKey> = changes
            .iter()
            .filter(|change| of(change))
            .map(|change| &change.key)
            .collect();
        // Who took a key on since the event keeps it on its lease.
        let was_leased = |key: &PathKey| {
            let change = event.changes.get(key.as_bytes());
            let after = change.and_then(|change| change.after.as_ref());
            after.is_some_and(|after| lease_of(after) != 0)
        };
        let bare: ChangeSet = changes
            .iter()
            .map(|change| Change {
                key: change.key.clone(),
                before: change.before.as_ref().map(without_lease),
                after: change.after.as_ref().map(without_lease),
            })
            .collect();
        let keys: Vec<PathKey> = bare.changes().iter().map(|it| it.key.clone()).collect();
        let mut live = LiveKeys::look(self, &keys)?;
        let ephemeral = |key: &PathKey, _: &Entry| leased.contains(key);
        let rules = Rules {
            ephemeral: Some(&ephemeral),
            ..Rules::flat()
        };
        let plan = merge::plan(&bare, &mut live, &rules)?;
        let mut proposal =
            conflicts::merge_contents(plan, how, |conflict| self.merge_content(conflict, &live))?;
        for step in &mut proposal.plan.steps {
            let keeps = live.lease(&step.key) != 0 && !was_leased(&step.key);
            put_lease(step, &live, keeps);
        }
        Ok(proposal)
    }

    /// The plan that decides conflicts.
    pub(crate) fn resolve_plan(&self, conflicts: &[Conflict], choice: Choice) -> Result<Proposal> {
        let keys: Vec<PathKey> = conflicts.iter().map(|it| it.key.clone()).collect();
        let mut live = LiveKeys::look(self, &keys)?;
        // There is no place beside a key: both can't be had, so the live one stays.
        let choice = match choice {
            Choice::Both => Choice::Keep,
            other => other,
        };
        let mut plan = decide_each(conflicts, |conflict| {
            merge::resolve(conflict, choice, &mut live, &Rules::flat())
        })?;
        for step in &mut plan.steps {
            put_lease(step, &live, false);
        }
        Ok(Proposal {
            plan,
            ..Proposal::default()
        })
    }

    fn merge_content(&self, conflict: &Conflict, live: &LiveKeys) -> Result<Option<Proposed>> {
        let (Some(before), Some(after), Some((_, now))) = (
            &conflict.before,
            &conflict.after,
            live.found.get(&conflict.key),
        ) else {
            return Ok(None);
        };
        if conflict.kind != ConflictKind::EditedAfter {
            return Ok(None);
        }
        let before = self.repository.content(before)?;
        let after = self.repository.content(after)?;
        match content::merge(MERGED_AS, &before, &after, &now.value) {
            Verdict::Merged { bytes, how, .. } => {
                let merged = KeyValue {
                    value: bytes,
                    lease: 0,
                    ..now.clone()
                };
                Ok(Some(Proposed {
                    key: conflict.key.clone(),
                    how: how.word(),
                    entry: name(self.repository, &merged)?,
                    bytes: merged.value,
                    live: now.value.clone(),
                }))
            }
            Verdict::Refused(_) => Ok(None),
        }
    }
}

/// A step says what lease it expects, and what becomes of it.
fn put_lease(step: &mut Step, live: &LiveKeys, keeps: bool) {
    let Some((entry, _)) = live.found.get(&step.key) else {
        return;
    };
    if step.expects.is_some() {
        step.expects = Some(entry.clone());
    }
    if let Some(leaves) = &mut step.leaves {
        leaves.xattrs = if keeps {
            entry.xattrs.clone()
        } else {
            Xattrs::default()
        };
    }
}
