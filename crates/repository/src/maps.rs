//! Maps of file trees at rest: keys and values decoded, two maps compared.

use std::ops::Bound;

use format::entry::{decode_entry, decode_xattrs};
use format::extents::decode_extents;
use model::{BlobId, Change, Content, Entry, Extent, PathKey, Xattr, Xattrs};
use prolly::{Cursor, Diff, MapError};

use crate::error::{RepositoryError, Result};
use crate::nodes::MapReader;
use crate::repository::Repository;

/// Entries of a map in key order.
#[derive(Debug)]
pub struct Entries<'m> {
    cursor: Cursor<'m, MapReader<'m>>,
}

/// Entries that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// How many there are.
    pub entries: u64,
    /// The last stored key of them.
    pub last: Vec<u8>,
}

/// Differences of two maps in key order.
#[derive(Debug)]
pub struct Changes<'m> {
    diff: Diff<'m, MapReader<'m>>,
}

/// What a map error means here.
fn map_error(error: MapError<RepositoryError>) -> RepositoryError {
    match error {
        MapError::Store { source, .. } => source,
        other => RepositoryError::damaged("map", other),
    }
}

fn decode(key: &[u8], value: &[u8]) -> Result<(PathKey, Entry)> {
    let key = PathKey::from_bytes(key.to_vec())
        .map_err(|error| RepositoryError::damaged("map", error))?;
    let entry = decode_entry(value).map_err(|error| RepositoryError::format("map", &error))?;
    Ok((key, entry))
}

impl<'r> MapReader<'r> {
    /// The entry at a key.
    pub fn entry(&self, root: Option<BlobId>, key: &PathKey) -> Result<Option<Entry>> {
        let value = self.map(root).get(key.as_bytes()).map_err(map_error)?;
        value
            .map(|value| decode(key.as_bytes(), &value).map(|(_, entry)| entry))
            .transpose()
    }

    /// The entry at a key and everything beneath it.
    pub fn entries<'m>(&'m self, root: Option<BlobId>, below: &PathKey) -> Entries<'m>
    where
        'r: 'm,
    {
        let end = below.subtree_end();
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let map = self.map(root);
        Entries {
            cursor: map.range(Bound::Included(below.as_bytes()), to),
        }
    }

    /// What differs between two maps at a key and beneath it.
    pub fn changes<'m>(
        &'m self,
        before: Option<BlobId>,
        after: Option<BlobId>,
        below: &PathKey,
    ) -> Changes<'m>
    where
        'r: 'm,
    {
        let end = below.subtree_end();
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let from = Bound::Included(below.as_bytes());
        Changes {
            diff: prolly::diff(&self.map(before), &self.map(after), from, to),
        }
    }
}

impl Entries<'_> {
    /// The next entry.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not hand errors on with ?"
    )]
    pub fn next(&mut self) -> Result<Option<(PathKey, Entry)>> {
        match self.cursor.next().map_err(map_error)? {
            Some((key, value)) => decode(key, value).map(Some),
            None => Ok(None),
        }
    }

    /// The next entry that can be read. What can't be is told to `lost` and passed over: one damaged
    /// node does not stand in the way of the rest.
    pub fn next_readable(
        &mut self,
        lost: &mut dyn FnMut(&Gap, &RepositoryError),
    ) -> Result<Option<(PathKey, Entry)>> {
        loop {
            let error = match self.next() {
                Err(error) if error.is_damage() => error,
                read => return read,
            };
            let Some((entries, last)) = self.cursor.skip_unreadable() else {
                return Err(error);
            };
            lost(&Gap { entries, last }, &error);
        }
    }

    /// Passes over everything before `key`, without reading what lies wholly before it.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.cursor.seek(key).map_err(map_error)
    }
}

impl Iterator for Changes<'_> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        Some(self.diff.next()?.map_err(map_error).and_then(|difference| {
            let side = |value: Option<Vec<u8>>| {
                value
                    .map(|value| decode(&difference.key, &value).map(|(_, entry)| entry))
                    .transpose()
            };
            let key = PathKey::from_bytes(difference.key.clone())
                .map_err(|error| RepositoryError::damaged("map", error))?;
            Ok(Change {
                key,
                before: side(difference.before)?,
                after: side(difference.after)?,
            })
        }))
    }
}

impl Repository {
    /// The stretches of a file, wherever they stand. `Inline` content has none.
    pub fn extents(&self, entry: &Entry) -> Result<Vec<Extent>> {
        Ok(match &entry.content {
            Content::Empty | Content::Inline(_) => Vec::new(),
            Content::Blob(id) => vec![Extent::Data {
                id: *id,
                len: entry.size,
            }],
            Content::Extents(extents) => extents.clone(),
            Content::ExtentList(id) => {
                let extents = decode_extents(&self.read_blob(id)?).map_err(|error| {
                    RepositoryError::format(format!("extent list {id}"), &error)
                })?;
                let sum = extents
                    .iter()
                    .try_fold(0u64, |sum, e| sum.checked_add(e.len()));
                if sum != Some(entry.size) {
                    return Err(RepositoryError::damaged(
                        format!("extent list {id}"),
                        "it is not as long as its file",
                    ));
                }
                extents
            }
        })
    }

    /// The whole content of an entry, in memory: for what is known to be short.
    pub fn content(&self, entry: &Entry) -> Result<Vec<u8>> {
        if let Content::Inline(inline) = &entry.content {
            return Ok(inline.clone());
        }
        let mut bytes = Vec::new();
        for extent in self.extents(entry)? {
            match extent {
                Extent::Data { id, .. } => bytes.extend_from_slice(&self.read_blob(&id)?),
                zeros => bytes.resize(bytes.len() + zeros.len() as usize, 0),
            }
        }
        Ok(bytes)
    }

    /// The extended attributes of an entry, wherever they stand.
    pub fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>> {
        match &entry.xattrs {
            Xattrs::Inline(list) => Ok(list.clone()),
            Xattrs::Blob(id) => decode_xattrs(&self.read_blob(id)?)
                .map_err(|error| RepositoryError::format(format!("attributes {id}"), &error)),
        }
    }
}
