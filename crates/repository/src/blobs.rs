//! Reading blobs back: find, read, open, decompress, verify.

use std::sync::Arc;

use codec::{Decompressor, Encoding};
use format::Part;
use format::index::short_id;
use format::pack::SEGMENT_PLAIN_BYTES_MAX;
use model::{BlobId, PackId};
use storage::ObjectName;

use crate::error::{RepositoryError, Result};
use crate::location::{Location, Segment};
use crate::object::ObjectKey;
use crate::pack::object_type;
use crate::repository::Repository;

impl Location {
    /// The blob's bytes in the plaintext of its segment, checked against its id.
    pub fn slice<'p>(
        &self,
        plain: &'p [u8],
        id: &BlobId,
        repository: &Repository,
    ) -> Result<&'p [u8]> {
        let name = ObjectName::Pack(self.segment.pack);
        let bytes = (self.offset as usize)
            .checked_add(self.len as usize)
            .and_then(|end| plain.get(self.offset as usize..end))
            .ok_or_else(|| RepositoryError::damaged(name, "a blob does not fit its segment"))?;
        if repository.id_key().blob_id(bytes) != *id {
            return Err(RepositoryError::damaged(
                name,
                format!("blob {id} has other content"),
            ));
        }
        Ok(bytes)
    }
}

/// Buffers for reading segments, one per thread.
#[derive(Debug, Default)]
pub struct Scratch {
    sealed: Vec<u8>,
    decompressor: Decompressor,
}

impl Repository {
    /// Where a blob is; an error if no run lists it.
    pub fn locate(&self, id: &BlobId) -> Result<Location> {
        let place = self
            .index()
            .find(&short_id(id), self.storage(), self.keyset())?;
        place
            .map(Location::from)
            .ok_or(RepositoryError::BlobMissing { id: *id })
    }

    /// Whether some run lists the blob.
    pub fn contains(&self, id: &BlobId) -> Result<bool> {
        Ok(self
            .index()
            .find(&short_id(id), self.storage(), self.keyset())?
            .is_some())
    }

    /// Reads and opens a segment into `plain`.
    pub fn read_segment(
        &self,
        segment: &Segment,
        scratch: &mut Scratch,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let key = self.pack_key(segment.pack, segment.is_map)?;
        self.read_segment_with(&key, segment, scratch, plain)
    }

    /// Reads a segment of a pack whose key is at hand.
    pub(crate) fn read_segment_with(
        &self,
        key: &ObjectKey,
        segment: &Segment,
        scratch: &mut Scratch,
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let name = ObjectName::Pack(segment.pack);
        // Incompressible plaintext grows by its encoding and the tag only.
        let longest = u64::from(segment.plain_len) + 1024;
        if segment.plain_len > SEGMENT_PLAIN_BYTES_MAX || u64::from(segment.stored_len) > longest {
            return Err(RepositoryError::damaged(
                name,
                "a segment is longer than any can be",
            ));
        }
        scratch.sealed.clear();
        scratch.sealed.resize(segment.stored_len as usize, 0);
        let offset = u64::from(segment.offset);
        self.storage()
            .read_range(&name, offset, &mut scratch.sealed)?;
        let opened = key.unseal(Part::Segment, offset, &mut scratch.sealed, &name)?;
        let malformed = || RepositoryError::damaged(name, "a segment has an unknown encoding");
        let (&code, data) = opened.split_first().ok_or_else(malformed)?;
        let encoding = Encoding::from_code(code).ok_or_else(malformed)?;
        scratch
            .decompressor
            .decompress(data, encoding, segment.plain_len as usize, plain)
            .map_err(|error| RepositoryError::codec(name, &error))
    }

    /// The key of a pack, read from its header once.
    fn pack_key(&self, id: PackId, is_map: bool) -> Result<Arc<ObjectKey>> {
        if let Some(key) = self.pack_keys.get(&id) {
            return Ok(key);
        }
        let name = ObjectName::Pack(id);
        let len = self.storage().size(&name)?;
        let mut bytes = vec![0; len.min(format::Header::BYTES_MAX as u64) as usize];
        self.storage().read_range(&name, 0, &mut bytes)?;
        let key = ObjectKey::open(
            &bytes,
            object_type(is_map),
            id.as_bytes(),
            self.keyset(),
            &name,
        )?;
        self.pack_keys.put(id, Arc::clone(&key), 1);
        Ok(key)
    }

    /// A segment's plaintext, from the cache of those used of late if it is there.
    pub fn segment(&self, segment: &Segment) -> Result<Arc<Vec<u8>>> {
        if let Some(plain) = self.segments.get(segment) {
            return Ok(plain);
        }
        let mut plain = Vec::new();
        self.read_segment(segment, &mut Scratch::default(), &mut plain)?;
        let plain = Arc::new(plain);
        self.segments.put(*segment, Arc::clone(&plain), plain.len());
        Ok(plain)
    }

    /// A blob's bytes, verified.
    pub fn read_blob(&self, id: &BlobId) -> Result<Vec<u8>> {
        let location = self.locate(id)?;
        let plain = self.segment(&location.segment)?;
        Ok(location.slice(&plain, id, self)?.to_vec())
    }
}
