//! The numbers of the rules, just below and just at their thresholds.

use model::incident::{Facts, Looks};
use model::{Actor, Level};
use recoup_policy::incident::Mode;
use recoup_policy::{Detector, Finding, Point, State};

use super::benign::BENIGN;
use super::play::{Outcome, WHOLE, play, stamp};
use super::script::{MINUTE, SECOND, Script};
use super::world::{Answers, Dice, Tree, file, home, key};

/// `files` documents in one directory beside `others` elsewhere.
fn tree(files: u64, others: u64) -> Tree {
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
        None,
        "too small to count by itself"
    );
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

/// Feeds one removal of many files, and more points by hand.
struct ByHand {
    detector: Detector,
    tree: Tree,
    number: u64,
    now: i64,
}

impl ByHand {
    fn point(&mut self, changes: &[(String, Option<Facts>)], actor: &Actor) -> Vec<Finding> {
        self.number += 1;
        self.now += 5 * SECOND;
        let before = self.tree.clone();
        let mut observed = Vec::new();
        for (path, after) in changes {
            let key = key(path);
            let was = match after {
                Some(facts) => self.tree.insert(key.clone(), *facts),
                None => self.tree.remove(&key),
            };
            observed.push(model::incident::Observed {
                key,
                time: stamp(self.now),
                actor: Some(0),
                before: was,
                after: *after,
            });
        }
        let mut live = std::collections::BTreeMap::new();
        for content in self.tree.values().filter_map(|facts| facts.content) {
            *live.entry(content).or_insert(0) += 1;
        }
        let seen = before.values().filter_map(|facts| facts.content).collect();
        let answers = Answers {
            before: &before,
            live: &live,
            seen: &seen,
        };
        let actors = [actor.clone()];
        let point = Point {
            number: self.number,
            time: stamp(self.now),
            blurred: false,
            observed: &observed,
            actors: &actors,
        };
        self.detector.point(&point, &answers)
    }
}

fn actor(comm: &str, ours: bool) -> Actor {
    Actor {
        pid: 7,
        comm: comm.into(),
        ours,
        ..Actor::default()
    }
}

fn by_hand() -> ByHand {
    ByHand {
        detector: Detector::new(Mode::Tree),
        tree: tree(100, 100),
        number: 0,
        now: 0,
    }
}

fn gone(range: std::ops::Range<u64>) -> Vec<(String, Option<Facts>)> {
    range
        .map(|at| (format!("docs/f{at:05}.txt"), None))
        .collect()
}

#[test]
fn a_finding_grows_closes_and_is_not_made_twice() {
    let mut hand = by_hand();
    assert_eq!(hand.point(&[], &actor("rm", false)), []);
    let first = hand.point(&gone(0..25), &actor("rm", false));
    assert_eq!(
        (
            first.len(),
            first[0].id,
            first[0].deleted,
            first[0].last_good
        ),
        (1, 1, 25, Some(1))
    );
    let more = hand.point(&gone(25..60), &actor("rm", false));
    assert_eq!(
        (more.len(), more[0].id, more[0].deleted, more[0].last_good),
        (1, 1, 60, Some(1))
    );
    assert_eq!((more[0].first_point, more[0].last_point), (2, 3));
    assert!(
        more[0]
            .about
            .contains("60 of 100 files under docs (60.0 %)"),
        "{}",
        more[0].about
    );
    hand.now += 11 * MINUTE;
    let closed = hand.point(&[], &actor("rm", false));
    assert_eq!(
        (closed.len(), closed[0].id, closed[0].state),
        (1, 1, State::Closed)
    );
    assert!(hand.detector.has_alarm());
    assert_eq!(
        hand.point(&gone(60..61), &actor("vim", false)),
        [],
        "one more file is no event"
    );
}

#[test]
fn our_own_undo_is_no_incident_and_withdraws_none() {
    let mut hand = by_hand();
    let before = hand.tree.clone();
    let found = hand.point(&gone(0..50), &actor("rm", false));
    assert_eq!(found[0].level, Level::Alarm);
    let back: Vec<_> = gone(0..50)
        .into_iter()
        .map(|(path, _)| (path.clone(), Some(before[&key(&path)])))
        .collect();
    let undone = hand.point(&back, &actor("recoup", true));
    assert_eq!(
        (
            undone.len(),
            undone[0].id,
            undone[0].state,
            undone[0].deleted
        ),
        (1, 1, State::Closed, 50)
    );
    // Redone by us: nothing. By another: a new one.
    assert_eq!(hand.point(&gone(0..50), &actor("recoup", true)), []);
    assert_eq!(hand.point(&back, &actor("recoup", true)), []);
    let again = hand.point(&gone(0..50), &actor("rm", false));
    assert_eq!((again.len(), again[0].id, again[0].deleted), (1, 2, 50));
}

#[test]
fn what_comes_back_by_itself_is_withdrawn() {
    let mut hand = by_hand();
    let before = hand.tree.clone();
    hand.point(&gone(0..50), &actor("rm", false));
    let back: Vec<_> = (0..50)
        .map(|at| {
            (
                format!("elsewhere/{at}"),
                Some(before[&key(&format!("docs/f{at:05}.txt"))]),
            )
        })
        .collect();
    let withdrawn = hand.point(&back, &actor("mv", false));
    assert_eq!(
        (withdrawn.len(), withdrawn[0].id, withdrawn[0].state),
        (1, 1, State::Withdrawn)
    );
    assert!(!hand.detector.has_alarm());
}

#[test]
fn nightly_work_becomes_usual() {
    let mut hand = by_hand();
    let mut levels = Vec::new();
    for night in 0..12_u64 {
        let spool: Vec<_> = (0..60)
            .map(|at| {
                (
                    format!("spool/n{at}"),
                    Some(file(5_000_000 + night * 100 + at, 900, Looks::Compressible)),
                )
            })
            .collect();
        hand.point(&spool, &actor("mailer", false));
        hand.now += 12 * 60 * MINUTE;
        let swept: Vec<_> = spool.into_iter().map(|(path, _)| (path, None)).collect();
        let found = hand.point(&swept, &actor("sweeper", false));
        levels.push(found.iter().map(|finding| finding.level).max());
        hand.now += 12 * 60 * MINUTE;
    }
    assert_eq!(levels[0], Some(Level::Alarm), "nothing is known yet");
    assert!(
        levels[8..].iter().all(|level| *level < Some(Level::Alarm)),
        "{levels:?}"
    );
}
