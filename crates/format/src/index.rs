//! Index runs: sorted blocks of blob locations, a filter, and the packs they are in.
//!
//! A run answers "where is this blob" by reading one block. Ids are cut to twenty bytes: 160 bits of
//! a keyed hash don't collide by chance, and what is read is checked against the whole id.

use model::{BlobId, PackId, RunId};

use crate::bytes::{Reader, put_varint};
use crate::error::FormatError;

/// How much of an id the index keeps.
pub const ID_BYTES: usize = 20;

/// How many blobs a block lists: 27 bytes each make blocks of about 7 KiB.
pub const BLOCK_BLOBS: usize = 256;

/// Bits of the filter for each blob; with [`FILTER_PROBES`] about one unknown id in a hundred passes
/// (1 % at 9.6 bits and 7 probes: Bloom 1970; 1.2 % at 10 bits and 5 probes).
pub const FILTER_BITS_PER_BLOB: usize = 10;

/// Bits that a blob sets in the filter.
pub const FILTER_PROBES: usize = 5;

/// The part of an id that the index keeps.
pub type ShortId = [u8; ID_BYTES];

/// The part of `id` that the index keeps.
pub fn short_id(id: &BlobId) -> ShortId {
    let mut short = [0; ID_BYTES];
    short.copy_from_slice(&id.as_bytes()[..ID_BYTES]);
    short
}

/// One blob in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexedBlob {
    /// Beginning of its id.
    pub id: ShortId,
    /// Its segment: a position in [`Directory::segments`].
    pub segment: u32,
    /// Where it begins in the plaintext of the segment.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}

/// Encodes a block: all ids, then the numbers of all.
pub fn encode_block(blobs: &[IndexedBlob]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + blobs.len() * (ID_BYTES + 8));
    put_varint(&mut out, blobs.len() as u32);
    for blob in blobs {
        out.extend_from_slice(&blob.id);
    }
    for blob in blobs {
        put_varint(&mut out, blob.segment);
        put_varint(&mut out, blob.offset);
        put_varint(&mut out, blob.len);
    }
    out
}

/// Decodes a block; its ids must be sorted.
pub fn decode_block(bytes: &[u8]) -> Result<Vec<IndexedBlob>, FormatError> {
    let mut reader = Reader::new(bytes, "index block");
    let count = reader.varint()? as usize;
    if count > BLOCK_BLOBS {
        return Err(reader.malformed());
    }
    let mut ids = Reader::new(reader.take(count * ID_BYTES)?, "index block");
    let mut blobs: Vec<IndexedBlob> = Vec::with_capacity(count);
    for _ in 0..count {
        let blob = IndexedBlob {
            id: ids.array()?,
            segment: reader.varint()?,
            offset: reader.varint()?,
            len: reader.varint()?,
        };
        if blobs.last().is_some_and(|last| last.id > blob.id) {
            return Err(reader.malformed());
        }
        blobs.push(blob);
    }
    reader.finish()?;
    Ok(blobs)
}

/// A segment of a pack, as the directory lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedSegment {
    /// Its pack: a position in [`Directory::packs`].
    pub pack: u32,
    /// Offset in the pack.
    pub offset: u32,
    /// Length in the pack, with its tag.
    pub stored_len: u32,
    /// Length of its plaintext.
    pub plain_len: u32,
}

/// A pack, as the directory lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedPack {
    /// Its id.
    pub id: PackId,
    /// Length of its header: where its body begins, and the offset that the wrapped key ends before.
    pub header_len: u32,
    /// Whether it holds map nodes and lists, not file data.
    pub is_map: bool,
    /// Its length.
    pub len: u64,
}

/// A block, as the directory lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// First id in it.
    pub first: ShortId,
    /// Offset in the run.
    pub offset: u64,
    /// Length with its tag.
    pub len: u32,
}

/// The part of a run that is kept in memory while it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Packs.
    pub packs: Vec<IndexedPack>,
    /// Segments.
    pub segments: Vec<IndexedSegment>,
    /// Blocks, sorted by their first id.
    pub blocks: Vec<BlockPlace>,
    /// Bloom filter over the ids.
    pub filter: Vec<u8>,
    /// How many blobs the run lists.
    pub blobs: u64,
    /// Runs whose content this one repeats: they are passed over while this one is there.
    pub supersedes: Vec<RunId>,
}

impl Directory {
    /// Encodes the directory.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.blobs.to_le_bytes());
        put_varint(&mut out, self.supersedes.len() as u32);
        for run in &self.supersedes {
            out.extend_from_slice(run.as_bytes());
        }
        put_varint(&mut out, self.packs.len() as u32);
        for pack in &self.packs {
            out.extend_from_slice(pack.id.as_bytes());
            put_varint(&mut out, pack.header_len);
            out.push(u8::from(pack.is_map));
            out.extend_from_slice(&pack.len.to_le_bytes());
        }
        put_varint(&mut out, self.segments.len() as u32);
        for segment in &self.segments {
            for number in [
                segment.pack,
                segment.offset,
                segment.stored_len,
                segment.plain_len,
            ] {
                put_varint(&mut out, number);
            }
        }
        put_varint(&mut out, self.blocks.len() as u32);
        for block in &self.blocks {
            out.extend_from_slice(&block.first);
            out.extend_from_slice(&block.offset.to_le_bytes());
            put_varint(&mut out, block.len);
        }
        put_varint(&mut out, self.filter.len() as u32);
        out.extend_from_slice(&self.filter);
        out
    }

    /// Decodes a directory.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "index directory");
        let blobs = reader.u64()?;
        let supersedes = list(&mut reader, 16, |reader| Ok(RunId(reader.array()?)))?;
        let packs = list(&mut reader, 26, read_pack)?;
        let segments = list(&mut reader, 4, |reader| {
            Ok(IndexedSegment {
                pack: reader.varint()?,
                offset: reader.varint()?,
                stored_len: reader.varint()?,
                plain_len: reader.varint()?,
            })
        })?;
        let blocks = list(&mut reader, ID_BYTES + 9, |reader| {
            Ok(BlockPlace {
                first: reader.array()?,
                offset: reader.u64()?,
                len: reader.varint()?,
            })
        })?;
        let filter_len = reader.varint()? as usize;
        let filter = reader.take(filter_len)?.to_vec();
        let wrong = segments.iter().any(|segment| {
            segment.pack as usize >= packs.len()
                || segment.plain_len > crate::pack::SEGMENT_PLAIN_BYTES_MAX
        }) || blocks.windows(2).any(|pair| pair[0].first > pair[1].first);
        if wrong {
            return Err(reader.malformed());
        }
        reader.finish()?;
        Ok(Self {
            packs,
            segments,
            blocks,
            filter,
            blobs,
            supersedes,
        })
    }
}

fn read_pack(reader: &mut Reader<'_>) -> Result<IndexedPack, FormatError> {
    let id = PackId(reader.array()?);
    let header_len = reader.varint()?;
    let is_map = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(reader.malformed()),
    };
    Ok(IndexedPack {
        id,
        header_len,
        is_map,
        len: reader.u64()?,
    })
}

/// Reads a counted list whose items take at least `least` bytes each.
fn list<T>(
    reader: &mut Reader<'_>,
    least: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, FormatError>,
) -> Result<Vec<T>, FormatError> {
    let count = reader.varint()? as usize;
    if count > reader.left() / least {
        return Err(reader.malformed());
    }
    (0..count).map(|_| item(reader)).collect()
}

/// The Bloom filter of a run. Ids are hashes already: their bytes serve as the probes.
#[derive(Debug)]
pub struct Filter;

impl Filter {
    /// An empty filter for so many blobs.
    pub fn empty(blobs: usize) -> Vec<u8> {
        vec![0; (blobs * FILTER_BITS_PER_BLOB).div_ceil(8).max(1)]
    }

    /// Marks an id as present.
    pub fn insert(filter: &mut [u8], id: &ShortId) {
        let bits = filter.len() as u64 * 8;
        for bit in probes(id, bits) {
            filter[(bit / 8) as usize] |= 1 << (bit % 8);
        }
    }

    /// Whether the id may be present; `false` is certain.
    pub fn may_contain(filter: &[u8], id: &ShortId) -> bool {
        let bits = filter.len() as u64 * 8;
        bits > 0 && probes(id, bits).all(|bit| filter[(bit / 8) as usize] & 1 << (bit % 8) != 0)
    }
}

/// Double hashing (Kirsch and Mitzenmacher 2006) with bytes 4..12 and 12..20 of the id.
fn probes(id: &ShortId, bits: u64) -> impl Iterator<Item = u64> {
    let word = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&id[from..from + 8]);
        u64::from_le_bytes(bytes)
    };
    let (start, step) = (word(4), word(12) | 1);
    (0..FILTER_PROBES as u64).map(move |n| start.wrapping_add(step.wrapping_mul(n)) % bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> ShortId {
        let mut id = [0; ID_BYTES];
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = (n.wrapping_mul(2_654_435_761).rotate_left(at as u32 * 5) >> 8) as u8;
        }
        id[..4].copy_from_slice(&n.to_be_bytes());
        id
    }

    #[test]
    fn blocks_and_directories_round_trip() {
        let blobs: Vec<_> = (0..200)
            .map(|n| IndexedBlob {
                id: id(n),
                segment: n / 9,
                offset: n * 77,
                len: n,
            })
            .collect();
        let bytes = encode_block(&blobs);
        assert_eq!(decode_block(&bytes), Ok(blobs));
        for len in 0..bytes.len() {
            assert!(decode_block(&bytes[..len]).is_err());
        }
        let directory = Directory {
            packs: vec![IndexedPack {
                id: PackId([1; 16]),
                header_len: 1264,
                is_map: true,
                len: 9,
            }],
            segments: vec![IndexedSegment {
                pack: 0,
                offset: 1,
                stored_len: 2,
                plain_len: 3,
            }],
            blocks: vec![BlockPlace {
                first: id(0),
                offset: 96,
                len: 77,
            }],
            filter: vec![3; 10],
            blobs: 200,
            supersedes: vec![RunId([4; 16])],
        };
        let bytes = directory.encode();
        assert_eq!(Directory::decode(&bytes), Ok(directory));
        for len in 0..bytes.len() {
            assert!(Directory::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn the_filter_never_denies_what_it_holds_and_denies_most_of_the_rest() {
        let mut filter = Filter::empty(10_000);
        for n in 0..10_000 {
            Filter::insert(&mut filter, &id(n));
        }
        assert!((0..10_000).all(|n| Filter::may_contain(&filter, &id(n))));
        let passed = (10_000..110_000)
            .filter(|&n| Filter::may_contain(&filter, &id(n)))
            .count();
        assert!(passed < 3_000, "{passed} of 100,000 unknown ids passed");
    }
}
