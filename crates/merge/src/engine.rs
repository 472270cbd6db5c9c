//! Makes the plan: table, groups, renames, tree, names.
//!
//! What the tree or the names of a file system forbid can break a group or free a name again, so the
//! passes are repeated until nothing new comes up; each repetition gives up at least one wish, and
//! nearly always there is none.

use std::collections::BTreeSet;

use model::{Conflict, ConflictKind, Deferred, Plan};

use crate::change_set::ChangeSet;
use crate::closure::{look_down, look_up};
use crate::equality::same_state;
use crate::fate::{Fate, write};
use crate::folding::collisions;
use crate::groups::{Group, detect};
use crate::live::{Live, LiveTree};
use crate::node::{Node, nodes, place};
use crate::renames;
use crate::rules::Rules;
use crate::table::Wish;

/// What it takes to undo an event on the source as it is now. Pure: equal answers give equal plans.
///
/// Fails only as `live` does. Takes O(n log n) for n changes, whatever else the source holds.
pub fn plan<L: LiveTree>(
    changes: &ChangeSet,
    live: &mut L,
    rules: &Rules<'_>,
) -> Result<Plan, L::Error> {
    let nodes = nodes(changes, live, rules)?;
    let mut groups = Groups::of(changes, &nodes, rules);
    let renames = if rules.renames {
        renames::find(&nodes)
    } else {
        Vec::new()
    };
    let mut blocked = BTreeSet::new();
    let fates = loop {
        let mut fates: Vec<Fate> = nodes.iter().map(|node| Fate::of(node, rules)).collect();
        groups.hold(&mut fates);
        if rules.tree {
            look_down(&nodes, &mut fates, &blocked);
        }
        renames::apply(&renames, &nodes, &mut fates, &groups.whole, &blocked);
        if rules.tree {
            look_up(&nodes, &mut fates, &blocked, live)?;
        }
        let found = match rules.fold {
            Some(fold) if rules.tree => collisions(&nodes, &fates, fold, live)?,
            _ => Vec::new(),
        };
        let has_broken = groups.find_broken(&fates);
        if found.is_empty() && !has_broken {
            break fates;
        }
        blocked.extend(found);
    };
    let mut plan = Plan::default();
    let changed = fates.iter().filter(|fate| !matches!(fate.wish, Wish::Live));
    plan.steps.reserve(changed.count());
    for at in 0..nodes.len() {
        write(&mut plan, &nodes, &fates, at);
    }
    groups.write(&mut plan, &nodes, live)?;
    Ok(plan)
}

/// How a group is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every key is as just after the event, or as before: key by key.
    Whole,
    /// Somebody worked in it since: one conflict.
    Conflict,
    /// It can't be known whether anybody did: put off.
    Unknown,
}

/// The groups that the change set touches.
#[derive(Debug, Default)]
struct Groups {
    /// Each with the nodes of its members.
    found: Vec<(Group, Vec<usize>, State)>,
    /// The nodes of whole groups.
    whole: BTreeSet<usize>,
}

impl Groups {
    fn of(changes: &ChangeSet, nodes: &[Node<'_>], rules: &Rules<'_>) -> Self {
        let Some(untouched) = rules.untouched else {
            return Self::default();
        };
        let groups = detect(changes);
        if groups.is_empty() {
            return Self::default();
        }
        let places = nodes.iter().enumerate().filter(|(_, node)| !node.is_above);
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        let mut all = Self::default();
        for group in groups {
            let members: Vec<usize> = group.members.iter().map(|&member| places[member]).collect();
            let state = state(&group, &members, nodes, untouched);
            if state == State::Whole {
                all.whole.extend(&members);
            }
            all.found.push((group, members, state));
        }
        all
    }

    /// Silences the members of groups that are not taken back.
    fn hold(&self, fates: &mut [Fate]) {
        let held = self
            .found
            .iter()
            .filter(|(_, _, state)| *state != State::Whole);
        for member in held.flat_map(|(_, members, _)| members) {
            fates[*member] = Fate::silent();
        }
    }

    /// Turns groups of which a part could not be taken back into conflicts; whether there were any.
    fn find_broken(&mut self, fates: &[Fate]) -> bool {
        let mut has_broken = false;
        for (_, members, state) in &mut self.found {
            let is_broken = members
                .iter()
                .any(|&member| fates[member].is_bent || fates[member].deferred.is_some());
            if *state == State::Whole && is_broken {
                *state = State::Conflict;
                has_broken = true;
                for member in members {
                    self.whole.remove(member);
                }
            }
        }
        has_broken
    }

    fn write<L: LiveTree>(
        &self,
        plan: &mut Plan,
        nodes: &[Node<'_>],
        live: &mut L,
    ) -> Result<(), L::Error> {
        for (group, _, state) in &self.found {
            let key = group.root.clone();
            match state {
                State::Whole => {}
                State::Unknown => plan.deferred.push(Deferred {
                    key,
                    why: "the state of a part of it is not known".to_owned(),
                }),
                State::Conflict => {
                    let node = place(nodes, key.as_bytes()).map(|at| &nodes[at]);
                    let live = match node {
                        Some(node) => node.live.entry().cloned(),
                        None => live.state(&key)?.entry().cloned(),
                    };
                    plan.conflicts.push(Conflict {
                        key,
                        kind: ConflictKind::Group,
                        before: node.and_then(|node| node.before).cloned(),
                        after: node.and_then(|node| node.after).cloned(),
                        live,
                    });
                }
            }
        }
        plan.conflicts.sort_by(|one, two| one.key.cmp(&two.key));
        plan.deferred.sort_by(|one, two| one.key.cmp(&two.key));
        Ok(())
    }
}

fn state(
    group: &Group,
    members: &[usize],
    nodes: &[Node<'_>],
    untouched: &dyn Fn(&Group) -> bool,
) -> State {
    let (mut is_as_before, mut is_as_either) = (true, true);
    for node in members.iter().map(|&member| &nodes[member]) {
        if matches!(node.live, Live::Unknown(_)) {
            return State::Unknown;
        }
        let is_before = same_state(node.live.entry(), node.before);
        is_as_before &= is_before;
        is_as_either &= is_before || same_state(node.live.entry(), node.after);
    }
    // Nothing is left to take back, so nobody is asked.
    if is_as_before || (is_as_either && untouched(group)) {
        State::Whole
    } else {
        State::Conflict
    }
}
