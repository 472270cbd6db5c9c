//! Which objects are damaged, and how.

use std::collections::BTreeMap;

use storage::MemoryStorage;
use storage::ObjectName;
use testkit::is_long;

use crate::subject::Subject;

/// One way to damage an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// One bit of the byte at this offset.
    Flip(usize),
    /// Only so many bytes are left.
    Truncate(usize),
    /// So many zeros follow it.
    Extend(usize),
    /// These bytes are zero.
    Zero(std::ops::Range<usize>),
    /// It is gone.
    Delete,
    /// It and another object of its kind have changed places.
    Swap(ObjectName),
    /// Another object of its kind lies in its place.
    Copy(ObjectName),
    /// An object of another repository lies in its place.
    Foreign(ObjectName),
}

impl Way {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Flip(_) => "flip",
            Self::Truncate(_) => "truncate",
            Self::Extend(_) => "extend",
            Self::Zero(_) => "zero",
            Self::Delete => "delete",
            Self::Swap(_) => "swap",
            Self::Copy(_) => "replay",
            Self::Foreign(_) => "foreign",
        }
    }
}

/// One object damaged in one way.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: ObjectName,
    pub(crate) way: Way,
    /// It is the newest snapshot of its source.
    pub(crate) is_newest: bool,
}

/// Every case: many offsets of each object by default, all of them in the long form.
pub(crate) fn all(subject: &Subject) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in &subject.objects {
        let mut add = |way: Way| {
            cases.push(Case {
                name: *name,
                way,
                is_newest: *name == subject.newest,
            });
        };
        offsets(bytes.len())
            .into_iter()
            .for_each(|at| add(Way::Flip(at)));
        let len = bytes.len();
        for keep in [
            0,
            1,
            23,
            24,
            63,
            64,
            1260,
            len / 3,
            len / 2,
            len - 25,
            len - 24,
            len - 1,
        ] {
            if keep < len {
                add(Way::Truncate(keep));
            }
        }
        add(Way::Extend(1));
        add(Way::Extend(4096));
        add(Way::Zero(0..len));
        add(Way::Zero(len / 2..(len / 2 + 512).min(len)));
        add(Way::Delete);
        let kind = |other: &&ObjectName| other.kind() == name.kind() && *other != name;
        for other in subject.objects.keys().filter(kind) {
            add(Way::Swap(*other));
            add(Way::Copy(*other));
        }
        for other in subject
            .foreign
            .keys()
            .filter(|other| other.kind() == name.kind())
        {
            add(Way::Foreign(*other));
        }
    }
    cases
}

/// Header, end and a spread between; every byte in the long form.
fn offsets(len: usize) -> Vec<usize> {
    if is_long() {
        return (0..len).collect();
    }
    let mut offsets: Vec<usize> = (0..48).collect();
    offsets.extend((0..40).map(|n| n * len / 40));
    offsets.extend((1..=40).map(|n| len.saturating_sub(n)));
    offsets.retain(|&at| at < len);
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

/// The repository with the damage done; `None` if it is none, since nothing is different.
pub(crate) fn damaged(subject: &Subject, case: &Case) -> Option<MemoryStorage> {
    let mut objects: BTreeMap<_, _> = subject.objects.clone();
    let mut bytes = objects.remove(&case.name)?;
    match &case.way {
        Way::Flip(at) => bytes[*at] ^= 1 << (at % 8),
        Way::Truncate(len) => bytes.truncate(*len),
        Way::Extend(more) => bytes.resize(bytes.len() + more, 0),
        Way::Zero(range) => bytes[range.clone()].fill(0),
        Way::Delete => return Some(MemoryStorage::from_objects(objects)),
        Way::Swap(other) => {
            let there = objects.insert(*other, bytes)?;
            bytes = there;
        }
        Way::Copy(other) => bytes.clone_from(&objects[other]),
        Way::Foreign(other) => bytes.clone_from(&subject.foreign[other]),
    }
    objects.insert(case.name, bytes);
    (objects != subject.objects).then(|| MemoryStorage::from_objects(objects))
}
