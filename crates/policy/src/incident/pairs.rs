//! Write the new, delete the old: removed files that live on as noise under another name.

use std::collections::{BTreeMap, BTreeSet};

use model::PathKey;
use model::key::parent;

use super::actors::{Actors, Who};
use super::limits::{NOTE_BYTES, NOTE_DIRECTORIES, SCRAMBLED_SIGNED};
use super::mark::{self, Deed, Mark};

/// Removed keys that were replaced by noise, with the extension that the noise bears (may be empty).
pub(super) type Pairs = BTreeMap<PathKey, Vec<u8>>;

/// Removals on the left, new noise on the right, of one directory.
#[derive(Default)]
struct Sides<'a> {
    removed: Vec<&'a Mark>,
    noise: Vec<&'a Mark>,
}

/// The pairs among these marks. `x` and `x.locked`, `x.doc` and `x.enc`; and where names were replaced
/// too, a directory in which about as much noise appeared as sound files went.
pub(super) fn find<'a>(marks: impl Iterator<Item = &'a Mark>, actors: &Actors) -> Pairs {
    let mut directories: BTreeMap<&[u8], Sides<'a>> = BTreeMap::new();
    for mark in marks {
        let Some(dir) = parent(mark.key.as_bytes()) else {
            continue;
        };
        let sound = mark.before.as_ref().is_some_and(mark::is_sound);
        if mark.deed == Deed::Removed && sound {
            directories.entry(dir).or_default().removed.push(mark);
        } else if mark.deed == Deed::Created && mark.novel {
            directories.entry(dir).or_default().noise.push(mark);
        }
    }
    let mut pairs = Pairs::new();
    for sides in directories.into_values() {
        if !sides.noise.is_empty() {
            pair(&sides, actors, &mut pairs);
        }
    }
    pairs
}

fn pair(sides: &Sides<'_>, actors: &Actors, pairs: &mut Pairs) {
    let mut by_name: BTreeMap<&[u8], Vec<&Mark>> = BTreeMap::new();
    for removed in &sides.removed {
        by_name.entry(removed.key.name()).or_default().push(removed);
        by_name
            .entry(stem(removed.key.name()))
            .or_default()
            .push(removed);
    }
    let mut unnamed = Vec::new();
    for noise in &sides.noise {
        let name = noise.key.name();
        let dots = name
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'.');
        let found = dots
            .map(|(dot, _)| dot)
            .filter(|dot| *dot > 0)
            .find_map(|dot| {
                let removed = by_name.get(&name[..dot])?;
                let removed = removed
                    .iter()
                    .find(|removed| together(actors, removed.who, noise.who))?;
                Some((removed.key.clone(), name[dot + 1..].to_vec()))
            });
        match found {
            Some((key, extension)) => drop(pairs.insert(key, extension)),
            None => unnamed.push(*noise),
        }
    }
    let left: Vec<&&Mark> = sides
        .removed
        .iter()
        .filter(|removed| !pairs.contains_key(&removed.key))
        .filter(|removed| {
            unnamed
                .iter()
                .any(|noise| together(actors, removed.who, noise.who))
        })
        .collect();
    if unnamed.len() >= SCRAMBLED_SIGNED && unnamed.len() * 2 >= left.len() {
        let worn = unnamed
            .first()
            .map_or(Vec::new(), |noise| extension(noise.key.name()).to_vec());
        for removed in left {
            pairs.insert(removed.key.clone(), worn.clone());
        }
    }
}

/// Whether two may be the same doer: one program, or two that one script runs in turn, as `openssl` and
/// `rm`, or nobody knows.
pub(super) fn together(actors: &Actors, one: Who, other: Who) -> bool {
    match (actors.program(one), actors.program(other)) {
        (Some(program), Some(second)) => program == second || actors.are_siblings(one, other),
        _ => true,
    }
}

/// The name up to its last dot, if that is not its first byte.
fn stem(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

/// What follows the last dot; empty if none does, or it is the first byte.
pub(super) fn extension(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 => &name[dot + 1..],
        _ => b"",
    }
}

/// Whether a small new file of one content lies in several directories, as notes of ransom do.
pub(super) fn has_note<'a>(marks: impl Iterator<Item = &'a Mark>) -> bool {
    let mut places: BTreeMap<_, BTreeSet<&[u8]>> = BTreeMap::new();
    for mark in marks.filter(|mark| mark.deed == Deed::Created && !mark.soft) {
        let Some(facts) = mark
            .after
            .filter(|facts| facts.size > 0 && facts.size <= NOTE_BYTES)
        else {
            continue;
        };
        if let (Some(content), Some(dir)) = (facts.content, parent(mark.key.as_bytes())) {
            places.entry(content).or_default().insert(dir);
        }
    }
    places.values().any(|dirs| dirs.len() >= NOTE_DIRECTORIES)
}
