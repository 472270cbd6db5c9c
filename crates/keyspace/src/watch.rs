//! Following a store: its revisions become points, a second or so apart.
//!
//! Etcd tells of every revision, whole and in order, so each point is one moment: the state just after its
//! last revision. After a restart it goes on where the timeline ends. Where revisions are missing, because
//! they were compacted or the store was put back to an earlier state, everything is read anew, what differs
//! becomes a point, and that point says that it is blurred.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use etcd::{Client, EtcdError, Gap, Revision, Seen, Watch};
use model::point::{Class, TimelineRecord};
use model::{BlobId, Cancel, Entry, Monitor, PathKey, SnapshotId, Timestamp};
use policy::incident::Mode;
use repository::{MapReader, Packer, Repository, TimelineEntry};
use timeline::incidents::Incidents;
use timeline::state::{Changed, State};

use crate::backup::{backup, store_state};
use crate::error::{KeyspaceError, Result};
use crate::options::{Event, WatchOptions};
use crate::value;
use crate::waiting::Waiting;

/// How long a single wait is at most: how soon a wish to stop is heard.
const WAIT: Duration = Duration::from_millis(500);

/// After a refusal of the repository, how long until it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// So many times in a point's time a value that waits is made a point of its own because its key was
/// deleted just then: what was deleted stays restorable as it last was, and a lock that comes and goes
/// does not make a point each time.
const EARLY_POINTS_MAX: u32 = 20;

/// Changes after which a checkpoint comes early: going through them takes seconds, and making the
/// checkpoint holds all of them in memory.
const CHECKPOINT_CHANGES_MAX: u64 = 300_000;

/// Keys of the last state that are asked for after a restart: enough to know a store by, in one request.
const ASKED_MAX: usize = 100;

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
    /// When points were thinned last.
    thinned: Option<Instant>,
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
        thinned: None,
    };
    run.begin(last.as_ref(), each)?;
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
        last: Option<&TimelineEntry>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        // Where the end of the log is damaged nobody knows what happened since: that is told by `check`, and
        // points begin anew.
        let was_watched = last.is_some() && !self.state.broken;
        self.state.live((self.clock)());
        let resumed = match last {
            Some(last) if was_watched => self.resume(last, each)?,
            _ => false,
        };
        if !resumed {
            self.scan(was_watched, each)?;
        }
        self.state.began_at = self.state.last_point;
        let incidents =
            Incidents::begin(self.repository, &self.state, Mode::KeyValue, (self.clock)())?;
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

    /// Goes on from the last state, if that is known and still is what the store was; `false` otherwise.
    fn resume(&mut self, last: &TimelineEntry, each: &mut dyn FnMut(Event<'_>)) -> Result<bool> {
        let known = last.revision().and_then(|known| i64::try_from(known).ok());
        let Some(revision) = known else {
            return Ok(false);
        };
        if !self.is_same_store(last, revision)? {
            return Ok(false);
        }
        self.base = self.base_of(last)?;
        self.revision = revision;
        self.checkpoint(each)?;
        self.follow();
        Ok(true)
    }

    /// Whether the store was at this revision what it was seen to be. One that is behind was put back, or is
    /// another one; one that was put back and written to since has other values there.
    fn is_same_store(&self, last: &TimelineEntry, revision: i64) -> Result<bool> {
        if self.client.revision()? < revision {
            return Ok(false);
        }
        let asked = self.known_of(last)?;
        let keys = asked.iter().map(|(key, _)| value::raw_key(key));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let found = match self.client.get_many(&keys, Some(revision)) {
            Ok((_, found)) => found,
            // The watch says so too, and what is missing then is read anew.
            Err(EtcdError::Compacted { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        for ((_, known), now) in asked.iter().zip(found) {
            let now = now.map(|kv| value::name(self.repository, &kv));
            if now.transpose()? != *known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Some keys of the last state with what they held: those that changed last, if that is known.
    fn known_of(&self, last: &TimelineEntry) -> Result<Vec<(PathKey, Option<Entry>)>> {
        if let TimelineRecord::Point(point) = &last.record {
            let changes = point.changes.iter().take(ASKED_MAX);
            return Ok(changes
                .map(|change| (change.key.clone(), change.after.clone()))
                .collect());
        }
        let reader = MapReader::new(self.repository);
        let mut entries = reader.entries(self.state.root, &PathKey::root());
        let mut known = Vec::new();
        while known.len() < ASKED_MAX
            && let Some((key, entry)) = entries.next()?
        {
            known.push((key, Some(entry)));
        }
        Ok(known)
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
        self.state.live((self.clock)());
        self.record_waiting(each)?;
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
            // Nothing happened here up to there: after a restart there is less that may be compacted.
            Ok(Some(Seen::Progress(at))) if self.waiting.first.is_none() => self.revision = at,
            Ok(Some(Seen::Progress(_)) | None) => {}
            Err(EtcdError::WentBack { seen, now }) => return self.enter_anew((now, seen), each),
            Err(EtcdError::OtherCluster { .. }) => {
                return self.enter_anew((self.revision + 1, self.revision + 1), each);
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
            self.thin(each)?;
        }
        Ok(())
    }

    /// The store was put back, or another one stands in its place.
    fn enter_anew(
        &mut self,
        (from, to): (i64, i64),
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        self.client = Client::connect(&self.options.address, &self.options.settings)?;
        self.mend(Gap { from, to }, each)
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
        // A key that is written with the value that it has is no change.
        if changed.is_empty() {
            self.revision = revision;
        } else {
            let times = (first, self.waiting.last);
            let (class, stored) = (Class::Instant, written.stored_bytes);
            self.add_point(&changed, class, (since, times), (revision, stored), each)?;
        }
        repository.forget_memory_but(self.state.root);
        self.waiting = Waiting::default();
        Ok(())
    }

    /// Records a point, durably, tells of it and lets the rules look at it. `stored` bytes were added for it so
    /// far.
    fn add_point(
        &mut self,
        changed: &[Changed],
        class: Class,
        (since, times): (Instant, (Timestamp, Timestamp)),
        (revision, stored): (i64, u64),
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let (before, log_bytes) = (self.state.root, self.state.log_bytes);
        let number = Some(revision as u64);
        let id = self
            .state
            .add_point(changed, class, times, number, times.1)?;
        self.revision = revision;
        each(Event::Point {
            id,
            time: times.1,
            changes: changed.len() as u64,
            revision,
            class,
            stored_bytes: stored + self.state.log_bytes - log_bytes,
            lag: since.elapsed(),
        });
        if let Some(incidents) = &mut self.incidents {
            let moment = (times.1, class == Class::Blurred);
            for incident in &incidents.judge(&mut self.state, None, before, changed, moment)? {
                each(Event::Incident(incident));
            }
        }
        Ok(())
    }

    /// Records what the rules found while the repository refused.
    fn record_waiting(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let time = (self.clock)();
        if let Some(incidents) = self.incidents.as_mut().filter(|it| it.is_waiting()) {
            for incident in &incidents.record_waiting(&mut self.state, time)? {
                each(Event::Incident(incident));
            }
        }
        Ok(())
    }

    /// Thins what the last checkpoint closed. Where much is written checkpoints come early, and going through
    /// the log at each would not pay.
    fn thin(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let is_early = |at: Instant| at.elapsed() < self.options.checkpoint;
        if self.thinned.is_some_and(is_early) {
            return Ok(());
        }
        self.thinned = Some(Instant::now());
        let thinning = self.state.thin(&self.options.ladder, (self.clock)())?;
        if thinning.dropped > 0 {
            each(Event::Thinned(thinning));
        }
        Ok(())
    }

    /// Stores the state with all its nodes, as a snapshot that needs nothing but itself.
    fn checkpoint(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (now, root, revision) = ((self.clock)(), self.state.root, self.revision);
        let (options, maps) = (&self.options.keyspace, (self.base, root));
        let id = store_state(self.repository, options, maps, revision, now, self.monitor)?;
        self.add_checkpoint(id, root, revision, now, each)
    }

    fn add_checkpoint(
        &mut self,
        snapshot: SnapshotId,
        root: Option<BlobId>,
        revision: i64,
        time: Timestamp,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        self.state.live(time);
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
            let changed = self.state.differing_from(root)?;
            let (class, at) = (Class::Blurred, (since, (first, last)));
            let stored = (report.revision, report.new_bytes);
            self.add_point(&changed, class, at, stored, each)?;
        }
        self.add_checkpoint(report.id, root, report.revision, last, each)?;
        self.follow();
        Ok(())
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
