//! Two published merge tables, put in the words of undo: base is after, ours is live, theirs is before.

use model::Entry;
use recoup_merge::{ChangeSet, Rules};

use crate::world::{State, file, key, plan_of};

/// What a merge leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merged {
    Ours,
    Theirs,
    Nothing,
    Conflict,
    /// "No merge" in git's table, although both sides removed it: there somebody may want to look for a
    /// rename. For us live is as before already.
    Left,
}
use Merged::{Conflict, Left, Nothing, Ours, Theirs};

/// git, Documentation/technical/trivial-merge.txt, the three-way table: case, ancestor, head, remote,
/// result. `b`, `o`, `t` are values, `-` is empty, `*` anything; equal letters are equal entries.
///
/// Out of scope: 2 and 3, which differ from 2ALT and 3ALT only where a directory is in the way (that is
/// the closure's, with laws of its own); 16, which needs two ancestors, where undo has exactly one base;
/// 14ALT, the same row as 14. That the index must match head has no counterpart: live is what it is.
const GIT: &[(&str, &str, &str, &str, Merged)] = &[
    ("1", "-", "-", "-", Nothing),
    ("2ALT", "-", "-", "t", Theirs),
    ("3ALT", "-", "o", "-", Ours),
    ("4", "-", "o", "t", Conflict),
    ("5ALT", "*", "o", "o", Ours),
    ("6", "b", "-", "-", Left),
    ("8ALT", "b", "-", "b", Nothing),
    ("7", "b", "-", "t", Conflict),
    ("9", "b", "o", "-", Conflict),
    ("10ALT", "b", "b", "-", Nothing),
    ("11", "b", "o", "t", Conflict),
    ("13", "b", "o", "b", Ours),
    ("14", "b", "b", "t", Theirs),
];

/// lakeFS, <https://docs.lakefs.io/understand/how/merge.html>: base, source, destination, result. All
/// rows; the strategies `source-wins` and `dest-wins` are choices made afterwards: take and keep.
const LAKEFS: &[(&str, &str, &str, Merged)] = &[
    ("A", "A", "A", Ours),
    ("A", "B", "B", Ours),
    ("A", "B", "C", Conflict),
    ("A", "A", "B", Ours),
    ("A", "B", "A", Theirs),
    ("A", "-", "-", Nothing),
    ("A", "B", "-", Conflict),
    ("A", "-", "B", Conflict),
    ("A", "A", "-", Nothing),
    ("A", "-", "A", Nothing),
];

fn value(letter: &str) -> Option<Entry> {
    (letter != "-").then(|| file(letter))
}

fn merged(base: &str, ours: &str, theirs: &str) -> Merged {
    let state = |letter| -> State {
        value(letter)
            .map(|it| (key("name"), it))
            .into_iter()
            .collect()
    };
    let (before, after, live) = (state(theirs), state(base), state(ours));
    let changes = ChangeSet::between(&before, &after);
    let plan = plan_of(&changes, &live, &State::new(), &Rules::flat());
    let result = crate::apply::run(&live, &plan, 1, false).unwrap();
    if !plan.conflicts.is_empty() {
        assert_eq!(result, live);
        Conflict
    } else if result.is_empty() {
        Nothing
    } else if result == live {
        Ours
    } else {
        assert_eq!(result, before);
        Theirs
    }
}

#[test]
fn git_merges_alike() {
    let mut tries = 0;
    for &(case, base, ours, theirs, expected) in GIT {
        let bases: &[&str] = if base == "*" {
            &["-", "b", "o"]
        } else {
            &[base]
        };
        for base in bases {
            tries += 1;
            let merged = merged(base, ours, theirs);
            let expected = if expected == Left { Nothing } else { expected };
            assert_eq!(merged, expected, "case {case}");
        }
    }
    println!(
        "git's three-way table: {} rows, {tries} cases agree",
        GIT.len()
    );
}

#[test]
fn lakefs_merges_alike() {
    for &(base, source, destination, expected) in LAKEFS {
        let merged = merged(base, destination, source);
        assert_eq!(
            merged, expected,
            "base {base}, source {source}, destination {destination}"
        );
    }
    println!("lakeFS's merge table: {} rows agree", LAKEFS.len());
}
