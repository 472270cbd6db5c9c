//! What the reading thread needs of a way of sensing.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::files::watch::set::DirtySet;

/// The set that the reading thread fills and the caller empties.
#[derive(Debug)]
pub(super) struct SharedSet(pub(super) Mutex<DirtySet>);

impl SharedSet {
    /// The set, for a moment. A thread that panicked in between left nothing half done that the next
    /// full scan would not find.
    pub(super) fn lock(&self) -> MutexGuard<'_, DirtySet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source of events.
pub(super) trait Sensor: Send {
    /// Readable when there are events.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Reads what one read gives and takes it in. `false` if there was nothing.
    fn read(&mut self, set: &SharedSet) -> bool;

    /// How long to wait before the next read, so that events gather: a wake-up for each one costs more
    /// than all else.
    fn pause(&self) -> Duration;
}

/// Reads in a row that found something and no new process: from then on events may gather.
pub(super) const READS_BEFORE_PAUSE: u32 = 8;

/// How long they gather. A process that ends sooner may go unseen meanwhile: `rm` takes about as long
/// from its deletion to its end. At 100,000 events a second 25 come at once.
pub(super) const PAUSE: Duration = Duration::from_micros(250);
