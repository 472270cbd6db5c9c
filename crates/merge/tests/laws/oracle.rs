//! Undo once more, the slow way: whole states, entries taken apart into named components, the tree
//! closure as rules applied until nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use model::{Entry, PathKey, Xattrs};

use crate::world::State;

/// An entry, taken apart; what is missing is noise.
pub(crate) type Parts = BTreeMap<String, String>;
pub(crate) type Picture = BTreeMap<PathKey, Parts>;

pub(crate) fn parts(entry: &Entry) -> Parts {
    let mut parts = BTreeMap::from([
        ("kind".to_owned(), format!("{:?}", entry.kind)),
        (
            "content".to_owned(),
            format!("{:?} {:?} {:?}", entry.content, entry.target, entry.device),
        ),
        ("mode".to_owned(), entry.mode.to_string()),
        ("uid".to_owned(), entry.uid.to_string()),
        ("gid".to_owned(), entry.gid.to_string()),
    ]);
    match &entry.xattrs {
        Xattrs::Inline(xattrs) => {
            for xattr in xattrs {
                parts.insert(
                    format!("xattr {:?}", xattr.name),
                    format!("{:?}", xattr.value),
                );
            }
        }
        Xattrs::Blob(id) => _ = parts.insert("xattrs".to_owned(), format!("{id:?}")),
    }
    parts
}

pub(crate) fn picture(state: &State) -> Picture {
    let entries = state.iter();
    entries
        .map(|(key, entry)| (key.clone(), parts(entry)))
        .collect()
}

/// What undo leaves, and the keys that it does not decide.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) result: Picture,
    pub(crate) undecided: BTreeSet<PathKey>,
}

/// The rule of the merge.
fn three<T: PartialEq>(before: T, after: &T, live: T) -> (T, bool) {
    if before == *after || live == before {
        (live, false)
    } else if live == *after {
        (before, false)
    } else {
        (live, true)
    }
}

fn one_key(
    before: Option<&Parts>,
    after: Option<&Parts>,
    live: Option<&Parts>,
) -> (Option<Parts>, bool) {
    let kind = |parts: Option<&Parts>| parts.map(|parts| parts["kind"].clone());
    let (Some(old), Some(new), Some(now)) = (before, after, live) else {
        let (winner, open) = three(before, &after, live);
        return (winner.cloned(), open);
    };
    if kind(before) != kind(after) || kind(after) != kind(live) {
        let (winner, open) = three(before, &after, live);
        return (winner.cloned(), open);
    }
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).chain(now.keys()).collect();
    let mut merged = Parts::new();
    let mut open = false;
    for name in names {
        let (part, is_open) = three(old.get(name), &new.get(name), now.get(name));
        open |= is_open;
        if let Some(part) = part {
            merged.insert(name.clone(), part.clone());
        }
    }
    (Some(merged), open)
}

/// Undo of flat maps.
pub(crate) fn undo_map(before: &Picture, after: &Picture, live: &Picture) -> Answer {
    let mut answer = Answer::default();
    let keys: BTreeSet<&PathKey> = before
        .keys()
        .chain(after.keys())
        .chain(live.keys())
        .collect();
    for key in keys {
        let (result, open) = one_key(before.get(key), after.get(key), live.get(key));
        if let Some(result) = result {
            answer.result.insert(key.clone(), result);
        }
        if open {
            answer.undecided.insert(key.clone());
        }
    }
    answer
}

fn is_dir(parts: Option<&Parts>) -> bool {
    parts.is_some_and(|parts| parts["kind"] == "Directory")
}

fn is_other(parts: Option<&Parts>) -> bool {
    parts.is_some() && !is_dir(parts)
}

/// Undo of trees.
pub(crate) fn undo_tree(before: &Picture, after: &Picture, live: &Picture) -> Answer {
    let mut answer = undo_map(before, after, live);
    let keys: BTreeSet<PathKey> = before
        .keys()
        .chain(after.keys())
        .chain(live.keys())
        .cloned()
        .collect();
    loop {
        let earlier = answer.result.clone();
        for above in &keys {
            let beneath: Vec<PathKey> = keys
                .iter()
                .filter(|key| *key != above && above.contains(key.as_bytes()))
                .filter(|key| answer.result.contains_key(*key))
                .cloned()
                .collect();
            if beneath.is_empty() {
                continue;
            }
            let (now, wanted) = (live.get(above), answer.result.get(above));
            if is_other(now) && is_other(wanted) {
                // Rule 3: what would come there goes beside.
                answer.undecided.insert(above.clone());
                for key in beneath {
                    answer.result.remove(&key);
                    // So do the directories between, and that decides them.
                    answer.undecided.retain(|it| {
                        it == above
                            || !it.contains(key.as_bytes())
                            || !above.contains(it.as_bytes())
                    });
                }
            } else if is_dir(now) && !is_dir(wanted) {
                // Rule 2: the directory stays; a file that was wanted is undecided.
                if wanted.is_some() {
                    answer.undecided.insert(above.clone());
                }
                answer.result.insert(above.clone(), now.unwrap().clone());
            } else if wanted.is_none() {
                // Rule 1: the directory comes, and is decided by that.
                let known = [before.get(above), after.get(above)];
                let known = known.into_iter().find(|known| is_dir(*known)).unwrap();
                answer.result.insert(above.clone(), known.unwrap().clone());
                answer.undecided.remove(above);
            }
        }
        if answer.result == earlier {
            return answer;
        }
    }
}
