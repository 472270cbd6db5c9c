//! Where a stretch of bytes is cut into chunks: FastCDC with a keyed gear table.
//!
//! The cut after byte *i* depends on the 64 bytes up to *i*, the distance to the start of the chunk
//! and the secret, never on how the bytes were buffered. The cut points are part of the format: a
//! change would make every later backup store everything again. Byte vectors hold them still.
//!
//! Keying a gear table raises the bar for guessing content from chunk lengths but is no proof (eprint
//! 2025/532, 2025/558): segments, sealed footers and padding hide the lengths.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{CodecError, check_range};

/// Bytes that the gear hash looks back: one per bit of its state, since each step shifts by one.
const WINDOW_BYTES: usize = 64;

/// Normalisation level 2 of Xia et al., "FastCDC" (2016 and 2020): a cut is 2^2 times rarer than the
/// average asks before the average length is reached, and 2^2 times more common after it.
const NORMALISATION: u32 = 2;

/// Names the use of the secret. Part of the format: never change.
const GEAR_LABEL: &[u8] = b"recoup v1 gear table";

/// Largest chunk that a repository may ask for; one chunk is held in memory per worker.
pub const CHUNK_BYTES_MAX: u32 = 64 << 20;

/// Lengths of chunks, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkParams {
    /// No chunk is shorter, except the last of a stretch.
    pub min: u32,
    /// Length around which chunks gather.
    pub avg: u32,
    /// No chunk is longer.
    pub max: u32,
}

impl Default for ChunkParams {
    /// 512 KiB on average: of the averages measured on a disk image, the one that adds fewest bytes
    /// when 2 % of the blocks change.
    fn default() -> Self {
        Self {
            min: 128 << 10,
            avg: 512 << 10,
            max: 2 << 20,
        }
    }
}

impl ChunkParams {
    /// Refuses lengths that the chunker can't keep or that would take too much memory.
    pub fn validate(&self) -> Result<(), CodecError> {
        check_range("maximum chunk length", self.max, 1024, CHUNK_BYTES_MAX)?;
        check_range("average chunk length", self.avg, 256, self.max)?;
        check_range(
            "minimum chunk length",
            self.min,
            WINDOW_BYTES as u32,
            self.avg,
        )
    }
}

/// Finds cut points.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Chunker {
    gear: Box<[u64; 256]>,
    #[zeroize(skip)]
    min: usize,
    #[zeroize(skip)]
    avg: usize,
    #[zeroize(skip)]
    max: usize,
    /// Cut before the average length where the hash is not above this: its high bits are zero.
    #[zeroize(skip)]
    rare: u64,
    /// The same after the average length.
    #[zeroize(skip)]
    common: u64,
}

impl Chunker {
    /// A chunker whose cut points nobody can foretell without the secret.
    ///
    /// # Panics
    /// If the parameters don't pass [`ChunkParams::validate`].
    pub fn new(secret: &[u8; 32], params: ChunkParams) -> Self {
        assert!(
            params.validate().is_ok(),
            "chunk parameters must be validated before use"
        );
        let mut bytes = [0; 256 * 8];
        blake3::Hasher::new_keyed(secret)
            .update(GEAR_LABEL)
            .finalize_xof()
            .fill(&mut bytes);
        let mut gear = Box::new([0; 256]);
        for (value, bytes) in gear.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *value = u64::from_le_bytes(*bytes);
        }
        bytes.zeroize();
        let avg = u64::from(params.avg);
        Self {
            gear,
            min: params.min as usize,
            avg: params.avg as usize,
            max: params.max as usize,
            rare: u64::MAX / (avg << NORMALISATION),
            common: u64::MAX / (avg >> NORMALISATION),
        }
    }

    /// Length of the first chunk of `data`, which holds at least the maximum chunk length or all
    /// that is left of the stretch. Zero only where `data` is empty.
    pub fn cut(&self, data: &[u8]) -> usize {
        if data.len() <= self.min {
            return data.len();
        }
        let limit = data.len().min(self.max);
        let average = limit.min(self.avg);
        let start = self.min - WINDOW_BYTES;
        let hash = data[start..self.min]
            .iter()
            .fold(0, |hash, &byte| self.roll(hash, byte));
        let (cut, hash) = self.scan(&data[self.min..average], hash, self.rare);
        if let Some(length) = cut {
            return self.min + length;
        }
        let (cut, _) = self.scan(&data[average..limit], hash, self.common);
        cut.map_or(limit, |length| average + length)
    }

    /// Rolls on through `data`. The number of bytes up to and with the one after which to cut, and
    /// the hash there or at the end.
    #[inline]
    fn scan(&self, data: &[u8], mut hash: u64, threshold: u64) -> (Option<usize>, u64) {
        // Two bytes per step: the second hash is made from the one before both, not from the first, so
        // that the processor waits once per pair. Four pairs per turn check the length once.
        let gear = &*self.gear;
        let (blocks, rest) = data.as_chunks::<8>();
        for (index, block) in blocks.iter().enumerate() {
            for (pair, &[first, second]) in block.as_chunks::<2>().0.iter().enumerate() {
                let (first, second) = (gear[usize::from(first)], gear[usize::from(second)]);
                let middle = (hash << 1).wrapping_add(first);
                hash = (hash << 2).wrapping_add((first << 1).wrapping_add(second));
                if middle <= threshold {
                    return (Some(index * 8 + pair * 2 + 1), middle);
                }
                if hash <= threshold {
                    return (Some(index * 8 + pair * 2 + 2), hash);
                }
            }
        }
        for (offset, &byte) in rest.iter().enumerate() {
            hash = self.roll(hash, byte);
            if hash <= threshold {
                return (Some(blocks.len() * 8 + offset + 1), hash);
            }
        }
        (None, hash)
    }

    #[inline]
    fn roll(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.gear[usize::from(byte)])
    }
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunker({}..{}..{})", self.min, self.avg, self.max)
    }
}
