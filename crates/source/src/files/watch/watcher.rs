//! A live tree under watch: one thread that only takes events in, and a set that the caller empties.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::SourceError;
use crate::files::watch::capture::{Capture, CaptureInfo, fanotify_sentence, inotify_sentence};
use crate::files::watch::fanotify::{Fanotify, Settings};
use crate::files::watch::inotify::Inotify;
use crate::files::watch::places::checked;
use crate::files::watch::report::{Batch, BlurReason, Moment, Settle};
use crate::files::watch::sensor::{Sensor, SharedSet};
use crate::files::watch::set::DirtySet;

/// Dirty keys held by default: about 40 MB with keys of ordinary length.
const KEYS_MAX: usize = 200_000;

/// The reading thread's niceness: it does little, and has to do it at once.
const READER_PRIORITY: i32 = -15;

/// How often a waiting caller looks whether a file has been quiet for long enough.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How to watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The best way of sensing to try.
    pub best: Capture,
    /// Keys that don't count, with all beneath: the repository, staging, what can be made again.
    pub ignore: Vec<Vec<u8>>,
    /// Whether what this very process does counts. Only fanotify can tell.
    pub own_changes: bool,
    /// Most dirty keys to hold: beyond it whole directories become dirty.
    pub most_keys: usize,
    /// Leave the length of the kernel's queue to the system's setting, instead of our own limit of a
    /// million events. Only for fanotify; inotify always does.
    pub system_queue: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            best: Capture::Fanotify,
            ignore: Vec::new(),
            own_changes: false,
            most_keys: KEYS_MAX,
            system_queue: false,
        }
    }
}

/// Watches a tree until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    capture: Capture,
    most_keys: usize,
}

#[derive(Debug)]
struct Shared {
    set: SharedSet,
    /// How often the reading thread found the queue empty.
    emptied: Mutex<u64>,
    changed: Condvar,
    /// Wakes the reading thread.
    wake: OwnedFd,
    stop: AtomicBool,
}

impl Watcher {
    /// Begins to watch the directory at `root`, an absolute path, in the best way that works here.
    ///
    /// Scan the tree after this, not before: what happens from here on is told. A root that can't be
    /// opened, or is no directory, is an error; that nothing can be sensed is none, the answer is then
    /// [`Capture::Scan`].
    pub fn open(root: &Path, options: &WatchOptions) -> Result<(Self, CaptureInfo), SourceError> {
        let io = |errno: Errno| match errno {
            Errno::NOTDIR => SourceError::WrongKind {
                path: root.to_owned(),
                expected: "a directory",
            },
            _ => SourceError::io("watch", root, errno),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(root, flags, Mode::empty()).map_err(io);
        let ignore = checked(&options.ignore).map_err(|error| SourceError::Pattern {
            pattern: "a key to ignore".to_owned(),
            reason: error.to_string(),
        })?;
        let mut refusals = Vec::new();
        let mut blind = Vec::new();
        let mut sensor: Option<Box<dyn Sensor>> = None;
        let mut capture = Capture::Scan;
        let directory = open()?;
        if options.best == Capture::Fanotify {
            let settings = Settings {
                unlimited_queue: !options.system_queue,
                own_changes: options.own_changes,
            };
            match Fanotify::open(open()?, ignore.clone(), settings) {
                Ok(fanotify) => {
                    sensor = Some(Box::new(fanotify));
                    capture = Capture::Fanotify;
                }
                Err(refused) => refusals.push(fanotify_sentence(refused, directory.as_fd())),
            }
        }
        if sensor.is_none() && options.best <= Capture::Inotify {
            match Inotify::open(directory, ignore) {
                Ok(inotify) => {
                    if inotify.unwatched() > 0 {
                        blind.push(format!(
                            "{} directories can't be read and are not watched.",
                            inotify.unwatched()
                        ));
                    }
                    sensor = Some(Box::new(inotify));
                    capture = Capture::Inotify;
                }
                Err(refused) => refusals.push(inotify_sentence(refused)),
            }
        }
        let mut info = CaptureInfo::new(capture, root, refusals);
        info.blind.append(&mut blind);
        Ok((
            Self::start(sensor, capture, options.most_keys).map_err(io)?,
            info,
        ))
    }

    fn start(
        sensor: Option<Box<dyn Sensor>>,
        capture: Capture,
        most_keys: usize,
    ) -> rustix::io::Result<Self> {
        let shared = Arc::new(Shared {
            set: SharedSet(Mutex::new(DirtySet::new(most_keys, Moment::now()))),
            emptied: Mutex::new(0),
            changed: Condvar::new(),
            wake: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            stop: AtomicBool::new(false),
        });
        let thread = match sensor {
            None => None,
            Some(sensor) => {
                let theirs = Arc::clone(&shared);
                let thread = std::thread::Builder::new()
                    .name("recoup-watch".to_owned())
                    .spawn(move || theirs.run(sensor));
                Some(thread.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?)
            }
        };
        Ok(Self {
            shared,
            thread,
            capture,
            most_keys,
        })
    }

    /// How the tree is sensed.
    pub fn capture(&self) -> Capture {
        self.capture
    }

    /// Whether somebody takes events in. A thread that has ended by itself leaves nothing but silence,
    /// and that proves nothing.
    fn is_sensed(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Most dirty keys that are held before directories stand for them.
    pub fn most_keys(&self) -> usize {
        self.most_keys
    }

    /// Waits until there is something to look at, `wait` at the longest, and takes it. Files that are
    /// being written wait as `settle` says.
    ///
    /// With [`Capture::Scan`], and after the reading thread has ended by itself, every batch is blurred
    /// and comes after the whole time.
    pub fn drain(&self, wait: Duration, settle: Settle) -> Batch {
        let until = Instant::now() + wait;
        let mut emptied = self.shared.emptied();
        loop {
            let now = Moment::now();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_sensed() && self.shared.set.lock().is_ready(now, settle) {
                break;
            }
            // A file that becomes quiet tells nobody.
            let next = if self.is_sensed() {
                left.min(LOOK_AGAIN)
            } else {
                left
            };
            let waited = self.shared.changed.wait_timeout(emptied, next);
            emptied = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(emptied);
        let now = Moment::now();
        let taken = {
            let mut set = self.shared.set.lock();
            if !self.is_sensed() {
                set.blur(BlurReason::NotWatched, now);
                set.good_until(now);
            }
            set.take(now, settle)
        };
        taken.into_batch()
    }

    /// Waits until everything that happened before this call is taken in, `wait` at the longest.
    /// `false` if the time ran out: then only what [`drain`](Self::drain) gives is known.
    pub fn catch_up(&self, wait: Duration) -> bool {
        if !self.is_sensed() {
            return false;
        }
        let until = Instant::now() + wait;
        let mut emptied = self.shared.emptied();
        // The queue may be found empty right now, before the last event came: the next time counts.
        let aim = *emptied + 2;
        while *emptied < aim {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.shared.wake();
            let waited = self
                .shared
                .changed
                .wait_timeout(emptied, left.min(LOOK_AGAIN));
            emptied = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by itself, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn emptied(&self) -> MutexGuard<'_, u64> {
        self.emptied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the thread is awake.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// The reading thread.
    fn run(&self, mut sensor: Box<dyn Sensor>) {
        // However the thread ends, silence from then on proves nothing.
        let _ended = Ended(self);
        // Short-lived processes are only seen by who looks first. Without the right to it, or on the
        // way to it, nothing is lost but names.
        let _ = rustix::process::setpriority_process(None, READER_PRIORITY);
        while !self.stop.load(Ordering::Relaxed) {
            let began = Moment::now();
            while sensor.read(&self.set) {
                self.changed.notify_all();
                let pause = sensor.pause();
                if !pause.is_zero() {
                    std::thread::sleep(pause);
                }
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            self.set.lock().good_until(began);
            *self.emptied() += 1;
            self.changed.notify_all();
            let mut fds = [
                PollFd::from_borrowed_fd(sensor.descriptor(), PollFlags::IN),
                PollFd::new(&self.wake, PollFlags::IN),
            ];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if fds[1].revents().contains(PollFlags::IN) {
                let mut count = [0; 8];
                let _ = rustix::io::read(&self.wake, &mut count);
            }
        }
    }
}

struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0
            .set
            .lock()
            .blur(BlurReason::NotWatched, Moment::now());
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;

    use super::*;

    /// A way of sensing whose thread ends at its first read.
    struct Broken(OwnedFd);

    impl Sensor for Broken {
        fn descriptor(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        fn read(&mut self, _: &SharedSet) -> bool {
            panic!("as the test wants it")
        }

        fn pause(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn the_silence_of_an_ended_thread_is_not_believed() {
        let descriptor = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let sensor: Box<dyn Sensor> = Box::new(Broken(descriptor));
        let watcher = Watcher::start(Some(sensor), Capture::Fanotify, KEYS_MAX).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !watcher.thread.as_ref().unwrap().is_finished() {
            assert!(Instant::now() < until, "the thread goes on");
            std::thread::yield_now();
        }
        // The first batch is blurred by the end itself; so is each one after it.
        for _ in 0..3 {
            let batch = watcher.drain(Duration::from_millis(5), Settle::AT_ONCE);
            let reasons = batch.blurred.map(|blurred| blurred.reasons);
            assert_eq!(reasons, Some(vec![BlurReason::NotWatched]));
        }
        let asked = Instant::now();
        assert!(!watcher.catch_up(Duration::from_secs(10)));
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "nobody is left to wait for"
        );
    }
}
