//! Lookups, ranges, seeks, totals and walks against a sorted map.

use std::collections::BTreeSet;
use std::ops::Bound;

use proptest::prelude::*;
use recoup_prolly::{Cursor, Params, Totals, node_ids, walk};

use crate::world::{
    Contents, Memory, SALT, SMALL, bound, contents, key, measure, slice, tree, within,
};

fn rest(cursor: &mut Cursor<'_, Memory>) -> Contents {
    let mut all = Contents::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        assert!(
            all.last_key_value()
                .is_none_or(|(last, _)| last.as_slice() < key)
        );
        all.insert(key.to_vec(), value.to_vec());
    }
    assert!(cursor.next().unwrap().is_none());
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranges_and_lookups(contents in contents(), from in bound(), to in bound(), key in key()) {
        let mut memory = Memory::default();
        let root = memory.build(SMALL, &contents);
        let map = memory.map(root);
        let expected: Contents =
            within(&contents, &from, &to).map(|(key, value)| (key.clone(), value.clone())).collect();
        prop_assert_eq!(&rest(&mut map.range(slice(&from), slice(&to))), &expected);
        let totals = map.totals(slice(&from), slice(&to), measure).unwrap();
        let bytes = expected.values().map(|value| value.len() as u64).sum();
        prop_assert_eq!(totals, Totals { count: expected.len() as u64, bytes });
        prop_assert_eq!(map.get(&key).unwrap(), contents.get(&key).cloned());
        for (key, value) in contents.iter().step_by(7) {
            prop_assert_eq!(map.get(key).unwrap(), Some(value.clone()));
        }
        prop_assert_eq!(map.count().unwrap(), contents.len() as u64);
        let bytes: u64 = contents.values().map(|value| value.len() as u64).sum();
        prop_assert_eq!(map.bytes(measure).unwrap(), bytes);
    }

    #[test]
    fn seeks(
        contents in contents(),
        from in bound(),
        to in bound(),
        moves in prop::collection::vec((key(), 0usize..4), 0..12),
    ) {
        let mut memory = Memory::default();
        let root = memory.build(SMALL, &contents);
        let map = memory.map(root);
        let mut cursor = map.range(slice(&from), slice(&to));
        let mut expected = within(&contents, &from, &to).peekable();
        for (key, steps) in moves {
            cursor.seek(&key).unwrap();
            while expected.next_if(|(next, _)| **next < key).is_some() {}
            for _ in 0..steps {
                let next = expected.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
                prop_assert_eq!(cursor.next().unwrap(), next);
            }
        }
        let left: Contents = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
        prop_assert_eq!(rest(&mut cursor), left);
    }

    #[test]
    fn walks_visit_what_is_stored(contents in contents()) {
        let mut memory = Memory::default();
        let root = memory.build(SMALL, &contents);
        let stored: BTreeSet<_> = memory.nodes.keys().copied().collect();
        let mut visited = BTreeSet::new();
        let mut entries = 0;
        walk(&memory.map(root), |_| true, |id, node| {
            visited.insert(*id);
            entries += if node.is_leaf() { node.len() } else { 0 };
        })
        .unwrap();
        prop_assert_eq!(&visited, &stored);
        prop_assert_eq!(entries, contents.len());
        let mut named = BTreeSet::new();
        node_ids(&memory.map(root), |id| named.insert(*id)).unwrap();
        prop_assert_eq!(named, stored);
    }
}

#[test]
fn little_is_read() {
    let mut memory = Memory::default();
    let contents = tree(60_000);
    let root = memory.build(Params::new(SALT), &contents);
    let map = memory.map(root);
    let reads = |work: &dyn Fn()| {
        memory.reads.set(0);
        work();
        memory.reads.get()
    };
    assert_eq!(reads(&|| assert_eq!(map.count().unwrap(), 60_000)), 1);
    assert_eq!(reads(&|| assert!(map.bytes(measure).unwrap() > 0)), 1);
    let keys: Vec<_> = contents.keys().collect();
    assert!(reads(&|| assert!(map.get(keys[30_000]).unwrap().is_some())) <= 3);
    let range = (
        Bound::Included(keys[10_000].as_slice()),
        Bound::Excluded(keys[50_000].as_slice()),
    );
    let totals = || {
        assert_eq!(map.totals(range.0, range.1, measure).unwrap().count, 40_000);
    };
    assert!(reads(&totals) <= 6);
    let skipping = || {
        let mut cursor = map.cursor();
        for key in keys.iter().step_by(20_000) {
            cursor.seek(key).unwrap();
            assert_eq!(cursor.next().unwrap().unwrap().0, key.as_slice());
        }
    };
    assert!(reads(&skipping) <= 3 * 3);
    let leaves_unread = || node_ids(&map, |_| true).unwrap();
    assert!(reads(&leaves_unread) < memory.nodes.len() / 10);
}
