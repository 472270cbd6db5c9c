//! What the executor is told and whom it asks.

use std::collections::HashMap;
use std::time::Duration;

use model::{Entry, PathKey, Timestamp, Xattr};
use source::SourceError;
use source::files::Stat;
use source::files::attributes::Rights;
use source::files::write::Directory;

/// Says what a path is worth. Called from several threads.
pub trait Judge: Sync {
    /// Whether what `name` is in `directory` is this entry, as undo compares: kind, content, target,
    /// device, mode, owner, attributes. Times are left out, and so is everything else that changes
    /// without the content changing. A name that does not exist is no entry. Must not follow it.
    fn holds(&self, directory: &Directory, name: &[u8], entry: &Entry)
    -> Result<bool, SourceError>;

    /// The extended attributes of an entry, wherever they are kept.
    fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>, SourceError>;
}

/// Looks over the executor's shoulder: tests write between its calls, or end it there.
pub trait Hooks: Sync {
    /// The step with this index in the plan begins.
    fn before_step(&self, _index: usize) {}
    /// A system call was made; `call` names it.
    fn after_call(&self, _call: &'static str) {}
}

/// Does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}

/// What the system said of the touched paths when the plan was made. A path that is missing here is
/// compared by its content.
pub type Seen = HashMap<PathKey, Stat>;

/// How a plan is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The mark in names put beside, as `42` in `report.recoup-42.txt`: the number of the operation.
    pub mark: String,
    /// What may be given to files.
    pub rights: Rights,
    /// When the paths were looked at for the plan. What changed less than two seconds before may have
    /// changed again within the same tick of the file system's clock, and is compared by content.
    pub seen_at: Timestamp,
    /// How long to go on looking at displaced files that somebody has open for writing.
    pub late_wait: Duration,
    /// Threads for steps that don't depend on each other.
    pub workers: usize,
    /// Do without the guarded moves of the system, as if the file system had none. For tests.
    pub weaker: bool,
}

impl Options {
    /// The usual: two threads, a second for late writes.
    pub fn new(mark: impl Into<String>, rights: Rights, seen_at: Timestamp) -> Self {
        Self {
            mark: mark.into(),
            rights,
            seen_at,
            // Most programs that write in place close within a second.
            late_wait: Duration::from_secs(1),
            // Renames in one directory wait for each other: more threads gain nothing.
            workers: 2,
            weaker: false,
        }
    }
}
