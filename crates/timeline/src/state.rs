//! What a watcher knows: the last state, where its log ends, and who did what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use model::incident::Actor;
use model::point::{Class, Point, PointChange, TimelineRecord};
use model::{BlobId, Content, Entry, Kind, PathKey, SnapshotId, Timestamp};
use policy::thinning::{Ladder, Reading, lived_nanos};
use repository::log::LogEnd;
use repository::{MapReader, Repository, Timeline};
use source::files::watch::{self, Batch};

use crate::error::Result;
use crate::thin::{ThinOptions, Thinning, thin};

/// Longest record of a point, by estimate: a quarter of what a log record may have. What changed at once
/// beyond that becomes several points, one after the other.
const POINT_BYTES_MAX: usize = 4 << 20;

/// How long the last interval is taken to have been at most, where only the wall clock tells of it:
/// twice the usual, so that a clock that was set ages nothing by more.
const INTERVAL_MILLIS_MAX: i128 = 7_200_000;

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
    /// First and last numbers of the records of the last point: several where it was too long for one.
    pub last_span: (u64, u64),
    /// Bytes that the log has grown by.
    pub log_bytes: u64,
    /// Whether the end of the log can't be read: what happened since its last state is not known.
    pub broken: bool,
    lived: Lived,
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
        let end = timeline.end()?;
        let mut lived_millis = 0;
        let mut last = timeline.last()?;
        let mut broken = false;
        // Its nodes are needed to tell what happened since.
        while let Some(entry) = &last {
            match timeline.open(entry) {
                Err(error) if error.is_damage() => {
                    broken = true;
                    last = timeline.state_before(entry.number)?;
                }
                opened => {
                    opened?;
                    break;
                }
            }
        }
        let (mut root, mut base, mut last_point) = (None, 0, SnapshotId([0; 32]));
        if let Some(last) = last {
            root = last.state().and_then(|(_, root)| root);
            last_point = last.id;
            base = match &last.record {
                TimelineRecord::Point(point) => point.base,
                _ => last.number,
            };
            if let Some(entry) = timeline.entry(base)?
                && let TimelineRecord::Checkpoint {
                    lived_millis: at, ..
                } = entry.record
            {
                let since = last.time.as_nanos() - entry.time.as_nanos();
                let millis = (since / 1_000_000).clamp(0, INTERVAL_MILLIS_MAX);
                lived_millis = at + millis.unsigned_abs() as u64;
            }
        }
        Ok(Self {
            repository,
            timeline,
            end,
            root,
            base,
            last_point,
            began_at: last_point,
            last_checkpoint: Instant::now(),
            since_checkpoint: 0,
            last_span: (0, 0),
            log_bytes: 0,
            broken,
            lived: Lived::from(Duration::from_millis(lived_millis)),
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

    /// What differs between the last state and the one with this root: nobody knows who did it.
    pub fn differing_from(&self, root: Option<BlobId>) -> Result<Vec<Changed>> {
        let reader = MapReader::new(self.repository);
        let changes = reader.changes(self.root, root, &PathKey::root());
        let changed = changes.map(|change| {
            let change = change?;
            Ok(Changed {
                key: change.key,
                before: change.before,
                after: change.after,
                actor: None,
            })
        });
        changed.collect()
    }

    /// Who made these changes, each once, and for each change a place in that list.
    pub(crate) fn actors_of(&self, changed: &[Changed]) -> (Vec<Actor>, Vec<Option<u32>>) {
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

    /// Makes the changes a point, durably. Everything that it names is durable already. What is too long
    /// for one record becomes several points, of which the last one is named, and only it is the state that
    /// was seen: who is stopped before it must not go on as if it had been there.
    pub fn add_point(
        &mut self,
        changed: &[Changed],
        class: Class,
        (first, last): (Timestamp, Timestamp),
        revision: Option<u64>,
        time: Timestamp,
    ) -> Result<SnapshotId> {
        let mut first_number = None;
        let parts = parts(changed);
        let whole = parts.len();
        for (at, part) in (1..).zip(parts) {
            let (class, revision) = if at == whole {
                (class, revision)
            } else {
                (class.max(Class::Fuzzy), None)
            };
            let number = self.add_part(part, class, (first, last), revision, time)?;
            self.last_span = (*first_number.get_or_insert(number), number);
        }
        Ok(self.last_point)
    }

    fn add_part(
        &mut self,
        changed: &[Changed],
        class: Class,
        (first, last): (Timestamp, Timestamp),
        revision: Option<u64>,
        time: Timestamp,
    ) -> Result<u64> {
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
        let (number, id) = self.append(&record, time)?;
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
        Ok(number)
    }

    fn append(&mut self, record: &TimelineRecord, time: Timestamp) -> Result<(u64, SnapshotId)> {
        let stored = self.timeline.append(&mut self.end, time, record)?;
        self.log_bytes += stored.stored_bytes;
        Ok((stored.number, stored.id))
    }

    /// Lets time pass, by the wall clock that is handed in and one that can't be set: the source ages by
    /// the smaller progress.
    pub fn live(&mut self, wall: Timestamp) {
        self.lived.progress(wall);
    }

    /// Says for how long the source has been watched, where it is known better.
    pub fn set_lived(&mut self, lived: Duration) {
        self.lived = Lived::from(lived);
    }

    /// Thins the points of closed intervals.
    pub fn thin(&mut self, ladder: &Ladder, time: Timestamp) -> Result<Thinning> {
        let options = ThinOptions {
            ladder: ladder.clone(),
            lived: self.lived.lived,
            time,
        };
        thin(self.repository, &mut self.timeline, &mut self.end, &options)
    }

    /// Records something that is no state.
    pub fn add(&mut self, record: &TimelineRecord, time: Timestamp) -> Result<SnapshotId> {
        Ok(self.append(record, time)?.1)
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
            lived_millis: u64::try_from(self.lived.lived.as_millis()).unwrap_or(u64::MAX),
        };
        let (number, _) = self.append(&record, time)?;
        self.base = number;
        self.root = root;
        self.broken = false;
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

/// For how long a source has been watched.
#[derive(Debug)]
struct Lived {
    lived: Duration,
    last: Option<(Instant, Timestamp)>,
}

impl Lived {
    fn from(lived: Duration) -> Self {
        Self { lived, last: None }
    }

    fn progress(&mut self, wall: Timestamp) {
        let reading = |(instant, wall): (Instant, Timestamp), since: Instant| Reading {
            boot: 0,
            monotonic: instant.saturating_duration_since(since),
            wall_nanos: wall.as_nanos(),
        };
        let now = (Instant::now(), wall);
        if let Some(last) = self.last.replace(now) {
            let nanos = lived_nanos(&reading(last, last.0), &reading(now, last.0));
            self.lived += Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
        }
    }
}

/// Changes in parts that are each short enough for a record; one empty part if there are none.
fn parts(changed: &[Changed]) -> Vec<&[Changed]> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, one) in changed.iter().enumerate() {
        let len = estimate(one);
        if bytes + len > POINT_BYTES_MAX && at > from {
            parts.push(&changed[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += len;
    }
    parts.push(&changed[from..]);
    parts
}

/// About how many bytes of a record a change takes.
fn estimate(one: &Changed) -> usize {
    /// Numbers, an id and their frames.
    const FIXED_BYTES: usize = 160;
    /// The longest that an entry may be (see the limits of the format).
    const ENTRY_BYTES_MAX: usize = 8 << 10;
    let Some(after) = &one.after else {
        return one.key.as_bytes().len() + FIXED_BYTES;
    };
    let content = match &after.content {
        Content::Inline(bytes) => bytes.len(),
        Content::Extents(_) => ENTRY_BYTES_MAX,
        _ => 0,
    };
    one.key.as_bytes().len() + FIXED_BYTES + content + after.target.len()
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
