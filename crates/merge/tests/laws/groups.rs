//! Files that are one thing to their program are taken back whole or not at all.

use model::{ConflictKind, PathKey};
use proptest::prelude::*;
use recoup_merge::groups::detect;
use recoup_merge::{ChangeSet, Group, GroupKind, MemoryTree, Rules, plan};

use crate::apply::{hole, run};
use crate::world::{State, dir, file, key, law, plan_of, state, untouched};

fn found(paths: &[&str]) -> Vec<(String, GroupKind, usize)> {
    let after = paths.iter().map(|path| match path.strip_suffix('/') {
        Some(path) => (key(path), dir()),
        None => (key(path), file("bytes")),
    });
    let changes = ChangeSet::between(&State::new(), &after.collect());
    let groups = detect(&changes);
    for group in &groups {
        let members = group.members.iter().map(|&at| &changes.changes()[at].key);
        members.for_each(|key| assert!(group.contains(key)));
    }
    let text = |key: &PathKey| String::from_utf8(key.to_path()).unwrap();
    groups
        .iter()
        .map(|it| (text(&it.root), it.kind, it.members.len()))
        .collect()
}

#[test]
fn groups_are_told_by_their_keys() {
    use GroupKind::{Git, Postgres, Sqlite};
    let is = |paths: &[&str], groups: &[(&str, GroupKind, usize)]| {
        let groups = groups
            .iter()
            .map(|(root, kind, members)| ((*root).to_owned(), *kind, *members));
        assert_eq!(found(paths), groups.collect::<Vec<_>>(), "{paths:?}");
    };
    is(
        &["a/.git/HEAD", "a/.git/refs/x", "a/src"],
        &[("a/.git", Git, 2)],
    );
    is(&["a/.git/"], &[("a/.git", Git, 1)]);
    is(&["a/.git", "a/.gitignore", "a/x.git/HEAD"], &[]);
    is(
        &["a/.git/modules/b/.git/HEAD", "a/.git/x.db"],
        &[("a/.git", Git, 2)],
    );
    is(&["m", "m-wal", "m-shm"], &[("m", Sqlite, 3)]);
    is(&["d/m-journal"], &[("d/m", Sqlite, 1)]);
    is(
        &["d/m.db", "d/m.sqlite3"],
        &[("d/m.db", Sqlite, 1), ("d/m.sqlite3", Sqlite, 1)],
    );
    is(&["-wal", "m", "n-wal/", "n"], &[]);
    is(&["p/PG_VERSION", "p/base/1/2", "q"], &[("p", Postgres, 2)]);
    is(
        &["p/base/16384/PG_VERSION", "p/global/1"],
        &[("p", Postgres, 2)],
    );
}

#[test]
fn a_group_that_was_worked_in_is_one_conflict() {
    let before = state([
        ("g", dir()),
        ("g/.git", dir()),
        ("g/.git/HEAD", file("old")),
    ]);
    let before = [
        before,
        state([("g/.git/index", file("i")), ("g/text", file("t"))]),
    ]
    .concat_all();
    let mut after = before.clone();
    after.insert(key("g/.git/HEAD"), file("new"));
    after.remove(&key("g/.git/index"));
    after.remove(&key("g/text"));
    let changes = ChangeSet::between(&before, &after);
    // As the event left it: whole.
    let plan = plan_of(&changes, &after, &before, &Rules::tree(&untouched));
    assert_eq!(run(&after, &plan, 1, true).unwrap(), before);
    // A member was changed since, or the caller saw work elsewhere in the group.
    let mut edited = after.clone();
    edited.insert(key("g/.git/HEAD"), file("newer"));
    let touched = |group: &Group| {
        assert_eq!((&group.root, group.kind), (&key("g/.git"), GroupKind::Git));
        false
    };
    for (live, rules) in [
        (&edited, Rules::tree(&untouched)),
        (&after, Rules::tree(&touched)),
    ] {
        let plan = plan_of(&changes, live, &before, &rules);
        assert_eq!(plan.conflicts.len(), 1);
        assert_eq!(plan.conflicts[0].key, key("g/.git"));
        assert_eq!(plan.conflicts[0].kind, ConflictKind::Group);
        // The rest is not held up by it.
        let mut expected = live.clone();
        expected.insert(key("g/text"), file("t"));
        assert_eq!(run(live, &plan, 1, true).unwrap(), expected);
    }
}

#[test]
fn a_group_that_cannot_be_looked_at_is_put_off_whole() {
    let before = state([("m.db", file("1")), ("m.db-wal", file("2"))]);
    let after = state([("m.db", file("3")), ("m.db-wal", file("4"))]);
    let mut live = MemoryTree::from(after.clone());
    live.unknown.insert(key("m.db-wal"), "in use".to_owned());
    let changes = ChangeSet::between(&before, &after);
    let plan = plan(&changes, &mut live, &Rules::tree(&untouched)).unwrap();
    assert!(plan.steps.is_empty());
    assert_eq!(plan.deferred.len(), 1);
    assert_eq!(plan.deferred[0].key, key("m.db"));
}

#[test]
fn a_group_is_not_broken_by_the_tree() {
    // The event made a repository; somebody put a file in it that the change set can't know of.
    let after = state([("r", dir()), ("r/.git", dir()), ("r/.git/HEAD", file("h"))]);
    let mut live = after.clone();
    live.insert(key("r/.git/MERGE_MSG"), file("later"));
    let changes = ChangeSet::between(&State::new(), &after);
    // The caller did not notice, the engine does: nothing of it goes.
    let plan = plan_of(&changes, &live, &State::new(), &Rules::tree(&untouched));
    assert_eq!(run(&live, &plan, 1, true).unwrap(), live);
    assert_eq!(plan.conflicts[0].kind, ConflictKind::Group);
    assert_eq!(plan.kept[0].key, key("r"));
}

/// Whatever happens, a group's members come from one moment.
#[test]
fn members_are_never_mixed() {
    let names = [
        "m.db",
        "m.db-wal",
        "m.db-shm",
        "d/.git/HEAD",
        "d/.git/index",
        "d/other",
    ];
    let texts = || proptest::collection::vec(0..3_usize, names.len());
    let tree = move |texts: Vec<usize>| -> State {
        let files = names.iter().zip(texts).filter(|(_, text)| *text > 0);
        let files = files.map(|(name, text)| (key(name), file(["", "one", "two"][text])));
        files
            .chain([(key("d"), dir()), (key("d/.git"), dir())])
            .collect()
    };
    let values = (
        texts(),
        texts(),
        texts(),
        proptest::collection::vec(any::<bool>(), names.len()),
    );
    law(
        "groups stay whole",
        values,
        |(before, after, other, stays)| {
            let since = after.iter().zip(other).zip(stays);
            let live = since
                .map(|((now, other), stays)| if stays { *now } else { other })
                .collect();
            let (before, after, live) = (tree(before), tree(after), tree(live));
            // The caller looks at all of a group: whatever the set does not name must be as it was.
            let is_untouched = |group: &Group| {
                let of = |state: &State| -> State {
                    let members = state.iter().filter(|(key, _)| group.contains(key));
                    members
                        .map(|(key, entry)| (key.clone(), entry.clone()))
                        .collect()
                };
                let unnamed = |state: &State| -> State {
                    let entries = of(state).into_iter();
                    entries
                        .filter(|(key, _)| before.get(key) == after.get(key))
                        .collect()
                };
                unnamed(&live) == unnamed(&after)
            };
            let changes = ChangeSet::between(&before, &after);
            let plan = plan_of(&changes, &live, &before, &Rules::tree(&is_untouched));
            let result = run(&live, &plan, 1, true).map_err(TestCaseError::fail)?;
            prop_assert_eq!(hole(&result), None);
            for members in [&names[..3], &names[3..5]] {
                let is = |state: &State| {
                    members
                        .iter()
                        .all(|name| state.get(&key(name)) == result.get(&key(name)))
                };
                prop_assert!(is(&before) || is(&live), "{plan:?}");
            }
            Ok(())
        },
    );
}

trait ConcatAll {
    fn concat_all(self) -> State;
}

impl ConcatAll for [State; 2] {
    fn concat_all(self) -> State {
        self.into_iter().flatten().collect()
    }
}
