//! The case table: what becomes of one key, seen alone.
//!
//! Where before, after and live are of one kind, each component is merged for itself: content, mode,
//! owner, group, every extended attribute. A `chmod` after the event is then no obstacle to getting the
//! content back, and stays. Where they are not, the key is merged as a whole.

use std::rc::Rc;

use model::{Conflict, ConflictKind, Entry, Kind, Xattr, Xattrs};

use crate::equality::same_state;

/// What shall stand at a key.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// What stands there now.
    Live,
    /// What stood there before the event.
    Before,
    /// Something made of several.
    Made(Rc<Entry>),
}

/// What the table says of a key.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) wish: Wish,
    pub(crate) conflict: Option<ConflictKind>,
}

impl Verdict {
    pub(crate) const STAY: Self = Self {
        wish: Wish::Live,
        conflict: None,
    };

    fn conflict(kind: ConflictKind) -> Self {
        Self {
            wish: Wish::Live,
            conflict: Some(kind),
        }
    }
}

/// Which side of a three-way merge wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Live,
    Before,
    Neither,
}

/// The rule of the merge, from the three comparisons.
fn side(before_is_after: bool, live_is_after: bool, live_is_before: bool) -> Side {
    if before_is_after || live_is_before {
        Side::Live
    } else if live_is_after {
        Side::Before
    } else {
        Side::Neither
    }
}

/// Rows 0 to 4f for a key that differs between `before` and `after`.
pub(crate) fn decide(
    before: Option<&Entry>,
    after: Option<&Entry>,
    live: Option<&Entry>,
) -> Verdict {
    if let (Some(before), Some(after), Some(live)) = (before, after, live)
        && before.kind == after.kind
        && after.kind == live.kind
    {
        return merge(before, after, live);
    }
    // Put back already; or the event only touched a file, and that is no longer there.
    if same_state(live, before) || same_state(before, after) {
        return Verdict::STAY;
    }
    if same_state(live, after) {
        return Verdict {
            wish: Wish::Before,
            conflict: None,
        };
    }
    match (before, after, live) {
        // Put back by hand, but for mode, owner or attributes.
        (Some(before), _, Some(live)) if before.same_content(live) => {
            Verdict::conflict(ConflictKind::Metadata)
        }
        (Some(_), _, None) => Verdict::conflict(ConflictKind::CleanedUp),
        (Some(before), _, Some(live)) if is_dir(before) && !is_dir(live) => {
            Verdict::conflict(ConflictKind::DirectoryInTheWay)
        }
        (Some(before), None, Some(live)) if before.kind == live.kind => {
            Verdict::conflict(ConflictKind::PathReused)
        }
        (None, Some(after), Some(live)) if after.kind == live.kind => {
            Verdict::conflict(ConflictKind::MadeThenEdited)
        }
        (_, _, Some(_)) => Verdict::conflict(ConflictKind::KindChanged),
        (None, _, None) => Verdict::STAY,
    }
}

pub(crate) fn is_dir(entry: &Entry) -> bool {
    entry.kind == Kind::Directory
}

/// Component by component; all three are of one kind.
pub(crate) fn merge(before: &Entry, after: &Entry, live: &Entry) -> Verdict {
    merge_or(before, after, live, Side::Neither)
}

/// The same, with a side to take where a field was changed twice.
fn merge_or(before: &Entry, after: &Entry, live: &Entry, neither: Side) -> Verdict {
    let content = side(
        before.same_content(after),
        live.same_content(after),
        live.same_content(before),
    );
    // The event only touched it, and it is as the event left it.
    let is_touched = before.mtime != after.mtime
        && live.mtime == after.mtime
        && before.same_content(after)
        && live.same_content(after)
        && !is_dir(live);
    let mut fields = Fields {
        neither,
        from_before: false,
        undecided: false,
    };
    let mut made = live.clone();
    made.mode = *fields.merge(&before.mode, &after.mode, &live.mode);
    made.uid = *fields.merge(&before.uid, &after.uid, &live.uid);
    made.gid = *fields.merge(&before.gid, &after.gid, &live.gid);
    made.xattrs = fields.merge_xattrs(&before.xattrs, &after.xattrs, &live.xattrs);
    if content == Side::Before {
        made.size = before.size;
        made.content = before.content.clone();
        made.target = before.target.clone();
        made.device = before.device;
        made.unsettled = before.unsettled;
    }
    if content == Side::Before || is_touched {
        made.mtime = before.mtime;
    }
    let is_live = content != Side::Before && !is_touched && !fields.from_before;
    Verdict {
        wish: if is_live {
            Wish::Live
        } else {
            Wish::Made(Rc::new(made))
        },
        conflict: match content {
            Side::Neither => Some(ConflictKind::EditedAfter),
            _ => fields.undecided.then_some(ConflictKind::Metadata),
        },
    }
}

/// The merge of what is not content, field by field.
#[derive(Debug)]
struct Fields {
    /// What to take of a field that was changed twice.
    neither: Side,
    /// Some field came from before.
    from_before: bool,
    /// Some field was left undecided.
    undecided: bool,
}

impl Fields {
    fn merge<'v, T: PartialEq>(&mut self, before: &'v T, after: &'v T, live: &'v T) -> &'v T {
        let mut side = side(before == after, live == after, live == before);
        if side == Side::Neither {
            side = self.neither;
        }
        match side {
            Side::Live => live,
            Side::Before => {
                self.from_before = true;
                before
            }
            Side::Neither => {
                self.undecided = true;
                live
            }
        }
    }

    /// Attribute by attribute where all three lists stand in their entries, else as one.
    fn merge_xattrs(&mut self, before: &Xattrs, after: &Xattrs, live: &Xattrs) -> Xattrs {
        let (Xattrs::Inline(old), Xattrs::Inline(new), Xattrs::Inline(now)) = (before, after, live)
        else {
            return self.merge(before, after, live).clone();
        };
        let lists = [old, new, now];
        let mut names: Vec<&[u8]> = lists
            .into_iter()
            .flatten()
            .map(|xattr| xattr.name.as_slice())
            .collect();
        names.sort_unstable();
        names.dedup();
        let merged = names.into_iter().filter_map(|name| {
            let [old, new, now] = lists.map(|list| value(list, name));
            self.merge(&old, &new, &now).map(|value| Xattr {
                name: name.to_vec(),
                value: value.to_vec(),
            })
        });
        Xattrs::Inline(merged.collect())
    }
}

fn value<'x>(list: &'x [Xattr], name: &[u8]) -> Option<&'x [u8]> {
    let xattr = list.iter().find(|xattr| xattr.name == name);
    xattr.map(|xattr| xattr.value.as_slice())
}

/// Live with the mode, owner and attributes from before, as far as the event changed them; bytes stay.
pub(crate) fn with_fields_of(before: &Entry, after: Option<&Entry>, live: &Entry) -> Entry {
    match after {
        Some(after) if after.kind == before.kind && live.kind == before.kind => {
            let verdict = merge_or(before, after, live, Side::Before);
            match verdict.wish {
                Wish::Made(entry) => Rc::unwrap_or_clone(entry),
                Wish::Live | Wish::Before => live.clone(),
            }
        }
        // It had been gone and was put back by hand: all its fields are open.
        _ => Entry {
            mode: before.mode,
            uid: before.uid,
            gid: before.gid,
            xattrs: before.xattrs.clone(),
            ..live.clone()
        },
    }
}

/// Whether before, after and live, all of one kind, disagree in anything besides their bytes.
pub(crate) fn field_conflict(conflict: &Conflict) -> bool {
    let (Some(before), Some(after), Some(live)) =
        (&conflict.before, &conflict.after, &conflict.live)
    else {
        return false;
    };
    let with_live_bytes = |entry: &Entry| Entry {
        size: live.size,
        content: live.content.clone(),
        mtime: live.mtime,
        ..entry.clone()
    };
    let verdict = merge(&with_live_bytes(before), &with_live_bytes(after), live);
    verdict.conflict == Some(ConflictKind::Metadata)
}
