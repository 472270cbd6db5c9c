//! How long work tells what it is doing, and how it learns that it should stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// What a piece of work reports. Called from worker threads, a few times a second per thread at most
/// for counters, once per event for the rest.
pub trait Monitor: Send + Sync {
    /// So many more entries and bytes were found that have to be looked at.
    fn found(&self, _files: u64, _bytes: u64) {}
    /// So many more entries and bytes are dealt with.
    fn done(&self, _files: u64, _bytes: u64) {}
    /// So many more bytes went into storage.
    fn stored(&self, _bytes: u64) {}
    /// The scan has found everything: the numbers found are final.
    fn found_all(&self) {}
    /// A path that could not be read or written. `path` is relative to the root, with slashes.
    fn problem(&self, _path: &[u8], _message: &str) {}
    /// A new phase of the work began.
    fn step(&self, _step: Step) {}
}

/// Phases that take time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the source.
    Reading,
    /// Writing out the target.
    Writing,
    /// Waiting for the disk to have everything.
    Syncing,
    /// Reading stored data back.
    Checking,
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {}

/// A wish to stop, shared between the door and the work.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Asks the work to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work should stop.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A source of unpredictable bytes, handed in so that pure code stays repeatable in tests.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}
