//! T1 to T4, and M2, M4, M7, M10 once more, on trees.

use std::collections::BTreeSet;
use std::convert::Infallible;

use model::{Kind, PathKey, Plan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use recoup_merge::{ChangeSet, Live, LiveTree, MemoryTree, Rules, plan};

use crate::apply::{hole, in_place, run};
use crate::oracle::{picture, undo_tree};
use crate::world::{State, histories, law, plain_tree, plan_of, triples, untouched};

pub(crate) fn undo(
    before: &State,
    after: &State,
    live: &State,
    rules: &Rules<'_>,
) -> Result<(State, Plan), TestCaseError> {
    let changes = ChangeSet::between(before, after);
    let plan = plan_of(&changes, live, before, rules);
    let result = run(live, &plan, 1, true).map_err(TestCaseError::fail)?;
    Ok((result, plan))
}

/// The laws that hold with and without renames.
fn laws(name: &str, rules: &Rules<'_>) {
    law(
        &format!("T1 and survival, {name}"),
        histories(),
        |[before, after, live]| {
            let (result, plan) = undo(&before, &after, &live, rules)?;
            prop_assert_eq!(hole(&result), None);
            for (key, entry) in &live {
                if !before.contains_key(key) && !after.contains_key(key) {
                    prop_assert_eq!(result.get(key), Some(entry), "T2");
                }
            }
            // What is taken away is named in the plan.
            for key in live.keys().filter(|key| !result.contains_key(*key)) {
                let is_named = plan.steps.iter().any(|step| {
                    let is_moved =
                        matches!(&step.action, model::Action::Move { from } if from == key);
                    is_moved || step.key == *key && step.action == model::Action::Remove
                });
                prop_assert!(is_named, "{key:?}");
            }
            Ok(())
        },
    );
    law(
        &format!("T4: M2 on trees, {name}"),
        histories(),
        |[before, after, _]| {
            let (result, plan) = undo(&before, &after, &after, rules)?;
            prop_assert_eq!(picture(&result), picture(&before));
            prop_assert!(!plan.leaves_open());
            let (result, plan) = undo(&before, &after, &before, rules)?;
            prop_assert_eq!(result, before, "M3");
            prop_assert!(plan.is_empty() && !plan.leaves_open());
            Ok(())
        },
    );
    law(
        &format!("T4: M4 on trees, {name}"),
        histories(),
        |[before, after, live]| {
            let (once, _) = undo(&before, &after, &live, rules)?;
            let once = in_place(&once);
            let (twice, _) = undo(&before, &after, &once, rules)?;
            prop_assert_eq!(in_place(&twice), once);
            Ok(())
        },
    );
    law(
        &format!("T4: M7 on trees, {name}"),
        histories(),
        |[before, after, live]| {
            let (result, _) = undo(&before, &after, &live, rules)?;
            let (back, plan) = undo(&live, &result, &result, rules)?;
            prop_assert_eq!(picture(&back), picture(&live));
            prop_assert!(!plan.leaves_open(), "{plan:?}");
            Ok(())
        },
    );
}

#[test]
fn laws_of_trees() {
    laws("by keys", &plain_tree());
}

#[test]
fn laws_of_trees_with_renames() {
    laws("with renames", &Rules::tree(&untouched));
}

#[test]
fn t3_and_the_oracle() {
    law(
        "T3, M6, oracle of trees",
        histories(),
        |[before, after, live]| {
            let (result, plan) = undo(&before, &after, &live, &plain_tree())?;
            let result = in_place(&result);
            let answer = undo_tree(&picture(&before), &picture(&after), &picture(&live));
            prop_assert_eq!(picture(&result), answer.result);
            let open = plan.conflicts.iter().map(|conflict| conflict.key.clone());
            prop_assert_eq!(open.collect::<BTreeSet<_>>(), answer.undecided);
            let keys = before.keys().chain(after.keys()).chain(live.keys());
            for key in keys.filter(|key| before.get(*key) == after.get(*key)) {
                let is_needed = !live.contains_key(key)
                    && result
                        .get(key)
                        .is_some_and(|entry| entry.kind == Kind::Directory);
                prop_assert!(is_needed || live.get(key) == result.get(key), "{key:?}");
            }
            Ok(())
        },
    );
}

/// A set cut to a part of its keys, and before and after that were never trees: the result is one.
#[test]
fn t1_holds_for_sets_that_never_were_trees() {
    let values = (triples(), histories(), any::<u64>());
    law(
        "T1, T2 for odd change sets",
        values,
        |([before, after, _], [.., live], seed)| {
            let all = ChangeSet::between(&before, &after).into_iter().enumerate();
            let some = all.filter(|(at, _)| seed >> (at % 64) & 1 == 1);
            let changes: ChangeSet = some.map(|(_, change)| change).collect();
            let plan = plan_of(&changes, &live, &State::new(), &Rules::tree(&untouched));
            let result = run(&live, &plan, 1, true).map_err(TestCaseError::fail)?;
            prop_assert_eq!(hole(&result), None);
            for (key, entry) in &live {
                if changes.get(key.as_bytes()).is_none() {
                    prop_assert_eq!(result.get(key), Some(entry), "T2");
                }
            }
            Ok(())
        },
    );
}

/// Answers as a tree in memory does, with names in another order and some keys unknown.
struct Odd {
    tree: MemoryTree,
    asked: Vec<PathKey>,
}

impl LiveTree for Odd {
    type Error = Infallible;

    fn state(&mut self, key: &PathKey) -> Result<Live, Infallible> {
        self.asked.push(key.clone());
        self.tree.state(key)
    }

    fn names(&mut self, key: &PathKey) -> Result<Vec<Vec<u8>>, Infallible> {
        let mut names = self.tree.names(key)?;
        names.reverse();
        Ok(names)
    }

    fn remembered(&mut self, key: &PathKey) -> Result<Option<model::Entry>, Infallible> {
        self.tree.remembered(key)
    }
}

#[test]
fn m10_equal_answers_give_equal_plans() {
    law(
        "M10, cost of an event",
        histories(),
        |[before, after, live]| {
            let changes = ChangeSet::between(&before, &after);
            let tree = MemoryTree {
                entries: live.clone(),
                remembered: before.clone(),
                ..MemoryTree::default()
            };
            let mut odd = Odd {
                tree,
                asked: Vec::new(),
            };
            let rules = Rules::tree(&untouched);
            let plan = plan(&changes, &mut odd, &rules).unwrap();
            prop_assert_eq!(&plan, &plan_of(&changes, &live, &before, &rules));
            // Each key once, and nothing but keys of the set and directories above them.
            let distinct: BTreeSet<_> = odd.asked.iter().collect();
            prop_assert_eq!(distinct.len(), odd.asked.len());
            for key in &odd.asked {
                let is_above = |change: &model::Change| key.contains(change.key.as_bytes());
                prop_assert!(changes.changes().iter().any(is_above));
            }
            Ok(())
        },
    );
}

#[test]
fn what_cannot_be_known_is_put_off_and_nothing_else_suffers() {
    let values = (histories(), crate::world::keys());
    law("4g", values, |([before, after, live], veiled)| {
        let changes = ChangeSet::between(&before, &after);
        let mut tree = MemoryTree::from(live.clone());
        tree.remembered = before.clone();
        let hidden = before.keys().chain(after.keys()).chain(live.keys());
        for key in hidden.filter(|key| veiled.contains(key.as_bytes())) {
            tree.unknown.insert(key.clone(), "busy".to_owned());
        }
        let plan = plan(&changes, &mut tree, &plain_tree()).unwrap();
        let result = run(&live, &plan, 1, true).map_err(TestCaseError::fail)?;
        prop_assert_eq!(hole(&result), None);
        for step in &plan.steps {
            prop_assert!(!veiled.contains(step.key.as_bytes()));
        }
        for change in changes.changes() {
            let is_veiled = veiled.contains(change.key.as_bytes());
            let is_put_off = plan.deferred.iter().any(|it| it.key == change.key);
            prop_assert_eq!(is_veiled, is_put_off);
        }
        Ok(())
    });
}

/// `a` and `b` are one name here.
fn fold(_: &PathKey, name: &[u8]) -> Option<Vec<u8>> {
    let is_b = name == b"b";
    Some(if is_b { b"a".to_vec() } else { name.to_vec() })
}

#[test]
fn nothing_comes_to_a_name_that_is_taken() {
    let rules = Rules {
        fold: Some(&fold),
        ..Rules::tree(&untouched)
    };
    law("names that fold", histories(), |[before, after, live]| {
        let (result, plan) = undo(&before, &after, &live, &rules)?;
        prop_assert_eq!(hole(&result), None);
        for (key, entry) in &live {
            if !before.contains_key(key) && !after.contains_key(key) {
                prop_assert_eq!(result.get(key), Some(entry), "T2");
            }
        }
        let folded = |key: &PathKey| (key.parent(), fold(key, key.name()));
        let comes = plan.steps.iter().filter(|step| {
            use model::Action::{Create, Move};
            matches!(step.action, Create | Move { .. })
        });
        for step in comes {
            let alike = result.keys().filter(|key| folded(key) == folded(&step.key));
            prop_assert!(alike.count() == 1, "{:?}", step);
        }
        Ok(())
    });
}
