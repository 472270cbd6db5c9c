//! Writing one object of a local repository, from the first byte to the sync of its directory.

use super::temporary::Temporary;
use super::tree::Tree;
use crate::error::Result;
use crate::error::StorageError;
use crate::name::ObjectName;
use crate::storage::ObjectWriter;
use rustix::fs::Advice;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::io;
use std::io::Write;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct LocalWriter<'a> {
    tree: &'a Tree,
    name: ObjectName,
    directory: OwnedFd,
    temporary: Temporary<'a>,
    written: u64,
    /// How much of it the disk has been asked to take.
    hinted: u64,
    /// A write failed: the file is not what was appended.
    broken: bool,
}

impl<'a> LocalWriter<'a> {
    pub(super) fn create(tree: &'a Tree, name: ObjectName) -> Result<Self> {
        let directory = tree.make_directory(&name.directory())?;
        let temporary = Temporary::create(tree, &directory)?;
        Ok(Self {
            tree,
            name,
            directory,
            temporary,
            written: 0,
            hinted: 0,
            broken: false,
        })
    }
}

impl ObjectWriter for LocalWriter<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.temporary.file().write_all(bytes) {
            self.broken = true;
            return Err(StorageError::from_io("write", self.name, error));
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn flush_hint(&mut self) {
        if let Some(len) = NonZeroU64::new(self.written - self.hinted) {
            // Linux begins to write the pages out, without waiting, before it sees which it could drop.
            let file = self.temporary.file();
            let _ = rustix::fs::fadvise(file, self.hinted, Some(len), Advice::DontNeed);
            self.hinted = self.written;
        }
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self {
            tree,
            name,
            directory,
            temporary,
            broken,
            ..
        } = *self;
        if broken {
            let source = io::Error::other("an earlier write to it failed");
            return Err(StorageError::Io {
                action: "store",
                what: name.to_string(),
                source,
            });
        }
        sync(&temporary, name)?;
        match temporary.publish_new(&directory, &name.file_name()) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // Whoever is told that it exists may rely on it: its own writer may not be so far yet.
                tree.sync(&name.directory(), &directory)?;
                return Err(StorageError::AlreadyExists { name });
            }
            Err(error) => return Err(StorageError::from_io("store", name, error)),
        }
        tree.sync(&name.directory(), &directory).inspect_err(|_| {
            // Not known to be durable, so not to be seen.
            let _ = rustix::fs::unlinkat(&directory, name.file_name(), AtFlags::empty());
        })
    }
}

/// Stores an object in place of the one that has the name.
pub(super) fn replace(tree: &Tree, name: ObjectName, bytes: &[u8]) -> Result<()> {
    let directory = tree.make_directory(&name.directory())?;
    let temporary = Temporary::named(tree)?;
    let failed = |error: io::Error| StorageError::from_io("write", name, error);
    temporary.file().write_all(bytes).map_err(failed)?;
    sync(&temporary, name)?;
    let published = temporary.publish_over(&directory, &name.file_name());
    published.map_err(|error| StorageError::from_io("store", name, error))?;
    tree.sync(&name.directory(), &directory)
}

fn sync(temporary: &Temporary<'_>, name: ObjectName) -> Result<()> {
    temporary
        .file()
        .sync_all()
        .map_err(|error| StorageError::from_io("sync", name, error))
}
