//! Where blobs and segments are.

use model::PackId;

use crate::index::Place;

/// Where a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Its pack.
    pub pack: PackId,
    /// Offset in the pack.
    pub offset: u32,
    /// Length in the pack, with its tag.
    pub stored_len: u32,
    /// Length of its plaintext.
    pub plain_len: u32,
    /// Whether the pack holds map nodes and lists.
    pub is_map: bool,
}

/// Where a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Its segment.
    pub segment: Segment,
    /// Where it begins in the plaintext.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}

impl From<Place> for Location {
    fn from(place: Place) -> Self {
        let segment = Segment {
            pack: place.pack.id,
            offset: place.segment.offset,
            stored_len: place.segment.stored_len,
            plain_len: place.segment.plain_len,
            is_map: place.pack.is_map,
        };
        Self {
            segment,
            offset: place.offset,
            len: place.len,
        }
    }
}
