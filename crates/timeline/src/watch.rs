//! The loop: see, gather, look, store, record; and now and then scan everything.

use std::collections::{BTreeSet, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use model::point::Class;
use model::{Cancel, Monitor, PathKey, Timestamp};
use policy::incident::Mode;
use repository::Repository;
use source::files::TreeReader;
use source::files::watch::{Batch, Capture, CaptureInfo, WatchOptions as SourceOptions, Watcher};

use crate::error::{Result, TimelineError};
use crate::incidents::Incidents;
use crate::names::{GRACE_SECS, is_passing};
use crate::options::{Event, WatchOptions};
use crate::sight::{Looker, Waiting};
use crate::state::{Changed, State, counted};

/// How long a single wait is at most: how soon a wish to stop is heard.
const WAIT: Duration = Duration::from_millis(500);

/// After a refusal of the repository, how long until it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// After a scan there is none for so many times as long as it took: at most a tenth of the time goes
/// into looking for what was missed.
const SCAN_PAUSES: u32 = 10;

/// But no longer than this, since what was missed has to be restorable within 30 s.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(20);

/// Where nothing but scans tells of changes, one a minute: each is a snapshot.
const SCAN_ONLY_PAUSE: Duration = Duration::from_secs(60);

/// Keys that may wait for a repository that refuses: beyond it the whole tree is scanned instead.
const WAITING_MAX: usize = 500_000;

/// Watches the tree until somebody asks to stop.
pub fn watch(
    repository: &Repository,
    options: &WatchOptions,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(Event<'_>),
) -> Result<()> {
    let (watcher, info) = open(options)?;
    let timeline = repository.timeline(&options.backup.host, &options.backup.source)?;
    let mut run = Run {
        options,
        clock,
        monitor,
        cancel,
        watcher,
        state: State::open(repository, timeline)?,
        incidents: None,
        tree: TreeReader::open(&options.backup.root)?,
        waiting: Waiting::default(),
        passing: VecDeque::new(),
        first: None,
        root: identity(&options.backup.root),
        asked: BTreeSet::new(),
        next_scan: Instant::now(),
        scan: false,
        scan_is_blurred: false,
    };
    run.begin(&info, each)?;
    while !cancel.requested() {
        run.step(each)?;
    }
    Ok(())
}

fn open(options: &WatchOptions) -> Result<(Watcher, CaptureInfo)> {
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
    Ok(Watcher::open(root, &source)?)
}

/// What tells a directory from another one at the same path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

struct Run<'a> {
    options: &'a WatchOptions,
    clock: &'a dyn Fn() -> Timestamp,
    monitor: &'a dyn Monitor,
    cancel: &'a Cancel,
    watcher: Watcher,
    state: State<'a>,
    /// Begins with the first state.
    incidents: Option<Incidents>,
    tree: TreeReader,
    waiting: Waiting,
    /// Files that will be gone in a moment, and when they are looked at if they are not.
    passing: VecDeque<(Instant, Waiting)>,
    /// When the first change that waits was seen.
    first: Option<(Instant, Timestamp)>,
    /// Which directory the root is.
    root: Option<(u64, u64)>,
    /// Files of several names for the other ones of which the tree was scanned.
    asked: BTreeSet<PathKey>,
    /// No scan before this: scans must not follow one another without a pause.
    next_scan: Instant,
    /// The whole tree has to be looked at.
    scan: bool,
    scan_is_blurred: bool,
}

impl Run<'_> {
    /// The first state: a backup. What happened while nobody watched becomes one blurred point.
    fn begin(&mut self, info: &CaptureInfo, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        // Where the end of the log is damaged nobody knows what happened since: that is told by `check`,
        // and points begin anew.
        let was_watched = !self.state.timeline.is_empty() && !self.state.broken;
        self.state.live((self.clock)());
        let files = self.scan(was_watched, Class::Blurred, each)?;
        self.state.began_at = self.state.last_point;
        self.state.learn_links()?;
        let incidents = Incidents::begin(self.state.repository, &self.state, Mode::Tree)?;
        self.incidents = Some(incidents);
        each(Event::Ready {
            capture: info,
            point: self.state.last_point,
            files,
        });
        Ok(())
    }

    fn step(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let wait = self.first.map_or(WAIT, |(since, _)| {
            self.options
                .gather
                .saturating_sub(since.elapsed())
                .min(WAIT)
        });
        let batch = self.watcher.drain(wait, self.options.settle);
        self.take(&batch);
        self.state.live((self.clock)());
        let due = self
            .first
            .is_some_and(|(since, _)| since.elapsed() >= self.options.gather);
        if identity(&self.options.backup.root) != self.root {
            return Err(TimelineError::RootGone(self.options.backup.root.clone()));
        }
        let scan = self.scan && Instant::now() >= self.next_scan;
        let tried = if scan || self.state.is_checkpoint_due(self.options.checkpoint) {
            let class = if self.scan_is_blurred {
                Class::Blurred
            } else {
                Class::Fuzzy
            };
            self.scan(true, class, each).map(drop)
        } else if due {
            self.point(each)
        } else if self.incidents.as_ref().is_some_and(Incidents::is_waiting) {
            self.record_waiting(each)
        } else {
            Ok(())
        };
        match tried {
            Err(error) if error.may_pass() => self.bear(&error, each),
            Err(TimelineError::Backup(backup::BackupError::Cancelled)) => {}
            done => done?,
        }
        Ok(())
    }

    fn take(&mut self, batch: &Batch) {
        if batch.blurred.is_some() {
            self.scan = true;
            self.scan_is_blurred = true;
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
            self.scan = true;
            self.scan_is_blurred = true;
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

    /// Makes a point of what waits.
    fn point(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (since, first) = self.first.unwrap_or((Instant::now(), (self.clock)()));
        let began = (self.clock)();
        let state = &self.state;
        let (sight, written) = state.repository.write(self.monitor, |session| {
            Looker {
                session,
                options: &self.options.backup,
                root: state.root,
                began,
                monitor: self.monitor,
                cancel: self.cancel,
            }
            .look(&self.waiting)
        })?;
        let changed = state.differing(&sight.found, &sight.actors)?;
        self.ask_for_names(sight.links.values());
        let last = (self.clock)();
        if !changed.is_empty() {
            let (root, log_bytes) = (self.state.root, self.state.log_bytes);
            let id = self
                .state
                .add_point(&changed, Class::Fuzzy, (first, last), None, last)?;
            let changes = counted(&changed);
            if changes > 0 {
                each(Event::Point {
                    id,
                    time: last,
                    changes,
                    class: Class::Fuzzy,
                    stored_bytes: written.stored_bytes + self.state.log_bytes - log_bytes,
                    lag: since.elapsed(),
                });
            }
            self.judge(root, &changed, (last, false), each)?;
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
                self.scan = true;
            }
        }
    }

    /// Lets the rules look at the last point: `root` is that of the state before it.
    fn judge(
        &mut self,
        root: Option<model::BlobId>,
        changed: &[Changed],
        (time, blurred): (Timestamp, bool),
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<()> {
        if let Some(incidents) = &mut self.incidents {
            let (state, tree) = (&mut self.state, Some(&self.tree));
            for incident in &incidents.judge(state, tree, root, changed, (time, blurred))? {
                each(Event::Incident(incident));
            }
        }
        Ok(())
    }

    fn record_waiting(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let time = (self.clock)();
        if let Some(incidents) = &mut self.incidents {
            for incident in &incidents.record_waiting(&mut self.state, time)? {
                each(Event::Incident(incident));
            }
        }
        Ok(())
    }

    /// Scans the whole tree: a backup, whose snapshot is the next checkpoint. What it found that nobody
    /// had told of becomes a point before it.
    fn scan(&mut self, tell: bool, class: Class, each: &mut dyn FnMut(Event<'_>)) -> Result<u64> {
        let started = Instant::now();
        let first = self
            .first
            .map_or_else(|| (self.clock)(), |(_, first)| first);
        // Events up to here are in the scan; what comes after is told again.
        self.waiting = Waiting::default();
        let repository = self.state.repository;
        let clock = || (self.clock)();
        let report = backup::backup(
            repository,
            &self.options.backup,
            &clock,
            self.monitor,
            self.cancel,
        )?;
        let snapshot = report.id.unwrap_or(model::SnapshotId([0; 32]));
        let root = report.snapshot.root;
        let last = (self.clock)();
        if tell && root != self.state.root {
            let changed = self.state.differing_from(root)?;
            let changes = counted(&changed);
            let (before, log_bytes) = (self.state.root, self.state.log_bytes);
            let id = self
                .state
                .add_point(&changed, class, (first, last), None, last)?;
            if changes > 0 {
                each(Event::Point {
                    id,
                    time: last,
                    changes,
                    class,
                    stored_bytes: report.snapshot.totals.stored_bytes + self.state.log_bytes
                        - log_bytes,
                    lag: started.elapsed(),
                });
            }
            self.judge(before, &changed, (last, class == Class::Blurred), each)?;
        }
        self.state.live(last);
        self.state.add_checkpoint(snapshot, root, None, last)?;
        if let Some(incidents) = &mut self.incidents {
            incidents.saw(self.state.next_number() - 1, snapshot);
        }
        each(Event::Checkpoint {
            snapshot,
            files: report.snapshot.totals.files,
        });
        (self.scan, self.scan_is_blurred, self.first) = (false, false, None);
        let pause = (SCAN_PAUSES * started.elapsed()).min(SCAN_PAUSE_MAX);
        let least = if self.watcher.capture() == Capture::Scan {
            SCAN_ONLY_PAUSE
        } else {
            self.options.gather
        };
        self.next_scan = Instant::now() + pause.max(least);
        let thinning = self.state.thin(&self.options.ladder, last)?;
        if thinning.dropped > 0 {
            each(Event::Thinned(thinning));
        }
        Ok(report.snapshot.totals.files)
    }

    /// The repository refused: everything that waits goes on waiting.
    fn bear(&mut self, error: &TimelineError, each: &mut dyn FnMut(Event<'_>)) {
        each(Event::Trouble {
            message: error.to_string(),
            waiting: self.waiting.len() as u64,
        });
        let until = Instant::now() + TRY_AGAIN;
        while Instant::now() < until && !self.cancel.requested() {
            let batch = self.watcher.drain(WAIT, self.options.settle);
            self.take(&batch);
        }
    }
}
