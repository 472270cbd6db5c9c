//! The plan that takes back a plan.

use model::plan::Step;
use model::{Action, Plan};

/// The steps of a plan turned around, in key order, each with its index in the plan.
pub(super) fn reversed(plan: &Plan) -> (Vec<Step>, Vec<usize>) {
    let mut steps: Vec<(Step, usize)> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| (turned(step), index))
        .collect();
    steps.sort_by(|one, two| one.0.key.cmp(&two.0.key).then(one.1.cmp(&two.1)));
    steps.into_iter().unzip()
}

fn turned(step: &Step) -> Step {
    let (expects, leaves) = (step.leaves.clone(), step.expects.clone());
    let key = step.key.clone();
    match &step.action {
        Action::Create => Step {
            key,
            action: Action::Remove,
            expects,
            leaves: None,
        },
        Action::Remove => Step {
            key,
            action: Action::Create,
            expects: None,
            leaves,
        },
        // What was merged is replaced as well.
        Action::Replace | Action::Merge => Step {
            key,
            action: Action::Replace,
            expects,
            leaves,
        },
        Action::Metadata => Step {
            key,
            action: Action::Metadata,
            expects,
            leaves,
        },
        Action::Move { from } => Step {
            key: from.clone(),
            action: Action::Move { from: key },
            expects: None,
            leaves: step.leaves.clone(),
        },
        Action::Beside => step.clone(),
    }
}
