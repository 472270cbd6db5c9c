//! Events: what is to be taken back, as a change set with the states around it.

use std::collections::{HashMap, HashSet};

use merge::ChangeSet;
use model::incident::{Actor, Incident};
use model::key::parent;
use model::operation::{Operation, OperationKind, Outcome};
use model::point::TimelineRecord;
use model::{Change, Conflict, ConflictKind, Entry, PathKey, Plan, SnapshotId};
use repository::{MapReader, Repository, Stored, Timeline, TimelineEntry};

use crate::error::{Result, UndoError};

/// The rule of key-value stores that finds deletions.
const DELETED: &str = "deleted";

/// What is to be taken back.
#[derive(Debug, Clone)]
pub struct Event {
    /// What changed.
    pub changes: ChangeSet,
    /// The state just before, as far as it is one.
    pub before: Option<Stored>,
    /// The state just after, as far as it is one: of the whole source, so that it can be told whether a
    /// group of files was touched since.
    pub after: Option<Stored>,
    /// What it is, in words.
    pub about: String,
    /// The operation that it was, when one is taken back.
    pub of: Option<u64>,
    /// The incident of the source that it was.
    pub incident: Option<u64>,
    /// What taking it back is.
    pub kind: OperationKind,
}

impl Event {
    /// What happened at a place, and beneath it, between two snapshots of one source.
    pub fn between(
        repository: &Repository,
        before: &Stored,
        after: &Stored,
        below: &PathKey,
    ) -> Result<Self> {
        if before.snapshot.source != after.snapshot.source {
            return Err(UndoError::TwoSources {
                before: before.id,
                after: after.id,
            });
        }
        if before.snapshot.time > after.snapshot.time {
            return Err(UndoError::Backwards {
                before: before.id,
                after: after.id,
            });
        }
        let changes = changes(repository, before, after, below)?;
        Ok(Self {
            changes,
            about: format!("from {} to {}", before.id.short(), after.id.short()),
            before: Some(before.clone()),
            after: Some(after.clone()),
            of: None,
            incident: None,
            kind: OperationKind::Undo,
        })
    }

    /// What happened since a snapshot, up to now: `changes` were found by comparing with the live tree.
    pub fn since(before: &Stored, changes: impl IntoIterator<Item = Change>) -> Self {
        Self {
            changes: changes.into_iter().collect(),
            about: format!("everything since {}", before.id.short()),
            before: Some(before.clone()),
            after: None,
            of: None,
            incident: None,
            kind: OperationKind::Undo,
        }
    }

    /// What an operation did: the undo of an undo. Its record names what was there before it began and
    /// what was there when it had ended, of all that it touched.
    pub fn of_operation(repository: &Repository, operation: &Operation) -> Result<Self> {
        let number = operation.begun.number;
        let refuse = |why| Err(UndoError::NotUndoable { number, why });
        let Some((_, ended)) = &operation.ended else {
            return refuse("it is not finished: `recoup undo --resume` finishes it first");
        };
        if ended.outcome != Outcome::Done {
            return refuse("it changed nothing");
        }
        let (Some(before), Some(after)) = (operation.begun.safety, ended.left) else {
            return refuse("it kept no record of what was there before and afterwards");
        };
        let stored = |id: SnapshotId| -> Result<Stored> {
            Ok(Stored {
                id,
                snapshot: repository.snapshot(id)?,
            })
        };
        let (before, after) = (stored(before)?, stored(after)?);
        let mut changes = changes(repository, &before, &after, &operation.begun.below)?;
        if !ended.left_is_whole {
            changes = changes
                .into_iter()
                .filter(|change| change.after.is_some())
                .collect();
        }
        if let (Some(planned), Some(open)) = (&operation.begun.plan, &ended.open) {
            let (planned, open) = (repository.plan(planned)?, repository.plan(open)?);
            changes = without_others(changes, &planned, &open);
        }
        Ok(Self {
            changes,
            before: Some(before),
            after: None,
            about: format!("operation {number}"),
            of: Some(number),
            incident: None,
            kind: OperationKind::Redo,
        })
    }
}

impl Event {
    /// What an incident was: the changes of whoever did it, and nothing of what others did meanwhile.
    ///
    /// Of each key the state just before the first change of the culprit counts as before: who wears a
    /// tree down slowly needs no single good moment. `keys` are the damaged ones.
    pub fn of_incident(
        repository: &Repository,
        timeline: &Timeline<'_>,
        incident: &Incident,
        keys: &[PathKey],
    ) -> Result<Self> {
        let (first, _) = incident.points;
        let lost = UndoError::NoStateBefore {
            incident: incident.number,
        };
        let entry = timeline.state_before(first)?.ok_or(lost)?;
        let before = timeline.open(&entry)?;
        let (culprits, after) = culprits(repository, timeline, incident, keys, &before)?;
        // Among the keys of a store there are no groups of files: its map is not asked, and for a large store
        // it would take as long and as much memory as the one before.
        let after = after.map(|entry| match is_of_keys(incident) {
            true => timeline.describe(&entry),
            false => timeline.open(&entry),
        });
        let after = after.transpose()?;
        Ok(Self {
            changes: culprits.into_iter().collect(),
            before: Some(before),
            after,
            about: format!("incident {}: {}", incident.number, incident.about),
            of: None,
            incident: Some(incident.number),
            kind: OperationKind::Undo,
        })
    }
}

/// The changes of an incident, and the last of its points.
fn culprits(
    repository: &Repository,
    timeline: &Timeline<'_>,
    incident: &Incident,
    keys: &[PathKey],
    before: &Stored,
) -> Result<(Vec<Change>, Option<TimelineEntry>)> {
    let (first, last) = incident.points;
    let reader = MapReader::new(repository);
    let damaged = Damaged::new(incident, keys);
    // What each key that the points touch holds, as far as the walk has come.
    let mut current: HashMap<PathKey, Option<Entry>> = HashMap::new();
    let mut culprits: Vec<Change> = Vec::new();
    // Where nobody knows who did what, writes to a deleted key are somebody's work: what comes back is
    // the last value before the deletion, and what was written after it stays.
    let only_deletions = is_of_keys(incident);
    let mut places: HashMap<PathKey, usize> = HashMap::new();
    let mut after = None;
    timeline.each(first, |entry| {
        if entry.number > last {
            return Ok(());
        }
        let TimelineRecord::Point(point) = &entry.record else {
            return Ok(());
        };
        for change in &point.changes {
            let was = match current.get(&change.key) {
                Some(was) => was.clone(),
                None => reader.entry(before.snapshot.root, &change.key)?,
            };
            current.insert(change.key.clone(), change.after.clone());
            let actor = change.actor.and_then(|at| point.actors.get(at as usize));
            let is_damaged = damaged.has(&change.key)
                || (change.after.is_none()
                    && damaged.may_have(&change.key)
                    && reader.entry(before.snapshot.root, &change.key)?.is_some());
            if !is_culprit(incident.actor.as_ref(), actor, is_damaged)
                || (change.after.is_some() && only_deletions)
            {
                continue;
            }
            let culprit = Change {
                key: change.key.clone(),
                before: was,
                after: change.after.clone(),
            };
            match places.get(&change.key) {
                Some(&place) if only_deletions => culprits[place] = culprit,
                _ => {
                    places.insert(change.key.clone(), culprits.len());
                    culprits.push(culprit);
                }
            }
        }
        after = Some(entry);
        Ok(())
    })?;
    Ok((culprits, after))
}

/// Whether it is the deletion of keys of a store, which does not say who deletes.
fn is_of_keys(incident: &Incident) -> bool {
    incident.actor.is_none() && incident.rule == DELETED
}

/// The damaged keys of an incident. The rules keep 65,536 of them at most, and count the rest: of a store,
/// where nobody says who deleted what, these are the deletions beside those that are listed.
struct Damaged<'a> {
    listed: HashSet<&'a PathKey>,
    /// Where listed keys lay, if there are more than are listed.
    beside: HashSet<&'a [u8]>,
}

impl<'a> Damaged<'a> {
    fn new(incident: &Incident, keys: &'a [PathKey]) -> Self {
        let is_cut = is_of_keys(incident) && incident.keys > keys.len() as u64;
        let parents = keys.iter().filter_map(|key| parent(key.as_bytes()));
        Self {
            listed: keys.iter().collect(),
            beside: parents.filter(|_| is_cut).collect(),
        }
    }

    fn has(&self, key: &PathKey) -> bool {
        self.listed.contains(key)
    }

    /// Whether this may be one that is not listed.
    fn may_have(&self, key: &PathKey) -> bool {
        parent(key.as_bytes()).is_some_and(|dir| self.beside.contains(dir))
    }
}

/// Whether a change belongs to an incident: made by its process, or a damaged key that the same program
/// or a sibling process touched, or that nobody is known to have touched.
fn is_culprit(culprit: Option<&Actor>, actor: Option<&Actor>, is_damaged: bool) -> bool {
    match (culprit, actor) {
        (Some(culprit), Some(actor)) => {
            // It had ended before it could be looked at: it may have been anybody.
            let is_nobody = actor.exe.is_empty() && actor.ppid.is_none();
            let same = culprit.pid == actor.pid && culprit.exe == actor.exe;
            let kin = (!culprit.exe.is_empty() && culprit.exe == actor.exe)
                || (culprit.ppid.is_some() && culprit.ppid == actor.ppid);
            same || (is_damaged && (kin || is_nobody))
        }
        _ => is_damaged,
    }
}

/// Of what differs between the states around an operation, what the operation did itself: others may have
/// worked on its paths between its steps and its end, and theirs is not to be undone.
///
/// Where a conflict came up, the step was not done, and the difference is somebody else's. Where a path
/// was changed after its step, the step's own result counts as the state after it: taking it back is a
/// conflict then, as it should be.
fn without_others(changes: ChangeSet, planned: &Plan, open: &Plan) -> ChangeSet {
    let known: HashSet<&PathKey> = planned.conflicts.iter().map(|it| &it.key).collect();
    let came_up: HashMap<&PathKey, &Conflict> = open
        .conflicts
        .iter()
        .filter(|it| it.kind != ConflictKind::LateWrite && !known.contains(&it.key))
        .map(|it| (&it.key, it))
        .collect();
    let own = |change: Change| match came_up.get(&change.key) {
        None => Some(change),
        Some(conflict) if conflict.kind == ConflictKind::ChangedMeanwhile => Some(Change {
            after: conflict.before.clone(),
            ..change
        }),
        Some(_) => None,
    };
    changes.into_iter().filter_map(own).collect()
}

fn changes(
    repository: &Repository,
    before: &Stored,
    after: &Stored,
    below: &PathKey,
) -> Result<ChangeSet> {
    let reader = MapReader::new(repository);
    let (from, to) = (before.snapshot.root, after.snapshot.root);
    let mut changes = Vec::new();
    for change in reader.changes(from, to, below) {
        changes.push(change?);
    }
    Ok(changes.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use model::Kind;

    use super::*;

    fn key(name: &str) -> PathKey {
        PathKey::from_path(name.as_bytes()).unwrap()
    }

    fn file(size: u64) -> Option<Entry> {
        let mut entry = Entry::new(Kind::File);
        entry.size = size;
        Some(entry)
    }

    fn conflict(name: &str, kind: ConflictKind, leaves: Option<Entry>) -> Conflict {
        Conflict {
            key: key(name),
            kind,
            before: leaves,
            after: None,
            live: None,
        }
    }

    #[test]
    fn what_was_damaged_by_nobody_known_belongs_to_the_incident() {
        let rm = |pid, ppid| Actor {
            pid,
            ppid: Some(ppid),
            exe: "/usr/bin/rm".to_owned(),
            ..Actor::default()
        };
        let other = Actor {
            exe: "/usr/bin/vi".to_owned(),
            ..rm(9, 8)
        };
        let unseen = Actor {
            pid: 12,
            gone: true,
            ..Actor::default()
        };
        let culprit = rm(10, 1);
        let belongs =
            |actor: Option<&Actor>, is_damaged| is_culprit(Some(&culprit), actor, is_damaged);
        assert!(belongs(Some(&culprit), false) && belongs(Some(&rm(11, 2)), true));
        assert!(!belongs(Some(&other), true));
        assert!(belongs(None, true) && !belongs(None, false));
        assert!(belongs(Some(&unseen), true) && !belongs(Some(&unseen), false));
    }

    /// Beyond what is listed key by key, deletions beside the listed ones are the incident's.
    #[test]
    fn keys_that_are_only_counted_lie_beside_those_that_are_listed() {
        let incident = |keys, actor| Incident {
            number: 1,
            level: model::Level::Alarm,
            rule: DELETED.to_owned(),
            about: String::new(),
            from: model::Timestamp::default(),
            to: model::Timestamp::default(),
            before: SnapshotId([0; 32]),
            after: SnapshotId([1; 32]),
            keys,
            deleted: keys,
            changed: 0,
            actor,
            points: (1, 2),
        };
        let listed = [key("lb/1"), key("lb/2")];
        let may_have = |incident: &Incident, name| {
            let damaged = Damaged::new(incident, &listed);
            assert!(damaged.has(&listed[0]) && !damaged.has(&key(name)));
            damaged.may_have(&key(name))
        };
        assert!(may_have(&incident(3, None), "lb/3"));
        assert!(!may_have(&incident(3, None), "dns/3"));
        assert!(!may_have(&incident(2, None), "lb/3"));
        assert!(!may_have(&incident(3, Some(Actor::default())), "lb/3"));
    }

    /// What others did while an operation ran is no part of it: else its undo would take that back.
    #[test]
    fn an_operation_is_only_what_it_did_itself() {
        let change = |name: &str, after| Change {
            key: key(name),
            before: None,
            after,
        };
        let changes: ChangeSet = [
            change("restored", file(1)),
            change("restored, then edited", file(2)),
            change("taken by somebody before the step", file(3)),
            change("in conflict from the start, and touched", file(4)),
            change("written to late", file(5)),
        ]
        .into_iter()
        .collect();
        let known = "in conflict from the start, and touched";
        let planned = Plan {
            conflicts: vec![conflict(known, ConflictKind::Metadata, None)],
            ..Plan::default()
        };
        let open = Plan {
            conflicts: vec![
                conflict(known, ConflictKind::Metadata, None),
                conflict(
                    "restored, then edited",
                    ConflictKind::ChangedMeanwhile,
                    file(1),
                ),
                conflict(
                    "taken by somebody before the step",
                    ConflictKind::PathReused,
                    file(1),
                ),
                conflict("written to late", ConflictKind::LateWrite, file(5)),
            ],
            ..Plan::default()
        };
        let own = without_others(changes, &planned, &open);
        let after = |name: &str| own.get(key(name).as_bytes()).map(|it| it.after.clone());
        assert_eq!(after("restored"), Some(file(1)));
        assert_eq!(after("restored, then edited"), Some(file(1)));
        assert_eq!(after("taken by somebody before the step"), None);
        assert_eq!(after(known), Some(file(4)));
        assert_eq!(after("written to late"), Some(file(5)));
        assert_eq!(own.len(), 4);
    }
}
