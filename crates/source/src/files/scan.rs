//! Yields everything in a tree in key order, while other threads look ahead.
//!
//! The order is that of stored keys: a directory, then everything beneath it, then what follows.
//! Knows nothing of what is done with the entries.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use model::{Cancel, Kind, Monitor};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::SourceError;
use crate::files::exclude::Excludes;
use crate::files::stat::Stat;
use crate::files::walk::{Job, Listed, Walk, read_buffer};
use crate::files::walk_list::{Page, Rules, push_name};

/// Entries held ready by default: about 20 MB.
const LOOK_AHEAD: usize = 200_000;

/// What a scan comes upon.
#[derive(Debug)]
pub enum Scanned {
    /// A path and its state.
    Entry {
        /// Stored key; empty for the root.
        key: Vec<u8>,
        /// State when it was looked at.
        stat: Stat,
    },
    /// A path that couldn't be looked at, or a directory that couldn't be read.
    Problem {
        /// Stored key.
        key: Vec<u8>,
        /// What the system said.
        error: std::io::Error,
    },
}

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// Threads that look ahead, beside the caller's; at least one.
    pub threads: usize,
    /// Stay on the file system of the root: a mount point is yielded, but not entered.
    pub one_file_system: bool,
    /// What to leave out.
    pub exclude: Excludes,
    /// Entries to hold ready before the other threads pause.
    pub look_ahead: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            threads: 2,
            one_file_system: false,
            exclude: Excludes::none(),
            look_ahead: LOOK_AHEAD,
        }
    }
}

/// What a scan came upon, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanSummary {
    /// Entries that are not directories.
    pub files: u64,
    /// Directories, the root among them.
    pub directories: u64,
    /// Sum of the sizes of regular files.
    pub bytes: u64,
    /// Entries left out; what lies beneath a directory left out isn't counted.
    pub excluded: u64,
    /// Problems.
    pub problems: u64,
    /// Whether everything was yielded; not so when the consumer broke off.
    pub complete: bool,
}

/// Scans the tree at `root`, an absolute path, handing everything to `each` on the caller's thread in
/// key order. The root comes first, with the empty key; when it isn't a directory, it is all there is.
///
/// The monitor hears what is found; problems are only handed to `each`. A root that can't be read is
/// an error. What vanishes during the scan is passed over.
pub fn scan(
    root: &Path,
    options: &ScanOptions,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(Scanned) -> ControlFlow<()>,
) -> Result<ScanSummary, SourceError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let refused = |errno: Errno| match errno {
        Errno::NOENT => SourceError::NotFound {
            path: root.to_path_buf(),
        },
        _ => SourceError::Unreadable {
            path: root.to_path_buf(),
            source: errno.into(),
        },
    };
    let open = rustix::fs::open(root, flags, Mode::empty()).map_err(refused)?;
    let stat = Stat::of(&open).map_err(refused)?;
    let rules = Rules {
        exclude: &options.exclude,
        only_dev: options.one_file_system.then_some(stat.dev),
    };
    let walk = Walk::new(
        open.as_fd(),
        rules,
        options.look_ahead.max(1),
        monitor,
        cancel,
    );
    let mut consumer = Consumer {
        walk: &walk,
        each,
        summary: ScanSummary::default(),
    };
    if stat.kind != Kind::Directory {
        let bytes = if stat.kind == Kind::File {
            stat.size
        } else {
            0
        };
        monitor.found(1, bytes);
        consumer.summary.complete = consumer.entry(Vec::new(), stat).is_continue();
        monitor.found_all();
        return Ok(consumer.summary);
    }
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&walk);
        let mut buffer = read_buffer();
        // The root is listed before threads are started: it may be unreadable, or all there is.
        let top = walk.obtain(&Job::directory(Vec::new()), &mut buffer);
        let top = top.ok_or(SourceError::Cancelled)?.map_err(refused)?;
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                if walk.work() {
                    monitor.found_all();
                }
            });
        }
        consumer.summary.complete = match consumer.entry(Vec::new(), stat) {
            ControlFlow::Break(()) => false,
            ControlFlow::Continue(()) => consumer.descend(top, &mut buffer).is_continue(),
        };
        if cancel.requested() && !consumer.summary.complete {
            return Err(SourceError::Cancelled);
        }
        Ok(consumer.summary)
    })
}

/// However the consumer ends, the workers must not go on.
struct StopAtEnd<'a, 'b>(&'a Walk<'b>);

impl Drop for StopAtEnd<'_, '_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A directory that is being yielded.
struct Frame {
    page: Arc<Page>,
    /// The next record to yield.
    at: usize,
    /// The next of the directories to enter.
    enter: usize,
}

struct Consumer<'a, 'b> {
    walk: &'a Walk<'b>,
    each: &'a mut dyn FnMut(Scanned) -> ControlFlow<()>,
    summary: ScanSummary,
}

impl Consumer<'_, '_> {
    fn descend(
        &mut self,
        top: Arc<Page>,
        buffer: &mut [std::mem::MaybeUninit<u8>],
    ) -> ControlFlow<()> {
        let mut stack = vec![self.open(top)?];
        while let Some(frame) = stack.last_mut() {
            let names = &frame.page.names;
            if frame.at == frame.page.len() {
                if frame.page.until == names.len() {
                    stack.pop();
                    continue;
                }
                let key = names.key.clone();
                let job = Job::page(names, frame.page.until);
                let listed = self.obtain(&job, buffer)?;
                stack.pop();
                if let Some(page) = self.listed(key, listed)? {
                    stack.push(self.open(page)?);
                }
                continue;
            }
            let (name, stat) = frame.page.get(frame.at);
            let mut key = Vec::with_capacity(names.key.len() + 1 + name.len());
            push_name(&names.key, name, &mut key);
            let enters = frame.page.enter.get(frame.enter) == Some(&(frame.at as u32));
            frame.at += 1;
            if !enters {
                self.entry(key, stat)?;
                continue;
            }
            frame.enter += 1;
            self.entry(key.clone(), stat)?;
            let listed = self.obtain(&Job::directory(key.clone()), buffer)?;
            if let Some(page) = self.listed(key, listed)? {
                stack.push(self.open(page)?);
            }
        }
        ControlFlow::Continue(())
    }

    fn obtain(
        &mut self,
        job: &Job,
        buffer: &mut [std::mem::MaybeUninit<u8>],
    ) -> ControlFlow<(), Listed> {
        match self.walk.obtain(job, buffer) {
            Some(listed) => ControlFlow::Continue(listed),
            None => ControlFlow::Break(()),
        }
    }

    fn listed(&mut self, key: Vec<u8>, listed: Listed) -> ControlFlow<(), Option<Arc<Page>>> {
        match listed {
            Ok(page) => return ControlFlow::Continue(Some(page)),
            Err(Errno::NOENT) => {}
            Err(errno) => self.problem(key, errno)?,
        }
        ControlFlow::Continue(None)
    }

    fn open(&mut self, page: Arc<Page>) -> ControlFlow<(), Frame> {
        self.summary.excluded += page.excluded;
        for &(name, errno) in &page.problems {
            let mut key = Vec::new();
            push_name(&page.names.key, page.names.get(name as usize), &mut key);
            self.problem(key, errno)?;
        }
        ControlFlow::Continue(Frame {
            page,
            at: 0,
            enter: 0,
        })
    }

    fn problem(&mut self, key: Vec<u8>, errno: Errno) -> ControlFlow<()> {
        self.summary.problems += 1;
        (self.each)(Scanned::Problem {
            key,
            error: errno.into(),
        })
    }

    fn entry(&mut self, key: Vec<u8>, stat: Stat) -> ControlFlow<()> {
        match stat.kind {
            Kind::Directory => self.summary.directories += 1,
            Kind::File => {
                self.summary.files += 1;
                self.summary.bytes += stat.size;
            }
            _ => self.summary.files += 1,
        }
        (self.each)(Scanned::Entry { key, stat })
    }
}
