//! Equal contents give equal trees, and small edits write little.

use proptest::prelude::*;
use recoup_prolly::{BuildError, Builder, EditError, Params, edit, walk};

use crate::world::{
    Batch, Contents, Memory, SALT, SMALL, apply, batch, contents, key, measure, tree, value,
};

fn check_edits(params: Params, mut contents: Contents, batches: &[Batch]) {
    let mut memory = Memory::default();
    let mut root = memory.build(params, &contents);
    for batch in batches {
        apply(&mut contents, batch);
        root = memory.edit(params, root, batch);
        let mut bulk = Memory::default();
        assert_eq!(root, bulk.build(params, &contents));
        assert!(bulk.nodes.keys().all(|id| memory.nodes.contains_key(id)));
        assert_eq!(root.is_none(), contents.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_equals_a_bulk_build(contents in contents(), batches in prop::collection::vec(batch(), 1..4)) {
        check_edits(SMALL, contents, &batches);
    }

    #[test]
    fn an_edit_equals_a_bulk_build_with_tiny_nodes(contents in contents(), batches in prop::collection::vec(batch(), 1..4)) {
        check_edits(Params { salt: SALT, target: 60, min: 1, max: 200 }, contents, &batches);
    }

    #[test]
    fn history_leaves_no_trace(entries in prop::collection::vec((key(), value()), 0..60)) {
        let mut memory = Memory::default();
        let mut root = None;
        for (key, value) in &entries {
            root = memory.edit(SMALL, root, &Batch::from([(key.clone(), Some(value.clone()))]));
        }
        let contents: Contents = entries.into_iter().collect();
        prop_assert_eq!(root, memory.build(SMALL, &contents));
        for key in contents.keys() {
            root = memory.edit(SMALL, root, &Batch::from([(key.clone(), None)]));
        }
        prop_assert_eq!(root, None);
    }
}

#[test]
fn emptying_and_refilling() {
    let contents = tree(3_000);
    let all_gone: Batch = contents.keys().map(|key| (key.clone(), None)).collect();
    let all_back: Batch = contents
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    let all_but = |index: usize| -> Batch {
        let keys = all_gone.iter().enumerate().filter(|(at, _)| *at != index);
        keys.map(|(_, (key, value))| (key.clone(), value.clone()))
            .collect()
    };
    for index in [0, 1, 1500, 2998, 2999] {
        check_edits(SMALL, contents.clone(), &[all_but(index), all_back.clone()]);
    }
    check_edits(
        SMALL,
        contents.clone(),
        &[all_gone.clone(), all_back.clone()],
    );
    check_edits(Params::new(SALT), contents, &[all_gone, all_back]);
}

#[test]
fn long_keys_only_still_give_a_tree() {
    let contents: Contents = (0..200u8)
        .map(|n| ([vec![b'x'; 40_000], vec![n]].concat(), vec![n]))
        .collect();
    let one = Batch::from([([vec![b'x'; 40_000], vec![77]].concat(), None)]);
    check_edits(Params::new(SALT), contents.clone(), &[one]);
    let mut memory = Memory::default();
    let root = memory.build(Params::new(SALT), &contents);
    assert_eq!(memory.map(root).count().unwrap(), 200);
    // Each level has at most half the nodes of the one below, rounded up.
    assert!(memory.nodes.len() <= 2 * 200 + 8);
}

#[test]
fn a_tail_of_any_length_can_be_cut_and_grown() {
    let contents = tree(400);
    let keys: Vec<_> = contents.keys().cloned().collect();
    for kept in 0..keys.len() {
        let cut: Batch = keys[kept..].iter().map(|key| (key.clone(), None)).collect();
        let head: Batch = keys[..kept].iter().map(|key| (key.clone(), None)).collect();
        let grown = cut
            .keys()
            .map(|key| (key.clone(), contents.get(key).cloned()))
            .collect();
        check_edits(SMALL, contents.clone(), &[cut, grown]);
        check_edits(SMALL, contents.clone(), &[head]);
    }
}

#[test]
fn an_edit_writes_few_nodes() {
    let params = Params::new(SALT);
    let contents = tree(60_000);
    let mut memory = Memory::default();
    let root = memory.build(params, &contents);
    let (mut puts, mut reads, mut edits) = (0, 0, 0);
    for key in contents.keys().step_by(600) {
        for (key, value) in [
            (key.clone(), Some(b"other".to_vec())),
            ([key, &b".new"[..]].concat(), Some(b"new".to_vec())),
            (key.clone(), None),
        ] {
            memory.puts = 0;
            memory.reads.set(0);
            memory.edit(params, root, &Batch::from([(key, value)]));
            assert!(memory.puts <= 40, "{} nodes written", memory.puts);
            puts += memory.puts;
            reads += memory.reads.get();
            edits += 1;
        }
    }
    // Three levels: a leaf, its two ancestors, and now and then a neighbour that shifts.
    assert!(puts <= edits * 5, "{puts} nodes written in {edits} edits");
    assert!(reads <= edits * 7, "{reads} nodes read in {edits} edits");
}

#[test]
fn node_sizes_keep_to_the_target() {
    let mut memory = Memory::default();
    let contents = tree(60_000);
    memory.build(Params::new(SALT), &contents);
    let weight: usize = contents.keys().map(|key| 48 + key.len()).sum();
    let mean = weight / memory.nodes.len();
    assert!((7_000..9_500).contains(&mean), "mean weight {mean}");
}

#[test]
fn what_cannot_be_built_is_refused() {
    let mut memory = Memory::default();
    let mut builder = Builder::new(SMALL, measure, &mut memory);
    builder.push(b"b", b"").unwrap();
    for key in [&b"b"[..], b"a", b""] {
        assert!(matches!(
            builder.push(key, b""),
            Err(BuildError::Unordered { .. })
        ));
    }
    assert!(matches!(
        builder.push(b"c", &[0; 32_769]),
        Err(BuildError::TooLong { .. })
    ));
    assert!(matches!(
        builder.push(&[b'z'; 1_048_577], b""),
        Err(BuildError::TooLong { .. })
    ));
    builder.push(b"bb", b"").unwrap();
    let root = builder.finish().unwrap();
    let wrong = Params { min: 0, ..SMALL };
    let mut other = Memory::default();
    let mut builder = Builder::new(wrong, measure, &mut other);
    assert!(matches!(
        builder.push(b"a", b""),
        Err(BuildError::Params { .. })
    ));
    for keys in [[b"a", b"a"], [b"b", b"a"]] {
        let batch = keys.map(|key| (key, None::<&[u8]>));
        let result = edit(&memory.map(root), SMALL, measure, batch, &mut other);
        assert!(matches!(result, Err(EditError::Unordered { .. })));
    }
}

/// The boundary rule as documented, written a second time.
fn ends(params: Params, level: u8, before: &[&[u8]], key: &[u8]) -> bool {
    let weight = |key: &[u8]| 48 + key.len() as u128;
    let acc: u128 = before.iter().map(|key| weight(key)).sum();
    let sum = acc + weight(key);
    let hash_key = blake3::derive_key(
        "recoup v1 map node boundary",
        &[&params.salt[..], &[level]].concat(),
    );
    let hash = blake3::keyed_hash(&hash_key, key);
    let draw = u128::from(u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap()));
    let scale = u128::from(params.target) * 10_000 / 9_064;
    let hazard = (sum * sum * sum * sum - acc * acc * acc * acc) * (1 << 32);
    let may_end = level == 0 || !before.is_empty();
    may_end
        && sum >= params.min.into()
        && (sum >= params.max.into() || draw * scale * scale * scale * scale < hazard)
}

#[test]
fn nodes_end_where_the_rule_says() {
    let contents = tree(20_000);
    for params in [SMALL, Params::new(SALT)] {
        let mut memory = Memory::default();
        let root = memory.build(params, &contents);
        let mut nodes = Vec::new();
        walk(
            &memory.map(root),
            |_| true,
            |_, node| {
                let keys: Vec<_> = (0..node.len())
                    .map(|index| node.key(index).to_vec())
                    .collect();
                nodes.push((node.level(), keys));
            },
        )
        .unwrap();
        nodes.sort();
        for (at, (level, keys)) in nodes.iter().enumerate() {
            let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
            let is_last = nodes.get(at + 1).is_none_or(|(next, _)| next != level);
            for index in 0..keys.len() {
                let expected = index + 1 == keys.len();
                if !(expected && is_last) {
                    assert_eq!(ends(params, *level, &keys[..index], keys[index]), expected);
                }
            }
        }
        assert_eq!(nodes.len(), memory.nodes.len());
    }
}
