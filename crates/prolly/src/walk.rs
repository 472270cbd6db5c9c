//! Visiting the nodes of a map rather than its entries, for checking and pruning.

use model::BlobId;

use crate::map::{Map, MapError, open_child};
use crate::node::Node;
use crate::store::NodeStore;

/// Visits every node, parents before children, in key order.
///
/// `wanted` is asked once per reference to a node, before it is read; where it says no, neither the
/// node nor what is below it is read. Answering no to ids seen before visits shared subtrees once.
pub fn walk<S: NodeStore>(
    map: &Map<'_, S>,
    mut wanted: impl FnMut(&BlobId) -> bool,
    mut visit: impl FnMut(&BlobId, &Node),
) -> Result<(), MapError<S::Error>> {
    let Some(root) = map.root().filter(|root| wanted(root)) else {
        return Ok(());
    };
    if let Some(node) = map.root_node()? {
        visit(&root, &node);
        below(map.store(), &node, None, &mut wanted, &mut visit)?;
    }
    Ok(())
}

/// Names every node without reading the leaves: their ids stand in the nodes above them.
///
/// `wanted` is asked once per reference to a node; where it says no, what is below is passed over.
pub fn node_ids<S: NodeStore>(
    map: &Map<'_, S>,
    mut wanted: impl FnMut(&BlobId) -> bool,
) -> Result<(), MapError<S::Error>> {
    if map.root().is_some_and(|root| wanted(&root))
        && let Some(node) = map.root_node()?
    {
        ids_below(map.store(), &node, None, &mut wanted)?;
    }
    Ok(())
}

fn below<S: NodeStore>(
    store: &S,
    node: &Node,
    above: Option<&[u8]>,
    wanted: &mut impl FnMut(&BlobId) -> bool,
    visit: &mut impl FnMut(&BlobId, &Node),
) -> Result<(), MapError<S::Error>> {
    if node.is_leaf() {
        return Ok(());
    }
    for index in 0..node.len() {
        let id = node.child(index).id;
        if wanted(&id) {
            let above = if index > 0 {
                Some(node.key(index - 1))
            } else {
                above
            };
            let child = open_child(store, node, index, above)?;
            visit(&id, &child);
            below(store, &child, above, wanted, visit)?;
        }
    }
    Ok(())
}

fn ids_below<S: NodeStore>(
    store: &S,
    node: &Node,
    above: Option<&[u8]>,
    wanted: &mut impl FnMut(&BlobId) -> bool,
) -> Result<(), MapError<S::Error>> {
    if node.is_leaf() {
        return Ok(());
    }
    for index in 0..node.len() {
        if wanted(&node.child(index).id) && node.level() > 1 {
            let above = if index > 0 {
                Some(node.key(index - 1))
            } else {
                above
            };
            let child = open_child(store, node, index, above)?;
            ids_below(store, &child, above, wanted)?;
        }
    }
    Ok(())
}
