//! Following a store: its revisions become points, a second or so apart.
//!
//! Etcd tells of every revision, whole and in order, so each point is one moment: the state just after its
//! last revision. After a restart it goes on where the timeline ends. Where revisions are missing, because
//! they were compacted or the store was put back to an earlier state, everything is read anew, what differs
//! becomes a point, and that point says that it is blurred.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use etcd::{Address, Client, EtcdError, Gap, KeyValue, Revision, Seen, Settings, Watch};
use model::incident::Incident;
use model::point::{Class, TimelineRecord};
use model::{BlobId, Cancel, Entry, Monitor, PathKey, Snapshot, SnapshotId, Timestamp, Totals};
use policy::incident::Mode;
use repository::{MapReader, Packer, Repository, TimelineEntry};
use timeline::incidents::Incidents;
use timeline::observe::Observer;
use timeline::state::{Changed, State};

use crate::backup::{Options, backup, record};
use crate::capture::store_map;
use crate::error::{KeyspaceError, Result};
use crate::value;

/// How long a single wait is at most: how soon a wish to stop is heard.
const WAIT: Duration = Duration::from_millis(500);

/// After a refusal of the repository, how long until it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A second: with storing, what was written can be restored within two.
const GATHER: Duration = Duration::from_secs(1);

/// An hour: the points of one can be gone through in a fraction of a second.
const CHECKPOINT: Duration = Duration::from_secs(3600);

/// Values that wait in memory for a point to be due.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// A point whose record would be longer becomes a checkpoint instead: the log takes 16 MiB.
const RECORD_BYTES_MAX: usize = 12 << 20;

/// Bytes of a change in a record beside its key: a deletion, and a value that is named by its id.
const DELETION_BYTES: usize = 16;
const VALUE_BYTES: usize = 128;

/// So many times in a point's time a value that waits is made a point of its own because its key was
/// deleted just then: what was deleted stays restorable as it last was, and a lock that comes and goes
/// does not make a point each time.
const EARLY_POINTS_MAX: u32 = 20;

/// Changes after which a checkpoint comes early: going through them takes seconds, and making the
/// checkpoint holds all of them in memory.
const CHECKPOINT_CHANGES_MAX: u64 = 300_000;

/// How to watch a store.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The store.
    pub address: Address,
    /// How to enter it.
    pub settings: Settings,
    /// The source, and who watches.
    pub keyspace: Options,
    /// How long changes are gathered before they become a point.
    pub gather: Duration,
    /// How long after a checkpoint the next one is made.
    pub checkpoint: Duration,
}

impl WatchOptions {
    /// The usual.
    pub fn new(address: Address, settings: Settings, keyspace: Options) -> Self {
        Self {
            address,
            settings,
            keyspace,
            gather: GATHER,
            checkpoint: CHECKPOINT,
        }
    }
}

/// What a watcher tells.
#[derive(Debug)]
pub enum Event<'e> {
    /// It has a first state and sees what happens from here on.
    Ready {
        /// The first state.
        point: SnapshotId,
        /// Its revision.
        revision: i64,
        /// Keys in it.
        keys: u64,
        /// It goes on where an earlier watcher had ended.
        resumed: bool,
    },
    /// A point is durable.
    Point {
        /// Its name.
        id: SnapshotId,
        /// The moment at which its last revision was seen.
        time: Timestamp,
        /// How many keys changed.
        changes: u64,
        /// The revision whose state it is.
        revision: i64,
        /// What it can promise.
        class: Class,
        /// Bytes that it added to the repository.
        stored_bytes: u64,
        /// From its first revision being seen to its being durable.
        lag: Duration,
    },
    /// A state with all its nodes was stored.
    Checkpoint {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its revision.
        revision: i64,
    },
    /// Revisions are missing; everything is read anew.
    Gap {
        /// The first one that was not seen.
        from: i64,
        /// Up to here.
        to: i64,
    },
    /// The rules found something, or know more of it.
    Incident(&'e Incident),
    /// A connection was lost, or came back.
    Connection {
        /// The member, or why it was lost.
        what: &'e str,
        /// Whether it is there.
        is_there: bool,
    },
    /// Something stands in the way; it is tried again, and nothing that was seen is forgotten.
    Trouble {
        /// What.
        message: String,
        /// Keys that wait.
        waiting: u64,
    },
}

/// Revisions that were seen and are not stored yet: of each key what the last of them left.
#[derive(Debug, Default)]
struct Waiting {
    keys: BTreeMap<PathKey, Option<KeyValue>>,
    bytes: usize,
    /// When the first of them was seen.
    first: Option<(Instant, Timestamp)>,
    last: Timestamp,
    revision: i64,
}

impl Waiting {
    fn take(&mut self, seen: Revision, now: Timestamp) {
        self.first.get_or_insert_with(|| (Instant::now(), now));
        self.last = now;
        self.revision = seen.revision;
        for event in seen.events {
            let key = etcd::keys::encode(&event.key);
            self.bytes += event.now.as_ref().map_or(0, KeyValue::bytes);
            if let Some(Some(old)) = self.keys.insert(key, event.now) {
                self.bytes = self.bytes.saturating_sub(old.bytes());
            }
        }
    }

    /// Whether a revision deletes what was written since the last point.
    fn is_ended_by(&self, seen: &Revision) -> bool {
        let ends = |event: &etcd::Event| {
            event.now.is_none()
                && !self.keys.is_empty()
                && matches!(
                    self.keys.get(&etcd::keys::encode(&event.key)),
                    Some(Some(_))
                )
        };
        seen.events.iter().any(ends)
    }

    fn is_due(&self, gather: Duration) -> bool {
        let is_old = |(since, _): (Instant, _)| since.elapsed() >= gather;
        self.bytes >= WAITING_BYTES_MAX || self.first.is_some_and(is_old)
    }
}

struct Run<'a> {
    repository: &'a Repository,
    options: &'a WatchOptions,
    clock: &'a dyn Fn() -> Timestamp,
    monitor: &'a dyn Monitor,
    cancel: &'a Cancel,
    client: Client,
    /// Running once there is a state to go on from.
    watch: Option<Watch>,
    state: State<'a>,
    /// Begins with the first state.
    incidents: Option<Incidents>,
    waiting: Waiting,
    /// A revision that came while the point before it was being made.
    held: Option<Revision>,
    /// Points that were made early since the last one that was due.
    early: u32,
    /// Root of the last checkpoint: all its nodes are stored.
    base: Option<BlobId>,
    /// The revision whose state [`State::root`] is.
    revision: i64,
}

/// Watches a store until somebody asks to stop.
pub fn watch(
    repository: &Repository,
    options: &WatchOptions,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let client = Client::connect(&options.address, &options.settings)?;
    let keyspace = &options.keyspace;
    let timeline = repository.timeline(&keyspace.host, &keyspace.source)?;
    let last = timeline.last()?;
    let state = State::open(repository, timeline)?;
    let mut run = Run {
        repository,
        options,
        clock,
        monitor,
        cancel,
        client,
        watch: None,
        state,
        incidents: None,
        waiting: Waiting::default(),
        held: None,
        early: 0,
        base: None,
        revision: 0,
    };
    run.begin(last, each)?;
    while !cancel.requested() {
        match run.step(each) {
            Err(error) if error.may_pass() => run.bear(&error, each),
            Err(KeyspaceError::Cancelled) => {}
            done => done?,
        }
    }
    // What was seen up to here is protected, too.
    run.point(each)?;
    let held = run.held.take();
    held.into_iter().for_each(|seen| run.take(seen));
    run.point(each)
}

impl Run<'_> {
    /// Goes on from the last state of the timeline, or makes the first one.
    fn begin(
        &mut self,
        last: Option<TimelineEntry>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let known = last.as_ref().and_then(revision_of);
        let resumed = known.is_some();
        match (last, known) {
            (Some(last), Some(revision)) if self.is_reached(revision) => {
                self.base = self.base_of(&last)?;
                self.revision = revision;
                self.checkpoint(each)?;
                self.follow();
            }
            (last, _) => self.scan(last.is_some(), each)?,
        }
        self.state.began_at = self.state.last_point;
        let mut incidents = Incidents::begin(self.repository, &self.state, Mode::KeyValue)?;
        incidents.saw(self.state.next_number() - 1, self.state.last_point);
        self.incidents = Some(incidents);
        let root = self.state.root;
        let reader = MapReader::new(self.repository);
        let keys = reader.map(root).count().unwrap_or(0);
        each(Event::Ready {
            point: self.state.last_point,
            revision: self.revision,
            keys,
            resumed,
        });
        Ok(())
    }

    /// A store that is behind what was seen of it was put back, or is another one.
    fn is_reached(&self, revision: i64) -> bool {
        self.client.revision().is_ok_and(|now| now >= revision)
    }

    /// The root of the checkpoint that a state builds upon.
    fn base_of(&self, last: &TimelineEntry) -> Result<Option<BlobId>> {
        let TimelineRecord::Point(point) = &last.record else {
            return Ok(last.state().and_then(|(_, root)| root));
        };
        let base = self.state.timeline.entry(point.base)?;
        Ok(base.and_then(|base| base.state()?.1))
    }

    fn follow(&mut self) {
        let prefix = &self.options.keyspace.prefix;
        self.watch = Some(self.client.watch(prefix, self.revision + 1, false));
    }

    fn step(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        // The repository refused in between: the point before it is tried again.
        if self.held.is_some() {
            self.point(each)?;
            let held = self.held.take();
            held.into_iter().for_each(|seen| self.take(seen));
        }
        let wait = self.waiting.first.map_or(WAIT, |(since, _)| {
            let left = self.options.gather.saturating_sub(since.elapsed());
            left.min(WAIT)
        });
        let next = match &mut self.watch {
            Some(watch) => watch.next(wait),
            None => Ok(None),
        };
        match next {
            Ok(Some(Seen::Revision(seen))) => {
                if self.early < EARLY_POINTS_MAX && self.waiting.is_ended_by(&seen) {
                    self.early += 1;
                    self.held = Some(seen);
                    self.point(each)?;
                    let held = self.held.take();
                    held.into_iter().for_each(|seen| self.take(seen));
                } else {
                    self.take(seen);
                }
            }
            Ok(Some(Seen::Gap(gap))) => return self.mend(gap, each),
            Ok(Some(Seen::Connected(what))) => each(Event::Connection {
                what: &what,
                is_there: true,
            }),
            Ok(Some(Seen::Disconnected(what))) => each(Event::Connection {
                what: &what,
                is_there: false,
            }),
            Ok(Some(Seen::Progress(_)) | None) => {}
            Err(EtcdError::WentBack { seen, now }) => {
                self.client = Client::connect(&self.options.address, &self.options.settings)?;
                return self.mend(
                    Gap {
                        from: now,
                        to: seen,
                    },
                    each,
                );
            }
            Err(error) => return Err(error.into()),
        }
        if self.waiting.is_due(self.options.gather) {
            self.point(each)?;
            self.early = 0;
        }
        let is_long = self.state.since_checkpoint >= CHECKPOINT_CHANGES_MAX;
        if is_long || self.state.is_checkpoint_due(self.options.checkpoint) {
            self.point(each)?;
            self.checkpoint(each)?;
        }
        Ok(())
    }

    fn take(&mut self, seen: Revision) {
        let now = (self.clock)();
        self.waiting.take(seen, now);
    }

    /// Revisions are missing: what was seen before them becomes a point, then everything is read.
    fn mend(&mut self, gap: Gap, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        self.point(each)?;
        let Gap { from, to } = gap;
        each(Event::Gap { from, to });
        self.scan(true, each)
    }

    /// Makes a point of what waits.
    fn point(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let Some((since, first)) = self.waiting.first else {
            return Ok(());
        };
        let repository = self.repository;
        let (found, written) = repository.write(self.monitor, |session| {
            let mut packer = Packer::data(session);
            let mut found = BTreeMap::new();
            for (key, now) in &self.waiting.keys {
                let entry = match now {
                    Some(kv) => Some(value::store(&mut packer, repository, kv)?),
                    None => None,
                };
                found.insert(key.clone(), entry);
            }
            packer.finish()?;
            Ok::<BTreeMap<PathKey, Option<Entry>>, KeyspaceError>(found)
        })?;
        let changed = self.state.differing(&found, &HashMap::new())?;
        let revision = self.waiting.revision;
        let is_large = record_bytes(&changed) > RECORD_BYTES_MAX;
        let (times, last) = ((first, self.waiting.last), self.waiting.last);
        let before = self.state.root;
        if is_large {
            let edits = changed.iter().map(|one| (&one.key, one.after.as_ref()));
            let root = repository.edit_in_memory(before, edits)?;
            let id = self.store_state(root, revision, last)?;
            // The checkpoint forgets the state before, which the rules ask about.
            let number = self.state.next_number();
            self.judge((number, before), id, &changed, (last, false), each)?;
            self.add_checkpoint(id, root, revision, last, each)?;
            self.tell(&changed, (since, last), Class::Instant, 0, each);
        } else {
            let number = self.state.next_number();
            let id = self.add_point(&changed, Class::Instant, times, revision)?;
            let stored = written.stored_bytes;
            self.tell(&changed, (since, last), Class::Instant, stored, each);
            self.judge((number, before), id, &changed, (last, false), each)?;
        }
        repository.forget_memory_but(self.state.root);
        self.waiting = Waiting::default();
        Ok(())
    }

    /// Records a point, durably.
    fn add_point(
        &mut self,
        changed: &[Changed],
        class: Class,
        times: (Timestamp, Timestamp),
        revision: i64,
    ) -> Result<SnapshotId> {
        let number = Some(revision as u64);
        let id = self
            .state
            .add_point(changed, class, times, number, times.1)?;
        self.revision = revision;
        Ok(id)
    }

    /// Lets the rules look at a state: its number, the root before it, its name, what changed.
    fn judge(
        &mut self,
        (number, root): (u64, Option<BlobId>),
        id: SnapshotId,
        changed: &[Changed],
        (time, blurred): (Timestamp, bool),
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let Some(incidents) = &mut self.incidents else {
            return Ok(());
        };
        let (actors, places) = self.state.actors_of(changed);
        let observer = Observer {
            repository: self.repository,
            tree: None,
        };
        let observed = observer.observe(changed, &places, time);
        let found = incidents.point(
            &mut self.state,
            (number, id),
            root,
            changed,
            (&observed, &actors),
            (time, blurred),
        )?;
        for incident in &found {
            each(Event::Incident(incident));
        }
        Ok(())
    }

    fn tell(
        &self,
        changed: &[Changed],
        (since, time): (Instant, Timestamp),
        class: Class,
        stored_bytes: u64,
        each: &mut dyn FnMut(Event<'_>),
    ) {
        each(Event::Point {
            id: self.state.last_point,
            time,
            changes: changed.len() as u64,
            revision: self.revision,
            class,
            stored_bytes,
            lag: since.elapsed(),
        });
    }

    /// Stores the state with all its nodes, as a snapshot that needs nothing but itself.
    fn checkpoint(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (now, root, revision) = ((self.clock)(), self.state.root, self.revision);
        let id = self.store_state(root, revision, now)?;
        self.add_checkpoint(id, root, revision, now, each)
    }

    fn store_state(
        &self,
        root: Option<BlobId>,
        revision: i64,
        time: Timestamp,
    ) -> Result<SnapshotId> {
        let repository = self.repository;
        let base = self.base;
        let ((), written) =
            repository.write(self.monitor, |session| store_map(session, base, root))?;
        let reader = MapReader::new(repository);
        let map = reader.map(root);
        let totals = map.totals(
            std::ops::Bound::Unbounded,
            std::ops::Bound::Unbounded,
            format::entry::entry_bytes,
        );
        let totals = totals.map_err(|error| KeyspaceError::Map {
            why: error.to_string(),
        })?;
        let totals = Totals {
            files: totals.count,
            bytes: totals.bytes,
            stored_bytes: written.stored_bytes,
            ..Totals::default()
        };
        let snapshot = Snapshot {
            time,
            finished: time,
            ..record(&self.options.keyspace, root, Some(revision), totals)
        };
        Ok(repository.put_snapshot(&snapshot)?)
    }

    fn add_checkpoint(
        &mut self,
        snapshot: SnapshotId,
        root: Option<BlobId>,
        revision: i64,
        time: Timestamp,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let number = Some(revision as u64);
        self.state.add_checkpoint(snapshot, root, number, time)?;
        self.base = root;
        self.revision = revision;
        if let Some(incidents) = &mut self.incidents {
            incidents.saw(self.state.next_number() - 1, snapshot);
        }
        each(Event::Checkpoint { snapshot, revision });
        Ok(())
    }

    /// Reads everything. What differs from the last state becomes a blurred point, unless there was none.
    fn scan(&mut self, was_watched: bool, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (since, first) = (Instant::now(), (self.clock)());
        let repository = self.repository;
        let report = backup(
            repository,
            &self.client,
            &self.options.keyspace,
            None,
            self.clock,
            self.monitor,
            self.cancel,
        )?;
        let (root, last) = (report.snapshot.root, (self.clock)());
        if was_watched {
            let changed = self.found_by_scan(root)?;
            if record_bytes(&changed) <= RECORD_BYTES_MAX {
                let (number, before) = (self.state.next_number(), self.state.root);
                let times = (first, last);
                let id = self.add_point(&changed, Class::Blurred, times, report.revision)?;
                let stored = report.new_bytes;
                self.tell(&changed, (since, last), Class::Blurred, stored, each);
                self.judge((number, before), id, &changed, (last, true), each)?;
            }
        }
        self.add_checkpoint(report.id, root, report.revision, last, each)?;
        self.follow();
        Ok(())
    }

    fn found_by_scan(&self, root: Option<BlobId>) -> Result<Vec<Changed>> {
        let reader = MapReader::new(self.repository);
        let mut changed = Vec::new();
        for change in reader.changes(self.state.root, root, &PathKey::root()) {
            let change = change?;
            changed.push(Changed {
                key: change.key,
                before: change.before,
                after: change.after,
                actor: None,
            });
        }
        Ok(changed)
    }

    /// The repository refused: what waits goes on waiting, and etcd keeps the rest for us.
    fn bear(&self, error: &KeyspaceError, each: &mut dyn FnMut(Event<'_>)) {
        each(Event::Trouble {
            message: error.to_string(),
            waiting: self.waiting.keys.len() as u64,
        });
        let until = Instant::now() + TRY_AGAIN;
        while Instant::now() < until && !self.cancel.requested() {
            std::thread::sleep(WAIT);
        }
    }
}

/// The revision of a state, if its store counts them.
fn revision_of(entry: &TimelineEntry) -> Option<i64> {
    let revision = match &entry.record {
        TimelineRecord::Point(point) => point.revision,
        TimelineRecord::Checkpoint { revision, .. } => *revision,
        _ => None,
    };
    i64::try_from(revision?).ok()
}

/// About how long the record of a point with these changes is.
fn record_bytes(changed: &[Changed]) -> usize {
    let bytes = |one: &Changed| {
        let value = one.after.as_ref().map_or(0, |_| VALUE_BYTES);
        one.key.as_bytes().len() + DELETION_BYTES + value
    };
    changed.iter().map(bytes).sum()
}
