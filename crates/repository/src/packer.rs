//! A packer: one worker's way of storing blobs.
//!
//! Small blobs are gathered into segments in the order they come, then compressed and sealed together;
//! a large blob is a segment of its own. Each packer has its own open pack, so that workers never wait
//! for each other.

use codec::{Compressor, Encoding};
use format::pack::{PackedBlob, PackedSegment};
use model::BlobId;

use crate::error::Result;
use crate::pack::PackWriter;
use crate::session::Session;

/// Packs are closed when they are this long: few enough for any storage, small enough to copy again.
pub const PACK_BYTES: u64 = 32 << 20;

/// Plaintext of a segment of file data (`docs/decisions` has the figures behind it).
pub const DATA_SEGMENT_BYTES: usize = 1 << 20;

/// Plaintext of a segment of map nodes: smaller, since nodes are read one at a time.
pub const MAP_SEGMENT_BYTES: usize = 256 << 10;

/// How hard to compress.
pub const COMPRESSION_LEVEL: i32 = 3;

/// A blob that was handed to a packer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Its id.
    pub id: BlobId,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Stores blobs for one worker.
pub struct Packer<'a, 'r> {
    session: &'a Session<'r>,
    is_map: bool,
    segment_bytes: usize,
    compressor: Compressor,
    /// Blobs of the open segment, behind each other; beyond [`Packer::filled`], room for a tail.
    plain: Vec<u8>,
    filled: usize,
    blobs: Vec<PackedBlob>,
    sealed: Vec<u8>,
    pack: Option<PackWriter<'r>>,
}

impl std::fmt::Debug for Packer<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer")
            .field("is_map", &self.is_map)
            .finish_non_exhaustive()
    }
}

impl<'a, 'r> Packer<'a, 'r> {
    /// A packer of file data.
    pub fn data(session: &'a Session<'r>) -> Self {
        Self::new(session, false, DATA_SEGMENT_BYTES)
    }

    /// A packer of map nodes and lists.
    pub fn map(session: &'a Session<'r>) -> Self {
        Self::new(session, true, MAP_SEGMENT_BYTES)
    }

    fn new(session: &'a Session<'r>, is_map: bool, segment_bytes: usize) -> Self {
        Self {
            session,
            is_map,
            segment_bytes,
            compressor: Compressor::new(COMPRESSION_LEVEL),
            plain: Vec::new(),
            filled: 0,
            blobs: Vec::new(),
            sealed: Vec::new(),
            pack: None,
        }
    }

    /// Stores a blob, unless it is stored already.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Added> {
        let id = self.session.repository().id_key().blob_id(bytes);
        let is_new = self.session.claim(&id)?;
        if is_new {
            if bytes.len() >= self.segment_bytes / 2 {
                self.seal(
                    bytes,
                    vec![PackedBlob {
                        id,
                        len: bytes.len() as u32,
                    }],
                )?;
            } else {
                self.plain.truncate(self.filled);
                self.plain.extend_from_slice(bytes);
                self.push(id, bytes.len())?;
            }
        }
        Ok(Added { id, is_new })
    }

    /// Room for a blob of at most `len` bytes, for its reader to fill: saves a copy.
    pub fn tail(&mut self, len: usize) -> &mut [u8] {
        self.plain
            .resize(self.filled.saturating_add(len).max(self.plain.len()), 0);
        &mut self.plain[self.filled..self.filled + len]
    }

    /// Stores the first `len` bytes of the tail as a blob, unless it is stored already.
    pub fn add_tail(&mut self, len: usize) -> Result<Added> {
        let bytes = &self.plain[self.filled..self.filled + len];
        let id = self.session.repository().id_key().blob_id(bytes);
        let is_new = self.session.claim(&id)?;
        if is_new {
            self.push(id, len)?;
        }
        Ok(Added { id, is_new })
    }

    fn push(&mut self, id: BlobId, len: usize) -> Result<()> {
        self.blobs.push(PackedBlob {
            id,
            len: len as u32,
        });
        self.filled += len;
        if self.filled >= self.segment_bytes {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Seals the open segment.
    fn flush(&mut self) -> Result<()> {
        if self.blobs.is_empty() {
            return Ok(());
        }
        let plain = std::mem::take(&mut self.plain);
        let blobs = std::mem::take(&mut self.blobs);
        let result = self.seal(&plain[..self.filled], blobs);
        self.plain = plain;
        self.filled = 0;
        result
    }

    fn seal(&mut self, plain: &[u8], blobs: Vec<PackedBlob>) -> Result<()> {
        self.sealed.clear();
        self.sealed.push(Encoding::Stored as u8);
        self.sealed[0] = self.compressor.compress(plain, &mut self.sealed) as u8;
        let pack = match &mut self.pack {
            Some(pack) => pack,
            none => {
                let repository = self.session.repository();
                none.insert(PackWriter::create(
                    repository.storage(),
                    self.is_map,
                    repository.keyset(),
                    repository.entropy(),
                )?)
            }
        };
        pack.append(
            &mut self.sealed,
            PackedSegment {
                offset: 0,
                stored_len: 0,
                blobs,
            },
        )?;
        if pack.written() >= PACK_BYTES {
            self.close_pack()?;
        }
        Ok(())
    }

    fn close_pack(&mut self) -> Result<()> {
        match self.pack.take() {
            Some(pack) => self.session.submit(pack.finish()?),
            None => Ok(()),
        }
    }

    /// Seals what is open and hands the last pack over. What was added counts only after this.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.close_pack()
    }
}
