//! What the event renamed moves back, with what was done to it since.

use model::{Action, ConflictKind, Entry, Plan};
use proptest::prelude::*;
use recoup_merge::{ChangeSet, Rules};

use crate::apply::run;
use crate::trees::undo;
use crate::world::{State, dir, done, file, key, keys, law, plan_of, state, untouched, work};

fn undone(before: &State, after: &State, live: &State) -> (State, Plan) {
    undo(before, after, live, &Rules::tree(&untouched)).unwrap()
}

fn actions(plan: &Plan) -> Vec<(String, &'static str)> {
    let steps = plan.steps.iter();
    steps
        .map(|step| {
            let path = String::from_utf8(step.key.to_path()).unwrap();
            (path, step.action.word())
        })
        .collect()
}

#[test]
fn a_renamed_file_moves_back() {
    let before = state([("x", file("text"))]);
    let after = state([("y", file("text"))]);
    let (result, plan) = undone(&before, &after, &after);
    assert_eq!(result, before);
    assert_eq!(actions(&plan), [("x".to_owned(), "move")]);
    assert_eq!(plan.steps[0].action, Action::Move { from: key("y") });
    assert_eq!(plan.steps[0].expects, Some(file("text")));
}

#[test]
fn edits_and_modes_travel_with_the_file() {
    let before = state([("x", file("text"))]);
    let after = state([("y", file("text"))]);
    let edited = Entry {
        mode: 0o600,
        ..file("more text")
    };
    let live = state([("y", edited.clone())]);
    let (result, plan) = undone(&before, &after, &live);
    assert_eq!(result, state([("x", edited)]));
    assert!(!plan.leaves_open());
}

#[test]
fn what_the_rename_changed_besides_is_undone_too() {
    let before = state([("x", file("text"))]);
    let after = state([(
        "y",
        Entry {
            uid: 7,
            ..file("text")
        },
    )]);
    let live = state([(
        "y",
        Entry {
            uid: 7,
            mode: 0o600,
            ..file("text")
        },
    )]);
    let (result, plan) = undone(&before, &after, &live);
    assert_eq!(
        result,
        state([(
            "x",
            Entry {
                mode: 0o600,
                ..file("text")
            }
        )])
    );
    assert!(!plan.leaves_open());
    // Owned by a third one since: that field is undecided, and stays.
    let live = state([(
        "y",
        Entry {
            uid: 8,
            ..file("text")
        },
    )]);
    let (result, plan) = undone(&before, &after, &live);
    assert_eq!(
        result,
        state([(
            "x",
            Entry {
                uid: 8,
                ..file("text")
            }
        )])
    );
    assert_eq!(plan.conflicts[0].kind, ConflictKind::Metadata);
    assert_eq!(plan.conflicts[0].key, key("x"));
}

#[test]
fn where_it_cannot_move_back_the_rows_decide() {
    let before = state([("x", file("text"))]);
    let after = state([("y", file("text"))]);
    // Somebody made something new at the old name.
    let live = state([("x", file("new")), ("y", file("text"))]);
    let (result, plan) = undone(&before, &after, &live);
    let beside = state([("x", file("new")), ("x.recoup-1", file("text"))]);
    assert_eq!(result, beside);
    assert_eq!(plan.conflicts[0].kind, ConflictKind::PathReused);
    // It is gone under both names.
    let (result, plan) = undone(&before, &after, &State::new());
    assert_eq!(result, before);
    assert!(!plan.leaves_open());
    // The old name lies beneath something that stays in the way: what was edited stays where it is.
    let before = state([("d", dir()), ("d/x", file("text")), ("y", file("1"))]);
    let after = state([("d", dir()), ("z", file("text")), ("y", file("1"))]);
    let live = state([
        ("d", file("in the way")),
        ("z", file("edited")),
        ("y", file("1")),
    ]);
    let (result, plan) = undone(&before, &after, &live);
    assert_eq!(result[&key("z")], file("edited"));
    assert_eq!(result[&key("d.recoup-1/x")], file("text"));
    let kinds: Vec<ConflictKind> = plan.conflicts.iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds,
        [
            ConflictKind::DirectoryInTheWay,
            ConflictKind::MadeThenEdited
        ]
    );
}

#[test]
fn only_what_is_one_file_is_a_rename() {
    // Twice the same bytes; no bytes; another time; a copy that stayed.
    let later = Entry {
        mtime: model::Timestamp::new(99, 0),
        ..file("text")
    };
    for (before, after) in [
        (
            state([("x", file("text")), ("w", file("text"))]),
            state([("y", file("text"))]),
        ),
        (
            state([("x", file("text"))]),
            state([("y", file("text")), ("z", file("text"))]),
        ),
        (state([("x", file(""))]), state([("y", file(""))])),
        (state([("x", file("text"))]), state([("y", later)])),
    ] {
        let (result, plan) = undone(&before, &after, &after);
        assert_eq!(result, before);
        assert!(
            plan.steps
                .iter()
                .all(|step| !matches!(step.action, Action::Move { .. }))
        );
    }
}

#[test]
fn a_renamed_directory_moves_file_by_file() {
    let before = state([("d", dir()), ("d/one", file("1")), ("d/two", file("2"))]);
    let after = state([("e", dir()), ("e/one", file("1")), ("e/two", file("2"))]);
    let mut live = after.clone();
    live.insert(key("e/three"), file("3"));
    live.insert(key("e/two"), file("2, edited"));
    let (result, plan) = undone(&before, &after, &live);
    let mut expected = before.clone();
    expected.insert(key("d/two"), file("2, edited"));
    expected.insert(key("e"), dir());
    expected.insert(key("e/three"), file("3"));
    assert_eq!(result, expected);
    let expected = [("d", "restore"), ("d/one", "move"), ("d/two", "move")];
    assert_eq!(
        actions(&plan),
        expected.map(|(path, word)| (path.to_owned(), word))
    );
    assert_eq!(plan.kept[0].why, "holds later work");
    assert!(!plan.leaves_open());
}

/// Many distinct contents, so that nearly every file that moves is told.
#[test]
fn bytes_survive_renames() {
    let contents = || proptest::collection::vec(keys(), 1..8);
    let values = (
        contents(),
        work(3),
        proptest::collection::vec((keys(), keys()), 1..4),
        contents(),
    );
    law(
        "renames lose nothing",
        values,
        |(files, since, moves, edits)| {
            let all: Vec<_> = files
                .iter()
                .enumerate()
                .map(|(at, key)| crate::world::Work::Put(key.clone(), file(&format!("{at} first"))))
                .collect();
            let before = done(State::new(), &all);
            let renames: Vec<_> = moves
                .into_iter()
                .map(|(from, to)| crate::world::Work::Rename(from, to))
                .collect();
            let after = done(before.clone(), &renames);
            let edits: Vec<_> = edits
                .iter()
                .enumerate()
                .map(|(at, key)| {
                    crate::world::Work::Edit(key.clone(), file(&format!("{at} edited")))
                })
                .collect();
            let live = done(done(after.clone(), &edits), &since);
            let changes = ChangeSet::between(&before, &after);
            let plan = plan_of(&changes, &live, &before, &Rules::tree(&untouched));
            let result = run(&live, &plan, 1, true).map_err(TestCaseError::fail)?;
            // What was made since the event is somewhere in the result, at its own name or with its file.
            let texts = |state: &State| -> std::collections::BTreeSet<Vec<u8>> {
                let files = state.values().filter_map(|entry| match &entry.content {
                    model::Content::Inline(bytes) => Some(bytes.clone()),
                    _ => None,
                });
                files.collect()
            };
            let (old, new, now) = (texts(&after), texts(&live), texts(&result));
            prop_assert!(new.difference(&old).all(|text| now.contains(text)));
            Ok(())
        },
    );
}
