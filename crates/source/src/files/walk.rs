//! Lists directories ahead of whoever consumes them, in key order.
//!
//! A set of jobs is shared by some threads: each takes the smallest, so that they work on what is
//! consumed next. The consumer asks for a job's result by name and does the job itself when nobody has
//! begun it; therefore workers may pause at any time (they do when enough is buffered) and nothing can
//! ever wait for itself.

use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Cancel, Monitor};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::files::beneath::open_beneath;
use crate::files::walk_list::{Names, PAGE_NAMES, Page, READ_BYTES, Rules, push_name};

/// What an empty page counts for when the buffered entries are counted: it takes memory too.
const PAGE_COST: usize = 4;

/// How often a worker tells the monitor what it found.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// A listing to make. Ordered by key, so that the smallest is the one that is consumed first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Job {
    key: Vec<u8>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    /// A later page of a directory; the key is that of its first name.
    Page,
    /// The names and the first page of the directory with this key.
    Directory,
}

/// A row of jobs of which the first stands among the pending ones: a directory with a million
/// subdirectories is one row, not a million keys.
#[derive(Debug)]
enum Row {
    Root,
    /// The subdirectories of a page, from this one of its list on.
    Directories(Arc<Page>, usize),
    /// The pages of a directory, from this name on.
    Pages(Arc<Names>, usize),
}

/// What a job gave.
pub(super) type Listed = Result<Arc<Page>, Errno>;

/// The shared state of a walk.
pub(super) struct Walk<'a> {
    root: BorrowedFd<'a>,
    rules: Rules<'a>,
    look_ahead: usize,
    cancel: &'a Cancel,
    monitor: &'a dyn Monitor,
    state: Mutex<State>,
    /// Signals workers: there is a job, or room for its result, or nothing more to do.
    work: Condvar,
    /// Signals the consumer: the result it waits for is there.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    pending: BTreeMap<Job, Row>,
    done: HashMap<Job, Listed>,
    /// Entries in `done`.
    buffered: usize,
    /// Jobs that are being done.
    busy: usize,
    /// Workers that wait.
    idle: usize,
    /// The job that the consumer waits for.
    awaited: Option<Job>,
    stopped: bool,
    /// Whether a worker saw that everything is listed.
    told: bool,
}

impl Job {
    pub(super) fn directory(key: Vec<u8>) -> Self {
        Self {
            key,
            part: Part::Directory,
        }
    }

    /// The page that begins with this name.
    pub(super) fn page(names: &Names, from: usize) -> Self {
        let mut key = Vec::new();
        push_name(&names.key, names.get(from), &mut key);
        Self {
            key,
            part: Part::Page,
        }
    }
}

impl Row {
    /// The job that follows the first one of this row, and the row from there on.
    fn rest(&self) -> Option<(Job, Self)> {
        match self {
            Self::Root => None,
            Self::Directories(page, at) => Self::directories(page, at + 1),
            Self::Pages(names, from) => Self::pages(names, from + PAGE_NAMES),
        }
    }

    fn directories(page: &Arc<Page>, at: usize) -> Option<(Job, Self)> {
        let record = *page.enter.get(at)?;
        let mut key = Vec::new();
        push_name(&page.names.key, page.name(record as usize), &mut key);
        Some((Job::directory(key), Self::Directories(Arc::clone(page), at)))
    }

    fn pages(names: &Arc<Names>, from: usize) -> Option<(Job, Self)> {
        let more = from < names.len();
        more.then(|| (Job::page(names, from), Self::Pages(Arc::clone(names), from)))
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        root: BorrowedFd<'a>,
        rules: Rules<'a>,
        look_ahead: usize,
        monitor: &'a dyn Monitor,
        cancel: &'a Cancel,
    ) -> Self {
        let mut state = State::default();
        state.pending.insert(Job::directory(Vec::new()), Row::Root);
        Self {
            root,
            rules,
            look_ahead,
            cancel,
            monitor,
            state: Mutex::new(state),
            work: Condvar::new(),
            ready: Condvar::new(),
        }
    }

    /// Does jobs until none is left or the walk is stopped. True for the one worker that saw the end.
    pub(super) fn work(&self) -> bool {
        let _stop = StopOnPanic(self);
        let mut buffer = read_buffer();
        let mut report = Report {
            since: Instant::now(),
            entries: 0,
            bytes: 0,
        };
        while let Some((job, row)) = self.next_job() {
            let listed = self.list(&job, &row, &mut buffer);
            if let Ok(page) = &listed {
                report.add(self.monitor, page);
            }
            self.publish(&listed, Some(job));
        }
        report.send(self.monitor);
        let mut state = self.lock();
        let ended = state.pending.is_empty() && state.busy == 0;
        ended && !std::mem::replace(&mut state.told, true)
    }

    /// The result of a job that was announced: waits for it or makes it. `None` when stopped.
    pub(super) fn obtain(&self, job: &Job, buffer: &mut [MaybeUninit<u8>]) -> Option<Listed> {
        let mut state = self.lock();
        loop {
            if state.stopped || self.cancel.requested() {
                return None;
            }
            if let Some(listed) = state.done.remove(job) {
                self.release(&mut state, cost(&listed));
                return Some(listed);
            }
            if let Some(row) = state.take(job) {
                drop(state);
                let listed = self.list(job, &row, buffer);
                if let Ok(page) = &listed {
                    self.monitor.found(page.len() as u64, page.bytes);
                }
                self.publish(&listed, None);
                return Some(listed);
            }
            state.awaited = Some(job.clone());
            // Wakes up now and then to see whether the work was cancelled.
            let waited = self.ready.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends the workers home.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.work.notify_all();
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_job(&self) -> Option<(Job, Row)> {
        let mut state = self.lock();
        loop {
            if state.stopped || self.cancel.requested() {
                return None;
            }
            if state.pending.is_empty() && state.busy == 0 {
                return None;
            }
            if state.buffered < self.look_ahead
                && let Some(job) = state.pending.first_key_value().map(|(job, _)| job.clone())
                && let Some(row) = state.take(&job)
            {
                return Some((job, row));
            }
            state.idle += 1;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Announces the jobs that follow from a result, and keeps the result for the consumer when it was
    /// made ahead.
    fn publish(&self, listed: &Listed, ahead: Option<Job>) {
        let mut state = self.lock();
        state.busy -= 1;
        if let Ok(page) = listed {
            let first = page.from == 0;
            let pages = first.then(|| Row::pages(&page.names, page.until)).flatten();
            for (job, row) in Row::directories(page, 0).into_iter().chain(pages) {
                state.pending.insert(job, row);
            }
        }
        let mut awaited = false;
        if let Some(job) = ahead {
            state.buffered += cost(listed);
            awaited = state.awaited.as_ref() == Some(&job);
            state.done.insert(job, listed.clone());
        }
        let finished = state.pending.is_empty() && state.busy == 0;
        let wake = state.idle > 0 && (finished || state.buffered < self.look_ahead);
        drop(state);
        if awaited {
            self.ready.notify_one();
        }
        if wake {
            self.work.notify_all();
        }
    }

    fn release(&self, state: &mut State, cost: usize) {
        let before = state.buffered;
        state.buffered -= cost;
        // A little below the limit, so that workers don't wake for one page each.
        let mark = self.look_ahead - self.look_ahead / 8;
        if before >= mark && state.buffered < mark && state.idle > 0 {
            self.work.notify_all();
        }
    }

    fn list(&self, job: &Job, row: &Row, buffer: &mut [MaybeUninit<u8>]) -> Listed {
        let page = match row {
            Row::Pages(names, from) => Page::read(names, *from, self.open(&names.key)?, self.rules),
            Row::Root | Row::Directories(..) => {
                let directory = self.open(&job.key)?;
                let exclude = self.rules.exclude;
                let names = Names::read(job.key.clone(), &directory, exclude, buffer)?;
                Page::read(&Arc::new(names), 0, &directory, self.rules)
            }
        };
        Ok(Arc::new(page))
    }

    fn open(&self, key: &[u8]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match open_beneath(self.root, key, flags | OFlags::NOATIME, Mode::empty()) {
            // Only the owner may ask for the access time to stay.
            Err(Errno::PERM) => open_beneath(self.root, key, flags, Mode::empty()),
            opened => opened,
        }
    }
}

impl State {
    fn take(&mut self, job: &Job) -> Option<Row> {
        let row = self.pending.remove(job)?;
        self.busy += 1;
        if let Some((job, row)) = row.rest() {
            self.pending.insert(job, row);
        }
        Some(row)
    }
}

/// A buffer for directory reads.
pub(super) fn read_buffer() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); READ_BYTES]
}

fn cost(listed: &Listed) -> usize {
    PAGE_COST + listed.as_ref().map_or(0, |page| page.len())
}

/// Lets the consumer notice that a worker is gone; the panic itself comes out where threads are joined.
struct StopOnPanic<'a, 'b>(&'a Walk<'b>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

struct Report {
    since: Instant,
    entries: u64,
    bytes: u64,
}

impl Report {
    fn add(&mut self, monitor: &dyn Monitor, page: &Page) {
        self.entries += page.len() as u64;
        self.bytes += page.bytes;
        if self.since.elapsed() >= REPORT_EVERY {
            self.send(monitor);
        }
    }

    fn send(&mut self, monitor: &dyn Monitor) {
        if self.entries > 0 {
            monitor.found(self.entries, self.bytes);
        }
        *self = Self {
            since: Instant::now(),
            entries: 0,
            bytes: 0,
        };
    }
}
