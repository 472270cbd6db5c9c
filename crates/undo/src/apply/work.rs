//! The work directory of one operation: what it is about to place, what it has displaced.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use source::SourceError;
use source::files::beneath::open_beneath;
use source::files::write::{Emptied, TreeWriter};

use super::place::{self, Home};
use crate::error::{Result, UndoError};

const STAGED: &str = "staged";
const QUARANTINE: &str = "quarantine";
/// Things on their way from one name of the tree to another.
const MOVING: &str = "moving";

/// An open work directory.
#[derive(Debug)]
pub struct Work {
    name: String,
    home: Home,
    top: TreeWriter,
    pub(super) staged: TreeWriter,
    pub(super) quarantine: TreeWriter,
    pub(super) moving: TreeWriter,
}

/// A work directory that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldWork {
    /// Name of the operation.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
}

impl Work {
    /// Makes the work directory of a new operation on the tree at `root`, in the best place that takes
    /// it: at the mount point, else as far out as this user may write, else in the tree itself.
    pub fn create(root: &Path, name: &str) -> Result<Self> {
        let mut why = "there is no directory above it".to_string();
        for place in place::candidates(root)? {
            match Self::create_in(&place, root, name) {
                Ok(work) => return Ok(work),
                Err(begun @ UndoError::Begun { .. }) => return Err(begun),
                Err(error) => why = error.to_string(),
            }
        }
        Err(UndoError::NoPlace {
            root: root.to_path_buf(),
            why,
        })
    }

    /// The same, in the directory `place` only, which must be on the file system of the tree.
    pub fn create_in(place: &Path, root: &Path, name: &str) -> Result<Self> {
        check_name(name)?;
        if !place::same_mount(
            &std::fs::canonicalize(place).map_err(|e| io(place, e))?,
            root,
        )? {
            return Err(UndoError::NotOurs {
                path: place.to_path_buf(),
                why: "it is on another file system than the tree",
            });
        }
        let home = place::home_in(place, true)?.ok_or_else(|| UndoError::NotOurs {
            path: place.to_path_buf(),
            why: "it does not keep what is made in it",
        })?;
        let path = home.path.join(name);
        let make = |at: &rustix::fd::OwnedFd, name: &str| rustix::fs::mkdirat(at, name, Mode::RWXU);
        match make(&home.fd, name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(UndoError::Begun { path }),
            Err(errno) => return Err(io(&path, errno)),
        }
        Self::open_home(home, name)
    }

    /// Opens the work directory of an operation that was begun; `None` if there is none.
    pub fn open(root: &Path, name: &str) -> Result<Option<Self>> {
        check_name(name)?;
        for place in place::candidates(root)? {
            match Self::open_in(&place, name) {
                Ok(None) | Err(_) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// The same, in the directory `place` only.
    pub fn open_in(place: &Path, name: &str) -> Result<Option<Self>> {
        check_name(name)?;
        let Some(home) = place::home_in(place, false)? else {
            return Ok(None);
        };
        match Self::open_home(home, name) {
            Err(UndoError::Tree(SourceError::NotFound { .. })) => Ok(None),
            done => done.map(Some),
        }
    }

    /// All work directories for trees on this one's file system, those that nobody finished and those
    /// whose quarantine is kept.
    pub fn list(root: &Path) -> Result<Vec<OldWork>> {
        let mut found = Vec::new();
        for place in place::candidates(root)? {
            // A `.recoup` that is not ours has nothing of ours in it.
            let Ok(Some(home)) = place::home_in(&place, false) else {
                continue;
            };
            for name in tree_at(&home.fd, "", &home.path)?.directory(b"")?.names()? {
                if let Some(name) = String::from_utf8(name)
                    .ok()
                    .filter(|name| place::is_operation(name.as_bytes()))
                {
                    let path = home.path.join(&name);
                    found.push(OldWork { name, path });
                }
            }
        }
        found.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(found)
    }

    fn open_home(home: Home, name: &str) -> Result<Self> {
        let path = home.path.join(name);
        let top = tree_at(&home.fd, name, &path)?;
        let part = |part: &str| {
            top.create_directory(part.as_bytes())?;
            tree_at(top.root_fd(), part, &path.join(part))
        };
        let (staged, quarantine, moving) = (part(STAGED)?, part(QUARANTINE)?, part(MOVING)?);
        Ok(Self {
            name: name.to_string(),
            home,
            top,
            staged,
            quarantine,
            moving,
        })
    }

    /// Name of the operation.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.top.path()
    }

    /// Where what the steps place is staged, under the keys of the steps.
    pub fn staged(&self) -> &Path {
        self.staged.path()
    }

    /// Where what the steps displace goes, under the keys of the steps.
    pub fn quarantine(&self) -> &Path {
        self.quarantine.path()
    }

    /// Removes every part of the work directory that holds nothing, and the whole if nothing is left:
    /// `true` then. Only empty directories are removed.
    pub fn remove_when_empty(self) -> Result<bool> {
        for part in [&self.staged, &self.moving, &self.quarantine] {
            remove_empty_directories(part)?;
        }
        let top = self.top.directory(b"")?;
        for part in [STAGED, MOVING, QUARANTINE] {
            top.remove_if_empty(part.as_bytes())?;
        }
        let home = tree_at(&self.home.fd, "", &self.home.path)?;
        let home_directory = home.directory(b"")?;
        if home_directory.remove_if_empty(self.name.as_bytes())? == Emptied::NotEmpty {
            return Ok(false);
        }
        place::remove_home(&self.home, &home_directory.names()?)
            .map_err(|errno| io(&self.home.path, errno))?;
        Ok(true)
    }
}

/// Tries every directory beneath the root, deepest first; those that hold something stay.
fn remove_empty_directories(tree: &TreeWriter) -> Result<()> {
    let mut found: Vec<Vec<u8>> = vec![Vec::new()];
    let mut next = 0;
    while next < found.len() {
        let key = found[next].clone();
        next += 1;
        let directory = tree.directory(&key)?;
        for name in directory.names()? {
            if directory
                .stat(&name)?
                .is_some_and(|stat| stat.kind == model::Kind::Directory)
            {
                let mut child = key.clone();
                if !child.is_empty() {
                    child.push(0);
                }
                child.extend_from_slice(&name);
                found.push(child);
            }
        }
    }
    for key in found.iter().skip(1).rev() {
        tree.forget(key);
        let parent = model::key::parent(key).unwrap_or_default();
        let name = key.rsplit(|&byte| byte == 0).next().unwrap_or_default();
        tree.directory(parent)?.remove_if_empty(name)?;
    }
    Ok(())
}

fn tree_at(from: impl AsFd, name: &str, path: &Path) -> Result<TreeWriter> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let fd = open_beneath(from.as_fd(), name.as_bytes(), flags, Mode::empty())
        .map_err(|errno| io(path, errno))?;
    Ok(TreeWriter::held(fd, path))
}

fn check_name(name: &str) -> Result<()> {
    let usable = !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte > b' ' && byte != b'/' && byte != 127)
        && place::is_operation(name.as_bytes());
    usable.then_some(()).ok_or(UndoError::Plan {
        why: "the name of the operation can't be the name of a directory",
    })
}

fn io(path: &Path, error: impl Into<std::io::Error>) -> UndoError {
    SourceError::io("open", path, error).into()
}
