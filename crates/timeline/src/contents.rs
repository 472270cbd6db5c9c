//! Which contents have a live copy, by the first eight bytes of what names them.
//!
//! Sixteen bytes a content at most: 24 MB for a million different files. Two contents that share eight
//! bytes of a keyed hash don't come up in practice, and a wrong answer would weaken a warning, nothing
//! more.

use std::collections::HashMap;

use model::{BlobId, Content, Entry, Kind, PathKey};
use repository::{MapReader, Repository};

use crate::error::Result;

/// How many live paths hold which content. Contents without any are remembered as seen.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    live: HashMap<u64, u32>,
}

/// Contents that were seen and are gone are forgotten beyond this many, all at once.
const SEEN_MAX: usize = 4 << 20;

impl Contents {
    /// Those of a state.
    pub(crate) fn of(repository: &Repository, root: Option<BlobId>) -> Result<Self> {
        let mut contents = Self::default();
        let reader = MapReader::new(repository);
        let mut entries = reader.entries(root, &PathKey::root());
        while let Some((_, entry)) = entries.next()? {
            contents.add(repository, &entry);
        }
        Ok(contents)
    }

    /// A path holds this now.
    pub(crate) fn add(&mut self, repository: &Repository, entry: &Entry) {
        if let Some(id) = content_id(repository, entry) {
            *self.live.entry(short(&id)).or_default() += 1;
        }
    }

    /// A path holds this no more.
    pub(crate) fn remove(&mut self, repository: &Repository, entry: &Entry) {
        if let Some(id) = content_id(repository, entry)
            && let Some(count) = self.live.get_mut(&short(&id))
        {
            *count = count.saturating_sub(1);
        }
        if self.live.len() > SEEN_MAX {
            self.live.retain(|_, count| *count > 0);
        }
    }

    pub(crate) fn is_live(&self, id: &BlobId) -> bool {
        self.live.get(&short(id)).is_some_and(|count| *count > 0)
    }

    pub(crate) fn was_seen(&self, id: &BlobId) -> bool {
        self.live.contains_key(&short(id))
    }
}

/// What names the bytes of a file or a value; `None` for what has none.
pub(crate) fn content_id(repository: &Repository, entry: &Entry) -> Option<BlobId> {
    if !matches!(entry.kind, Kind::File | Kind::Value) {
        return None;
    }
    match &entry.content {
        Content::Empty => None,
        Content::Inline(bytes) => Some(repository.id_key().blob_id(bytes)),
        Content::Blob(id) | Content::ExtentList(id) => Some(*id),
        Content::Extents(extents) => {
            let list = format::extents::encode_extents(extents);
            Some(repository.id_key().blob_id(&list))
        }
    }
}

fn short(id: &BlobId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.0[..8]);
    u64::from_le_bytes(first)
}
