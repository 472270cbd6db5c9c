//! Decides a conflict that was kept.

use std::collections::BTreeMap;

use model::plan::Step;
use model::{Action, Change, Conflict, ConflictKind, Deferred, Entry, Kept, Kind, Plan};

use crate::change_set::ChangeSet;
use crate::engine::plan;
use crate::live::{Live, LiveTree};
use crate::rules::Rules;
use crate::table::{field_conflict, with_fields_of};

/// What somebody decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// Live stays.
    Keep,
    /// What was there before the event comes back; what is live goes to the quarantine.
    Take,
    /// Live stays, and the version from before is put beside it.
    Both,
}

/// What it takes to carry out a choice on the source as it is now, which may be later than the conflict.
///
/// Taking is an undo of its own, of the change from before to live, so the tree is heeded: a directory
/// that holds something is never displaced, and the plan then has the conflict again. A conflict of a
/// whole group can only be kept: to take it, its root is restored from a snapshot.
pub fn resolve<L: LiveTree>(
    conflict: &Conflict,
    choice: Choice,
    live: &mut L,
    rules: &Rules<'_>,
) -> Result<Plan, L::Error> {
    if choice == Choice::Keep {
        return Ok(Plan {
            kept: vec![Kept {
                key: conflict.key.clone(),
                why: "kept by choice".to_owned(),
            }],
            ..Plan::default()
        });
    }
    if conflict.kind == ConflictKind::Group {
        return Ok(Plan {
            conflicts: vec![conflict.clone()],
            ..Plan::default()
        });
    }
    let before = conflict.before.as_ref();
    match (live.state(&conflict.key)?, before) {
        (Live::Present(now), Some(before)) if choice == Choice::Both => {
            Ok(both(conflict, before, now))
        }
        (Live::Present(_), None) if choice == Choice::Both => {
            resolve(conflict, Choice::Keep, live, rules)
        }
        (Live::Unknown(why), _) => Ok(Plan {
            deferred: vec![Deferred {
                key: conflict.key.clone(),
                why,
            }],
            ..Plan::default()
        }),
        (Live::Absent, _) => take(conflict, None, live, rules),
        (Live::Present(now), _) => take(conflict, Some(now), live, rules),
    }
}

/// Live stays; a directory is not put beside, for what was in it has conflicts or steps of its own.
fn both(conflict: &Conflict, before: &Entry, now: Entry) -> Plan {
    let mut plan = Plan::default();
    if before.kind != Kind::Directory && !before.same_content(&now) {
        plan.steps.push(Step {
            key: conflict.key.clone(),
            action: Action::Beside,
            expects: Some(now),
            leaves: Some(before.clone()),
        });
    } else {
        plan.kept.push(Kept {
            key: conflict.key.clone(),
            why: "nothing to put beside it".to_owned(),
        });
    }
    plan
}

fn take<L: LiveTree>(
    conflict: &Conflict,
    now: Option<Entry>,
    live: &mut L,
    rules: &Rules<'_>,
) -> Result<Plan, L::Error> {
    let before = match (&conflict.before, &conflict.after, &now) {
        // Of a conflict about fields only these are taken: bytes edited since are not at stake.
        (Some(before), after, Some(now)) if conflict.kind == ConflictKind::Metadata => {
            Some(with_fields_of(before, after.as_ref(), now))
        }
        (before, _, _) => before.clone(),
    };
    let change = Change {
        key: conflict.key.clone(),
        before,
        after: now,
    };
    // One key is no group and no rename, and somebody asked for it.
    let rules = Rules {
        renames: false,
        ephemeral: None,
        untouched: None,
        ..*rules
    };
    plan(&ChangeSet::from_iter([change]), live, &rules)
}

/// Offers every file that was edited since to `merge`, which knows contents: it gives the live entry
/// with size, content and time of a clean merge, or `None`. What is merged is no conflict any more and
/// needs nothing beside it. Gives the number of files merged; ends with the first error of `merge`.
pub fn merge_contents<E>(
    plan: &mut Plan,
    mut merge: impl FnMut(&Conflict) -> Result<Option<Entry>, E>,
) -> Result<usize, E> {
    let mut merged = BTreeMap::new();
    for conflict in &plan.conflicts {
        if conflict.kind == ConflictKind::EditedAfter
            && let Some(entry) = merge(conflict)?
        {
            merged.insert(conflict.key.clone(), entry);
        }
    }
    if merged.is_empty() {
        return Ok(0);
    }
    // Mode, owner and attributes have been merged already, if there was anything to merge.
    let mut fields = BTreeMap::new();
    plan.steps.retain_mut(|step| {
        let is_merged = merged.contains_key(&step.key);
        if is_merged && step.action == Action::Metadata {
            fields.insert(step.key.clone(), step.leaves.take());
        }
        !is_merged
    });
    for conflict in &mut plan.conflicts {
        let (Some(entry), Some(live)) = (merged.get(&conflict.key), &conflict.live) else {
            continue;
        };
        let fields = fields.remove(&conflict.key).flatten();
        plan.steps.push(Step {
            key: conflict.key.clone(),
            action: Action::Merge,
            expects: Some(live.clone()),
            leaves: Some(Entry {
                size: entry.size,
                content: entry.content.clone(),
                mtime: entry.mtime,
                ..fields.unwrap_or_else(|| live.clone())
            }),
        });
    }
    plan.steps.sort_by(|one, two| one.key.cmp(&two.key));
    // A field that was changed twice is still undecided.
    plan.conflicts.retain_mut(|conflict| {
        if !merged.contains_key(&conflict.key) {
            return true;
        }
        conflict.kind = ConflictKind::Metadata;
        field_conflict(conflict)
    });
    Ok(merged.len())
}
