//! Storage in a directory of a local or mounted file system.
//!
//! The directory is held open: when a disk is unmounted or another one mounted over it, nothing is
//! written to the wrong place and nothing looks empty. An object is written to a file without a name
//! (or, where the file system has none such, to `tmp/`), synced, given its name, and then the directories
//! are synced. A sync that failed is never tried again: the kernel may have dropped the data and would
//! report success. After a failed sync of a directory the storage takes nothing more.

mod tree;
mod temporary;
mod writer;

use crate::error::Result;
use crate::error::StorageError;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::ObjectWriter;
use crate::storage::Storage;
use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use tree::Tree;
use writer::LocalWriter;

/// A repository in a directory.
#[derive(Debug)]
pub struct LocalStorage {
    path: PathBuf,
    tree: Tree,
}

impl LocalStorage {
    /// Makes the directories of a new repository. The path may be new, an empty directory, the top of an
    /// empty file system, or what an interrupted creation left. The repository exists once its config
    /// has been stored, which the caller does last.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        tree::make_root(&path)?;
        let storage = Self {
            tree: Tree::open(&path)?,
            path,
        };
        if storage.has_config()? {
            return Err(StorageError::AlreadyExists {
                name: ObjectName::Config,
            });
        }
        storage.refuse_strangers()?;
        for kind in ObjectKind::ALL {
            let directory = storage.tree.make_directory(kind.directory())?;
            storage.tree.sync(kind.directory(), &directory)?;
        }
        Ok(storage)
    }

    /// Opens the repository in this directory. Removes what killed processes left in `tmp/` more than a
    /// day ago, as far as that is allowed.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let tree = match Tree::open(&path) {
            Ok(tree) => tree,
            Err(error) => match tree::errno(&error) {
                Some(Errno::NOENT | Errno::NOTDIR) => {
                    return Err(StorageError::NotARepository { path });
                }
                _ => return Err(error),
            },
        };
        let storage = Self { path, tree };
        if !storage.has_config()? {
            return Err(StorageError::NotARepository { path: storage.path });
        }
        temporary::remove_stale(&storage.tree);
        Ok(storage)
    }

    /// Opens a directory that may have lost its config, to write that anew. There must be keys.
    pub fn open_without_config(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let not_there = |path: PathBuf| StorageError::NotARepository { path };
        let tree = match Tree::open(&path) {
            Ok(tree) => tree,
            Err(error) => match tree::errno(&error) {
                Some(Errno::NOENT | Errno::NOTDIR) => return Err(not_there(path)),
                _ => return Err(error),
            },
        };
        let storage = Self { path, tree };
        match storage.list(ObjectKind::Key) {
            Ok(keys) if !keys.is_empty() => Ok(storage),
            _ => Err(not_there(storage.path)),
        }
    }

    /// Where the repository is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes this user could still store.
    pub fn available_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::fstatvfs(self.tree.root())
            .map_err(|error| self.failed("measure the free space of", error))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The number of the device that the repository lies on, as in `st_dev`.
    pub fn device(&self) -> Result<u64> {
        let stat =
            rustix::fs::fstat(self.tree.root()).map_err(|error| self.failed("look at", error))?;
        Ok(stat.st_dev)
    }

    /// Whether `path` lies on the same device, so that one broken disk would take both. Two partitions of
    /// one disk, and two subvolumes, count as different devices.
    pub fn same_device(&self, path: &Path) -> Result<bool> {
        let stat = rustix::fs::stat(path)
            .map_err(|error| StorageError::from_io("look at", path.display(), error))?;
        Ok(stat.st_dev == self.device()?)
    }

    /// Writes through `tmp/`, as on file systems that have no files without names.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn with_named_temporaries(self) -> Self {
        self.tree.give_up_unnamed();
        self
    }

    fn failed(&self, action: &'static str, error: Errno) -> StorageError {
        StorageError::from_io(action, self.path.display(), error)
    }

    fn has_config(&self) -> Result<bool> {
        match self.size(&ObjectName::Config) {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn refuse_strangers(&self) -> Result<()> {
        // Every file system has a directory lost+found at its top after it was made.
        let ours = |name: &str| {
            matches!(name, "lost+found" | temporary::DIRECTORY)
                || ObjectKind::ALL.iter().any(|kind| kind.directory() == name)
        };
        let mut familiar = true;
        for name in self.tree.entries("")? {
            familiar &= name.to_str().is_some_and(ours);
        }
        // Keys alone may be left by an interrupted creation. Anything else belongs to a repository that
        // has lost its config: to be repaired, not made anew.
        for kind in [
            ObjectKind::Pack,
            ObjectKind::Index,
            ObjectKind::Snapshot,
            ObjectKind::Log,
        ] {
            familiar = familiar && self.list(kind)?.is_empty();
        }
        if familiar {
            Ok(())
        } else {
            Err(StorageError::NotEmpty {
                path: self.path.clone(),
            })
        }
    }

    fn open_object(&self, name: &ObjectName) -> Result<(File, u64)> {
        let failed = |error: Errno| match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => StorageError::Missing { name: *name },
            error => StorageError::from_io("open", name, error),
        };
        // NONBLOCK: a named pipe in place of the object must not hold us up.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let path = name.to_string();
        let file =
            rustix::fs::openat(self.tree.root(), &path, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(StorageError::Missing { name: *name });
        }
        Ok((File::from(file), stat.st_size as u64))
    }

    fn list_directory(&self, directory: &str, found: &mut Vec<(ObjectName, u64)>) -> Result<()> {
        for entry in self.tree.entries(directory)? {
            let Some(name) = entry.to_str() else { continue };
            let Ok(name) = format!("{directory}/{name}").parse::<ObjectName>() else {
                continue;
            };
            match self.size(&name) {
                Ok(len) => found.push((name, len)),
                // Removed since, or not a file.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Storage for LocalStorage {
    fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>> {
        Ok(Box::new(LocalWriter::create(&self.tree, *name)?))
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        writer::replace(&self.tree, *name, bytes)
    }

    fn read(&self, name: &ObjectName) -> Result<Vec<u8>> {
        let (file, have) = self.open_object(name)?;
        let limit = name.kind().bytes_max();
        if have > limit {
            return Err(StorageError::TooLarge {
                name: *name,
                have,
                limit,
            });
        }
        let mut bytes = vec![0; have as usize];
        fill(&file, name, 0, &mut bytes)?;
        Ok(bytes)
    }

    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let (file, have) = self.open_object(name)?;
        let wanted = offset.saturating_add(buffer.len() as u64);
        if wanted > have {
            return Err(StorageError::Truncated {
                name: *name,
                wanted,
                have,
            });
        }
        fill(&file, name, offset, buffer)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>> {
        let mut found = Vec::new();
        match kind {
            ObjectKind::Config => match self.size(&ObjectName::Config) {
                Ok(len) => found.push((ObjectName::Config, len)),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            },
            ObjectKind::Pack | ObjectKind::Log => {
                let digits = if kind == ObjectKind::Pack { 2 } else { 32 };
                for entry in self.tree.entries(kind.directory())? {
                    if let Some(inner) = entry.to_str().filter(|name| is_hex(name, digits)) {
                        self.list_directory(&format!("{}/{inner}", kind.directory()), &mut found)?;
                    }
                }
            }
            _ => self.list_directory(kind.directory(), &mut found)?,
        }
        found.sort_unstable();
        Ok(found)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        let path = name.to_string();
        match rustix::fs::statat(self.tree.root(), &path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(stat.st_size as u64)
            }
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Err(StorageError::Missing { name: *name }),
            Err(error) => Err(StorageError::from_io("look at", name, error)),
        }
    }

    fn remove(&self, name: &ObjectName) -> Result<()> {
        self.size(name)?;
        let directory = self.tree.open_directory(&name.directory())?;
        match rustix::fs::unlinkat(&directory, name.file_name(), AtFlags::empty()) {
            Ok(()) => self.tree.sync(&name.directory(), &directory),
            Err(Errno::NOENT) => Err(StorageError::Missing { name: *name }),
            Err(error) => Err(StorageError::from_io("remove", name, error)),
        }
    }
}

/// Whether this is the name of one of the directories that packs and logs are divided into.
fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn fill(file: &File, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            // It was cut short since it was opened.
            let have = file.metadata().map_or(offset, |metadata| metadata.len());
            let wanted = offset.saturating_add(buffer.len() as u64);
            return StorageError::Truncated {
                name: *name,
                wanted,
                have,
            };
        }
        StorageError::from_io("read", name, error)
    })
}

#[cfg(test)]
mod tests;
