//! Random states, random work on them, and how often a law is tried.

use std::collections::BTreeMap;
use std::fmt::Debug;

use model::{Content, Entry, Kind, PathKey, Timestamp, Xattr, Xattrs};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use recoup_merge::{ChangeSet, MemoryTree, Rules, plan};

pub(crate) type State = BTreeMap<PathKey, Entry>;

/// Cases of one law in the long form.
const LONG: u32 = 120_000;

/// Tries a law on random values: a few hundred times, or [`LONG`] times with `RECOUP_LONG=1`.
pub(crate) fn law<S: Strategy<Value: Debug>>(
    name: &str,
    values: S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let is_long = std::env::var_os("RECOUP_LONG").is_some_and(|value| value != "0");
    let cases = if is_long { LONG } else { 1_000 };
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(failure) = TestRunner::new(config).run(&values, check) {
        panic!("{name}: {failure}");
    }
    println!("{name}: {cases} cases hold");
}

/// The values of a strategy, one after the other: for laws that must *not* hold.
pub(crate) fn samples<S: Strategy>(values: &S, count: usize) -> Vec<S::Value> {
    use proptest::strategy::ValueTree;
    let mut runner = TestRunner::deterministic();
    let sample = |_| values.new_tree(&mut runner).unwrap().current();
    (0..count).map(sample).collect()
}

pub(crate) fn key(path: &str) -> PathKey {
    PathKey::from_path(path.as_bytes()).unwrap()
}

pub(crate) fn file(text: &str) -> Entry {
    Entry {
        mode: 0o644,
        size: text.len() as u64,
        content: match text {
            "" => Content::Empty,
            _ => Content::Inline(text.as_bytes().to_vec()),
        },
        mtime: Timestamp::new(i64::from(text.bytes().next().unwrap_or(0)), 5),
        ..Entry::new(Kind::File)
    }
}

pub(crate) fn dir() -> Entry {
    Entry {
        mode: 0o755,
        ..Entry::new(Kind::Directory)
    }
}

pub(crate) fn symlink(target: &str) -> Entry {
    Entry {
        mode: 0o777,
        target: target.as_bytes().to_vec(),
        ..Entry::new(Kind::Symlink)
    }
}

pub(crate) fn state<'p>(entries: impl IntoIterator<Item = (&'p str, Entry)>) -> State {
    let entries = entries.into_iter();
    entries.map(|(path, entry)| (key(path), entry)).collect()
}

pub(crate) fn untouched(_: &recoup_merge::Group) -> bool {
    true
}

/// File trees without renames, whose results the oracle can tell.
pub(crate) fn plain_tree() -> Rules<'static> {
    Rules {
        renames: false,
        ..Rules::tree(&untouched)
    }
}

pub(crate) fn plan_of(
    changes: &ChangeSet,
    live: &State,
    remembered: &State,
    rules: &Rules<'_>,
) -> model::Plan {
    let mut live = MemoryTree {
        entries: live.clone(),
        remembered: remembered.clone(),
        ..MemoryTree::default()
    };
    plan(changes, &mut live, rules).unwrap_or_else(|never| match never {})
}

/// An entry of any kind, out of few, so that three random ones are often equal in part.
pub(crate) fn entries() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        6 => (0..4_usize).prop_map(|at| file(["one", "two", "three", ""][at])),
        4 => Just(dir()),
        1 => (0..2_usize).prop_map(|at| symlink(["here", "there"][at])),
        1 => Just(Entry::new(Kind::Fifo)),
    ];
    let xattrs = proptest::collection::btree_map(0..2_u8, 0..2_u8, 0..=2);
    (kind, 0..3_u8, 0..2_u32, xattrs, 0..3_i64).prop_map(|(entry, mode, uid, xattrs, secs)| {
        let xattrs = xattrs.into_iter().map(|(name, value)| Xattr {
            name: vec![b'n', name],
            value: vec![value],
        });
        Entry {
            mode: [entry.mode, entry.mode, 0o600][usize::from(mode)],
            uid,
            xattrs: Xattrs::Inline(xattrs.collect()),
            mtime: Timestamp::new(secs, 0),
            ..entry
        }
    })
}

/// What somebody does to a state.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Puts an entry at a key; what it needs above it, and what it buries, follows.
    Put(PathKey, Entry),
    /// Removes a key and all beneath it.
    Remove(PathKey),
    /// Changes mode or owner, and nothing else.
    Chmod(PathKey, u32, u32),
    /// Changes the bytes of a file, and nothing else.
    Edit(PathKey, Entry),
    /// Moves a key and all beneath it.
    Rename(PathKey, PathKey),
}

/// Keys up to three names deep, of few names.
pub(crate) fn keys() -> impl Strategy<Value = PathKey> {
    proptest::collection::vec(0..3_usize, 1..=3).prop_map(|names| {
        let names: Vec<&str> = names.iter().map(|&at| ["a", "b", "c.txt"][at]).collect();
        key(&names.join("/"))
    })
}

pub(crate) fn work(most: usize) -> impl Strategy<Value = Vec<Work>> {
    let one = prop_oneof![
        5 => (keys(), entries()).prop_map(|(key, entry)| Work::Put(key, entry)),
        3 => keys().prop_map(Work::Remove),
        2 => (keys(), 0..2_u32, 0..2_u32).prop_map(|(key, mode, uid)| Work::Chmod(key, mode, uid)),
        2 => (keys(), entries()).prop_map(|(key, entry)| Work::Edit(key, entry)),
        2 => (keys(), keys()).prop_map(|(from, to)| Work::Rename(from, to)),
    ];
    proptest::collection::vec(one, 0..=most)
}

/// Does the work in a tree: it stays one.
pub(crate) fn done(mut tree: State, work: &[Work]) -> State {
    for work in work {
        match work {
            Work::Put(key, entry) => put(&mut tree, key, entry.clone()),
            Work::Remove(key) => tree.retain(|other, _| !key.contains(other.as_bytes())),
            Work::Chmod(key, mode, uid) => {
                if let Some(entry) = tree.get_mut(key) {
                    (entry.mode, entry.uid) = ([0o600, 0o640][*mode as usize], *uid);
                }
            }
            Work::Edit(key, new) => {
                if let Some(entry) = tree.get_mut(key)
                    && entry.kind == Kind::File
                    && new.kind == Kind::File
                {
                    (entry.size, entry.mtime) = (new.size, new.mtime);
                    entry.content = new.content.clone();
                }
            }
            Work::Rename(from, to) => rename(&mut tree, from, to),
        }
    }
    tree
}

fn put(tree: &mut State, key: &PathKey, entry: Entry) {
    let mut above = key.parent();
    while let Some(key) = above.filter(|key| !key.is_root()) {
        if tree
            .get(&key)
            .is_none_or(|entry| entry.kind != Kind::Directory)
        {
            tree.insert(key.clone(), dir());
        }
        above = key.parent();
    }
    if entry.kind != Kind::Directory {
        tree.retain(|other, _| !key.contains(other.as_bytes()));
    }
    tree.insert(key.clone(), entry);
}

fn rename(tree: &mut State, from: &PathKey, to: &PathKey) {
    if from.contains(to.as_bytes()) || to.contains(from.as_bytes()) {
        return;
    }
    let moved: Vec<_> = tree
        .iter()
        .filter(|(key, _)| from.contains(key.as_bytes()))
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect();
    if moved.is_empty() {
        return;
    }
    tree.retain(|key, _| !from.contains(key.as_bytes()) && !to.contains(key.as_bytes()));
    for (key, entry) in moved {
        let rest = &key.as_bytes()[from.as_bytes().len()..];
        let bytes = [to.as_bytes(), rest].concat();
        put(tree, &PathKey::from_bytes(bytes).unwrap(), entry);
    }
}

/// Before, after and live: trees that follow from each other by random work. Now and then live holds
/// again what stood there before.
pub(crate) fn histories() -> impl Strategy<Value = [State; 3]> {
    let repair = proptest::collection::vec(keys(), 0..3);
    (work(9), work(5), work(5), repair).prop_map(|(first, event, since, repair)| {
        let before = done(State::new(), &first);
        let after = done(before.clone(), &event);
        let mut live = done(after.clone(), &since);
        for key in repair {
            if let Some(entry) = before.get(&key) {
                put(&mut live, &key, entry.clone());
            }
        }
        [before, after, live]
    })
}

/// Before, after and live: maps without any shape.
pub(crate) fn triples() -> impl Strategy<Value = [State; 3]> {
    let map = || proptest::collection::btree_map(keys(), entries(), 0..8);
    // Of each key the three states are often equal in pairs.
    let mixed = proptest::collection::vec((0..4_u8, 0..4_u8), 40);
    (map(), map(), map(), mixed).prop_map(|(before, mut after, mut live, mixed)| {
        let all: std::collections::BTreeSet<PathKey> = [&before, &after, &live]
            .iter()
            .flat_map(|map| map.keys().cloned())
            .collect();
        for (key, (first, second)) in all.iter().zip(mixed) {
            if first == 0 {
                copy(key, &before, &mut after);
            }
            match second {
                0 => copy(key, &before, &mut live),
                1 | 2 => copy(key, &after, &mut live),
                _ => {}
            }
        }
        [before, after, live]
    })
}

fn copy(key: &PathKey, from: &State, to: &mut State) {
    match from.get(key) {
        Some(entry) => to.insert(key.clone(), entry.clone()),
        None => to.remove(key),
    };
}
