//! The directories of a local repository: opening, making, and making sure that they are on the disk.

use crate::error::Result;
use crate::error::StorageError;
use rustix::fs::AtFlags;
use rustix::fs::Dir;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A repository's directory, held open. Directories within are named by paths relative to it; the empty
/// path is the repository itself.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    /// Directories whose own names, up to the root, are known to be on the disk.
    rooted: Mutex<BTreeSet<String>>,
    /// Whether files without names can be made and named later.
    unnamed: AtomicBool,
    /// The sync of a directory failed. Another one may succeed without having carried the names to the
    /// disk, so nothing is acknowledged any more.
    broken: AtomicBool,
}

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let root = rustix::fs::open(path, DIRECTORY, Mode::empty())
            .map_err(|error| StorageError::from_io("open", path.display(), error))?;
        // A file without a name gets its name by way of this directory.
        let unnamed = rustix::fs::access("/proc/self/fd", rustix::fs::Access::EXISTS).is_ok();
        Ok(Self {
            root,
            path: path.to_owned(),
            rooted: Mutex::default(),
            unnamed: AtomicBool::new(unnamed),
            broken: AtomicBool::new(false),
        })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn has_unnamed(&self) -> bool {
        self.unnamed.load(Ordering::Relaxed)
    }

    pub(super) fn give_up_unnamed(&self) {
        self.unnamed.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(super) fn open_directory(&self, directory: &str) -> Result<OwnedFd> {
        self.try_open(directory)
            .map_err(|error| self.failed("open", directory, error))
    }

    /// Opens the directory, making it and what is above it first if need be.
    pub(super) fn make_directory(&self, directory: &str) -> Result<OwnedFd> {
        self.refuse_when_broken(directory)?;
        match self.try_open(directory) {
            Err(Errno::NOENT) => {}
            other => return other.map_err(|error| self.failed("open", directory, error)),
        }
        let ends = directory
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([directory.len()]);
        for end in ends {
            let part = &directory[..end];
            match rustix::fs::mkdirat(&self.root, part, Mode::RWXU) {
                Ok(()) => self
                    .lock()
                    .retain(|known| !Path::new(known).starts_with(part)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(self.failed("create", part, error)),
            }
        }
        self.open_directory(directory)
    }

    /// Carries the names in the directory to the disk, and the directory's own name where that is not
    /// known to have been done.
    pub(super) fn sync(&self, directory: &str, opened: &OwnedFd) -> Result<()> {
        self.refuse_when_broken(directory)?;
        self.sync_names(directory, opened)?;
        let mut done = Vec::new();
        let mut child = directory;
        while !child.is_empty() && !self.lock().contains(child) {
            let parent = child.rsplit_once('/').map_or("", |(parent, _)| parent);
            // One sync is good for all directories that are there already.
            let beside = self.entries(parent)?;
            let opened = self.open_directory(parent)?;
            self.sync_names(parent, &opened)?;
            let slash = if parent.is_empty() { "" } else { "/" };
            let names = beside.iter().filter_map(|name| name.to_str());
            done.extend(names.map(|name| format!("{parent}{slash}{name}")));
            child = parent;
        }
        self.lock().extend(done);
        Ok(())
    }

    /// Names in the directory, in no order; none if it is not there.
    pub(super) fn entries(&self, directory: &str) -> Result<Vec<OsString>> {
        let opened = match self.try_open(directory) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("open", directory, error)),
        };
        let failed = |error| self.failed("list", directory, error);
        let mut names = Vec::new();
        for entry in Dir::read_from(&opened).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    pub(super) fn failed(&self, action: &'static str, within: &str, error: Errno) -> StorageError {
        StorageError::from_io(action, self.path.join(within).display(), error)
    }

    fn sync_names(&self, directory: &str, opened: &OwnedFd) -> Result<()> {
        sync_directory(opened).map_err(|error| {
            self.set_broken();
            self.failed("sync", directory, error)
        })
    }

    fn refuse_when_broken(&self, directory: &str) -> Result<()> {
        if !self.broken.load(Ordering::Relaxed) {
            return Ok(());
        }
        let source = io::Error::other("an earlier sync of a directory failed");
        let what = self.path.join(directory).display().to_string();
        Err(StorageError::Io {
            action: "write to",
            what,
            source,
        })
    }

    fn try_open(&self, directory: &str) -> std::result::Result<OwnedFd, Errno> {
        let directory = if directory.is_empty() { "." } else { directory };
        rustix::fs::openat(&self.root, directory, DIRECTORY, Mode::empty())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.rooted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the directory of a new repository and what is missing above it, durably.
pub(super) fn make_root(path: &Path) -> Result<()> {
    let failed = |path: &Path, error| StorageError::from_io("create", path.display(), error);
    let missing = path.ancestors().take_while(|part| {
        let found = rustix::fs::statat(rustix::fs::CWD, *part, AtFlags::empty());
        !part.as_os_str().is_empty() && matches!(found, Err(Errno::NOENT))
    });
    let missing: Vec<&Path> = missing.collect();
    for part in missing.into_iter().rev() {
        match rustix::fs::mkdir(part, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(part, error)),
        }
        let parent = part
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        match rustix::fs::open(parent, DIRECTORY, Mode::empty()) {
            Ok(parent) => sync_directory(&parent).map_err(|error| failed(part, error))?,
            // A directory that may be searched but not read: only the whole file system can be synced.
            Err(Errno::ACCESS) => {
                let made = rustix::fs::open(part, DIRECTORY, Mode::empty());
                made.and_then(rustix::fs::syncfs)
                    .map_err(|error| failed(part, error))?;
            }
            Err(error) => return Err(failed(parent, error)),
        }
    }
    Ok(())
}

/// The system's error number behind an error, if there is one.
pub(super) fn errno(error: &StorageError) -> Option<Errno> {
    match error {
        StorageError::Io { source, .. } => Errno::from_io_error(source),
        _ => None,
    }
}

fn sync_directory(directory: &OwnedFd) -> std::result::Result<(), Errno> {
    match rustix::fs::fsync(directory) {
        // Some network file systems say so of every directory: they keep names safe by themselves, and
        // there is nothing else that could be done.
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error),
    }
}
