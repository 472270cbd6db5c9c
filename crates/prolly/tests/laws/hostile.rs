//! Bytes that nobody honest wrote.

use std::sync::Arc;

use model::BlobId;
use proptest::prelude::*;
use recoup_prolly::{Map, MapError, Node, NodeError, NodeStore, walk};

use crate::world::{Memory, SMALL, contents, node_id, tree};

/// Reads everything that a decoded node offers.
fn use_up(node: &Node) {
    for index in 0..node.len() {
        assert!(index == 0 || node.key(index - 1) < node.key(index));
        assert_eq!(node.lower_bound(node.key(index)), index);
        if node.is_leaf() {
            node.value(index);
        } else {
            node.child(index);
        }
    }
    assert!(node.len() > 0 && node.memory_bytes() > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics(
        contents in contents(),
        pick in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut memory = Memory::default();
        memory.build(SMALL, &contents);
        let nodes: Vec<_> = memory.nodes.values().collect();
        prop_assume!(!nodes.is_empty());
        let bytes = nodes[pick.index(nodes.len())];
        prop_assert!(Node::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let mut damaged = bytes.clone();
        for (at, byte) in flips {
            damaged[at.index(bytes.len())] = byte;
        }
        if let Ok(node) = Node::decode(&damaged) {
            use_up(&node);
        }
    }

    #[test]
    fn noise_never_panics(level in 0u8..3, entries in 1u32..20, noise in prop::collection::vec(0u8..8, 0..400)) {
        let mut bytes = b"RMN\x01".to_vec();
        bytes.push(level);
        bytes.extend(entries.to_le_bytes());
        bytes.extend(noise);
        if let Ok(node) = Node::decode(&bytes) {
            use_up(&node);
        }
    }
}

#[test]
fn each_fault_is_named() {
    let header = |version: u8, level: u8, entries: u32| {
        [&b"RMN"[..], &[version, level], &entries.to_le_bytes()].concat()
    };
    let check = |bytes: Vec<u8>, expected: &str| {
        let error = Node::decode(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Vec::new(), "not a map node");
    check(b"XMN\x01\0\0\0\0\0".to_vec(), "not a map node");
    check(header(2, 0, 1), "version 2");
    check(header(1, 64, 1), "level is 64");
    check(header(1, 0, u32::MAX), "number of entries");
    check(header(1, 0, 0), "no entries");
    let leaf = |entries: u32, rest: &[u8]| [&header(1, 0, entries)[..], rest].concat();
    check(leaf(1, &[0, 0, 0, 9]), "trailing bytes");
    check(leaf(1, &[1, 0, 0]), "prefix longer");
    check(leaf(2, &[0, 1, 0, b'b', 0, 1, 0, b'a']), "out of order");
    check(leaf(2, &[0, 1, 0, b'b', 1, 0, 0]), "out of order");
    // "bc" after "b" with less shared than could be: a second form of the same node.
    check(
        leaf(2, &[0, 1, 0, b'b', 0, 2, 0, b'b', b'c']),
        "out of order",
    );
    check(leaf(1, &[0, 0x80, 0, 0]), "malformed number");
    check(
        leaf(1, &[0, 0x80, 0x80, 0x80, 0x01, 0, 0]),
        "length of a key",
    );
    check(
        leaf(1, &[0, 0, 0xff, 0xff, 0xff, 0x01]),
        "length of a value",
    );
    check(leaf(1, &[0, 0, 5]), "cut off");
}

#[test]
fn many_long_prefixes_do_not_fill_the_memory() {
    // A key of a megabyte, then thousands that share all of it: small to send, huge to write out.
    let entries = 4_000u32;
    let mut bytes = [&b"RMN\x01\0"[..], &entries.to_le_bytes()].concat();
    bytes.extend([0, 0x80, 0x80, 0x3f, 0]);
    bytes.extend(vec![b'k'; 0x3f << 14]);
    for n in 1..entries {
        let shared = (0x3fu32 << 14) + n - 1;
        bytes.extend([
            shared as u8 | 0x80,
            (shared >> 7) as u8 | 0x80,
            (shared >> 14) as u8,
            1,
            0,
            b'k',
        ]);
    }
    assert!(matches!(
        Node::decode(&bytes),
        Err(NodeError::Limit {
            what: "decoded size",
            ..
        })
    ));
}

/// Gives another node than was asked for.
struct Swapped<'a>(&'a Memory, BlobId, BlobId);

impl NodeStore for Swapped<'_> {
    type Error = NodeError;

    fn node(&self, id: &BlobId) -> Result<Arc<Node>, NodeError> {
        let id = if *id == self.1 { &self.2 } else { id };
        Node::decode(&self.0.nodes[id]).map(Arc::new)
    }
}

#[test]
fn a_node_in_the_wrong_place_is_noticed() {
    let mut memory = Memory::default();
    let root = memory.build(SMALL, &tree(300));
    let mut ids: Vec<_> = memory
        .nodes
        .keys()
        .copied()
        .filter(|id| Some(*id) != root)
        .collect();
    ids.sort();
    for pair in ids.windows(2) {
        let store = Swapped(&memory, pair[0], pair[1]);
        let result = walk(&Map::new(&store, root), |_| true, |_, _| ());
        assert!(matches!(result, Err(MapError::Misplaced { .. })));
        let mut cursor = Map::new(&store, root).cursor();
        let error = loop {
            match cursor.next() {
                Ok(entry) => assert!(entry.is_some(), "the swap went unnoticed"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, MapError::Misplaced { .. }));
    }
}

#[test]
fn missing_nodes_are_errors() {
    let mut memory = Memory::default();
    let root = memory.build(SMALL, &tree(300));
    let lost = *memory.nodes.keys().find(|id| Some(**id) != root).unwrap();
    memory.nodes.remove(&lost);
    let result = walk(&memory.map(root), |_| true, |_, _| ());
    assert!(matches!(result, Err(MapError::Store { id, .. }) if id == lost));
    assert_ne!(lost, node_id(b""));
}
