//! Where chunks go: into the repository, or nowhere when only their ids are wanted.

use model::BlobId;
use repository::{Packer, Repository};

use crate::error::Result;

/// Takes the chunks of one worker.
pub(crate) trait Sink {
    /// Room for a chunk of at most `len` bytes.
    fn tail(&mut self, len: usize) -> &mut [u8];

    /// Takes the first `len` bytes of the tail.
    fn add_tail(&mut self, len: usize) -> Result<BlobId>;

    /// Takes a chunk.
    fn add(&mut self, bytes: &[u8]) -> Result<BlobId>;

    /// Nothing more comes.
    fn finish(self) -> Result<()>;
}

impl Sink for Packer<'_, '_> {
    fn tail(&mut self, len: usize) -> &mut [u8] {
        Packer::tail(self, len)
    }

    fn add_tail(&mut self, len: usize) -> Result<BlobId> {
        Ok(Packer::add_tail(self, len)?.id)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<BlobId> {
        Ok(Packer::add(self, bytes)?.id)
    }

    fn finish(self) -> Result<()> {
        Ok(Packer::finish(self)?)
    }
}

/// Names chunks and stores none; counts the bytes that would be new.
#[derive(Debug)]
pub(crate) struct Namer<'r> {
    repository: &'r Repository,
    buffer: Vec<u8>,
    new_bytes: &'r std::sync::atomic::AtomicU64,
}

impl<'r> Namer<'r> {
    pub(crate) fn new(
        repository: &'r Repository,
        new_bytes: &'r std::sync::atomic::AtomicU64,
    ) -> Self {
        Self {
            repository,
            buffer: Vec::new(),
            new_bytes,
        }
    }

    fn name(&self, bytes: &[u8]) -> Result<BlobId> {
        let id = self.repository.id_key().blob_id(bytes);
        if !self.repository.contains(&id)? {
            self.new_bytes
                .fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(id)
    }
}

impl Sink for Namer<'_> {
    fn tail(&mut self, len: usize) -> &mut [u8] {
        self.buffer.resize(len.max(self.buffer.len()), 0);
        &mut self.buffer[..len]
    }

    fn add_tail(&mut self, len: usize) -> Result<BlobId> {
        self.name(&self.buffer[..len])
    }

    fn add(&mut self, bytes: &[u8]) -> Result<BlobId> {
        self.name(bytes)
    }

    fn finish(self) -> Result<()> {
        Ok(())
    }
}
