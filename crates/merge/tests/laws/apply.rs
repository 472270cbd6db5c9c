//! A tiny interpreter of plans: what a perfect executor would leave. It refuses what no executor could do.

use model::plan::Step;
use model::{Action, Entry, Kind, PathKey, Plan};
use recoup_merge::besides;

use crate::world::State;

/// What the names put beside end in, before the number of the operation.
const BESIDE: &[u8] = b".recoup-";

/// Runs a plan. Steps out first, deepest first; then in, from the top; then beside.
pub(crate) fn run(live: &State, plan: &Plan, op: u8, is_tree: bool) -> Result<State, String> {
    let mut state = live.clone();
    let mut out: Vec<(&PathKey, &Step)> = Vec::new();
    for step in &plan.steps {
        match &step.action {
            Action::Remove | Action::Replace => out.push((&step.key, step)),
            Action::Move { from } => out.push((from, step)),
            Action::Create | Action::Metadata | Action::Beside => {}
            Action::Merge => return Err("the engine merges no contents".to_owned()),
        }
    }
    out.sort_by(|one, two| two.0.cmp(one.0));
    for (key, step) in out {
        let gone = state.remove(key);
        if gone.is_none() || gone != step.expects {
            return Err(format!("{key:?} is not as {step:?} expects"));
        }
        let beneath = state.keys().any(|other| key.contains(other.as_bytes()));
        if is_tree && beneath {
            return Err(format!("{key:?} still holds something"));
        }
    }
    for step in &plan.steps {
        match &step.action {
            Action::Create | Action::Replace | Action::Move { .. } => {
                if step.action == Action::Create && step.expects.is_some() {
                    return Err(format!("{step:?} expects something"));
                }
                place(&mut state, &step.key, step.leaves.as_ref(), is_tree)?;
            }
            Action::Metadata => {
                let (Some(live), Some(leaves)) = (state.get(&step.key), &step.leaves) else {
                    return Err(format!("nothing to set: {step:?}"));
                };
                if Some(live) != step.expects.as_ref() || !live.same_content(leaves) {
                    return Err(format!("not metadata: {step:?}"));
                }
                state.insert(step.key.clone(), leaves.clone());
            }
            Action::Remove if step.leaves.is_some() => return Err(format!("{step:?} leaves")),
            _ => {}
        }
    }
    for (step, root) in besides(plan) {
        if live.get(&step.key) != step.expects.as_ref() {
            return Err(format!("{step:?} is beside something else"));
        }
        let rest = &step.key.as_bytes()[root.as_bytes().len()..];
        let name = [root.as_bytes(), BESIDE, &[b'0' + op], rest].concat();
        place(
            &mut state,
            &PathKey::from_bytes(name).unwrap(),
            step.leaves.as_ref(),
            is_tree,
        )?;
    }
    Ok(state)
}

fn place(
    state: &mut State,
    key: &PathKey,
    entry: Option<&Entry>,
    is_tree: bool,
) -> Result<(), String> {
    let entry = entry.ok_or_else(|| format!("{key:?}: nothing to place"))?;
    let above = key.parent().filter(|above| !above.is_root());
    let above = above.map(|above| state.get(&above).map(|entry| entry.kind));
    if is_tree && above.is_some_and(|kind| kind != Some(Kind::Directory)) {
        return Err(format!("{key:?} has no directory"));
    }
    match state.insert(key.clone(), entry.clone()) {
        None => Ok(()),
        Some(_) => Err(format!("{key:?} is taken")),
    }
}

/// A state without what was put beside.
pub(crate) fn in_place(state: &State) -> State {
    let is_beside = |key: &PathKey| {
        key.as_bytes()
            .windows(BESIDE.len())
            .any(|part| part == BESIDE)
    };
    let entries = state.iter().filter(|(key, _)| !is_beside(key));
    entries
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect()
}

/// The first key whose parent is no directory.
pub(crate) fn hole(state: &State) -> Option<&PathKey> {
    state.keys().find(|key| {
        let above = key.parent().filter(|above| !above.is_root());
        above.is_some_and(|above| {
            state
                .get(&above)
                .is_none_or(|at| at.kind != Kind::Directory)
        })
    })
}
