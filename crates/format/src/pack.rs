//! Packs: sealed segments, then a sealed footer that lists them and their blobs, then a trailer.

use model::BlobId;

use crate::bytes::{Reader, put_varint};
use crate::error::FormatError;

/// Last eight bytes of a pack or an index run.
pub const TRAILER_MAGIC: [u8; 8] = *b"\nPUOCER\x98";

/// Bytes of a trailer.
pub const TRAILER_BYTES: usize = 24;

/// Longest pack: offsets in it are 32 bits wide.
pub const PACK_BYTES_MAX: u64 = u32::MAX as u64;

/// Most plaintext that one segment may hold; a chunk is at most a few MiB.
pub const SEGMENT_PLAIN_BYTES_MAX: u32 = 64 << 20;

/// Packs are padded with zeros to a multiple of this, so that their lengths tell less.
pub const PADDING_BYTES: u64 = 4096;

/// Where the sealed footer or directory lies: the last bytes of a pack or an index run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the sealed part.
    pub offset: u64,
    /// Its length with its tag.
    pub len: u64,
}

impl Trailer {
    /// The bytes.
    pub fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut out = [0; TRAILER_BYTES];
        out[..8].copy_from_slice(&self.offset.to_le_bytes());
        out[8..16].copy_from_slice(&self.len.to_le_bytes());
        out[16..].copy_from_slice(&TRAILER_MAGIC);
        out
    }

    /// Decodes the trailer of an object of `object_len` bytes.
    pub fn decode(bytes: &[u8], object_len: u64) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "trailer");
        let trailer = Self {
            offset: reader.u64()?,
            len: reader.u64()?,
        };
        if reader.array()? != TRAILER_MAGIC {
            return Err(reader.malformed());
        }
        let end = trailer.offset.checked_add(trailer.len);
        if end.is_none_or(|end| end > object_len.saturating_sub(TRAILER_BYTES as u64)) {
            return Err(reader.malformed());
        }
        reader.finish()?;
        Ok(trailer)
    }
}

/// How many zeros follow a footer that ends at `end`, so that the trailer closes a padded pack.
pub fn padding(end: u64) -> u64 {
    let len = end + TRAILER_BYTES as u64;
    len.next_multiple_of(PADDING_BYTES) - len
}

/// A blob as the footer lists it: its place follows from the lengths before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedBlob {
    /// Its id.
    pub id: BlobId,
    /// Its length.
    pub len: u32,
}

/// A segment as the footer lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedSegment {
    /// Offset in the pack.
    pub offset: u32,
    /// Length in the pack, with its tag.
    pub stored_len: u32,
    /// The blobs in it, in order.
    pub blobs: Vec<PackedBlob>,
}

impl PackedSegment {
    /// Length of the plaintext: the sum of the blobs.
    pub fn plain_len(&self) -> u64 {
        self.blobs.iter().map(|blob| u64::from(blob.len)).sum()
    }
}

/// Encodes a footer.
pub fn encode_footer(segments: &[PackedSegment]) -> Vec<u8> {
    let blobs: usize = segments.iter().map(|segment| segment.blobs.len()).sum();
    let mut out = Vec::with_capacity(8 + segments.len() * 12 + blobs * 35);
    put_varint(&mut out, segments.len() as u32);
    for segment in segments {
        put_varint(&mut out, segment.offset);
        put_varint(&mut out, segment.stored_len);
        put_varint(&mut out, segment.blobs.len() as u32);
        for blob in &segment.blobs {
            out.extend_from_slice(blob.id.as_bytes());
            put_varint(&mut out, blob.len);
        }
    }
    out
}

/// Decodes a footer.
pub fn decode_footer(bytes: &[u8]) -> Result<Vec<PackedSegment>, FormatError> {
    let mut reader = Reader::new(bytes, "pack footer");
    let count = reader.varint()? as usize;
    let mut segments = Vec::with_capacity(count.min(reader.left() / 3));
    for _ in 0..count {
        let offset = reader.varint()?;
        let stored_len = reader.varint()?;
        let blob_count = reader.varint()? as usize;
        let mut blobs = Vec::with_capacity(blob_count.min(reader.left() / (BlobId::LEN + 1)));
        for _ in 0..blob_count {
            blobs.push(PackedBlob {
                id: BlobId(reader.array()?),
                len: reader.varint()?,
            });
        }
        let segment = PackedSegment {
            offset,
            stored_len,
            blobs,
        };
        if segment.plain_len() > u64::from(SEGMENT_PLAIN_BYTES_MAX) {
            return Err(reader.malformed());
        }
        segments.push(segment);
    }
    reader.finish()?;
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_round_trips_and_no_cut_of_it_decodes() {
        let segments = vec![
            PackedSegment {
                offset: 1264,
                stored_len: 900,
                blobs: vec![
                    PackedBlob {
                        id: BlobId([1; 32]),
                        len: 300,
                    },
                    PackedBlob {
                        id: BlobId([2; 32]),
                        len: 0,
                    },
                ],
            },
            PackedSegment {
                offset: 2164,
                stored_len: 40,
                blobs: vec![],
            },
        ];
        let bytes = encode_footer(&segments);
        assert_eq!(decode_footer(&bytes).as_ref(), Ok(&segments));
        for len in 0..bytes.len() {
            assert!(decode_footer(&bytes[..len]).is_err());
        }
        assert!(decode_footer(&[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }

    #[test]
    fn a_trailer_points_inside_its_object() {
        let trailer = Trailer {
            offset: 100,
            len: 50,
        };
        assert_eq!(Trailer::decode(&trailer.encode(), 174), Ok(trailer));
        assert!(Trailer::decode(&trailer.encode(), 173).is_err());
        let wild = Trailer {
            offset: u64::MAX,
            len: 2,
        };
        assert!(Trailer::decode(&wild.encode(), 1 << 40).is_err());
        assert_eq!((150 + padding(150) + 24) % PADDING_BYTES, 0);
    }
}
