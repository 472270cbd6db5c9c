//! Files that got another extension: what was removed lives on beside, under a name of another kind.

use std::collections::{BTreeMap, BTreeSet};

use model::key::parent;
use model::{BlobId, PathKey};

use super::mark::{Deed, Mark};
use super::pairs::extension;

/// Extensions of what is set aside, by people and by package managers.
const ASIDE: [&[u8]; 10] = [
    b"bak",
    b"old",
    b"orig",
    b"save",
    b"disabled",
    b"off",
    b"dist",
    b"dpkg-old",
    b"rpmsave",
    b"rpmorig",
];

/// Removed keys whose contents came in the same directory under a name with another extension.
pub(super) fn changed<'a>(marks: impl Iterator<Item = &'a Mark> + Clone) -> BTreeSet<&'a PathKey> {
    let mut came: BTreeMap<(&[u8], BlobId), &[u8]> = BTreeMap::new();
    for mark in marks.clone().filter(|mark| mark.deed == Deed::Created) {
        if let (Some(dir), Some(facts)) = (parent(mark.key.as_bytes()), mark.after)
            && let Some(content) = facts.content
        {
            came.insert((dir, content), extension(mark.key.name()));
        }
    }
    if came.is_empty() {
        return BTreeSet::new();
    }
    marks
        .filter(|mark| mark.deed == Deed::Removed && !mark.soft)
        .filter(|mark| {
            let (Some(dir), Some(content)) = (parent(mark.key.as_bytes()), mark.lost) else {
                return false;
            };
            let old = extension(mark.key.name());
            came.get(&(dir, content))
                .is_some_and(|new| !old.is_empty() && *new != old && !is_aside(new))
        })
        .map(|mark| &mark.key)
        .collect()
}

/// Marked as old, numbered by rotation, or with the flags of a mail that was read (Maildir's `:2,S`).
fn is_aside(extension: &[u8]) -> bool {
    extension.ends_with(b"~")
        || extension.windows(3).any(|part| part == b":2,")
        || ASIDE.contains(&extension)
        || (!extension.is_empty() && extension.iter().all(u8::is_ascii_digit))
}
