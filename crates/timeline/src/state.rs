//! What a watcher knows: the last state, where its log ends, and who did what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use model::incident::Actor;
use model::point::{Class, Point, PointChange, TimelineRecord};
use model::{BlobId, Entry, Kind, PathKey, SnapshotId, Timestamp};
use repository::log::LogEnd;
use repository::{MapReader, Repository, Timeline};
use source::files::watch::{self, Batch};

use crate::error::Result;

/// Actors that are remembered between batches: enough for a build of many processes.
const ACTORS_MAX: usize = 10_000;

/// The last state and what leads to the next.
pub struct State<'r> {
    /// Where it is kept.
    pub repository: &'r Repository,
    /// The log.
    pub timeline: Timeline<'r>,
    end: LogEnd,
    /// Root of the map.
    pub root: Option<BlobId>,
    /// Number of the checkpoint that points build upon.
    base: u64,
    /// Its name.
    pub last_point: SnapshotId,
    /// The state that watching began with.
    pub began_at: SnapshotId,
    /// When the last checkpoint was recorded.
    pub last_checkpoint: Instant,
    /// Changes since the checkpoint: beyond a limit the next one comes early.
    pub since_checkpoint: u64,
    actors: HashMap<u64, Actor>,
    /// Keys of files that have several names: touched through one, all of them change.
    linked: BTreeSet<PathKey>,
}

/// A change of the state, before it is recorded.
#[derive(Debug)]
pub struct Changed {
    /// Which key.
    pub key: PathKey,
    /// What was there.
    pub before: Option<Entry>,
    /// What is there.
    pub after: Option<Entry>,
    /// Who did it, as the watcher numbers them.
    pub actor: Option<u64>,
}

impl std::fmt::Debug for State<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl<'r> State<'r> {
    /// The state that the log ends with; none where the source was never watched.
    pub fn open(repository: &'r Repository, timeline: Timeline<'r>) -> Result<Self> {
        let last = timeline.last()?;
        let end = timeline.end()?;
        let (mut root, mut last_point) = (None, SnapshotId([0; 32]));
        if let Some(last) = last {
            // Its nodes are needed to tell what happened since.
            timeline.open(&last)?;
            root = last.state().and_then(|(_, root)| root);
            last_point = last.id;
        }
        Ok(Self {
            repository,
            timeline,
            end,
            root,
            base: 0,
            last_point,
            began_at: last_point,
            last_checkpoint: Instant::now(),
            since_checkpoint: 0,
            actors: HashMap::new(),
            linked: BTreeSet::new(),
        })
    }

    /// Finds the files of the state that have several names.
    pub(crate) fn learn_links(&mut self) -> Result<()> {
        self.linked.clear();
        let reader = MapReader::new(self.repository);
        let mut entries = reader.entries(self.root, &PathKey::root());
        while let Some((key, entry)) = entries.next()? {
            if entry.link.is_some() {
                self.linked.insert(key);
            }
        }
        Ok(())
    }

    /// Keys of files that have several names.
    pub(crate) fn linked(&self) -> &BTreeSet<PathKey> {
        &self.linked
    }

    /// Remembers who was seen.
    pub(crate) fn meet(&mut self, batch: &Batch, own_program: &str) {
        if self.actors.len() > ACTORS_MAX {
            self.actors.clear();
        }
        for (id, actor) in &batch.actors {
            let mut actor = actor_of(actor);
            actor.ours = !own_program.is_empty() && actor.exe == own_program;
            self.actors.insert(id.0, actor);
        }
    }

    /// What really differs from the last state, in key order.
    pub fn differing(
        &self,
        found: &BTreeMap<PathKey, Option<Entry>>,
        actors: &HashMap<PathKey, u64>,
    ) -> Result<Vec<Changed>> {
        let reader = MapReader::new(self.repository);
        let mut changed = Vec::new();
        for (key, after) in found {
            let before = reader.entry(self.root, key)?;
            if before != *after {
                changed.push(Changed {
                    key: key.clone(),
                    before,
                    after: after.clone(),
                    actor: actors.get(key).copied(),
                });
            }
        }
        Ok(changed)
    }

    /// Who made these changes, each once, and for each change a place in that list.
    pub fn actors_of(&self, changed: &[Changed]) -> (Vec<Actor>, Vec<Option<u32>>) {
        let mut actors: Vec<Actor> = Vec::new();
        let mut known: HashMap<u64, u32> = HashMap::new();
        let places = changed.iter().map(|one| {
            let id = one.actor?;
            let actor = self.actors.get(&id)?;
            Some(*known.entry(id).or_insert_with(|| {
                actors.push(actor.clone());
                actors.len() as u32 - 1
            }))
        });
        let places = places.collect();
        (actors, places)
    }

    /// Makes the changes a point, durably. Everything that it names is durable already.
    pub fn add_point(
        &mut self,
        changed: &[Changed],
        class: Class,
        (first, last): (Timestamp, Timestamp),
        revision: Option<u64>,
        time: Timestamp,
    ) -> Result<SnapshotId> {
        let edits = changed.iter().map(|one| (&one.key, one.after.as_ref()));
        let root = self.repository.edit_in_memory(self.root, edits)?;
        let (actors, places) = self.actors_of(changed);
        let changes = changed
            .iter()
            .zip(places)
            .map(|(one, actor)| PointChange {
                key: one.key.clone(),
                after: one.after.clone(),
                actor,
            })
            .collect();
        let record = TimelineRecord::Point(Point {
            base: self.base,
            from: self.root,
            root,
            first,
            last,
            class,
            revision,
            changes,
            actors,
        });
        let id = self.timeline.append(&mut self.end, time, &record)?;
        self.root = root;
        self.last_point = id;
        self.since_checkpoint += changed.len() as u64;
        for one in changed {
            if one.after.as_ref().is_some_and(|after| after.link.is_some()) {
                self.linked.insert(one.key.clone());
            } else {
                self.linked.remove(&one.key);
            }
        }
        Ok(id)
    }

    /// Records something that is no state.
    pub fn add(&mut self, record: &TimelineRecord, time: Timestamp) -> Result<SnapshotId> {
        Ok(self.timeline.append(&mut self.end, time, record)?)
    }

    /// The number that the next record will have.
    pub fn next_number(&self) -> u64 {
        self.end.next
    }

    /// Records that the state is that of a snapshot: points build upon it from here on.
    pub fn add_checkpoint(
        &mut self,
        snapshot: SnapshotId,
        root: Option<BlobId>,
        revision: Option<u64>,
        time: Timestamp,
    ) -> Result<()> {
        let record = TimelineRecord::Checkpoint {
            snapshot,
            root,
            revision,
        };
        self.base = self.end.next;
        self.timeline.append(&mut self.end, time, &record)?;
        self.root = root;
        self.last_point = snapshot;
        self.last_checkpoint = Instant::now();
        self.since_checkpoint = 0;
        self.repository.forget_memory();
        Ok(())
    }

    /// Whether a scan of the whole tree is due.
    pub fn is_checkpoint_due(&self, every: Duration) -> bool {
        /// Beyond so many changes going through them takes longer than a person would wait.
        const CHANGES_MAX: u64 = 1 << 20;
        self.last_checkpoint.elapsed() >= every || self.since_checkpoint >= CHANGES_MAX
    }
}

/// How many of the changes a person would call so: the times of directories follow from the others.
pub fn counted(changed: &[Changed]) -> u64 {
    let counts = |one: &&Changed| match (&one.before, &one.after) {
        (Some(before), Some(after)) => {
            before.kind != Kind::Directory || !merge::equality::same(before, after)
        }
        _ => true,
    };
    changed.iter().filter(counts).count() as u64
}

fn actor_of(actor: &watch::Actor) -> Actor {
    let text = |bytes: &Option<Vec<u8>>| {
        bytes
            .as_ref()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default()
    };
    Actor {
        pid: actor.pid,
        ppid: actor.ppid,
        uid: actor.uid,
        login_uid: actor.loginuid,
        comm: text(&actor.comm),
        exe: text(&actor.exe),
        command: text(&actor.cmdline)
            .replace('\0', " ")
            .trim_end()
            .to_owned(),
        gone: actor.gone,
        ours: false,
    }
}
