//! What the caller decides.

use std::num::NonZero;
use std::path::PathBuf;

use source::files::Excludes;

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Full path of the place that becomes what was asked for: a directory becomes that directory,
    /// with its attributes; for anything else it is the path of the thing itself. Directories that
    /// lead to it are made.
    pub target: PathBuf,
    /// Remove names that the snapshot's directories lack.
    pub delete: bool,
    /// Read back what was written and compare.
    pub verify: bool,
    /// Others may write to the repository: leave out setuid bits, devices and trusted attributes.
    pub untrusted: bool,
    /// Threads that write; 0 for one per core.
    pub threads: usize,
    /// Whether the process has the rights of root.
    pub root_user: bool,
    /// Absolute paths that are left alone, with everything beneath them and whatever leads to them:
    /// the repository, keys.
    pub protected: Vec<PathBuf>,
    /// Names that are kept although the snapshot's directories lack them.
    pub keep: Excludes,
}

impl RestoreOptions {
    /// Restores to `target`, removing nothing, on all cores, with the rights of an ordinary user.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            delete: false,
            verify: false,
            untrusted: false,
            threads: 0,
            root_user: false,
            protected: Vec::new(),
            keep: Excludes::none(),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        }
    }
}

/// What is held in memory at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Entries of a window.
    pub(crate) entries: usize,
    /// Bytes of keys and values of a window.
    pub(crate) bytes: usize,
    /// Files of several segments that are open at a time: beside them stay the directories held open
    /// by the writer of the tree, and the limit is usually 1024.
    pub(crate) open_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 50_000,
            bytes: 24 << 20,
            open_files: 256,
        }
    }
}
