//! What becomes of a node once its neighbours were heard, and how that reads in a plan.

use model::plan::Step;
use model::{Action, Conflict, ConflictKind, Deferred, Entry, Kept, Plan};

use crate::live::Live;
use crate::node::Node;
use crate::rules::Rules;
use crate::table::{Wish, is_dir};

/// What becomes of a node. Begins as the table's verdict; groups, renames and the tree bend it.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) wish: Wish,
    pub(crate) conflict: Option<ConflictKind>,
    /// Why it is left alone with nothing open.
    pub(crate) spared: Option<&'static str>,
    /// Why it is put off.
    pub(crate) deferred: Option<String>,
    /// What is put beside it.
    pub(crate) beside: Option<Box<Entry>>,
    /// The node whose live file moves here.
    pub(crate) from: Option<usize>,
    /// Its live file moves elsewhere.
    pub(crate) is_left: bool,
    /// It lies beneath something that stays in the way: what comes goes beside that.
    pub(crate) is_aside: bool,
    /// The tree would not let the table have its way.
    pub(crate) is_bent: bool,
}

impl Fate {
    /// The table's verdict.
    pub(crate) fn of(node: &Node<'_>, rules: &Rules<'_>) -> Self {
        let conflict = node.verdict.conflict;
        let is_about_bytes = matches!(
            conflict,
            Some(ConflictKind::PathReused | ConflictKind::EditedAfter | ConflictKind::KindChanged)
        );
        let beside = node.before.filter(|before| {
            rules.tree && is_about_bytes && node.live.entry().is_some() && !is_dir(before)
        });
        Self {
            wish: node.verdict.wish.clone(),
            conflict,
            spared: node.spared,
            deferred: match &node.live {
                Live::Unknown(why) if !node.is_above => Some(why.clone()),
                _ => None,
            },
            beside: beside.cloned().map(Box::new),
            ..Self::silent()
        }
    }

    /// Live stays, and nothing is said about it.
    pub(crate) fn silent() -> Self {
        Self {
            wish: Wish::Live,
            conflict: None,
            spared: None,
            deferred: None,
            beside: None,
            from: None,
            is_left: false,
            is_aside: false,
            is_bent: false,
        }
    }

    /// Put off.
    pub(crate) fn put_off(why: &str) -> Self {
        Self {
            deferred: Some(why.to_owned()),
            is_bent: true,
            ..Self::silent()
        }
    }

    /// Live stays.
    pub(crate) fn stay(&mut self) {
        self.wish = Wish::Live;
        self.is_bent = true;
    }

    /// Live stays, undecided, and this is put beside it.
    pub(crate) fn give_way(&mut self, kind: ConflictKind, beside: Option<Entry>) {
        self.stay();
        self.conflict = Some(kind);
        self.spared = None;
        self.beside = beside.map(Box::new);
    }
}

/// Writes what becomes of a node into the plan.
pub(crate) fn write(plan: &mut Plan, nodes: &[Node<'_>], fates: &[Fate], at: usize) {
    let (node, fate) = (&nodes[at], &fates[at]);
    let key = || node.key.clone().into_owned();
    if let Some(why) = &fate.deferred {
        plan.deferred.push(Deferred {
            key: key(),
            why: why.clone(),
        });
        return;
    }
    if let Some(kind) = fate.conflict {
        plan.conflicts.push(conflict(nodes, fate, node, kind));
    } else if let Some(why) = fate.spared {
        plan.kept.push(Kept {
            key: key(),
            why: why.to_owned(),
        });
    }
    // Before the step at the key itself: it expects what was live when the plan was made.
    if let Some(beside) = &fate.beside {
        plan.steps.push(Step {
            key: key(),
            action: Action::Beside,
            expects: node.live.entry().cloned(),
            leaves: Some(Entry::clone(beside)),
        });
    }
    let live = node.live.entry().filter(|_| !fate.is_left);
    let result = node.result(&fate.wish);
    let (action, expects) = match (fate.from, live, result) {
        (Some(from), _, _) => (
            Action::Move {
                from: nodes[from].key.clone().into_owned(),
            },
            nodes[from].live.entry(),
        ),
        (None, _, _) if matches!(fate.wish, Wish::Live) => return,
        (None, None, None) => return,
        (None, None, Some(_)) if fate.is_aside => (Action::Beside, None),
        (None, None, Some(_)) => (Action::Create, None),
        (None, Some(live), None) => (Action::Remove, Some(live)),
        (None, Some(live), Some(result)) if live.same_content(result) => {
            (Action::Metadata, Some(live))
        }
        (None, Some(live), Some(_)) => (Action::Replace, Some(live)),
    };
    plan.steps.push(Step {
        key: key(),
        action,
        expects: expects.cloned(),
        leaves: result.cloned(),
    });
}

/// The conflict at a node. What moved is judged where it came from. Of a directory that the event left
/// alone, before and after are what is put beside.
fn conflict(nodes: &[Node<'_>], fate: &Fate, node: &Node<'_>, kind: ConflictKind) -> Conflict {
    let judged = fate.from.map_or(node, |from| &nodes[from]);
    let remembered = fate.beside.as_deref().filter(|_| node.is_above);
    Conflict {
        key: node.key.clone().into_owned(),
        kind,
        before: node.before.or(remembered).cloned(),
        after: judged.after.or(remembered).cloned(),
        live: judged.live.entry().cloned(),
    }
}
