//! Map nodes that are kept in memory only: those of points between two checkpoints.
//!
//! A point stores its changes and the root that they lead to; its nodes can be made again by whoever has
//! the state before, since equal maps have equal nodes. The root that comes out is compared with the one
//! that was stored, so a wrong change can't pass unnoticed.

use format::entry::{encode_entry, entry_bytes};
use model::{BlobId, Entry, PathKey};
use prolly::{EditError, MapError, Node, NodeSink};

use crate::error::{RepositoryError, Result};
use crate::nodes::MapReader;
use crate::repository::Repository;

/// Puts nodes into memory.
struct Writer<'r>(&'r Repository);

impl NodeSink for Writer<'_> {
    type Error = RepositoryError;

    fn put(&mut self, bytes: &[u8]) -> Result<BlobId> {
        let id = self.0.id_key().blob_id(bytes);
        let node = Node::decode(bytes)
            .map_err(|error| RepositoryError::damaged(format!("map node {id}"), error))?;
        self.0.memory.put(id, node);
        Ok(id)
    }
}

impl Repository {
    /// The root of the map below `root` with these changes, which are in ascending order of keys; nodes
    /// that are new are kept in memory. `None` removes a key.
    pub fn edit_in_memory<'e>(
        &self,
        root: Option<BlobId>,
        changes: impl IntoIterator<Item = (&'e PathKey, Option<&'e Entry>)>,
    ) -> Result<Option<BlobId>> {
        let reader = MapReader::new(self);
        let mutations = changes.into_iter().map(|(key, entry)| {
            let value = entry.map(|entry| {
                let mut value = Vec::new();
                encode_entry(entry, &mut value);
                value
            });
            (key.as_bytes(), value)
        });
        let params = self.map_params();
        prolly::edit(
            &reader.map(root),
            params,
            entry_bytes,
            mutations,
            &mut Writer(self),
        )
        .map_err(|error| match error {
            EditError::Read {
                source: MapError::Store { source, .. },
            } => source,
            other => RepositoryError::damaged("map", other),
        })
    }

    /// Forgets the nodes that are kept in memory only, save those of the map below `root`: the states
    /// before it can be made again by whoever asks for them.
    pub fn forget_memory_but(&self, root: Option<BlobId>) {
        self.memory.retain(root);
    }

    /// Forgets the nodes that are kept in memory only.
    pub fn forget_memory(&self) {
        self.memory.clear();
    }
}
