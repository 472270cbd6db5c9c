//! Files that are not objects yet.
//!
//! A file without a name vanishes with its process. Where the file system has none such, the file lies in
//! `tmp/`, locked while its writer lives.

use super::tree::Tree;
use crate::error::Result;
use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::FlockOperation;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RenameFlags;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Where temporary files with names lie.
pub(super) const DIRECTORY: &str = "tmp";

/// A file in `tmp/` is left over when nobody has written to it for so long, and nobody holds its lock.
/// The time is for writers on other machines, whose locks may not be seen here.
const STALE_SECS: i64 = 24 * 60 * 60;

/// How many names are tried. Another process may have taken some: ids of processes repeat across
/// machines and containers.
const NAMES_MAX: u32 = 1000;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file that is not an object yet; gone when dropped.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    tree: &'a Tree,
    file: File,
    /// Path within the repository, if it has one.
    path: Option<String>,
}

impl<'a> Temporary<'a> {
    /// A file that will become an object in `directory`.
    pub(super) fn create(tree: &'a Tree, directory: &OwnedFd) -> Result<Self> {
        if tree.has_unnamed() {
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            match rustix::fs::openat(directory, ".", flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    return Ok(Self {
                        tree,
                        file: File::from(file),
                        path: None,
                    });
                }
                // How systems and file systems say that they don't have it.
                Err(Errno::NOTSUP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => {
                    tree.give_up_unnamed();
                }
                Err(error) => return Err(tree.failed("write to", DIRECTORY, error)),
            }
        }
        Self::named(tree)
    }

    /// A file with a name, which can take the place of an object.
    pub(super) fn named(tree: &'a Tree) -> Result<Self> {
        let directory = tree.make_directory(DIRECTORY)?;
        let file = open_new(&directory);
        let (file, name) = file.map_err(|error| tree.failed("write to", DIRECTORY, error))?;
        // For remove_stale; where there are no locks, age alone decides.
        let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        let path = Some(format!("{DIRECTORY}/{name}"));
        Ok(Self {
            tree,
            file: File::from(file),
            path,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name if that is free; `EXIST` if not.
    pub(super) fn publish_new(
        mut self,
        directory: &OwnedFd,
        name: &str,
    ) -> std::result::Result<(), Errno> {
        let Some(path) = &self.path else {
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            return rustix::fs::linkat(CWD, unnamed, directory, name, AtFlags::SYMLINK_FOLLOW);
        };
        let root = self.tree.root();
        match rustix::fs::renameat_with(root, path, directory, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.path = None;
                Ok(())
            }
            // NFS and older FUSE. A link doesn't replace either; its temporary name goes with the drop.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link(path, directory, name),
            Err(error) => Err(error),
        }
    }

    /// Gives the file its name, in place of what has it now.
    pub(super) fn publish_over(
        mut self,
        directory: &OwnedFd,
        name: &str,
    ) -> std::result::Result<(), Errno> {
        let path = self.path.as_deref().unwrap_or_default();
        rustix::fs::renameat(self.tree.root(), path, directory, name)?;
        self.path = None;
        Ok(())
    }

    fn link(&self, path: &str, directory: &OwnedFd, name: &str) -> std::result::Result<(), Errno> {
        match rustix::fs::linkat(self.tree.root(), path, directory, name, AtFlags::empty()) {
            // When the answer of a server was lost and the request repeated, it is our own.
            Err(Errno::EXIST) => {
                let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let ours = rustix::fs::fstat(&self.file)?;
                let same = (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino);
                if same { Ok(()) } else { Err(Errno::EXIST) }
            }
            other => other,
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays behind is removed by a later remove_stale.
            let _ = rustix::fs::unlinkat(self.tree.root(), path, AtFlags::empty());
        }
    }
}

/// Removes what killed processes left behind. Nothing depends on it: whatever fails is left for the next
/// time, as in a repository that may only be read.
pub(super) fn remove_stale(tree: &Tree) {
    let entries = tree.entries(DIRECTORY).unwrap_or_default();
    let ours = entries
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| is_ours(name));
    let found: Vec<&str> = ours.collect();
    if found.is_empty() {
        return;
    }
    let Ok(directory) = tree.open_directory(DIRECTORY) else {
        return;
    };
    // A new file knows the time by the clock that the others were dated with, which may be a server's.
    let Ok((probe, probe_name)) = open_new(&directory) else {
        return;
    };
    let now = rustix::fs::fstat(&probe).map(|stat| stat.st_mtime);
    let _ = rustix::fs::unlinkat(&directory, probe_name, AtFlags::empty());
    let Ok(now) = now else { return };
    for name in found {
        let stale = |stat: Stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && now.saturating_sub(stat.st_mtime) > STALE_SECS
        };
        let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
        if stat.is_ok_and(stale) && is_unlocked(&directory, name) {
            let _ = rustix::fs::unlinkat(&directory, name, AtFlags::empty());
        }
    }
}

fn open_new(directory: &OwnedFd) -> std::result::Result<(OwnedFd, String), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    for _ in 0..NAMES_MAX {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        match rustix::fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((file, name)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

fn is_ours(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-')
        .is_some_and(|(process, number)| digits(process) && digits(number))
}

fn is_unlocked(directory: &OwnedFd, name: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
        return false;
    };
    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    !matches!(locked, Err(Errno::WOULDBLOCK))
}
