//! Index runs as objects: written once from sorted blobs, read block by block.

use std::sync::Arc;

use codec::Keyset;
use format::index::{
    BLOCK_BLOBS, BlockPlace, Directory, Filter, IndexedBlob, ShortId, decode_block, encode_block,
};
use format::pack::{TRAILER_BYTES, Trailer};
use format::{Header, ObjectType, Part};
use model::RunId;
use storage::{ObjectName, Storage};

use crate::error::{RepositoryError, Result};
use crate::object::ObjectKey;
use crate::recent::Recent;

/// Decoded blocks that all runs of a repository keep: 32 MiB at about 8 KiB a block.
pub type BlockCache = Recent<(RunId, u32), Arc<Vec<IndexedBlob>>>;

/// An index run, opened: its directory is in memory, its blocks are read when asked for.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Packs, segments, blocks, filter.
    pub directory: Directory,
    key: Arc<ObjectKey>,
}

/// Writes a run. `blobs` must be sorted; the directory comes with packs and segments filled in.
pub fn write_run(
    storage: &dyn Storage,
    id: RunId,
    blobs: &[IndexedBlob],
    mut directory: Directory,
    keyset: &Keyset,
) -> Result<u64> {
    let (key, header) = ObjectKey::derived(id.as_bytes(), keyset);
    let mut writer = storage.create(&ObjectName::Index(id))?;
    writer.append(&header)?;
    directory.filter = Filter::empty(blobs.len());
    directory.blobs = blobs.len() as u64;
    for block in blobs.chunks(BLOCK_BLOBS) {
        for blob in block {
            Filter::insert(&mut directory.filter, &blob.id);
        }
        let offset = writer.written();
        let mut bytes = encode_block(block);
        key.seal(Part::Block, offset, &mut bytes, 0);
        writer.append(&bytes)?;
        directory.blocks.push(BlockPlace {
            first: block[0].id,
            offset,
            len: bytes.len() as u32,
        });
    }
    let offset = writer.written();
    let mut bytes = directory.encode();
    key.seal(Part::Directory, offset, &mut bytes, 0);
    let trailer = Trailer {
        offset,
        len: bytes.len() as u64,
    };
    writer.append(&bytes)?;
    writer.append(&trailer.encode())?;
    let written = writer.written();
    writer.commit()?;
    Ok(written)
}

impl Run {
    /// Opens a stored run of `len` bytes.
    pub fn open(storage: &dyn Storage, id: RunId, len: u64, keyset: &Keyset) -> Result<Self> {
        let name = ObjectName::Index(id);
        let mut header = vec![0; len.min(Header::BYTES_MAX as u64) as usize];
        storage.read_range(&name, 0, &mut header)?;
        let key = ObjectKey::open(&header, ObjectType::IndexRun, id.as_bytes(), keyset, &name)?;
        let tail = len
            .checked_sub(TRAILER_BYTES as u64)
            .ok_or_else(|| RepositoryError::damaged(name, "it is too short"))?;
        let mut trailer = [0; TRAILER_BYTES];
        storage.read_range(&name, tail, &mut trailer)?;
        let trailer = Trailer::decode(&trailer, len)
            .map_err(|error| RepositoryError::format(name, &error))?;
        if trailer.offset + trailer.len != tail {
            return Err(RepositoryError::damaged(name, "bytes follow its directory"));
        }
        let mut bytes = vec![0; trailer.len as usize];
        storage.read_range(&name, trailer.offset, &mut bytes)?;
        let plain = key.unseal(Part::Directory, trailer.offset, &mut bytes, &name)?;
        let directory =
            Directory::decode(plain).map_err(|error| RepositoryError::format(name, &error))?;
        Ok(Self { id, directory, key })
    }

    /// Where the blob is, if this run lists it. A run that joins others may list it more than once: the
    /// first place that is `wanted` is given, or any if none is.
    pub fn find(
        &self,
        id: &ShortId,
        storage: &dyn Storage,
        cache: &BlockCache,
        wanted: &dyn Fn(&IndexedBlob) -> bool,
    ) -> Result<Option<IndexedBlob>> {
        if !Filter::may_contain(&self.directory.filter, id) {
            return Ok(None);
        }
        let blocks = &self.directory.blocks;
        let mut at = blocks.partition_point(|block| block.first <= *id);
        let mut any = None;
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let block = self.block(at, storage, cache)?;
            let from = block.partition_point(|blob| blob.id < *id);
            let equal = block[from..].iter().take_while(|blob| blob.id == *id);
            for blob in equal {
                if wanted(blob) {
                    return Ok(Some(*blob));
                }
                any = Some(*blob);
            }
            // Equal ids may begin in the block before.
            if blocks[at].first != *id {
                break;
            }
        }
        Ok(any)
    }

    /// The blobs of one block.
    pub fn block(
        &self,
        at: usize,
        storage: &dyn Storage,
        cache: &BlockCache,
    ) -> Result<Arc<Vec<IndexedBlob>>> {
        let key = (self.id, at as u32);
        if let Some(block) = cache.get(&key) {
            return Ok(block);
        }
        let block = Arc::new(self.read_block(at, storage)?);
        cache.put(
            key,
            Arc::clone(&block),
            block.len() * size_of::<IndexedBlob>() + 64,
        );
        Ok(block)
    }

    /// Whether every block can be read.
    pub fn is_whole(&self, storage: &dyn Storage) -> Result<bool> {
        for at in 0..self.directory.blocks.len() {
            match self.read_block(at, storage) {
                Ok(_) => {}
                Err(error) if error.is_damage() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads a block from storage, checking it.
    pub fn read_block(&self, at: usize, storage: &dyn Storage) -> Result<Vec<IndexedBlob>> {
        let name = ObjectName::Index(self.id);
        let place = &self.directory.blocks[at];
        let mut bytes = vec![0; place.len as usize];
        storage.read_range(&name, place.offset, &mut bytes)?;
        let plain = self
            .key
            .unseal(Part::Block, place.offset, &mut bytes, &name)?;
        let block = decode_block(plain).map_err(|error| RepositoryError::format(name, &error))?;
        let segments = self.directory.segments.len();
        let wrong = block.first().is_none_or(|blob| blob.id != place.first)
            || block.iter().any(|blob| blob.segment as usize >= segments);
        if wrong {
            return Err(RepositoryError::damaged(
                name,
                "a block does not fit its directory",
            ));
        }
        Ok(block)
    }
}
