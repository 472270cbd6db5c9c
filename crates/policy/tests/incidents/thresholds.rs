//! The numbers of the rules, just below and just at their thresholds.

use model::Level;
use model::incident::{Facts, Looks};
use recoup_policy::incident::Mode;

use super::benign::BENIGN;
use super::play::{Outcome, WHOLE, play};
use super::script::{MINUTE, SECOND, Script};
use super::world::{Dice, Tree, file, home, key};

/// `files` documents in one directory beside `others` elsewhere.
pub(crate) fn tree(files: u64, others: u64) -> Tree {
    let mut tree = Tree::new();
    for at in 0..files {
        tree.insert(
            key(&format!("docs/f{at:05}.txt")),
            file(at + 1, 4_000, Looks::Compressible),
        );
    }
    for at in 0..others {
        tree.insert(
            key(&format!("other/o{at:05}.txt")),
            file(at + 1_000_000, 4_000, Looks::Compressible),
        );
    }
    tree
}

fn run(tree: &Tree, write: impl FnOnce(&mut Script)) -> Outcome {
    let mut script = Script::new(tree.clone(), Dice(3));
    script.by("x", 10, 5).evil();
    write(&mut script);
    play(tree, &script, Mode::Tree, &WHOLE)
}

fn removed(tree: &Tree, count: usize, each: i64) -> Option<Level> {
    let outcome = run(tree, |script| {
        for path in script.files("docs").into_iter().take(count) {
            script.wait(each).remove(&path);
        }
    });
    outcome.worst
}

#[test]
fn a_fifth_of_a_subtree_of_fifty() {
    assert_eq!(removed(&tree(50, 5_000), 10, 10), Some(Level::Alarm));
    assert_eq!(removed(&tree(50, 5_000), 9, 10), None);
    assert_eq!(
        removed(&tree(49, 5_000), 49, 10),
        Some(Level::Notice),
        "too small for an alarm"
    );
    assert_eq!(removed(&tree(49, 5_000), 24, 10), None);
    assert_eq!(removed(&tree(9, 5_000), 9, 10), None);
    assert_eq!(removed(&tree(200, 5_000), 39, 10), Some(Level::Pin));
    assert_eq!(removed(&tree(200, 5_000), 40, 10), Some(Level::Alarm));
    // One file in two minutes: 30 within an hour, and half of them within the day.
    assert_eq!(removed(&tree(200, 5_000), 99, 2 * MINUTE), Some(Level::Pin));
    assert_eq!(
        removed(&tree(200, 5_000), 100, 2 * MINUTE),
        Some(Level::Alarm)
    );
}

#[test]
fn pins_and_notices_of_large_trees() {
    // One in a hundred of a subtree.
    assert_eq!(removed(&tree(1_000, 0), 9, 10), None);
    assert_eq!(removed(&tree(1_000, 0), 10, 10), Some(Level::Pin));
    // A hundred in a minute, whatever the share.
    assert_eq!(removed(&tree(20_000, 0), 99, 10), None);
    assert_eq!(removed(&tree(20_000, 0), 100, 10), Some(Level::Pin));
    assert_eq!(
        removed(&tree(20_000, 0), 100, SECOND),
        None,
        "slower than that"
    );
    // The larger of 500 and one in twenty.
    assert_eq!(removed(&tree(9_000, 0), 499, 10), Some(Level::Pin));
    assert_eq!(removed(&tree(9_000, 0), 500, 10), Some(Level::Notice));
    assert_eq!(removed(&tree(20_000, 0), 999, 10), Some(Level::Pin));
    assert_eq!(removed(&tree(20_000, 0), 1_000, 10), Some(Level::Notice));
}

fn scrambled(tree: &Tree, count: usize, name: impl Fn(&str) -> String, each: i64) -> Option<Level> {
    let outcome = run(tree, |script| {
        for path in script.files("docs").into_iter().take(count) {
            let noise = script.fresh(4_000, Looks::Random);
            let new = name(&path);
            script.wait(each).put(&new, noise);
            if new != path {
                script.remove(&path);
            }
        }
    });
    outcome.worst
}

#[test]
fn noise_in_place_and_beside() {
    let large = tree(5_000, 0);
    let same = |path: &str| path.to_owned();
    assert_eq!(scrambled(&large, 4, same, 10), None);
    assert_eq!(
        scrambled(&large, 99, same, 10),
        Some(Level::Pin),
        "one type, below two in a hundred"
    );
    assert_eq!(
        scrambled(&large, 100, same, 10),
        Some(Level::Alarm),
        "two in a hundred"
    );
    let locked = |path: &str| format!("{path}.locked");
    assert_eq!(scrambled(&large, 4, locked, 10), None);
    assert_eq!(
        scrambled(&large, 5, locked, 10),
        Some(Level::Alarm),
        "an extension that spreads"
    );
    // Three types: every third file is another.
    let mut mixed = large;
    for at in 0..60 {
        let extension = ["doc", "xls", "pdf"][at % 3];
        mixed.insert(
            key(&format!("docs/a{at:03}.{extension}")),
            file(9_000_000 + at as u64, 4_000, Looks::Compressible),
        );
    }
    assert_eq!(scrambled(&mixed, 19, same, 10), Some(Level::Pin));
    assert_eq!(scrambled(&mixed, 20, same, 10), Some(Level::Alarm));
    assert_eq!(
        scrambled(&mixed, 60, same, 4 * SECOND),
        Some(Level::Pin),
        "fifteen a minute"
    );
}

#[test]
fn known_contents_are_no_noise() {
    let tree = tree(100, 0);
    let outcome = run(&tree, |script| {
        // One random file, copied over all others: known after the first, but never seen before.
        let noise = script.fresh(4_000, Looks::Random);
        script.honest().put("seed.bin", noise);
        script.wait(10 * MINUTE);
        for path in script.files("docs").into_iter().take(9) {
            script.wait(10).put(&path, noise);
        }
    });
    assert_eq!(outcome.worst, Some(Level::Pin), "{:?}", outcome.last);
}

#[test]
fn twenty_emptied_files() {
    let large = tree(5_000, 0);
    let empty = |count: usize, each: i64| {
        run(&large, |script| {
            for path in script.files("docs").into_iter().take(count) {
                let nothing = script.fresh(0, Looks::Unknown);
                script.wait(each).put(&path, nothing);
            }
        })
        .worst
    };
    assert_eq!(empty(4, 10), None);
    assert_eq!(empty(19, 10), Some(Level::Pin));
    assert_eq!(empty(20, 10), Some(Level::Alarm));
    assert_eq!(
        empty(60, 40 * SECOND),
        Some(Level::Pin),
        "fifteen in ten minutes"
    );
}

#[test]
fn a_sweep_is_an_alarm_when_it_destroys_knowledge() {
    let mut large = tree(3_000, 0);
    let sweep = |tree: &Tree, count: usize, to: fn(u64) -> u64| {
        run(tree, |script| {
            for path in script.files("docs").into_iter().take(count) {
                let facts = script.facts(&path);
                script.wait(1).put(
                    &path,
                    Facts {
                        metadata: to(facts.metadata),
                        ..facts
                    },
                );
            }
        })
        .worst
    };
    assert_eq!(sweep(&large, 99, |_| 0o777), None);
    assert_eq!(sweep(&large, 999, |_| 0o777), Some(Level::Pin));
    assert_eq!(
        sweep(&large, 1_000, |_| 0o777),
        Some(Level::Notice),
        "all alike before: nothing is lost"
    );
    for (at, facts) in large.values_mut().enumerate() {
        facts.metadata = if at % 5 == 0 { 0o755 } else { 0o644 };
    }
    assert_eq!(
        sweep(&large, 599, |_| 0o777),
        Some(Level::Pin),
        "below a fifth"
    );
    assert_eq!(sweep(&large, 600, |_| 0o777), Some(Level::Alarm));
    assert_eq!(
        sweep(&large, 600, |mode| mode + 0o10_000),
        Some(Level::Pin),
        "one to one"
    );
}

#[test]
fn an_excuse_needs_its_trace() {
    // The same acts without what the program always leaves beside: damage.
    for (name, trace) in [
        ("git checkout", "work/app/.git/"),
        ("git gc", ".pack"),
        ("apt autoremove", "var/lib/dpkg"),
        ("store merges its files", "/001"),
    ] {
        let write = BENIGN.iter().find(|(one, _)| *one == name).unwrap().1;
        let mut dice = Dice(0);
        let tree = home(&mut dice);
        let mut script = Script::new(tree.clone(), dice);
        write(&mut script);
        assert!(play(&tree, &script, Mode::Tree, &WHOLE).worst < Some(Level::Alarm));
        let hit = |act: &super::script::Act| {
            String::from_utf8(act.key.to_path())
                .unwrap()
                .contains(trace)
        };
        script.acts.retain(|act| !hit(act));
        assert_eq!(
            play(&tree, &script, Mode::Tree, &WHOLE).worst,
            Some(Level::Alarm),
            "{name} without its trace"
        );
    }
}
