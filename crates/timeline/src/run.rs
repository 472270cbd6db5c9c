//! The parts of the loop: what is taken in, points, scans.

use std::collections::{BTreeSet, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use model::point::Class;
use model::{BlobId, Cancel, Monitor, PathKey, SnapshotId, Timestamp};
use source::files::TreeReader;
use source::files::watch::{
    Batch, BlurReason, Blurred, Capture, CaptureInfo, FileId, Root, Settle, Whereabouts,
};
use source::files::watch::{WatchOptions as SourceOptions, Watcher};

use crate::error::Result;
use crate::incidents::Incidents;
use crate::names::{GRACE_SECS, is_passing};
use crate::options::{Event, WatchOptions};
use crate::sight::{Looker, Waiting};
use crate::state::{Changed, State, counted};

/// How long a single wait is at most: how soon a wish to stop is heard.
pub(crate) const WAIT: Duration = Duration::from_millis(500);

/// After a scan there is none for so many times as long as it took: at most a tenth of the time goes
/// into looking for what was missed.
const SCAN_PAUSES: u32 = 10;

/// But no longer than this, since what was missed has to be restorable within 30 s.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(20);

/// Where nothing but scans tells of changes, one a minute: each is a snapshot.
const SCAN_ONLY_PAUSE: Duration = Duration::from_secs(60);

/// Keys that may wait for a repository that refuses: beyond it the whole tree is scanned instead.
const WAITING_MAX: usize = 500_000;

/// What the tree is seen with.
pub(crate) struct Eyes {
    pub(crate) watcher: Watcher,
    pub(crate) tree: TreeReader,
}

impl Eyes {
    /// Begins to watch, in the best way that works.
    pub(crate) fn open(options: &WatchOptions) -> Result<(Self, CaptureInfo)> {
        let root = &options.backup.root;
        let ignore = options.own.iter().filter_map(|own| {
            let inner = own.strip_prefix(root).ok()?;
            let key = PathKey::from_path(inner.as_os_str().as_bytes()).ok()?;
            (!key.is_root()).then(|| key.into_bytes())
        });
        let source = SourceOptions {
            best: options.best,
            ignore: ignore.collect(),
            ..SourceOptions::default()
        };
        let (watcher, info) = Watcher::open(root, &source)?;
        let tree = TreeReader::open(root)?;
        Ok((Self { watcher, tree }, info))
    }
}

/// What events may not have told of, so that the whole tree has to be looked at; more includes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unseen {
    Nothing,
    /// Other names of a file: all that it did is told of.
    Names,
    /// What came while the root moved.
    Moves,
    /// Anything.
    Anything,
}

impl Unseen {
    fn of(blurred: &Blurred) -> Self {
        let moved = |reason: &BlurReason| *reason == BlurReason::RootMoved;
        match blurred.reasons.iter().all(moved) {
            true => Self::Moves,
            false => Self::Anything,
        }
    }

    /// What a point that a scan finds is like.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Nothing | Self::Names => Class::Fuzzy,
            Self::Moves | Self::Anything => Class::Blurred,
        }
    }
}

/// A watcher at work.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a WatchOptions,
    pub(crate) clock: &'a dyn Fn() -> Timestamp,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) cancel: &'a Cancel,
    /// Nothing while there is no tree to look at.
    pub(crate) eyes: Option<Eyes>,
    pub(crate) root: Root,
    /// What was said of a root that is not at its path.
    pub(crate) away: Option<Away>,
    pub(crate) state: State<'a>,
    /// Begins with the first state.
    pub(crate) incidents: Option<Incidents>,
    pub(crate) waiting: Waiting,
    /// Files that will be gone in a moment, and when they are looked at if they are not.
    pub(crate) passing: VecDeque<(Instant, Waiting)>,
    /// When the first change that waits was seen.
    pub(crate) first: Option<(Instant, Timestamp)>,
    /// Files of several names for the other ones of which the tree was scanned.
    pub(crate) asked: BTreeSet<PathKey>,
    /// No scan before this: scans must not follow one another without a pause.
    pub(crate) next_scan: Instant,
    /// What may have been missed since the last scan.
    pub(crate) unseen: Unseen,
    /// It has not told that it is ready yet.
    pub(crate) is_new: bool,
}

/// Where the root is while it is not at its path.
pub(crate) struct Away {
    pub(crate) whereabouts: Whereabouts,
    /// What was at the path when that was found out.
    pub(crate) beneath: Option<FileId>,
}

/// A point on the way into the log.
pub(crate) struct Draft<'c> {
    pub(crate) changed: &'c [Changed],
    pub(crate) class: Class,
    /// When its first change was seen, and when all was read.
    pub(crate) times: (Timestamp, Timestamp),
    /// The same as the first, by a clock that can't be set.
    pub(crate) since: Instant,
    /// Bytes that were stored for it so far.
    pub(crate) stored_bytes: u64,
}

impl Run<'_> {
    /// Waits for something to happen, for so long at most, and takes it in.
    pub(crate) fn see(&mut self, wait: Duration, settle: Settle) {
        match &self.eyes {
            Some(eyes) => {
                let batch = eyes.watcher.drain(wait, settle);
                self.take(&batch);
            }
            None => std::thread::sleep(wait),
        }
        self.state.live((self.clock)());
    }

    /// Takes in what happened up to here, waiting so long at most: it is in the queue already.
    pub(crate) fn see_the_last(&mut self, wait: Duration) {
        if let Some(eyes) = &self.eyes {
            eyes.watcher.catch_up(wait);
            self.see(Duration::ZERO, Settle::AT_ONCE);
        }
    }

    pub(crate) fn miss(&mut self, unseen: Unseen) {
        self.unseen = self.unseen.max(unseen);
    }

    fn take(&mut self, batch: &Batch) {
        if let Some(blurred) = &batch.blurred {
            self.miss(Unseen::of(blurred));
        }
        // A file of several names may have been touched through one that is gone: the others are looked
        // at. Nearly always there are none or a few.
        if !batch.files.is_empty() || batch.all_linked {
            for key in self.state.linked() {
                self.waiting.again(key.clone());
            }
        }
        self.state.meet(batch, &self.options.own_program);
        // Only what is told now is put off, once: what was put off before is looked at when it is due.
        let mut told = Waiting::default();
        told.take(batch);
        let passing = told.split_off(|key| is_passing(key.name()));
        self.waiting.join(told);
        let now = Instant::now();
        if !passing.is_empty() {
            self.put_off(passing, now + Duration::from_secs(GRACE_SECS));
        }
        while self.passing.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, due)) = self.passing.pop_front() {
                self.waiting.join(due);
            }
        }
        if self.waiting.len() > WAITING_MAX {
            self.waiting = Waiting::default();
            self.miss(Unseen::Anything);
        }
        if self.first.is_none() && !self.waiting.is_empty() {
            self.first = Some((now, (self.clock)()));
        }
    }

    /// Lets files wait that will be gone in a moment; those that wait already keep their time.
    fn put_off(&mut self, passing: Waiting, until: Instant) {
        match self.passing.back_mut() {
            Some((due, last)) if until.saturating_duration_since(*due) < WAIT => last.join(passing),
            _ => self.passing.push_back((until, passing)),
        }
    }

    /// When the first change that waits was seen.
    pub(crate) fn began(&self) -> (Instant, Timestamp) {
        self.first
            .unwrap_or_else(|| (Instant::now(), (self.clock)()))
    }

    /// Makes a point of what waits, unless `cancel` says stop.
    pub(crate) fn point(&mut self, cancel: &Cancel, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (since, first) = self.began();
        let began = (self.clock)();
        let state = &self.state;
        let (sight, written) = state.repository.write(self.monitor, |session| {
            Looker {
                session,
                options: &self.options.backup,
                root: state.root,
                began,
                monitor: self.monitor,
                cancel,
            }
            .look(&self.waiting)
        })?;
        // What was looked at may have been an empty mount point by then.
        if self.root.look() != Whereabouts::Here {
            return Ok(());
        }
        let changed = state.differing(&sight.found, &sight.actors)?;
        self.ask_for_names(sight.links.values());
        if !changed.is_empty() {
            let draft = Draft {
                changed: &changed,
                class: Class::Fuzzy,
                times: (first, (self.clock)()),
                since,
                stored_bytes: written.stored_bytes,
            };
            self.record(&draft, each)?;
        }
        self.waiting = std::mem::take(&mut self.waiting).only(&sight.unknown);
        self.first = None;
        Ok(())
    }

    /// A file that got another name has an earlier one, of which no event tells that its content changes:
    /// the whole tree is scanned once to find it.
    fn ask_for_names<'l>(&mut self, links: impl Iterator<Item = &'l (u64, Vec<PathKey>)>) {
        for (count, names) in links {
            let all_seen = names.len() as u64 >= *count;
            let linked = self.state.linked();
            let is_known = |name: &PathKey| linked.contains(name) || self.asked.contains(name);
            if !all_seen && !names.iter().all(is_known) {
                self.asked.extend(names.iter().cloned());
                self.miss(Unseen::Names);
            }
        }
    }

    /// Makes the changes a point, tells of it, and lets the rules look at it.
    pub(crate) fn record(
        &mut self,
        draft: &Draft<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let (before, log_bytes) = (self.state.root, self.state.log_bytes);
        let last = draft.times.1;
        let id = self
            .state
            .add_point(draft.changed, draft.class, draft.times, None, last)?;
        let changes = counted(draft.changed);
        if changes > 0 {
            each(Event::Point {
                id,
                time: last,
                changes,
                class: draft.class,
                stored_bytes: draft.stored_bytes + self.state.log_bytes - log_bytes,
                lag: draft.since.elapsed(),
            });
        }
        let Some(incidents) = &mut self.incidents else {
            return Ok(());
        };
        let tree = self.eyes.as_ref().map(|eyes| &eyes.tree);
        // That events were lost is a sign of its own, but not that nobody watched.
        let moment = (last, draft.class == Class::Blurred && !self.is_new);
        for incident in &incidents.judge(&mut self.state, tree, before, draft.changed, moment)? {
            each(Event::Incident(incident));
        }
        Ok(())
    }

    /// Records what was found while the repository refused.
    pub(crate) fn record_waiting(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let time = (self.clock)();
        if let Some(incidents) = self.incidents.as_mut().filter(|it| it.is_waiting()) {
            for incident in &incidents.record_waiting(&mut self.state, time)? {
                each(Event::Incident(incident));
            }
        }
        Ok(())
    }

    /// Scans the whole tree: a backup, whose snapshot is the next checkpoint. What it found that nobody
    /// had told of becomes a point before it. `None` if the root went meanwhile: then it says nothing.
    pub(crate) fn scan(
        &mut self,
        tell: bool,
        class: Class,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<u64>> {
        let started = Instant::now();
        let (_, first) = self.began();
        // Events up to here are in the scan; what comes after is told again.
        let waiting = std::mem::take(&mut self.waiting);
        let clock = || (self.clock)();
        let repository = self.state.repository;
        let options = &self.options.backup;
        let done = backup::backup(repository, options, &clock, self.monitor, self.cancel);
        if done.is_err() || self.root.look() != Whereabouts::Here {
            // Who removed what is still to be told.
            self.waiting.join(waiting);
            done?;
            return Ok(None);
        }
        let report = done?;
        let root = report.snapshot.root;
        if tell && root != self.state.root {
            let changed = self.state.differing_from(root)?;
            let draft = Draft {
                changed: &changed,
                class,
                times: (first, (self.clock)()),
                since: started,
                stored_bytes: report.snapshot.totals.stored_bytes,
            };
            self.record(&draft, each)?;
        }
        let snapshot = report.id.unwrap_or(SnapshotId([0; 32]));
        let files = report.snapshot.totals.files;
        self.checkpoint((snapshot, root, files), started.elapsed(), each)?;
        Ok(Some(files))
    }

    /// The scan's snapshot becomes what points build upon. The scan took so long.
    fn checkpoint(
        &mut self,
        (snapshot, root, files): (SnapshotId, Option<BlobId>, u64),
        took: Duration,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        let now = (self.clock)();
        self.state.live(now);
        self.state.add_checkpoint(snapshot, root, None, now)?;
        if let Some(incidents) = &mut self.incidents {
            incidents.saw(self.state.next_number() - 1, snapshot);
        }
        each(Event::Checkpoint { snapshot, files });
        self.unseen = Unseen::Nothing;
        self.first = None;
        let pause = (SCAN_PAUSES * took).min(SCAN_PAUSE_MAX);
        let capture = self.eyes.as_ref().map(|eyes| eyes.watcher.capture());
        let least = if capture == Some(Capture::Scan) {
            SCAN_ONLY_PAUSE
        } else {
            self.options.gather
        };
        self.next_scan = Instant::now() + pause.max(least);
        let thinning = self.state.thin(&self.options.ladder, now)?;
        if thinning.dropped > 0 {
            each(Event::Thinned(thinning));
        }
        Ok(())
    }
}
