//! Change sets, what never comes back, names that fold, and choices.

use model::{Action, ChangeKind, ConflictKind, Entry, PathKey, Plan};
use recoup_merge::{ChangeSet, Choice, MemoryTree, Rules, besides, merge_contents, resolve};

use crate::apply::run;
use crate::world::{State, dir, file, key, plain_tree, plan_of, state, symlink};

#[test]
fn a_change_set_can_be_cut() {
    let before = state([
        ("gone", file("1")),
        ("other", file("2")),
        ("moded", file("3")),
    ]);
    let moded = Entry {
        mode: 0,
        ..file("3")
    };
    let after = state([("made", file("4")), ("other", file("5")), ("moded", moded)]);
    let all = ChangeSet::between(&before, &after);
    let keys = |set: ChangeSet| -> Vec<String> {
        let changes = set.into_iter();
        changes
            .map(|change| String::from_utf8(change.key.to_path()).unwrap())
            .collect()
    };
    assert_eq!(keys(all.clone()), ["gone", "made", "moded", "other"]);
    assert_eq!(keys(all.clone().only(&[ChangeKind::Deleted])), ["gone"]);
    let made = [ChangeKind::Created, ChangeKind::Metadata];
    assert_eq!(keys(all.clone().only(&made)), ["made", "moded"]);
    assert_eq!(
        keys(all.clone().filter(|key| key.name().contains(&b'o'))),
        ["gone", "moded", "other"]
    );
    assert_eq!(
        all.get(b"made").map(model::Change::kind),
        Some(ChangeKind::Created)
    );
    assert!(all.get(b"nothing").is_none());
}

#[test]
fn a_lock_never_comes_back() {
    let before = state([("lock", file("me")), ("value", file("1"))]);
    let is_ephemeral = |_: &PathKey, before: &Entry| *before == file("me");
    let rules = Rules {
        ephemeral: Some(&is_ephemeral),
        ..Rules::flat()
    };
    let lock = |text| state([("lock", file(text))]);
    for (after, live) in [
        (State::new(), State::new()),
        (State::new(), lock("another")),
        (lock("another"), lock("another")),
        (lock("another"), State::new()),
    ] {
        let plan = plan_of(
            &ChangeSet::between(&before, &after),
            &live,
            &State::new(),
            &rules,
        );
        let mut expected = live.clone();
        expected.insert(key("value"), file("1"));
        assert_eq!(run(&live, &plan, 1, false).unwrap(), expected);
        assert_eq!(plan.kept.len(), 1);
        assert_eq!(plan.kept[0].why, "never brought back by undo");
        assert!(!plan.leaves_open());
    }
}

#[test]
fn flat_keys_know_no_directories() {
    let before = state([("a", file("1")), ("a/b", file("2"))]);
    let live = state([("a", file("3"))]);
    let changes = ChangeSet::between(&before, &state([("a", file("1"))]));
    let plan = plan_of(&changes, &live, &State::new(), &Rules::flat());
    assert!(!plan.leaves_open());
    let result = run(&live, &plan, 1, false).unwrap();
    assert_eq!(result, state([("a", file("3")), ("a/b", file("2"))]));
}

#[test]
fn a_forgotten_directory_is_made_for_its_owner_alone() {
    let before = state([("d", dir()), ("d/e", dir()), ("d/e/x", file("1"))]);
    let after = state([("d", dir()), ("d/e", dir())]);
    let changes = ChangeSet::between(&before, &after);
    let plan = plan_of(&changes, &State::new(), &before, &plain_tree());
    assert_eq!(run(&State::new(), &plan, 1, true).unwrap(), before);
    let plan = plan_of(&changes, &State::new(), &State::new(), &plain_tree());
    let result = run(&State::new(), &plan, 1, true).unwrap();
    assert_eq!(result[&key("d")].mode, 0o700);
    assert_eq!(result[&key("d/e/x")], file("1"));
}

#[test]
fn a_subtree_whose_place_is_taken_comes_beside_it() {
    let tree = [
        ("d", dir()),
        ("d/e", dir()),
        ("d/e/x", file("1")),
        ("d/y", file("2")),
    ];
    let before = state(tree);
    let after = state([("d", dir()), ("d/e", dir())]);
    let live = state([("d", symlink("elsewhere"))]);
    let plan = plan_of(
        &ChangeSet::between(&before, &after),
        &live,
        &before,
        &plain_tree(),
    );
    assert_eq!(plan.conflicts.len(), 1);
    assert_eq!(plan.conflicts[0].key, key("d"));
    assert_eq!(plan.conflicts[0].before, Some(dir()));
    assert_eq!(plan.conflicts[0].live, Some(symlink("elsewhere")));
    let places: Vec<_> = besides(&plan)
        .map(|(step, root)| (&step.key, root))
        .collect();
    let d = key("d");
    let keys = ["d", "d/e", "d/e/x", "d/y"].map(key);
    assert_eq!(places, keys.iter().map(|key| (key, &d)).collect::<Vec<_>>());
    let result = run(&live, &plan, 1, true).unwrap();
    for path in ["/e", "/e/x", "/y", ""] {
        let (beside, there) = (format!("d.recoup-1{path}"), format!("d{path}"));
        assert_eq!(result[&key(&beside)], before[&key(&there)]);
    }
}

fn lower(dir: &PathKey, name: &[u8]) -> Option<Vec<u8>> {
    (dir.name() != b"exact").then(|| name.to_ascii_lowercase())
}

fn folding() -> Rules<'static> {
    Rules {
        fold: Some(&lower),
        ..plain_tree()
    }
}

fn undone(before: &State, after: &State, live: &State, rules: &Rules<'_>) -> (State, Plan) {
    let plan = plan_of(&ChangeSet::between(before, after), live, before, rules);
    (run(live, &plan, 1, true).unwrap(), plan)
}

#[test]
fn names_that_fold_to_one_do_not_meet() {
    // A name made since, which no change names, takes the place of one that would come back.
    let (before, live) = (state([("Read", file("1"))]), state([("READ", file("2"))]));
    let (result, plan) = undone(&before, &State::new(), &live, &folding());
    assert_eq!(
        result,
        state([("READ", file("2")), ("Read.recoup-1", file("1"))])
    );
    assert_eq!(plan.conflicts[0].kind, ConflictKind::SameName);
    assert_eq!(plan.conflicts[0].key, key("Read"));
    // Where every difference counts, both stand.
    let (before, live) = (
        state([("exact", dir()), ("exact/Read", file("1"))]),
        state([("exact", dir()), ("exact/READ", file("2"))]),
    );
    let (result, plan) = undone(&before, &state([("exact", dir())]), &live, &folding());
    assert_eq!(result.len(), 3);
    assert!(!plan.leaves_open());
    // Two that come: the first in key order has the name.
    let before = state([("A", file("1")), ("a", file("2"))]);
    let (result, _) = undone(&before, &State::new(), &State::new(), &folding());
    assert_eq!(result, state([("A", file("1")), ("a.recoup-1", file("2"))]));
    // The event changed only the case: nothing meets.
    let (before, after) = (state([("Name", file("1"))]), state([("name", file("1"))]));
    let (result, plan) = undone(&before, &after, &after, &folding());
    assert_eq!(result, before);
    assert!(!plan.leaves_open());
}

#[test]
fn a_directory_whose_name_is_taken_comes_beside_with_all_in_it() {
    let before = state([("Dir", dir()), ("Dir/x", file("1")), ("Dir/y", file("2"))]);
    // Renamed by the event, and worked in since: it stays, so the old name is not free.
    let after = state([("dir", dir()), ("dir/x", file("1")), ("dir/y", file("2"))]);
    let mut live = after.clone();
    live.insert(key("dir/z"), file("3"));
    let rules = Rules {
        renames: true,
        ..folding()
    };
    let (result, plan) = undone(&before, &after, &live, &rules);
    let beside = [
        ("Dir.recoup-1", dir()),
        ("Dir.recoup-1/x", file("1")),
        ("Dir.recoup-1/y", file("2")),
    ];
    let mut expected = state(beside);
    expected.extend(state([("dir", dir()), ("dir/z", file("3"))]));
    assert_eq!(result, expected);
    assert_eq!(plan.conflicts.len(), 1);
    assert_eq!(plan.conflicts[0].kind, ConflictKind::SameName);
}

#[test]
fn a_choice_is_a_plan() {
    let (before, after) = (state([("f", file("1"))]), state([("f", file("2"))]));
    let live = state([("f", file("3"))]);
    let (_, plan) = undone(&before, &after, &live, &plain_tree());
    let choose = |choice, live: &State| {
        let mut tree = MemoryTree::from(live.clone());
        let plan = resolve(&plan.conflicts[0], choice, &mut tree, &plain_tree()).unwrap();
        (run(live, &plan, 2, true).unwrap(), plan)
    };
    assert_eq!(choose(Choice::Keep, &live).0, live);
    assert_eq!(choose(Choice::Take, &live).0, before);
    let both = state([("f", file("3")), ("f.recoup-2", file("1"))]);
    assert_eq!(choose(Choice::Both, &live).0, both);
    // The world moved on since the conflict was kept: a choice is about what stands there now.
    assert_eq!(choose(Choice::Take, &state([("f", file("4"))])).0, before);
    assert_eq!(choose(Choice::Take, &State::new()).0, before);
    assert_eq!(choose(Choice::Both, &State::new()).0, before);
    assert!(choose(Choice::Take, &before).1.is_empty());
    // A directory with something in it is never displaced, one without is.
    let (_, plan) = choose(Choice::Take, &state([("f", dir()), ("f/work", file("5"))]));
    assert_eq!(plan.conflicts[0].kind, ConflictKind::DirectoryInTheWay);
    assert_eq!(choose(Choice::Take, &state([("f", dir())])).0, before);
}

#[test]
fn taking_a_field_leaves_the_bytes() {
    let at = |mode, uid, text| {
        state([(
            "f",
            Entry {
                mode,
                uid,
                ..file(text)
            },
        )])
    };
    let (before, after) = (at(0o600, 1, "1"), at(0o644, 1, "1"));
    let live = at(0o777, 9, "edited");
    let (result, plan) = undone(&before, &after, &live, &plain_tree());
    assert_eq!(result, live);
    assert_eq!(plan.conflicts[0].kind, ConflictKind::Metadata);
    let mut tree = MemoryTree::from(live.clone());
    let taken = resolve(&plan.conflicts[0], Choice::Take, &mut tree, &plain_tree()).unwrap();
    assert_eq!(taken.steps[0].action, Action::Metadata);
    assert_eq!(run(&live, &taken, 2, true).unwrap(), at(0o600, 9, "edited"));
}

#[test]
fn merged_bytes_settle_a_conflict() {
    let at = |mode, uid, text| {
        state([(
            "f",
            Entry {
                mode,
                uid,
                ..file(text)
            },
        )])
    };
    let merge = |conflict: &model::Conflict| -> Result<Option<Entry>, ()> {
        let merged = file("1 and 3");
        let live = conflict.live.clone().ok_or(())?;
        let (content, size) = (merged.content, merged.size);
        Ok(Some(Entry {
            content,
            size,
            ..live
        }))
    };
    let (before, after) = (at(0o644, 1, "1"), at(0o600, 1, "2"));
    // The mode that the event set is undone with it; the owner set since stays.
    let live = at(0o600, 5, "3");
    let (_, mut plan) = undone(&before, &after, &live, &plain_tree());
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(merge_contents(&mut plan, |_| Ok::<_, ()>(None)), Ok(0));
    assert_eq!(merge_contents(&mut plan, merge), Ok(1));
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].action, Action::Merge);
    assert_eq!(plan.steps[0].expects, live.get(&key("f")).cloned());
    let leaves = plan.steps[0].leaves.clone().unwrap();
    assert_eq!((leaves.mode, leaves.uid), (0o644, 5));
    assert!(leaves.same_content(&file("1 and 3")));
    assert!(!plan.leaves_open());
    // A mode that was changed twice stays undecided.
    let live = at(0o400, 1, "3");
    let (_, mut plan) = undone(&before, &after, &live, &plain_tree());
    assert_eq!(merge_contents(&mut plan, merge), Ok(1));
    assert_eq!(plan.steps[0].leaves.as_ref().map(|it| it.mode), Some(0o400));
    assert_eq!(plan.conflicts[0].kind, ConflictKind::Metadata);
    assert_eq!(merge_contents(&mut plan, |_| Err(())), Ok(0));
}

#[test]
fn the_root_of_a_source_is_never_removed() {
    let after = state([("", dir()), ("f", file("1"))]);
    let (result, plan) = undone(&State::new(), &after, &after, &plain_tree());
    assert_eq!(result, state([("", dir())]));
    assert_eq!(plan.kept[0].why, "the root of a source stays");
    let open = Entry {
        mode: 0o777,
        ..dir()
    };
    let (before, after) = (state([("", dir())]), state([("", open)]));
    let (result, plan) = undone(&before, &after, &after, &plain_tree());
    assert_eq!(result, before);
    assert_eq!(plan.steps[0].action, Action::Metadata);
}

#[test]
fn a_choice_about_what_cannot_be_seen_is_put_off() {
    let (before, after) = (state([("f", file("1"))]), state([("f", file("2"))]));
    let (_, plan) = undone(&before, &after, &state([("f", file("3"))]), &plain_tree());
    let mut tree = MemoryTree::default();
    tree.unknown.insert(key("f"), "in use".to_owned());
    let plan = resolve(&plan.conflicts[0], Choice::Take, &mut tree, &plain_tree()).unwrap();
    assert_eq!(plan.deferred[0].why, "in use");
    assert!(plan.is_empty());
}
