//! What a plan comes to.

use model::operation::Amounts;
use model::{Action, Kind, Plan};

/// How many paths a plan restores, removes and so on. What is put beside restores nothing: its conflict
/// is counted.
pub fn amounts_of(plan: &Plan) -> Amounts {
    let mut amounts = Amounts {
        kept: plan.kept.len() as u64,
        conflicts: plan.conflicts.len() as u64,
        deferred: plan.deferred.len() as u64,
        ..Amounts::default()
    };
    for step in &plan.steps {
        match step.action {
            Action::Create | Action::Replace | Action::Move { .. } => amounts.restored += 1,
            Action::Remove => amounts.removed += 1,
            Action::Metadata => amounts.metadata += 1,
            Action::Merge => amounts.merged += 1,
            Action::Beside => {}
        }
        if let Some(leaves) = step.leaves.as_ref().filter(|_| step.action.writes())
            && matches!(leaves.kind, Kind::File | Kind::Value)
        {
            amounts.bytes = amounts.bytes.saturating_add(leaves.size);
        }
    }
    amounts
}
