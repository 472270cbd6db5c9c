//! Maps at rest: nodes are blobs in map packs.

use std::sync::Arc;

use model::BlobId;
use prolly::{Map, Node, NodeSink, NodeStore};

use crate::error::{RepositoryError, Result};
use crate::packer::Packer;
use crate::repository::Repository;

/// Reads the nodes of maps.
#[derive(Debug, Clone, Copy)]
pub struct MapReader<'r> {
    repository: &'r Repository,
}

impl<'r> MapReader<'r> {
    /// Reads from this repository.
    pub fn new(repository: &'r Repository) -> Self {
        Self { repository }
    }
}

impl MapReader<'_> {
    /// The map below a root.
    pub fn map(&self, root: Option<BlobId>) -> Map<'_, Self> {
        Map::new(self, root)
    }
}

impl NodeStore for MapReader<'_> {
    type Error = RepositoryError;

    fn node(&self, id: &BlobId) -> Result<Arc<Node>> {
        let repository = self.repository;
        if let Some(node) = repository.nodes.get(id) {
            return Ok(node);
        }
        if let Some(node) = repository.memory.get(id) {
            return Ok(node);
        }
        let bytes = repository.read_blob(id)?;
        let node = Node::decode(&bytes)
            .map_err(|error| RepositoryError::damaged(format!("map node {id}"), error))?;
        let node = Arc::new(node);
        repository.nodes.put(*id, Arc::clone(&node), bytes.len());
        Ok(node)
    }
}

/// Stores the nodes of maps.
#[derive(Debug)]
pub struct MapWriter<'p, 'a, 'r>(pub &'p mut Packer<'a, 'r>);

impl NodeSink for MapWriter<'_, '_, '_> {
    type Error = RepositoryError;

    fn put(&mut self, bytes: &[u8]) -> Result<BlobId> {
        Ok(self.0.add(bytes)?.id)
    }
}
