//! Says whether a live path holds what an entry says, by reading it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use model::{Content, Entry, Extent, Kind, Xattr};
use repository::{Repository, RepositoryError};
use source::SourceError;
use source::files::write::Directory;
use source::files::{xattrs_at, xattrs_of};

use crate::apply::Judge;

/// Compares live paths with entries of a repository.
#[derive(Debug)]
pub struct Verifier<'r> {
    repository: &'r Repository,
    /// One chunk, used again and again; who finds it taken makes another.
    buffer: Mutex<Vec<u8>>,
}

impl<'r> Verifier<'r> {
    /// Compares with what this repository holds.
    pub fn new(repository: &'r Repository) -> Self {
        Self {
            repository,
            buffer: Mutex::default(),
        }
    }

    /// Whether an open file holds the bytes of the entry.
    pub fn same_bytes(&self, file: &File, entry: &Entry) -> std::io::Result<bool> {
        if file.metadata()?.len() != entry.size {
            return Ok(false);
        }
        if let Content::Inline(bytes) = &entry.content {
            let mut found = vec![0; bytes.len()];
            return Ok(read_full(file, &mut found, 0)? && found == *bytes);
        }
        let extents = self.repository.extents(entry).map_err(other)?;
        let mut buffer = self
            .buffer
            .try_lock()
            .map_or_else(|_| Vec::new(), |mut buffer| std::mem::take(&mut *buffer));
        let mut at = 0;
        let mut same = true;
        for extent in &extents {
            same = self.same_extent(file, at, extent, &mut buffer)?;
            if !same {
                break;
            }
            at += extent.len();
        }
        if let Ok(mut kept) = self.buffer.try_lock() {
            *kept = buffer;
        }
        Ok(same)
    }

    fn same_extent(
        &self,
        file: &File,
        at: u64,
        extent: &Extent,
        buffer: &mut Vec<u8>,
    ) -> std::io::Result<bool> {
        /// Zeros are compared in pieces of this length, however long the hole.
        const PIECE: u64 = 1 << 20;
        let (id, len) = match extent {
            Extent::Data { id, len } => (Some(id), *len),
            Extent::Zeros { len } | Extent::Hole { len } => (None, *len),
        };
        if let Some(id) = id {
            buffer.resize(usize::try_from(len).map_err(std::io::Error::other)?, 0);
            let whole = read_full(file, buffer, at)?;
            return Ok(whole && self.repository.id_key().blob_id(buffer) == *id);
        }
        let mut done = 0;
        while done < len {
            let piece = (len - done).min(PIECE);
            buffer.resize(piece as usize, 0);
            if !read_full(file, buffer, at + done)? || buffer.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            done += piece;
        }
        Ok(true)
    }

    fn same_xattrs(
        &self,
        directory: &Directory,
        name: &[u8],
        entry: &Entry,
    ) -> Result<bool, SourceError> {
        let found = match entry.kind {
            Kind::File => {
                let file = directory.open_existing(name, false)?;
                xattrs_of(&file).map_err(|error| directory.error("read", name, error))?
            }
            _ => {
                xattrs_at(directory, name).map_err(|error| directory.error("read", name, error))?
            }
        };
        Ok(found == self.xattrs(entry)?)
    }
}

impl Judge for Verifier<'_> {
    fn holds(
        &self,
        directory: &Directory,
        name: &[u8],
        entry: &Entry,
    ) -> Result<bool, SourceError> {
        let Some(stat) = directory.stat(name)? else {
            return Ok(false);
        };
        let plain = stat.kind == entry.kind
            && (stat.mode == entry.mode || entry.kind == Kind::Symlink)
            && (stat.uid, stat.gid) == (entry.uid, entry.gid)
            && stat.device == entry.device;
        if !plain {
            return Ok(false);
        }
        let failed = |error| directory.error("read", name, error);
        let same = match entry.kind {
            Kind::File => {
                stat.size == entry.size
                    && self
                        .same_bytes(&directory.open_existing(name, false)?, entry)
                        .map_err(failed)?
            }
            Kind::Symlink => rustix::fs::readlinkat(directory, name, Vec::new())
                .map_err(|errno| failed(errno.into()))?
                .to_bytes()
                .eq(&entry.target),
            _ => true,
        };
        Ok(same && self.same_xattrs(directory, name, entry)?)
    }

    fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>, SourceError> {
        self.repository.xattrs(entry).map_err(|error| {
            SourceError::io("read the attributes kept for", "an entry", other(error))
        })
    }
}

fn other(error: RepositoryError) -> std::io::Error {
    std::io::Error::other(error)
}

/// Fills the buffer; `false` where the file ends before.
fn read_full(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
