//! Fuzzes a node of a map.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(node) = prolly::Node::decode(data) {
        for at in 1..node.len() {
            assert!(node.key(at - 1) < node.key(at));
        }
        assert_eq!(node.lower_bound(node.last_key()), node.len() - 1);
    }
});
