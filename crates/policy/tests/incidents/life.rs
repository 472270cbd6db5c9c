//! The life of a finding: it grows, closes, is withdrawn, and is not made twice.

use model::incident::{Facts, Looks};
use model::{Actor, Level};
use recoup_policy::incident::Mode;
use recoup_policy::{Detector, Finding, Point, State};

use super::play::stamp;
use super::script::{MINUTE, SECOND};
use super::thresholds::tree;
use super::world::{Answers, Tree, file, key};

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
    assert_eq!(
        hand.point(&gone(60..61), &actor("vim", false)),
        [],
        "one more file is no event"
    );
}

/// A process that ended before anybody could ask for its name, on with what a named one began: enough for
/// an event of its own, but one that a person would have to undo twice.
#[test]
fn who_ended_too_early_to_be_named_has_a_part_in_the_event_about_it() {
    let mut hand = by_hand();
    let first = hand.point(&gone(0..24), &actor("rm", false));
    let nameless = Actor {
        pid: 8,
        ..Actor::default()
    };
    let more = hand.point(&gone(24..40), &nameless);
    assert_eq!((first.len(), more.len()), (1, 1), "{more:?}");
    let (first, more) = (&first[0], &more[0]);
    assert_eq!((more.id, more.deleted), (first.id, 40));
    assert_eq!((more.level, &more.actor), (first.level, &first.actor));
    assert!(more.about.contains("40 of 100 files"), "{}", more.about);
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

#[test]
fn an_event_of_two_days_keeps_all_its_keys() {
    let mut hand = by_hand();
    let mut last = 0;
    for at in 0..100 {
        // Not quiet for as long as closes it.
        for _ in 0..3 {
            hand.now += 9 * MINUTE;
            hand.point(
                &[(format!("other/o{at:05}.txt"), None)][..0],
                &actor("evil", false),
            );
        }
        let noise = Facts {
            magic_ok: Some(false),
            ..file(8_000_000 + at, 4_000, Looks::Random)
        };
        let found = hand.point(
            &[(format!("docs/f{at:05}.txt"), Some(noise))],
            &actor("evil", false),
        );
        last = found
            .iter()
            .filter(|one| one.level == Level::Alarm)
            .map(Finding::damaged)
            .max()
            .unwrap_or(last);
    }
    // One in half an hour for two days: closed and opened again each time.
    assert_eq!(last, 100);
}

#[test]
fn what_can_be_made_again_says_nothing_of_what_lies_beside_it() {
    let mut hand = by_hand();
    let cache = Facts {
        is_directory: true,
        ..Facts::default()
    };
    hand.tree.insert(key("tools/__pycache__"), cache);
    for at in 0..100 {
        let source = file(2_000_000 + at, 4_000, Looks::Compressible);
        hand.tree.insert(key(&format!("tools/a{at:02}.py")), source);
    }
    // The directory comes first in the order of keys.
    let mut removed = vec![("tools/__pycache__".to_owned(), None)];
    removed.extend((0..60).map(|at| (format!("tools/a{at:02}.py"), None)));
    let found = hand.point(&removed, &actor("rm", false));
    assert_eq!(
        found.iter().map(|finding| finding.level).max(),
        Some(Level::Alarm)
    );
}

#[test]
fn orderly_work_makes_no_loss_usual() {
    let mut hand = by_hand();
    for night in 0..12_u64 {
        let checked_out: Vec<_> = (0..60)
            .map(|at| {
                (
                    format!("work/n{at}"),
                    Some(file(5_000_000 + night * 100 + at, 900, Looks::Compressible)),
                )
            })
            .collect();
        hand.point(&checked_out, &actor("git", false));
        hand.now += 12 * 60 * MINUTE;
        let mut moved: Vec<_> = checked_out
            .into_iter()
            .map(|(path, _)| (path, None))
            .collect();
        let index = file(6_000_000 + night, 900, Looks::Compressible);
        moved.push(("work/.git/index".to_owned(), Some(index)));
        let found = hand.point(&moved, &actor("git", false));
        assert!(
            found.iter().all(|finding| finding.level < Level::Alarm),
            "{found:?}"
        );
        hand.now += 12 * 60 * MINUTE;
    }
    let found = hand.point(&gone(0..60), &actor("git", false));
    assert_eq!(
        found.iter().map(|finding| finding.level).max(),
        Some(Level::Alarm),
        "nothing was lost before"
    );
}
