//! M1 to M10 on flat maps.

use model::{Change, Plan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use recoup_merge::{ChangeSet, Rules};

use crate::apply::run;
use crate::oracle::{picture, undo_map};
use crate::world::{State, law, plan_of, triples};

/// Undoes `before` → `after` on `live`.
fn undo(before: &State, after: &State, live: &State) -> Result<(State, Plan), TestCaseError> {
    let changes = ChangeSet::between(before, after);
    let plan = plan_of(&changes, live, &State::new(), &Rules::flat());
    let result = run(live, &plan, 1, false).map_err(TestCaseError::fail)?;
    Ok((result, plan))
}

#[test]
fn m1_an_event_that_did_nothing_is_undone_by_nothing() {
    law("M1", triples(), |[_, after, live]| {
        let (result, plan) = undo(&after, &after, &live)?;
        prop_assert_eq!(result, live);
        prop_assert_eq!(plan, Plan::default());
        Ok(())
    });
}

#[test]
fn m2_with_nothing_since_everything_is_as_before() {
    law("M2", triples(), |[before, after, _]| {
        let (result, plan) = undo(&before, &after, &after)?;
        prop_assert_eq!(picture(&result), picture(&before));
        prop_assert!(!plan.leaves_open());
        Ok(())
    });
}

#[test]
fn m3_what_was_put_back_by_hand_stays() {
    law("M3", triples(), |[before, after, _]| {
        let (result, plan) = undo(&before, &after, &before)?;
        prop_assert_eq!(result, before);
        prop_assert!(plan.is_empty() && !plan.leaves_open());
        Ok(())
    });
}

#[test]
fn m4_twice_is_once() {
    law("M4", triples(), |[before, after, live]| {
        let (once, _) = undo(&before, &after, &live)?;
        let (twice, plan) = undo(&before, &after, &once)?;
        prop_assert!(plan.is_empty(), "{plan:?}");
        prop_assert_eq!(twice, once);
        Ok(())
    });
}

#[test]
fn m5_and_m6_agree_with_the_oracle() {
    law(
        "M5, M6, oracle of maps",
        triples(),
        |[before, after, live]| {
            let (result, plan) = undo(&before, &after, &live)?;
            let answer = undo_map(&picture(&before), &picture(&after), &picture(&live));
            prop_assert_eq!(picture(&result), answer.result);
            let undecided = plan.conflicts.iter().map(|conflict| conflict.key.clone());
            prop_assert_eq!(
                undecided.collect::<std::collections::BTreeSet<_>>(),
                answer.undecided
            );
            for (key, entry) in &live {
                if before.get(key) == after.get(key) {
                    prop_assert_eq!(result.get(key), Some(entry));
                }
            }
            Ok(())
        },
    );
}

#[test]
fn every_key_is_answered_for_once() {
    law(
        "every key has one answer",
        triples(),
        |[before, after, live]| {
            let changes = ChangeSet::between(&before, &after);
            let (_, plan) = undo(&before, &after, &live)?;
            for change in changes.changes() {
                let steps = plan
                    .steps
                    .iter()
                    .filter(|step| step.key == change.key)
                    .count();
                let open = plan
                    .conflicts
                    .iter()
                    .filter(|it| it.key == change.key)
                    .count();
                let kept = plan.kept.iter().filter(|it| it.key == change.key).count();
                prop_assert!(steps <= 1 && open <= 1 && kept <= 1);
                // A step and a conflict: some fields come back, others were changed twice.
                prop_assert!(kept == 0 || steps + open == 0);
                prop_assert!(steps + open + kept > 0, "{change:?}");
            }
            Ok(())
        },
    );
}

#[test]
fn m7_the_record_takes_an_undo_back() {
    law("M7", triples(), |[before, after, live]| {
        let (result, _) = undo(&before, &after, &live)?;
        let (back, plan) = undo(&live, &result, &result)?;
        prop_assert_eq!(picture(&back), picture(&live));
        prop_assert!(!plan.leaves_open());
        Ok(())
    });
}

#[test]
fn m9_disjoint_keys_commute() {
    let values = (triples(), any::<u64>());
    law("M9", values, |([before, after, live], seed)| {
        let all: Vec<Change> = ChangeSet::between(&before, &after).into_iter().collect();
        let half = |bit: u64| -> ChangeSet {
            let chosen = all
                .iter()
                .enumerate()
                .filter(|(at, _)| seed >> at & 1 == bit);
            chosen.map(|(_, change)| change.clone()).collect()
        };
        let one_by_one = |first: u64| -> Result<State, TestCaseError> {
            let mut state = live.clone();
            for bit in [first, 1 - first] {
                let plan = plan_of(&half(bit), &state, &State::new(), &Rules::flat());
                state = run(&state, &plan, 1, false).map_err(TestCaseError::fail)?;
            }
            Ok(state)
        };
        prop_assert_eq!(one_by_one(0)?, one_by_one(1)?);
        Ok(())
    });
}

#[test]
fn m10_the_order_of_the_changes_does_not_matter() {
    law("M10 on maps", triples(), |[before, after, live]| {
        let changes = ChangeSet::between(&before, &after);
        let turned: ChangeSet = changes.changes().iter().rev().cloned().collect();
        prop_assert_eq!(&changes, &turned);
        let (one, two) = (
            plan_of(&changes, &live, &State::new(), &Rules::flat()),
            plan_of(&turned, &live, &State::new(), &Rules::flat()),
        );
        prop_assert!(one.steps.is_sorted_by_key(|step| &step.key));
        prop_assert_eq!(one, two);
        Ok(())
    });
}
