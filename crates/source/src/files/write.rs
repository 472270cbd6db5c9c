//! Writes into a tree: directories, files, links and special files beneath a root held open.
//!
//! Owns the rule that nothing outside of the root is touched: every call goes through the descriptor
//! of a directory that was reached without following a symbolic link, with a single name in it. Knows
//! nothing of snapshots, and never decides what may be overwritten.

mod data;
mod directory;
mod swap;
mod temporary;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{SourceError, path_of};
use crate::files::beneath;

pub use data::{punch_hole, set_len, write_at};
pub use directory::{Directory, Removal};
pub use swap::{Emptied, Swap};
pub use temporary::{Temporary, is_temporary};

/// Directories held open: few enough for the usual limit of 1024 descriptors beside everything else.
const OPEN_MAX: usize = 256;
const SHARDS: usize = 16;

type Result<T> = std::result::Result<T, SourceError>;

/// A tree that is written to. Any number of threads may share it.
pub struct TreeWriter {
    root: OwnedFd,
    path: Arc<Path>,
    hasher: RandomState,
    shards: [Mutex<HashMap<Vec<u8>, Held>>; SHARDS],
    clock: AtomicU64,
}

struct Held {
    directory: Arc<Directory>,
    used: u64,
}

impl TreeWriter {
    /// Opens an existing directory as the root. The path is the user's own and may lead through
    /// symbolic links; nothing beneath it may.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|errno| failed("open", root.to_path_buf(), errno))?;
        Ok(Self::held(fd, root))
    }

    /// The tree beneath a directory that is open already, reached in a way that the caller trusts; the
    /// path is for messages.
    pub fn held(root: OwnedFd, path: &Path) -> Self {
        Self {
            root,
            path: path.into(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            clock: AtomicU64::new(0),
        }
    }

    /// Makes the root, and the directories that lead to it, where they don't exist.
    pub fn create(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root)
            .map_err(|error| SourceError::io("create the directory", root, error))?;
        Self::open(root)
    }

    /// The directory with this key; the empty key is the root. It is kept open for later calls.
    pub fn directory(&self, key: &[u8]) -> Result<Arc<Directory>> {
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(held) = self.shard(key).get_mut(key) {
            held.used = used;
            return Ok(Arc::clone(&held.directory));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let fd = beneath::open_beneath(self.root.as_fd(), key, flags, Mode::empty())
            .map_err(|errno| failed("open", path_of(&self.path, key), errno))?;
        let directory = Arc::new(Directory::new(fd, Arc::clone(&self.path), key.to_vec()));
        let mut shard = self.shard(key);
        if shard.len() >= OPEN_MAX / SHARDS {
            let oldest = shard
                .iter()
                .min_by_key(|(_, held)| held.used)
                .map(|(key, _)| key.clone());
            oldest.and_then(|key| shard.remove(&key));
        }
        shard.insert(
            key.to_vec(),
            Held {
                directory: Arc::clone(&directory),
                used,
            },
        );
        Ok(directory)
    }

    /// The directory with this key, made with mode 0700 together with those above it where they don't
    /// exist.
    pub fn create_directory(&self, key: &[u8]) -> Result<Arc<Directory>> {
        match self.directory(key) {
            Err(SourceError::NotFound { .. }) if !key.is_empty() => {}
            done => return done,
        }
        let mut directory = self.directory(b"")?;
        let mut end = 0;
        for name in key.split(|&byte| byte == 0) {
            match directory.make_directory(name, 0o700) {
                Ok(()) => {}
                Err(SourceError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            end += name.len();
            directory = self.directory(&key[..end])?;
            end += 1;
        }
        Ok(directory)
    }

    /// Closes the directory with this key and all beneath it. To be called before one of them is
    /// removed or renamed, or later calls would write into what is no longer there.
    pub fn forget(&self, key: &[u8]) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|held, _| {
                let inside = held.starts_with(key)
                    && (key.is_empty() || held.len() == key.len() || held[key.len()] == 0);
                !inside
            });
        }
    }

    /// The descriptor of the root, good as a place to start from but not for reading.
    pub fn root_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The root as the user named it, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn shard(&self, key: &[u8]) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Held>> {
        let hash = self.hasher.hash_one(key);
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        // What a thread that panicked left behind is still a map of open directories.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TreeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The error that says most about a refusal met while writing.
fn failed(action: &'static str, path: std::path::PathBuf, errno: Errno) -> SourceError {
    match errno {
        // Only ever given for names such as `..`, which no checked key has.
        Errno::INVAL => SourceError::Outside { path },
        Errno::NOTDIR => SourceError::WrongKind {
            path,
            expected: "a directory",
        },
        errno => SourceError::io(action, path, errno),
    }
}
