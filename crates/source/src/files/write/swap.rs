//! Moves that either happen whole or change nothing: into a free name, or two names exchanged.
//!
//! Owns what the answers of the system mean to whoever compares before and after. A name that is
//! taken, or gone, is an answer here and not an error: it is what somebody else was faster with.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::{Directory, Result};

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// It happened.
    Done,
    /// Something stands at the new name; nothing was changed.
    Taken,
    /// One of the names is gone, or the directory that held it; nothing was changed.
    Gone,
    /// The names lie on two file systems, or on two mounts of one.
    Elsewhere,
    /// Something is mounted there, or the system itself uses it.
    InUse,
    /// The file system, or the kernel, has no such move.
    Unsupported,
}

/// What became of the removal of a directory that was to be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptied {
    /// It was empty and is gone.
    Removed,
    /// Something is in it; nothing was changed.
    NotEmpty,
    /// There was none.
    Absent,
}

impl Directory {
    /// Moves an entry to a name that must be free.
    pub fn move_to_free(&self, name: &[u8], to: &Self, to_name: &[u8]) -> Result<Swap> {
        self.swap("move", RenameFlags::NOREPLACE, name, to, to_name)
    }

    /// Exchanges two entries, of whatever kinds, in one step.
    pub fn exchange(&self, name: &[u8], with: &Self, with_name: &[u8]) -> Result<Swap> {
        self.swap("exchange", RenameFlags::EXCHANGE, name, with, with_name)
    }

    /// Moves an entry to a name that is free as far as anybody looked: for directories that are nobody
    /// else's, on file systems that can't promise more.
    pub fn move_unguarded(&self, name: &[u8], to: &Self, to_name: &[u8]) -> Result<Swap> {
        self.swap("move", RenameFlags::empty(), name, to, to_name)
    }

    /// Gives what `name` is a second name, which must be free; a symbolic link is not followed.
    pub fn link_to_free(&self, name: &[u8], to: &Self, to_name: &[u8]) -> Result<Swap> {
        self.check(name)?;
        to.check(to_name)?;
        match to.link_from(to_name, self, name) {
            // What this file system says of every hard link, or of links to this kind of thing.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Swap::Unsupported),
            done => self.answer("link", name, done),
        }
    }

    /// Removes a directory if it is empty, as one step of the system.
    pub fn remove_if_empty(&self, name: &[u8]) -> Result<Emptied> {
        self.check(name)?;
        match rustix::fs::unlinkat(self.as_fd(), name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(Emptied::Removed),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Emptied::NotEmpty),
            Err(Errno::NOENT) => Ok(Emptied::Absent),
            Err(errno) => Err(self.failed("remove", name, errno)),
        }
    }

    fn swap(
        &self,
        action: &'static str,
        flags: RenameFlags,
        name: &[u8],
        to: &Self,
        to_name: &[u8],
    ) -> Result<Swap> {
        self.check(name)?;
        to.check(to_name)?;
        match self.rename_to(name, to, to_name, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !flags.is_empty() => {
                Ok(Swap::Unsupported)
            }
            done => self.answer(action, name, done),
        }
    }

    fn answer(
        &self,
        action: &'static str,
        name: &[u8],
        done: rustix::io::Result<()>,
    ) -> Result<Swap> {
        match done {
            Ok(()) => Ok(Swap::Done),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(Swap::Taken),
            Err(Errno::NOENT) => Ok(Swap::Gone),
            Err(Errno::XDEV) => Ok(Swap::Elsewhere),
            Err(Errno::BUSY) => Ok(Swap::InUse),
            Err(errno) => Err(self.failed(action, name, errno)),
        }
    }
}
