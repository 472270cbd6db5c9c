//! Packs as files: written as a stream of sealed segments, read by footer or by segment.

use std::sync::Arc;

use codec::Keyset;
use format::pack::{
    PACK_BYTES_MAX, PackedSegment, TRAILER_BYTES, Trailer, decode_footer, encode_footer, padding,
};
use format::{Header, ObjectType, Part};
use model::{Entropy, PackId};
use storage::{ObjectName, ObjectWriter, Storage};

use crate::error::{RepositoryError, Result};
use crate::object::ObjectKey;

/// A pack that is being written.
pub struct PackWriter<'s> {
    id: PackId,
    key: Arc<ObjectKey>,
    writer: Box<dyn ObjectWriter + 's>,
    segments: Vec<PackedSegment>,
    is_map: bool,
}

impl std::fmt::Debug for PackWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A pack whose last byte was handed to the storage, before it is durable.
pub struct SealedPack<'s> {
    /// Its id.
    pub id: PackId,
    /// Whether it holds map nodes and lists.
    pub is_map: bool,
    /// Length of its header.
    pub header_len: u32,
    /// Its length.
    pub len: u64,
    /// What is in it.
    pub segments: Vec<PackedSegment>,
    /// Makes it durable.
    pub writer: Box<dyn ObjectWriter + 's>,
}

impl std::fmt::Debug for SealedPack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedPack")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<'s> PackWriter<'s> {
    /// Begins a pack with a random name and a key of its own.
    pub fn create(
        storage: &'s dyn Storage,
        is_map: bool,
        keyset: &Keyset,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let mut id = PackId([0; 16]);
        entropy.fill(&mut id.0);
        let (key, header) = ObjectKey::wrapped(object_type(is_map), id.as_bytes(), keyset, entropy);
        let mut writer = storage.create(&ObjectName::Pack(id))?;
        writer.append(&header)?;
        Ok(Self {
            id,
            key,
            writer,
            segments: Vec::new(),
            is_map,
        })
    }

    /// Length so far.
    pub fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Seals and appends a segment. `buffer` is the compressed plaintext with its encoding in front;
    /// `segment` lists the blobs, its place is filled in here.
    pub fn append(&mut self, buffer: &mut Vec<u8>, mut segment: PackedSegment) -> Result<()> {
        let offset = self.writer.written();
        self.key.seal(Part::Segment, offset, buffer, 0);
        // Offsets in a pack are 32 bits wide.
        self.check_len(offset + buffer.len() as u64)?;
        self.writer.append(buffer)?;
        segment.offset = offset as u32;
        segment.stored_len = buffer.len() as u32;
        self.segments.push(segment);
        Ok(())
    }

    fn check_len(&self, len: u64) -> Result<()> {
        RepositoryError::within(ObjectName::Pack(self.id), len, PACK_BYTES_MAX)
    }

    /// Appends footer, padding and trailer.
    pub fn finish(mut self) -> Result<SealedPack<'s>> {
        let offset = self.writer.written();
        let mut footer = encode_footer(&self.segments);
        self.key.seal(Part::Footer, offset, &mut footer, 0);
        let trailer = Trailer {
            offset,
            len: footer.len() as u64,
        };
        let end = offset + footer.len() as u64;
        footer.resize(footer.len() + padding(end) as usize, 0);
        footer.extend_from_slice(&trailer.encode());
        self.check_len(offset + footer.len() as u64)?;
        self.writer.append(&footer)?;
        self.writer.flush_hint();
        Ok(SealedPack {
            id: self.id,
            is_map: self.is_map,
            header_len: self.key.header_len() as u32,
            len: self.writer.written(),
            segments: self.segments,
            writer: self.writer,
        })
    }
}

/// The object type of a pack.
pub fn object_type(is_map: bool) -> ObjectType {
    if is_map {
        ObjectType::MapPack
    } else {
        ObjectType::DataPack
    }
}

/// Opens the header of a stored pack of unknown type.
pub fn open_any(
    storage: &dyn Storage,
    id: PackId,
    len: u64,
    keyset: &Keyset,
) -> Result<(Arc<ObjectKey>, bool)> {
    let name = ObjectName::Pack(id);
    let mut bytes = vec![0; len.min(Header::BYTES_MAX as u64) as usize];
    storage.read_range(&name, 0, &mut bytes)?;
    let is_map = bytes.get(10) == Some(&(ObjectType::MapPack as u8));
    let key = ObjectKey::open(&bytes, object_type(is_map), id.as_bytes(), keyset, &name)?;
    Ok((key, is_map))
}

/// Reads the footer of a stored pack of `len` bytes. Also gives where it begins and ends.
pub fn read_footer(
    storage: &dyn Storage,
    id: PackId,
    len: u64,
    key: &ObjectKey,
) -> Result<(Vec<PackedSegment>, Trailer)> {
    let name = ObjectName::Pack(id);
    let malformed = |why: &str| RepositoryError::damaged(name, why);
    if len > PACK_BYTES_MAX {
        return Err(malformed("it is longer than a pack can be"));
    }
    let tail = len
        .checked_sub(TRAILER_BYTES as u64)
        .ok_or_else(|| malformed("it is too short"))?;
    let mut bytes = [0; TRAILER_BYTES];
    storage.read_range(&name, tail, &mut bytes)?;
    let trailer =
        Trailer::decode(&bytes, len).map_err(|error| RepositoryError::format(name, &error))?;
    let mut footer = vec![0; trailer.len as usize];
    storage.read_range(&name, trailer.offset, &mut footer)?;
    let plain = key.unseal(Part::Footer, trailer.offset, &mut footer, &name)?;
    let segments = decode_footer(plain).map_err(|error| RepositoryError::format(name, &error))?;
    let mut end = key.header_len() as u64;
    for segment in &segments {
        if u64::from(segment.offset) != end {
            return Err(malformed("its segments don't lie behind each other"));
        }
        end += u64::from(segment.stored_len);
    }
    if end != trailer.offset {
        return Err(malformed("its footer does not follow its segments"));
    }
    Ok((segments, trailer))
}
