//! The rows of the case table, as far as the executor has a part in them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use model::plan::Step;
use model::{Action, ConflictKind, Kind};
use recoup_undo::apply::StepResult;

use crate::kit::{
    Fixture, LONG_AGO, Node, Tree, dir, entry, fifo, file, key, link, same, set_time,
    steps_between, timeless, tree,
};

/// Applies the way from one tree to another and wants to see exactly the other.
fn goes_through(live: &Tree, wanted: &Tree) -> (tempfile::TempDir, Fixture) {
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), live, steps_between(live, wanted));
    let outcome = fixture.apply();
    same(&fixture.live(), &timeless(wanted), "after the plan");
    for (step, result) in fixture.plan.steps.iter().zip(&outcome.results) {
        assert!(
            matches!(result, StepResult::Done),
            "{:?}: {result:?}",
            step.key
        );
    }
    assert!(!outcome.weaker && !outcome.leaves_open());
    (temp, fixture)
}

fn mode(mode: u32, node: Node) -> Node {
    Node { mode, ..node }
}

#[test]
fn what_is_gone_is_created_again() {
    let live = tree([("d", dir())]);
    let mut wanted = live.clone();
    wanted.extend(tree([
        ("d/file", file("old")),
        ("d/link", link("/nowhere/at/all")),
        ("d/fifo", fifo()),
        ("secret", mode(0o600, file("secret"))),
    ]));
    goes_through(&live, &wanted);
}

#[test]
fn a_whole_directory_comes_in_one_move() {
    let live = tree([]);
    let wanted = tree([
        ("d", mode(0o750, dir())),
        ("d/a", file("a")),
        ("d/sub", dir()),
        ("d/sub/b", file("b")),
    ]);
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    let calls = crate::kit::Counter::default();
    recoup_undo::apply::apply(&fixture.job(&calls)).unwrap();
    assert_eq!(calls.of("put"), 1);
    same(&fixture.live(), &timeless(&wanted), "after the plan");
    let time = fs::metadata(fixture.root.join("d/sub")).unwrap().mtime();
    assert_eq!(time, LONG_AGO);
}

#[test]
fn what_the_event_made_goes_to_the_quarantine() {
    let live = tree([
        ("d", dir()),
        ("d/new", file("new")),
        ("made", dir()),
        ("made/x", file("x")),
        ("made/sub", dir()),
    ]);
    let wanted = tree([("d", dir())]);
    let (_temp, fixture) = goes_through(&live, &wanted);
    let kept = fixture.quarantined();
    assert_eq!(kept["d/new"], live["d/new"]);
    assert_eq!(kept["made/x"], live["made/x"]);
}

#[test]
fn what_was_overwritten_is_exchanged() {
    let live = tree([
        ("f", file("damaged")),
        ("l", link("wrong")),
        ("p", file("no pipe")),
    ]);
    let wanted = tree([
        ("f", mode(0o640, file("good"))),
        ("l", link("right")),
        ("p", fifo()),
    ]);
    let (_temp, fixture) = goes_through(&live, &wanted);
    same(&fixture.quarantined(), &live, "quarantine");
}

#[test]
fn kinds_change_both_ways() {
    let files = tree([("k", file("k")), ("l", link("somewhere"))]);
    let dirs = tree([
        ("k", dir()),
        ("k/a", file("a")),
        ("k/b", dir()),
        ("k/b/c", file("c")),
        ("l", mode(0o700, dir())),
    ]);
    goes_through(&files, &dirs);
    goes_through(&dirs, &files);
}

#[test]
fn attributes_come_back_and_content_stays() {
    let touched = |node: Node| Node {
        secs: LONG_AGO + 5,
        ..node
    };
    let live = tree([
        ("d", mode(0o777, dir())),
        ("d/f", mode(0o666, file("f"))),
        ("t", touched(file("t"))),
    ]);
    let wanted = tree([
        ("d", mode(0o750, dir())),
        ("d/f", mode(0o600, file("f"))),
        ("t", file("t")),
    ]);
    let (_temp, fixture) = goes_through(&live, &wanted);
    assert_eq!(fixture.quarantined(), Tree::new());
    let time = fs::metadata(fixture.root.join("d")).unwrap().mtime();
    assert_eq!(time, LONG_AGO);
}

#[test]
fn a_directory_with_later_work_stays() {
    let live = tree([("made", dir()), ("made/x", file("x"))]);
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &Tree::new()));
    fs::write(fixture.root.join("made/later"), "work").unwrap();
    let outcome = fixture.apply();
    assert!(matches!(
        fixture.result(&outcome, "made"),
        StepResult::Kept(_)
    ));
    assert!(!outcome.leaves_open());
    let live: Vec<_> = fixture.live().into_keys().collect();
    assert_eq!(live, ["made", "made/later"]);
}

/// What a plan meets when somebody worked between plan and run.
fn meets(live: &Tree, wanted: &Tree, meanwhile: impl Fn(&std::path::Path)) -> Met {
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), live, steps_between(live, wanted));
    meanwhile(&fixture.root);
    let before = fixture.live();
    let outcome = fixture.apply();
    Met {
        results: outcome.results,
        before,
        after: fixture.live(),
        quarantined: fixture.quarantined(),
    }
}

struct Met {
    results: Vec<StepResult>,
    before: Tree,
    after: Tree,
    quarantined: Tree,
}

impl Met {
    fn conflict(&self) -> Option<ConflictKind> {
        match self.results[..] {
            [StepResult::Conflict(kind)] => Some(kind),
            _ => None,
        }
    }
}

#[test]
fn a_path_used_again_is_kept_and_the_old_put_beside() {
    let (live, wanted) = (tree([]), tree([("f.txt", file("old"))]));
    let met = meets(&live, &wanted, |root| {
        fs::write(root.join("f.txt"), "new").unwrap();
    });
    assert_eq!(met.conflict(), Some(ConflictKind::PathReused));
    assert_eq!(met.after["f.txt"].bytes, b"new");
    assert_eq!(met.after["f.recoup-7.txt"], wanted["f.txt"]);

    let met = meets(&live, &wanted, |root| {
        fs::write(root.join("f.txt"), "new").unwrap();
        fs::write(root.join("f.recoup-7.txt"), "taken").unwrap();
    });
    assert_eq!(met.after["f.recoup-7-2.txt"], wanted["f.txt"]);

    let met = meets(&live, &wanted, |root| {
        fs::write(root.join("f.txt"), "old").unwrap();
    });
    assert!(matches!(met.results[..], [StepResult::AlreadyDone]));
}

#[test]
fn what_was_changed_meanwhile_stays() {
    let live = tree([("f", file("damaged")), ("r", file("made"))]);
    let replaced = tree([("f", file("good")), ("r", file("made"))]);
    let removed = tree([("f", file("damaged"))]);
    let chmod = tree([("f", mode(0o600, file("damaged"))), ("r", file("made"))]);
    for (path, wanted) in [("f", &replaced), ("r", &removed), ("f", &chmod)] {
        // As long as before, and with the old time: only the change time tells.
        let met = meets(&live, wanted, |root| {
            let len = fs::read(root.join(path)).unwrap().len();
            fs::write(root.join(path), "z".repeat(len)).unwrap();
            set_time(&root.join(path), LONG_AGO);
        });
        assert_eq!(
            met.conflict(),
            Some(ConflictKind::ChangedMeanwhile),
            "{path}"
        );
        assert_eq!(met.after[path], met.before[path]);
        assert_eq!(met.quarantined, Tree::new());
    }
}

#[test]
fn a_file_of_the_same_content_is_as_good_as_the_one_seen() {
    let (live, wanted) = (tree([("f", file("damaged"))]), tree([("f", file("good"))]));
    let met = meets(&live, &wanted, |root| {
        fs::copy(root.join("f"), root.join("copy")).unwrap();
        fs::remove_file(root.join("f")).unwrap();
        fs::copy(root.join("copy"), root.join("f")).unwrap();
        fs::remove_file(root.join("copy")).unwrap();
    });
    assert!(matches!(met.results[..], [StepResult::Done]));
    assert_eq!(met.quarantined["f"].bytes, b"damaged");
}

#[test]
fn a_directory_in_the_way_of_a_file_stays() {
    let live = tree([("k", dir())]);
    let wanted = tree([("k", file("k"))]);
    let met = meets(&live, &wanted, |root| {
        fs::write(root.join("k/later"), "x").unwrap();
    });
    assert_eq!(met.conflict(), Some(ConflictKind::DirectoryInTheWay));
    assert_eq!(met.after["k/later"].bytes, b"x");
    assert_eq!(met.after["k.recoup-7"], wanted["k"]);
}

#[test]
fn a_file_in_the_way_of_a_directory_is_one_conflict() {
    let wanted = tree([("d", dir()), ("d/a", file("a")), ("d/b", file("b"))]);
    let met = meets(&tree([]), &wanted, |root| {
        fs::write(root.join("d"), "x").unwrap();
    });
    let conflicts = met
        .results
        .iter()
        .filter(|it| matches!(it, StepResult::Conflict(_)));
    assert_eq!(conflicts.count(), 1);
    assert_eq!(met.after["d"].bytes, b"x");
    assert_eq!(met.after["d.recoup-7/a"], wanted["d/a"]);
}

#[test]
fn a_directory_that_appeared_is_filled() {
    let wanted = tree([
        ("d", dir()),
        ("d/a", file("a")),
        ("d/s", dir()),
        ("d/s/b", file("b")),
    ]);
    let met = meets(&tree([]), &wanted, |root| {
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/later"), "x").unwrap();
        fs::set_permissions(
            root.join("d"),
            std::os::unix::fs::PermissionsExt::from_mode(0o711),
        )
        .unwrap();
    });
    assert_eq!(met.after["d/a"], wanted["d/a"]);
    assert_eq!(met.after["d/s/b"], wanted["d/s/b"]);
    assert_eq!(
        (met.after["d"].mode, &met.after["d/later"].bytes[..]),
        (0o711, &b"x"[..])
    );
    assert!(matches!(
        met.results[0],
        StepResult::Conflict(ConflictKind::ChangedMeanwhile)
    ));
}

#[test]
fn the_version_from_before_goes_beside() {
    let live = tree([("a.tar.gz", file("edited")), (".rc", file("edited"))]);
    let beside = |path: &str, text: &str| Step {
        key: key(path),
        action: Action::Beside,
        expects: Some(entry(&live[path])),
        leaves: Some(entry(&file(text))),
    };
    let steps = vec![beside(".rc", "old rc"), beside("a.tar.gz", "old tar")];
    let temp = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(temp.path(), &live, steps);
    let outcome = fixture.apply();
    assert_eq!(outcome.count("done"), 2);
    let names: Vec<_> = outcome
        .beside
        .iter()
        .map(|(_, key)| key.to_path())
        .collect();
    assert_eq!(names, [&b".rc.recoup-7"[..], b"a.tar.recoup-7.gz"]);
    assert_eq!(fixture.live()["a.tar.recoup-7.gz"].bytes, b"old tar");
    assert_eq!(fixture.resume().count("already-done"), 2);
    assert_eq!(fixture.live().len(), 4);
}

fn moved(to: &str, from: &str, what: &Node) -> Step {
    Step {
        key: key(to),
        action: Action::Move { from: key(from) },
        expects: None,
        leaves: Some(entry(what)),
    }
}

#[test]
fn renames_are_taken_back_with_what_was_done_since() {
    let live = tree([
        ("new", dir()),
        ("new/f", file("f")),
        ("one", file("1")),
        ("two", file("2")),
    ]);
    let steps = vec![
        moved("old", "new", &live["new"]),
        moved("one", "two", &live["two"]),
        moved("two", "one", &live["one"]),
    ];
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps);
    fs::write(fixture.root.join("new/f"), "edited").unwrap();
    fs::write(fixture.root.join("new/g"), "made").unwrap();
    let outcome = fixture.apply();
    assert_eq!(outcome.count("done"), 3, "{:?}", outcome.results);
    let after = fixture.live();
    assert_eq!(after["old/f"].bytes, b"edited");
    assert_eq!(after["old/g"].bytes, b"made");
    assert_eq!(
        (&after["one"].bytes[..], &after["two"].bytes[..]),
        (&b"2"[..], &b"1"[..])
    );
    assert_eq!(after.len(), 5);
}

#[test]
fn a_file_moves_back_into_a_directory_of_its_own_name() {
    let live = tree([("k", file("x"))]);
    let mut into = moved("k/x", "k", &live["k"]);
    let steps = vec![
        Step {
            key: key("k"),
            action: Action::Replace,
            expects: Some(entry(&live["k"])),
            leaves: Some(entry(&dir())),
        },
        into.clone(),
    ];
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps);
    let outcome = fixture.apply();
    assert_eq!(outcome.count("done"), 2, "{:?}", outcome.results);
    same(
        &fixture.live(),
        &timeless(&tree([("k", dir()), ("k/x", file("x"))])),
        "moved in",
    );
    let time = fs::metadata(fixture.root.join("k")).unwrap().mtime();
    assert_eq!(time, LONG_AGO);

    // And out of it: the directory was made by the event.
    let live = tree([("k", dir()), ("k/x", file("x"))]);
    into = moved("k", "k/x", &live["k/x"]);
    let steps = vec![
        Step {
            key: key("k"),
            action: Action::Remove,
            expects: Some(entry(&live["k"])),
            leaves: None,
        },
        into,
    ];
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps);
    let outcome = fixture.apply();
    assert_eq!(outcome.count("done"), 2, "{:?}", outcome.results);
    same(&fixture.live(), &tree([("k", file("x"))]), "moved out");
}

#[test]
fn a_move_finds_its_name_taken() {
    let live = tree([("new", file("x"))]);
    let steps = vec![moved("old", "new", &live["new"])];
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps);
    fs::write(fixture.root.join("old"), "taken").unwrap();
    let outcome = fixture.apply();
    let result = fixture.result(&outcome, "old");
    assert!(
        matches!(result, StepResult::Conflict(ConflictKind::PathReused)),
        "{result:?}"
    );
    let after = fixture.live();
    assert_eq!(
        (&after["new"].bytes[..], &after["old"].bytes[..]),
        (&b"x"[..], &b"taken"[..])
    );
}

#[test]
fn hard_links_stay_one_file() {
    let live = tree([
        ("a", file("bad")),
        ("b", file("x")),
        ("c", file("x")),
        ("d", dir()),
    ]);
    let temp = tempfile::tempdir().unwrap();
    let mut wanted = live.clone();
    for path in ["a", "b", "c"] {
        wanted.insert(path.into(), file("good"));
    }
    let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    for path in ["b", "c"] {
        for tree in [fixture.root.as_path(), fixture.work.staged()] {
            fs::remove_file(tree.join(path)).unwrap();
            fs::hard_link(tree.join("a"), tree.join(path)).unwrap();
        }
    }
    for step in &mut fixture.plan.steps {
        step.expects = Some(entry(&live["a"]));
    }
    fixture.seen = crate::kit::look(&fixture.root, &fixture.plan);
    // One name was pointed elsewhere since.
    fs::remove_file(fixture.root.join("b")).unwrap();
    fs::write(fixture.root.join("b"), "mine").unwrap();
    let outcome = fixture.apply();
    let conflict = fixture.result(&outcome, "b");
    assert!(matches!(
        conflict,
        StepResult::Conflict(ConflictKind::ChangedMeanwhile)
    ));
    assert_eq!(outcome.count("done"), 2, "{:?}", outcome.results);
    let ino = |path: &str| fs::metadata(fixture.root.join(path)).unwrap().ino();
    assert_eq!(ino("a"), ino("c"));
    assert_eq!(fs::read(fixture.root.join("b")).unwrap(), b"mine");
    let kept = fixture.work.quarantine();
    let old = |path: &str| fs::metadata(kept.join(path)).unwrap().ino();
    assert_eq!(old("a"), old("c"));
    assert_eq!(fs::read(kept.join("a")).unwrap(), b"bad");
}

#[test]
fn the_root_itself_gets_its_attributes() {
    let temp = tempfile::tempdir().unwrap();
    let mut step = Step {
        key: key(""),
        action: Action::Metadata,
        expects: Some(entry(&dir())),
        leaves: Some(entry(&mode(0o710, dir()))),
    };
    step.leaves.as_mut().unwrap().kind = Kind::Directory;
    let fixture = Fixture::new(temp.path(), &tree([]), vec![step]);
    let outcome = fixture.apply();
    assert_eq!(outcome.count("done"), 1, "{:?}", outcome.results);
    let meta = fs::metadata(&fixture.root).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o710, LONG_AGO));
}

#[test]
fn what_is_not_staged_is_said_and_nothing_else_suffers() {
    let live = tree([("a", file("bad"))]);
    let wanted = tree([("a", file("good")), ("b", file("b")), ("c", file("c"))]);
    let temp = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    fs::remove_file(fixture.work.staged().join("a")).unwrap();
    fs::remove_file(fixture.work.staged().join("b")).unwrap();
    let outcome = fixture.apply();
    let words: Vec<_> = outcome.results.iter().map(StepResult::word).collect();
    assert_eq!(words, ["not-staged", "not-staged", "done"]);
    assert_eq!(fixture.live()["a"].bytes, b"bad");
}

#[test]
fn what_changed_within_a_tick_of_the_clock_is_compared_by_content() {
    struct SameTick(std::path::PathBuf, std::sync::atomic::AtomicBool);
    impl recoup_undo::apply::Hooks for SameTick {
        fn after_call(&self, call: &'static str) {
            if call == "stat" && !self.1.swap(true, std::sync::atomic::Ordering::Relaxed) {
                fs::write(&self.0, "mine!!!").unwrap();
                set_time(&self.0, LONG_AGO);
            }
        }
    }
    let live = tree([("f", file("damaged")), ("g", file("damaged"))]);
    let replaced = tree([("f", file("good")), ("g", file("damaged"))]);
    let removed = tree([("f", file("damaged"))]);
    for (path, wanted) in [("f", &replaced), ("g", &removed)] {
        let temp = tempfile::tempdir().unwrap();
        let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, wanted));
        fixture.options.seen_at = fixture.seen[&key(path)].ctime;
        let hooks = SameTick(fixture.root.join(path), false.into());
        let outcome = recoup_undo::apply::apply(&fixture.job(&hooks)).unwrap();
        let result = fixture.result(&outcome, path);
        let changed = matches!(result, StepResult::Conflict(ConflictKind::ChangedMeanwhile));
        assert!(changed, "{path}: {result:?}");
        assert_eq!(fixture.live()[path].bytes, b"mine!!!");
    }
}
