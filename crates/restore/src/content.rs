//! Compares bytes of an open file with what the snapshot says they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use model::{Content, Entry, Extent};
use repository::Repository;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Read at once while looking for bytes other than zero.
const ZEROS_BYTES: usize = 256 << 10;

/// No stored chunk is longer than a segment can be, so no file that holds one is compared with more.
const CHUNK_BYTES_MAX: u64 = format::pack::SEGMENT_PLAIN_BYTES_MAX as u64;

/// Compares stretches of files; keeps its buffer.
#[derive(Default)]
pub(crate) struct Comparer {
    buffer: Vec<u8>,
}

impl Comparer {
    /// Whether the stretch of `file` at `offset` reads as the snapshot says.
    pub(crate) fn same(
        &mut self,
        repository: &Repository,
        file: &File,
        offset: u64,
        extent: &Extent,
    ) -> io::Result<bool> {
        match *extent {
            Extent::Data { len, .. } if len > CHUNK_BYTES_MAX => Ok(false),
            Extent::Data { id, len } => {
                self.buffer.resize(len as usize, 0);
                if !read_full(file, &mut self.buffer, offset)? {
                    return Ok(false);
                }
                Ok(repository.id_key().blob_id(&self.buffer) == id)
            }
            Extent::Zeros { len } | Extent::Hole { len } => self.zeros(file, offset, len),
        }
    }

    /// Whether all of `file` is what the entry says; the length was compared before.
    pub(crate) fn same_file(
        &mut self,
        repository: &Repository,
        file: &File,
        entry: &Entry,
        extents: &[Extent],
    ) -> io::Result<bool> {
        if let Content::Inline(bytes) = &entry.content {
            self.buffer.resize(bytes.len(), 0);
            return Ok(read_full(file, &mut self.buffer, 0)? && self.buffer == *bytes);
        }
        let mut offset = 0;
        for extent in extents {
            if !self.same(repository, file, offset, extent)? {
                return Ok(false);
            }
            offset += extent.len();
        }
        Ok(true)
    }

    /// Whether nothing but zeros can be read; holes are passed over.
    fn zeros(&mut self, file: &File, offset: u64, len: u64) -> io::Result<bool> {
        let Some(end) = offset.checked_add(len) else {
            return Ok(false);
        };
        if file.metadata()?.len() < end {
            return Ok(false);
        }
        let mut at = offset;
        while at < end {
            match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Ok(data) if data >= end => return Ok(true),
                Ok(data) => at = data,
                Err(Errno::NXIO) => return Ok(true),
                Err(Errno::INVAL | Errno::NOTSUP) => {}
                Err(errno) => return Err(errno.into()),
            }
            let len = (end - at).min(ZEROS_BYTES as u64) as usize;
            self.buffer.resize(len, 0);
            if !read_full(file, &mut self.buffer, at)? || self.buffer.iter().any(|&b| b != 0) {
                return Ok(false);
            }
            at += len as u64;
        }
        Ok(true)
    }
}

/// Fills the buffer; `false` where the file ends before.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
