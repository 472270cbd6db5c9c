//! Differences against a sorted map, and what finding them reads.

use std::collections::BTreeSet;
use std::ops::Bound;

use proptest::prelude::*;
use recoup_prolly::{Difference, Params, diff};

use crate::world::{
    Batch, Contents, Memory, SALT, SMALL, apply, batch, bound, contents, slice, tree, within,
};

fn check_diff(before: &Contents, after: &Contents, from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) {
    let mut memory = Memory::default();
    let roots = (memory.build(SMALL, before), memory.build(SMALL, after));
    let keys: BTreeSet<_> = within(before, from, to)
        .chain(within(after, from, to))
        .map(|(key, _)| key)
        .collect();
    let expected: Vec<_> = keys
        .into_iter()
        .map(|key| Difference {
            key: key.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .filter(|difference| difference.before != difference.after)
        .collect();
    let found = diff(
        &memory.map(roots.0),
        &memory.map(roots.1),
        slice(from),
        slice(to),
    );
    assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn differences_after_changes(before in contents(), batch in batch(), from in bound(), to in bound()) {
        let mut after = before.clone();
        apply(&mut after, &batch);
        check_diff(&before, &after, &from, &to);
        check_diff(&after, &before, &Bound::Unbounded, &Bound::Unbounded);
    }

    #[test]
    fn differences_of_strangers(before in contents(), after in contents(), from in bound(), to in bound()) {
        check_diff(&before, &after, &from, &to);
    }
}

/// Differences found and nodes read, between a tree and its edit.
fn cost(contents: &Contents, batch: &Batch) -> (usize, usize) {
    let params = Params::new(SALT);
    let mut memory = Memory::default();
    let before = memory.build(params, contents);
    let after = memory.edit(params, before, batch);
    memory.reads.set(0);
    let (before, after) = (memory.map(before), memory.map(after));
    let found = diff(&before, &after, Bound::Unbounded, Bound::Unbounded).count();
    (found, memory.reads.get())
}

#[test]
fn equal_subtrees_are_not_read() {
    let contents = tree(60_000);
    assert_eq!(cost(&contents, &Batch::new()), (0, 0));
    let keys: Vec<_> = contents.keys().collect();
    for key in keys.iter().step_by(6_000) {
        let changed = Batch::from([(key.to_vec(), Some(b"other".to_vec()))]);
        let (found, reads) = cost(&contents, &changed);
        assert_eq!(found, 1);
        assert!(reads <= 6, "{reads} nodes read for a changed value");
        for (key, value) in [
            ([key, &b"+"[..]].concat(), Some(Vec::new())),
            (key.to_vec(), None),
        ] {
            let (found, reads) = cost(&contents, &Batch::from([(key, value)]));
            assert_eq!(found, 1);
            assert!(reads <= 24, "{reads} nodes read for an entry more or less");
        }
    }
}

/// Ten changed values in a large tree: the project's goal is at most a hundred nodes.
#[test]
fn ten_of_many_cost_little() {
    let entries = if std::env::var_os("RECOUP_LONG").is_some_and(|value| value != "0") {
        1_000_000
    } else {
        100_000
    };
    let contents = tree(entries);
    let keys = contents.keys().step_by(contents.len() / 10);
    let batch: Batch = keys
        .map(|key| (key.clone(), Some(b"other".to_vec())))
        .collect();
    let (found, reads) = cost(&contents, &batch);
    println!("{reads} nodes read for ten of {entries} entries");
    assert_eq!(found, batch.len());
    assert!(reads <= 100, "{reads} nodes read");
}

#[test]
fn heights_may_differ() {
    // The small tree is the middle of the large one, which is higher.
    let contents = tree(60_000);
    let keys: Vec<_> = contents.keys().cloned().collect();
    let outside = keys[..30_000].iter().chain(&keys[32_000..]);
    let batch: Batch = outside.map(|key| (key.clone(), None)).collect();
    let (found, reads) = cost(&contents, &batch);
    assert_eq!(found, 58_000);
    let mut memory = Memory::default();
    memory.build(Params::new(SALT), &contents);
    let shared = memory.nodes.len() * 2_000 / 60_000;
    assert!(
        reads <= memory.nodes.len() - shared / 2,
        "{reads} of {} read",
        memory.nodes.len()
    );
}
