//! Content that is in memory, stored as a backup of a file with just these bytes would store it.

use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;

use model::Content;
use repository::{Packer, Repository};
use rustix::fs::MemfdFlags;
use source::files::Stat;
use source::files::write::write_at;

use crate::content::{ContentError, ContentReader, INLINE_BYTES_MAX};
use crate::error::{BackupError, Result};
use crate::sink::{Namer, Sink};

/// What the entry of a file with these bytes would say, storing nothing.
pub fn content_of_bytes(repository: &Repository, bytes: &[u8]) -> Result<Content> {
    let counted = AtomicU64::new(0);
    read(repository, bytes, &mut Namer::new(repository, &counted))
}

/// Stores the bytes; they are durable when the session is.
pub fn store_bytes(
    packer: &mut Packer<'_, '_>,
    repository: &Repository,
    bytes: &[u8],
) -> Result<Content> {
    read(repository, bytes, packer)
}

/// Short content is taken as it is, as from a file of one chunk. The rest goes through a file in memory,
/// so that there is one way to cut content.
fn read(repository: &Repository, bytes: &[u8], sink: &mut impl Sink) -> Result<Content> {
    let len = bytes.len() as u64;
    if len <= INLINE_BYTES_MAX {
        return Ok(match bytes {
            [] => Content::Empty,
            bytes => Content::Inline(bytes.to_vec()),
        });
    }
    if len <= u64::from(repository.keyset().chunk_params().min) {
        return Ok(Content::Blob(sink.add(bytes)?));
    }
    let failed = |errno: rustix::io::Errno| {
        BackupError::Source(source::SourceError::io("read", "merged content", errno))
    };
    let file = rustix::fs::memfd_create(c"recoup", MemfdFlags::CLOEXEC).map_err(failed)?;
    write_at(&file, 0, bytes).map_err(failed)?;
    let stat = Stat::of(&file).map_err(failed)?;
    let params = repository.keyset().chunk_params();
    let mut reader = ContentReader::new(repository.chunker(), params);
    match reader.read(file.as_fd(), &stat, sink) {
        Ok((content, _)) => Ok(content),
        Err(ContentError::Stop(error)) => Err(error),
        Err(ContentError::Read(error)) => Err(BackupError::Source(source::SourceError::io(
            "read",
            "merged content",
            error,
        ))),
    }
}
