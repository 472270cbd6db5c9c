//! Keys and encoded entries gathered in the order of pages, and put in the order of the map.
//!
//! The two orders differ where a slash meets a smaller byte, so all keys have to be there before the map
//! can be built. They take their own length and eight bytes each, nothing else: about 100 MB for a
//! million.

use format::entry::{decode_entry, encode_entry};
use model::{Entry, PathKey};

use crate::error::{KeyspaceError, Result};

/// Length of a chunk: large enough for few of them, and none is ever moved when more is needed.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes in front of each key: its length and that of its entry.
const HEAD_BYTES: usize = 8;

/// Keys with their encoded entries.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    chunks: Vec<Vec<u8>>,
    /// Chunk, and offset in it.
    places: Vec<(u32, u32)>,
    pub(crate) value_bytes: u64,
}

impl Gathered {
    pub(crate) fn push(&mut self, key: &PathKey, entry: &Entry) {
        let mut value = Vec::new();
        encode_entry(entry, &mut value);
        let key = key.as_bytes();
        let needed = HEAD_BYTES + key.len() + value.len();
        let is_full = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() < needed;
        if self.chunks.last().is_none_or(is_full) {
            self.chunks
                .push(Vec::with_capacity(needed.max(CHUNK_BYTES)));
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        self.places.push((at as u32, chunk.len() as u32));
        chunk.extend_from_slice(&(key.len() as u32).to_le_bytes());
        chunk.extend_from_slice(&(value.len() as u32).to_le_bytes());
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(&value);
        self.value_bytes += entry.size;
    }

    /// Takes over what another one gathered.
    pub(crate) fn join(&mut self, mut other: Self) {
        let first = self.chunks.len() as u32;
        self.chunks.append(&mut other.chunks);
        let moved = other
            .places
            .into_iter()
            .map(|(at, offset)| (at + first, offset));
        self.places.extend(moved);
        self.value_bytes += other.value_bytes;
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Puts the keys in the order of the map. Pages come nearly in it, which the sort makes use of.
    pub(crate) fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_by(|one, two| self.at(*one).0.cmp(self.at(*two).0));
        self.places = places;
    }

    /// Keys and encoded entries, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|place| self.at(*place))
    }

    /// The same, decoded.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<(PathKey, Entry)>> {
        self.iter().map(|(key, value)| {
            let wrong = |why: String| KeyspaceError::Map { why };
            let key =
                PathKey::from_bytes(key.to_vec()).map_err(|error| wrong(error.to_string()))?;
            let entry = decode_entry(value).map_err(|error| wrong(error.to_string()))?;
            Ok((key, entry))
        })
    }

    fn at(&self, (chunk, offset): (u32, u32)) -> (&[u8], &[u8]) {
        let rest = &self.chunks[chunk as usize][offset as usize..];
        let length = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&rest[at..at + 4]);
            u32::from_le_bytes(bytes) as usize
        };
        let (key, value) = (length(0), length(4));
        let rest = &rest[HEAD_BYTES..];
        (&rest[..key], &rest[key..key + value])
    }
}
