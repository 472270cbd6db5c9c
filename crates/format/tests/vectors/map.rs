//! Vectors of map nodes and of the rule that ends them.

use std::convert::Infallible;

use codec::IdKey;
use model::BlobId;
use prolly::{Builder, Node, NodeSink, Params};

use super::document::Vector;
use super::k;

/// Nodes in the order in which they were completed.
struct Nodes {
    id_key: IdKey,
    nodes: Vec<(BlobId, Vec<u8>)>,
}

impl NodeSink for Nodes {
    type Error = Infallible;

    fn put(&mut self, bytes: &[u8]) -> Result<BlobId, Infallible> {
        let id = self.id_key.blob_id(bytes);
        self.nodes.push((id, bytes.to_vec()));
        Ok(id)
    }
}

pub(crate) fn vectors() -> Vec<Vector> {
    let params = Params {
        salt: std::array::from_fn(|index| index as u8),
        target: 256,
        min: 64,
        max: 1024,
    };
    let mut sink = Nodes {
        id_key: IdKey::new(k()),
        nodes: Vec::new(),
    };
    let mut builder = Builder::new(params, |_, value| value.len() as u64, &mut sink);
    for n in 0..24u8 {
        let key = format!("dir-{}\0file-{n:02}", n / 8);
        let value = vec![n; usize::from(n % 4)];
        builder.push(key.as_bytes(), &value).unwrap();
    }
    let root = builder.finish().unwrap();
    let (last, root_bytes) = sink.nodes.last().unwrap();
    assert_eq!(root, Some(*last));
    let mut text = String::new();
    for (id, bytes) in &sink.nodes {
        let node = Node::decode(bytes).unwrap();
        let key = String::from_utf8(node.last_key().to_vec()).unwrap();
        let key = key.replace('\0', "/");
        let line = format!("{} {:2} {key} {}\n", node.level(), node.len(), id.short());
        text.push_str(&line);
    }
    let (_, leaf) = &sink.nodes[0];
    let header = [(3, "magic"), (1, "version"), (1, "level"), (4, "entries")];
    vec![
        Vector::text("map-nodes", text),
        Vector::ruled("map-root", root_bytes, &header),
        Vector::ruled("map-leaf", leaf, &header),
    ]
}
