//! Decides a conflict that was kept.

use model::plan::Step;
use model::{Action, Change, Conflict, ConflictKind, Entry, Kept, Kind, Plan};

use crate::change_set::ChangeSet;
use crate::engine::plan;
use crate::live::{Live, LiveTree};
use crate::rules::Rules;
use crate::table::with_fields_of;

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
        (now, _) => take(conflict, now, live, rules),
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
    now: Live,
    live: &mut L,
    rules: &Rules<'_>,
) -> Result<Plan, L::Error> {
    let now = match now {
        Live::Absent => None,
        Live::Present(now) => Some(now),
        // The engine asks again, and puts it off.
        Live::Unknown(_) => conflict.live.clone(),
    };
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
