//! Bytes that must never change.

use crate::world::{Contents, Memory, SMALL};

#[test]
fn a_small_map_has_these_bytes() {
    let contents: Contents = (0..24u8)
        .map(|n| {
            (
                format!("dir-{}\0file-{n:02}", n / 8).into_bytes(),
                vec![n; usize::from(n % 4)],
            )
        })
        .collect();
    let mut memory = Memory::default();
    let root = memory.build(SMALL, &contents).unwrap();
    let mut nodes: Vec<_> = memory
        .nodes
        .iter()
        .map(|(id, bytes)| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{id} {hex}\n")
        })
        .collect();
    nodes.sort();
    let found = format!("root {root}\n{}", nodes.concat());
    assert_eq!(found, include_str!("golden.txt"));
}
