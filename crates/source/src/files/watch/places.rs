//! Which key a directory handle stands for.
//!
//! An event names its directory by a handle, and the directory may have been renamed since. The answer
//! is that of the moment when it is asked for; the renames in between come as events of their own and
//! make both places dirty with all beneath, so that a key that is overtaken misses nothing. Every rename
//! of a directory drops what is remembered of both places.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use model::Kind;
use model::key::{self, PathKey};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::files::beneath::open_beneath;
use crate::files::stat::Stat;
use crate::files::watch::range::beneath;
use crate::files::watch::report::FileId;
use crate::files::watch::system;

/// Directories remembered: about 10 MB with keys of ordinary length. Beyond it all are dropped and
/// asked for again, at some microseconds each.
const REMEMBERED_MAX: usize = 65_536;

/// How often a directory is asked for again when it is renamed beneath our hands.
const AGAIN_MAX: usize = 32;

/// What a directory handle stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory of the tree.
    Inside(Arc<[u8]>),
    /// Somewhere beneath this directory of the tree, too deep for the kernel to name.
    Beneath(Arc<[u8]>),
    /// Not in the tree, or ignored.
    Outside,
    /// The directory is gone.
    Gone,
    /// It could not be found out.
    Unknown,
}

/// What a handle of any kind stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// A file that has names still.
    File(FileId),
    Directory,
    Gone,
    Unknown,
}

/// The directories met so far. Those outside of the tree are remembered too: they may be busy.
#[derive(Debug)]
pub(super) struct Places {
    root: OwnedFd,
    root_handle: Vec<u8>,
    ignore: Vec<PathKey>,
    by_handle: HashMap<Box<[u8]>, Option<Arc<[u8]>>>,
    by_key: BTreeMap<Arc<[u8]>, Box<[u8]>>,
}

impl Places {
    /// For the tree beneath `root`, of which the keys in `ignore`, with all beneath, don't count.
    /// Fails where directories can't be named by handles or handles can't be opened.
    pub(super) fn new(root: OwnedFd, ignore: Vec<PathKey>) -> rustix::io::Result<Self> {
        let root_handle = system::handle_of(root.as_fd(), c"")?;
        system::open_handle(root.as_fd(), &root_handle)?;
        Ok(Self {
            root,
            root_handle,
            ignore,
            by_handle: HashMap::new(),
            by_key: BTreeMap::new(),
        })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn is_root(&self, handle: &[u8]) -> bool {
        handle == self.root_handle
    }

    /// Whether the key lies in what doesn't count.
    pub(super) fn is_ignored(&self, key: &[u8]) -> bool {
        self.ignore.iter().any(|ignored| ignored.contains(key))
    }

    /// The directory that `handle` stands for.
    pub(super) fn find(&mut self, handle: &[u8]) -> Found {
        match self.by_handle.get(handle) {
            Some(Some(key)) => return Found::Inside(Arc::clone(key)),
            Some(None) => return Found::Outside,
            None => {}
        }
        let found = self.ask(handle);
        match &found {
            Found::Inside(key) => self.remember(handle, Some(Arc::clone(key))),
            Found::Outside => self.remember(handle, None),
            _ => {}
        }
        found
    }

    /// The directory behind this handle is gone.
    pub(super) fn forget(&mut self, handle: &[u8]) {
        if let Some(Some(key)) = self.by_handle.remove(handle) {
            self.by_key.remove(&key);
        }
    }

    /// The directory at this key is not the one it was, nor is any beneath it.
    pub(super) fn forget_beneath(&mut self, key: &[u8]) {
        if key.is_empty() {
            return self.forget_all();
        }
        for (_, handle) in self
            .by_key
            .extract_if(beneath::<Arc<[u8]>>(key, true), |_, _| true)
        {
            self.by_handle.remove(&handle);
        }
    }

    /// Nothing that is remembered can be relied on.
    pub(super) fn forget_all(&mut self) {
        self.by_handle.clear();
        self.by_key.clear();
    }

    /// Which file a handle stands for, as long as it has a name anywhere.
    pub(super) fn object(&self, handle: &[u8]) -> Object {
        match system::open_handle(self.root(), handle).and_then(Stat::of) {
            Ok(stat) if stat.nlink == 0 => Object::Gone,
            Ok(stat) if stat.kind == Kind::Directory => Object::Directory,
            Ok(stat) => Object::File(FileId {
                dev: stat.dev,
                ino: stat.ino,
            }),
            Err(Errno::STALE | Errno::NOENT) => Object::Gone,
            Err(_) => Object::Unknown,
        }
    }

    fn remember(&mut self, handle: &[u8], key: Option<Arc<[u8]>>) {
        if self.by_handle.len() >= REMEMBERED_MAX {
            self.forget_all();
        }
        if let Some(key) = &key
            && let Some(other) = self.by_key.insert(Arc::clone(key), handle.into())
        {
            // Two directories can't be in one place: the older answer is overtaken.
            self.by_handle.remove(&other);
        }
        self.by_handle.insert(handle.into(), key);
    }

    fn ask(&self, handle: &[u8]) -> Found {
        for _ in 0..AGAIN_MAX {
            let directory = match system::open_handle(self.root(), handle) {
                Ok(directory) => directory,
                Err(Errno::STALE | Errno::NOENT) => return Found::Gone,
                Err(_) => return Found::Unknown,
            };
            match self.name(directory.as_fd(), false) {
                // It was renamed while it was asked for.
                Found::Unknown => {}
                found => return found,
            }
        }
        Found::Unknown
    }

    /// The key of an open directory. `Unknown` if it was renamed meanwhile.
    fn name(&self, directory: BorrowedFd<'_>, climbed: bool) -> Found {
        let Ok(state) = rustix::fs::fstat(directory) else {
            return Found::Unknown;
        };
        if state.st_nlink == 0 {
            return Found::Gone;
        }
        let Ok(root) = path_of(self.root()) else {
            return Found::Unknown;
        };
        let path = match path_of(directory) {
            Ok(path) => path,
            Err(Errno::NAMETOOLONG) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let above = rustix::fs::openat(directory, c"..", flags, Mode::empty());
                return above.map_or(Found::Unknown, |above| self.name(above.as_fd(), true));
            }
            Err(_) => return Found::Unknown,
        };
        let below = Path::new(OsStr::from_bytes(&path)).strip_prefix(OsStr::from_bytes(&root));
        let Ok(below) = below else {
            // Outside, unless the root was renamed between the two questions.
            let unmoved = path_of(self.root()).is_ok_and(|again| again == root);
            return if unmoved {
                Found::Outside
            } else {
                Found::Unknown
            };
        };
        let Ok(key) = PathKey::from_path(below.as_os_str().as_bytes()) else {
            return Found::Unknown;
        };
        if self.is_ignored(key.as_bytes()) {
            return Found::Outside;
        }
        // A path is only words; whether it leads there from the root is what counts.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let there = open_beneath(self.root(), key.as_bytes(), flags, Mode::empty())
            .and_then(rustix::fs::fstat);
        match there {
            Ok(there) if (there.st_dev, there.st_ino) == (state.st_dev, state.st_ino) => {
                let key: Arc<[u8]> = key.into_bytes().into();
                if climbed {
                    Found::Beneath(key)
                } else {
                    Found::Inside(key)
                }
            }
            _ => Found::Unknown,
        }
    }
}

/// The key of `name` in the directory `key`; an empty name is the directory itself.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(directory.len() + 1 + name.len());
    joined.extend_from_slice(directory);
    if !name.is_empty() {
        if !directory.is_empty() {
            joined.push(0);
        }
        joined.extend_from_slice(name);
    }
    joined
}

/// The keys of these paths or keys that can be keys at all.
pub(super) fn checked(keys: &[Vec<u8>]) -> Result<Vec<PathKey>, key::KeyError> {
    keys.iter()
        .map(|key| PathKey::from_bytes(key.clone()))
        .collect()
}

/// Where an open file is now, as words.
pub(super) fn path_of(file: BorrowedFd<'_>) -> rustix::io::Result<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::readlink(link, Vec::new())?.into_bytes())
}
