//! Several events: M8, T5, composing, and what must not hold: T6 and first-in-first-out.

use std::collections::BTreeSet;

use model::{Change, PathKey};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use recoup_merge::{ChangeSet, Rules};

use crate::apply::{in_place, run};
use crate::oracle::picture;
use crate::trees::undo;
use crate::world::{
    State, done, histories, law, plain_tree, plan_of, samples, triples, untouched, work,
};

/// States that follow from each other.
fn rows() -> impl Strategy<Value = Vec<State>> {
    (work(9), proptest::collection::vec(work(3), 1..4)).prop_map(|(first, events)| {
        let mut states = vec![done(State::new(), &first)];
        for event in events {
            states.push(done(states[states.len() - 1].clone(), &event));
        }
        states
    })
}

fn events(states: &[State]) -> Vec<ChangeSet> {
    let pairs = states.windows(2);
    pairs
        .map(|pair| ChangeSet::between(&pair[0], &pair[1]))
        .collect()
}

#[test]
fn m8_last_in_first_out_gives_the_start() {
    law("M8", rows(), |states| {
        let mut state = states[states.len() - 1].clone();
        for pair in states.windows(2).rev() {
            let (result, plan) = undo(&pair[0], &pair[1], &state, &Rules::tree(&untouched))?;
            prop_assert!(!plan.leaves_open());
            state = result;
        }
        prop_assert_eq!(picture(&state), picture(&states[0]));
        Ok(())
    });
}

#[test]
fn composed_events_are_undone_as_one() {
    law("composed events", rows(), |states| {
        let last = &states[states.len() - 1];
        let composed = events(&states).into_iter().flatten().collect::<ChangeSet>();
        let plan = plan_of(&composed, last, &states[0], &Rules::tree(&untouched));
        prop_assert!(!plan.leaves_open());
        let result = run(last, &plan, 1, true).map_err(TestCaseError::fail)?;
        prop_assert_eq!(picture(&result), picture(&states[0]));
        // Touched and put back is no change; nothing else is lost.
        let whole: Vec<_> = ChangeSet::between(&states[0], last)
            .into_iter()
            .map(|it| it.key)
            .collect();
        let keys: Vec<_> = composed.into_iter().map(|change| change.key).collect();
        prop_assert_eq!(whole, keys);
        Ok(())
    });
}

#[test]
fn first_in_first_out_does_not_give_the_start() {
    let (mut tried, mut failed) = (0, 0);
    for states in samples(&rows(), 3_000) {
        let events = events(&states);
        let keys = |event: &ChangeSet| -> BTreeSet<PathKey> {
            event
                .changes()
                .iter()
                .map(|change| change.key.clone())
                .collect()
        };
        let overlap = events
            .windows(2)
            .any(|pair| !keys(&pair[0]).is_disjoint(&keys(&pair[1])));
        if !overlap {
            continue;
        }
        tried += 1;
        let mut state = states[states.len() - 1].clone();
        for pair in states.windows(2) {
            state = in_place(&undo(&pair[0], &pair[1], &state, &plain_tree()).unwrap().0);
        }
        failed += u32::from(picture(&state) != picture(&states[0]));
    }
    println!("first in, first out on overlapping keys: wrong in {failed} of {tried}");
    assert!(failed > 0);
}

/// Two parts of an event, without a key in common, and no key of one above or beneath one of the other.
fn parts(changes: &ChangeSet, seed: u64, may_relate: bool) -> [ChangeSet; 2] {
    let is_first = |at: usize| seed >> (at % 64) & 1 == 1;
    let all = || changes.changes().iter().enumerate();
    let first: Vec<&Change> = all()
        .filter(|(at, _)| is_first(*at))
        .map(|(_, it)| it)
        .collect();
    let is_related = |change: &Change| {
        first.iter().any(|other| {
            other.key.contains(change.key.as_bytes()) || change.key.contains(other.key.as_bytes())
        })
    };
    let second = all()
        .filter(|(at, change)| !is_first(*at) && (may_relate || !is_related(change)))
        .map(|(_, change)| change.clone());
    let second = second.collect();
    [first.into_iter().cloned().collect(), second]
}

fn in_order(parts: [&ChangeSet; 2], before: &State, live: &State) -> Result<State, TestCaseError> {
    let mut state = live.clone();
    for part in parts {
        let plan = plan_of(part, &state, before, &plain_tree());
        state = run(&state, &plan, 1, true).map_err(TestCaseError::fail)?;
        state = in_place(&state);
    }
    Ok(state)
}

#[test]
fn t5_unrelated_keys_commute() {
    let values = (histories(), any::<u64>());
    law("T5", values, |([before, after, live], seed)| {
        let [one, two] = parts(&ChangeSet::between(&before, &after), seed, false);
        let results = (
            in_order([&one, &two], &before, &live)?,
            in_order([&two, &one], &before, &live)?,
        );
        prop_assert_eq!(picture(&results.0), picture(&results.1));
        Ok(())
    });
}

#[test]
fn t5_related_keys_do_not_commute() {
    let (mut tried, mut differ) = (0, 0);
    for ([before, after, live], seed) in samples(&(histories(), any::<u64>()), 5_000) {
        let [one, two] = parts(&ChangeSet::between(&before, &after), seed, true);
        if one.is_empty() || two.is_empty() {
            continue;
        }
        tried += 1;
        let results = [[&one, &two], [&two, &one]].map(|parts| in_order(parts, &before, &live));
        let [Ok(first), Ok(second)] = results else {
            panic!("a plan could not be run");
        };
        differ += u32::from(picture(&first) != picture(&second));
    }
    println!("related keys, undone one by one in both orders: {differ} of {tried} differ");
    assert!(differ > 0);
}

#[test]
fn t6_the_swapped_pair_is_no_redo() {
    let (mut on_maps, mut on_trees) = (0, 0);
    let count = 3_000;
    for [before, after, live] in samples(&triples(), count) {
        let swap = |one: &State, two: &State, live: &State| {
            let changes = ChangeSet::between(one, two);
            let plan = plan_of(&changes, live, &State::new(), &Rules::flat());
            run(live, &plan, 1, false).unwrap()
        };
        let result = swap(&before, &after, &live);
        on_maps += u32::from(picture(&swap(&after, &before, &result)) != picture(&live));
    }
    for [before, after, live] in samples(&histories(), count) {
        let result = undo(&before, &after, &live, &plain_tree()).unwrap().0;
        let redone = undo(&after, &before, &in_place(&result), &plain_tree())
            .unwrap()
            .0;
        on_trees += u32::from(picture(&in_place(&redone)) != picture(&live));
    }
    println!(
        "redo by the swapped pair: wrong in {on_maps} of {count} maps, {on_trees} of {count} trees"
    );
    assert!(on_maps > 0 && on_trees > 0);
}
