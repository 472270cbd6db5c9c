//! What every kind of source does alike with conflicts: merge their contents, or decide them.

use model::plan::Step;
use model::{Action, Conflict, Entry, Plan};

use crate::ground::{ContentMerge, Proposal, Proposed};

/// Looks for merges of what was edited since, and makes them steps where that was asked for. `merge` tries
/// one conflict.
pub fn merge_contents<E>(
    mut plan: Plan,
    how: ContentMerge,
    mut merge: impl FnMut(&Conflict) -> Result<Option<Proposed>, E>,
) -> Result<Proposal, E> {
    let mut proposal = Proposal::default();
    if how == ContentMerge::Off {
        proposal.plan = plan;
        return Ok(proposal);
    }
    for conflict in std::mem::take(&mut plan.conflicts) {
        match merge(&conflict)? {
            Some(proposed) if how == ContentMerge::Auto => {
                replace_step(&mut plan, &conflict, proposed.entry);
                proposal.merged.insert(conflict.key, proposed.bytes);
            }
            proposed => {
                proposal.proposed.extend(proposed);
                plan.conflicts.push(conflict);
            }
        }
    }
    proposal.plan = plan;
    Ok(proposal)
}

/// Puts a merge in the place of what the conflict would have put beside.
fn replace_step(plan: &mut Plan, conflict: &Conflict, leaves: Entry) {
    plan.steps
        .retain(|step| step.key != conflict.key || step.action == Action::Metadata);
    let at = plan.steps.partition_point(|step| step.key < conflict.key);
    // A metadata step of the same key sets what the merged file then has.
    let metadata = plan.steps.get(at).filter(|step| step.key == conflict.key);
    let leaves = match metadata.and_then(|step| step.leaves.as_ref()) {
        Some(wanted) => Entry {
            mode: wanted.mode,
            uid: wanted.uid,
            gid: wanted.gid,
            xattrs: wanted.xattrs.clone(),
            ..leaves
        },
        None => leaves,
    };
    plan.steps.retain(|step| step.key != conflict.key);
    plan.steps.insert(
        at,
        Step {
            key: conflict.key.clone(),
            action: Action::Merge,
            expects: conflict.live.clone(),
            leaves: Some(leaves),
        },
    );
}

/// Decides conflicts one by one, and puts together what each asks of the source: of a key that several
/// name, the first word counts. `decide` decides one.
pub fn decide_each<E>(
    conflicts: &[Conflict],
    mut decide: impl FnMut(&Conflict) -> Result<Plan, E>,
) -> Result<Plan, E> {
    let mut plan = Plan::default();
    for conflict in conflicts {
        let one = decide(conflict)?;
        plan.steps.extend(one.steps);
        plan.conflicts.extend(one.conflicts);
        plan.kept.extend(one.kept);
        plan.deferred.extend(one.deferred);
    }
    plan.steps.sort_by(|one, two| one.key.cmp(&two.key));
    plan.steps.dedup_by(|later, first| later.key == first.key);
    Ok(plan)
}
