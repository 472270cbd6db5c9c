//! A run that ends at any call and is resumed, or taken back, ends as one that was not disturbed.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::Kind;
use recoup_undo::apply::{Hooks, Job, Outcome, StepResult, apply, resume, rollback};

use crate::chance::{Chance, Drawn, draw};
use crate::kit::{Counter, Fixture, Tree, fast_directory, is_long, not_done, read, same, timeless};

/// Ends the run at a call, as a kill would: nothing after it is done.
pub(crate) struct Kill {
    left: AtomicUsize,
}

impl Kill {
    pub(crate) fn at(call: usize) -> Self {
        Self {
            left: AtomicUsize::new(call),
        }
    }
}

impl Hooks for Kill {
    fn after_call(&self, _call: &'static str) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            resume_unwind(Box::new("killed"));
        }
    }
}

type Way = fn(&Job<'_>) -> recoup_undo::Result<Outcome>;

/// Whether the run was killed.
fn run_until(fixture: &Fixture, way: Way, call: usize) -> bool {
    let kill = Kill::at(call);
    catch_unwind(AssertUnwindSafe(|| way(&fixture.job(&kill)).unwrap())).is_err()
}

/// All bytes and targets in a tree.
pub(crate) fn contents(tree: &Tree) -> BTreeSet<Vec<u8>> {
    let has_bytes = |kind| matches!(kind, Kind::File | Kind::Symlink);
    let nodes = tree.values().filter(|node| has_bytes(node.kind));
    nodes.map(|node| node.bytes.clone()).collect()
}

fn everything(fixture: &Fixture) -> BTreeSet<Vec<u8>> {
    let mut found = contents(&fixture.live());
    found.extend(contents(&read(fixture.work.path())));
    found
}

struct Sweep {
    kills: usize,
    twice: usize,
    back: usize,
}

/// Every call of one drawn plan.
fn sweep(base: &Path, seed: u64, weaker: bool, sweep: &mut Sweep) {
    let Drawn {
        live,
        wanted,
        steps,
    } = draw(seed);
    let fresh = || {
        let temp = tempfile::tempdir_in(base).unwrap();
        let mut fixture = Fixture::new(temp.path(), &live, steps.clone());
        fixture.options.weaker = weaker;
        (temp, fixture)
    };
    let (_temp, whole) = fresh();
    let all = everything(&whole);
    let counter = Counter::default();
    let outcome = apply(&whole.job(&counter)).unwrap();
    let what = format!("seed {seed}, undisturbed");
    same(&whole.live(), &timeless(&wanted), &what);
    assert!(
        !outcome.leaves_open(),
        "{what}: {}",
        not_done(&whole.plan, &outcome)
    );
    let kept = contents(&whole.quarantined());
    let mut chance = Chance::new(seed);
    for call in 0..counter.all() {
        let what = format!("seed {seed}, killed at call {call} of {}", counter.all());
        let (_temp, mut fixture) = fresh();
        assert!(run_until(&fixture, apply, call), "{what}: was not killed");
        sweep.kills += 1;
        if call % 3 == 0 {
            sweep.back += 1;
            let outcome = fixture.rollback();
            assert!(
                outcome.results.iter().all(StepResult::is_done),
                "{what}: {}",
                not_done(&fixture.plan, &outcome)
            );
            same(
                &fixture.live(),
                &timeless(&live),
                &format!("{what}, taken back"),
            );
        } else {
            if call % 3 == 1 {
                sweep.twice += 1;
                fixture.reopen();
                run_until(&fixture, resume, chance.below(counter.all()));
            }
            let outcome = fixture.resume();
            assert!(
                !outcome.leaves_open(),
                "{what}: {}",
                not_done(&fixture.plan, &outcome)
            );
            same(
                &fixture.live(),
                &timeless(&wanted),
                &format!("{what}, resumed"),
            );
            let found = contents(&fixture.quarantined());
            // Without guarded moves, the second name of something that was moved may end there.
            let as_it_should = if weaker {
                found.is_superset(&kept)
            } else {
                found == kept
            };
            assert!(
                as_it_should,
                "{what}: quarantine holds {found:?}, not {kept:?}"
            );
        }
        assert_eq!(everything(&fixture), all, "{what}: something is lost");
    }
}

#[test]
fn killed_at_every_call() {
    let temp = fast_directory();
    let seeds = if is_long() { 300 } else { 24 };
    let mut counts = Sweep {
        kills: 0,
        twice: 0,
        back: 0,
    };
    for seed in 0..seeds {
        sweep(temp.path(), seed, seed % 6 == 5, &mut counts);
    }
    let Sweep { kills, twice, back } = counts;
    println!("{seeds} plans: killed at {kills} calls, {twice} of them twice, {back} taken back");
    assert!(kills > 20 * seeds as usize);
}

#[test]
fn taking_back_a_whole_run() {
    let temp = fast_directory();
    let seeds = if is_long() { 2000 } else { 150 };
    for seed in 1000..1000 + seeds {
        let drawn = draw(seed);
        let temp = tempfile::tempdir_in(temp.path()).unwrap();
        let mut fixture = Fixture::new(temp.path(), &drawn.live, drawn.steps);
        fixture.options.workers = 2;
        let outcome = fixture.apply();
        assert!(
            !outcome.leaves_open(),
            "seed {seed}: {}",
            not_done(&fixture.plan, &outcome)
        );
        same(
            &fixture.live(),
            &timeless(&drawn.wanted),
            &format!("seed {seed}, applied"),
        );
        let again = fixture.resume();
        assert!(
            again.results.iter().all(StepResult::is_done),
            "seed {seed}: {}",
            not_done(&fixture.plan, &again)
        );
        same(
            &fixture.live(),
            &timeless(&drawn.wanted),
            &format!("seed {seed}, again"),
        );
        fixture.reopen();
        rollback(&fixture.job(&Counter::default())).unwrap();
        same(
            &fixture.live(),
            &timeless(&drawn.live),
            &format!("seed {seed}, taken back"),
        );
    }
    println!("{seeds} plans: applied, run again, taken back");
}
