//! Whose marks they are. A rule first weighs all marks together, so that an attack split over a hundred
//! processes is seen; then the finest group that explains nine tenths of it is made responsible, and the
//! rest is weighed for itself. Where no group does, each that is bad enough by itself is named.

use std::collections::{BTreeMap, BTreeSet};

use model::key::parent;

use super::actors::{GRAINS, Grain, Group};
use super::burst;
use super::limits::START_BIN;
use super::mark::Mark;
use super::rules::Rule;
use super::scene::Scene;
use super::words::Verdict;

/// Marks that are one event, by one group if one is known.
pub(super) struct Candidate<'a> {
    pub(super) verdict: Verdict,
    pub(super) marks: Vec<&'a Mark>,
    /// The group, and how it was formed.
    pub(super) group: Option<(Grain, Group)>,
}

/// A group is responsible from this share of the marks on, in tenths. Chosen here.
const RESPONSIBLE: usize = 9;

pub(super) fn attribute<'a>(
    scene: &mut Scene<'_>,
    rule: Rule,
    marks: Vec<&'a Mark>,
) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    let mut left = marks;
    if left.is_empty() {
        return found;
    }
    while let Some(verdict) = (rule.weigh)(scene, &left) {
        let Some((responsible, rest)) = responsible(scene, rule, &left, &verdict) else {
            let (event, rest) = of_nobody(scene, rule, left, verdict);
            found.push(event);
            left = rest;
            continue;
        };
        found.extend(responsible);
        // Before the rest is weighed: enough of it to be an event by itself is still no event of its own.
        left = adopt(scene, rule, &mut found, rest);
    }
    found
}

/// An event of which nobody knows who did it: all marks, or the burst in them if that is as bad, and what is
/// left then.
fn of_nobody<'a>(
    scene: &mut Scene<'_>,
    rule: Rule,
    marks: Vec<&'a Mark>,
    all: Verdict,
) -> (Candidate<'a>, Vec<&'a Mark>) {
    let (event, rest) = match rule.bursts {
        true => burst::split(&marks),
        false => (Vec::new(), Vec::new()),
    };
    let verdict = match rest.is_empty() {
        true => None,
        false => (rule.weigh)(scene, &event),
    };
    let (verdict, marks, rest) = match verdict.filter(|one| one.level >= all.level) {
        Some(verdict) => (verdict, event, rest),
        None => (all, marks, Vec::new()),
    };
    let candidate = Candidate {
        verdict,
        marks,
        group: None,
    };
    (candidate, rest)
}

type Split<'a> = (Vec<Candidate<'a>>, Vec<&'a Mark>);

fn responsible<'a>(
    scene: &mut Scene<'_>,
    rule: Rule,
    marks: &[&'a Mark],
    all: &Verdict,
) -> Option<Split<'a>> {
    for grain in GRAINS {
        let groups = grouped(scene, marks, grain);
        let Some((group, own)) = groups.iter().max_by_key(|(_, own)| own.len()) else {
            continue;
        };
        if own.len() * 10 < marks.len() * RESPONSIBLE {
            continue;
        }
        // All of them: nothing to weigh again.
        let verdict = if own.len() == marks.len() {
            Some(all.clone())
        } else {
            (rule.weigh)(scene, own)
        };
        if let Some(verdict) = verdict.filter(|verdict| verdict.level >= all.level) {
            return Some(split(scene, marks, grain, vec![(*group, verdict)]));
        }
    }
    for grain in GRAINS.into_iter().rev() {
        let mut named = Vec::new();
        for (group, own) in grouped(scene, marks, grain) {
            if let Some(verdict) =
                (rule.weigh)(scene, &own).filter(|verdict| verdict.level >= all.level)
            {
                named.push((group, verdict));
            }
        }
        if !named.is_empty() {
            return Some(split(scene, marks, grain, named));
        }
    }
    None
}

/// The marks of each group; what nobody knows of is no group.
fn grouped<'a>(
    scene: &Scene<'_>,
    marks: &[&'a Mark],
    grain: Grain,
) -> BTreeMap<Group, Vec<&'a Mark>> {
    let mut groups: BTreeMap<Group, Vec<&Mark>> = BTreeMap::new();
    for mark in marks {
        let group = scene.actors.group(mark.who, grain);
        if group != Group::Unknown {
            groups.entry(group).or_default().push(mark);
        }
    }
    groups
}

fn split<'a>(
    scene: &Scene<'_>,
    marks: &[&'a Mark],
    grain: Grain,
    named: Vec<(Group, Verdict)>,
) -> Split<'a> {
    let mut found: Vec<Candidate<'a>> = named
        .into_iter()
        .map(|(group, verdict)| Candidate {
            verdict,
            marks: Vec::new(),
            group: Some((grain, group)),
        })
        .collect();
    let mut rest = Vec::new();
    for mark in marks {
        let group = scene.actors.group(mark.who, grain);
        match found
            .iter_mut()
            .find(|one| one.group.is_some_and(|(_, own)| own == group))
        {
            Some(one) => one.marks.push(mark),
            None => rest.push(*mark),
        }
    }
    (found, rest)
}

/// Marks of nobody known, among those of a known group in time and place, are taken as its own: the
/// process had ended before it could be looked at. Answers with those that are left.
fn adopt<'a>(
    scene: &mut Scene<'_>,
    rule: Rule,
    found: &mut [Candidate<'a>],
    mut left: Vec<&'a Mark>,
) -> Vec<&'a Mark> {
    for candidate in found {
        let near = Near::of(&candidate.marks);
        let is_theirs = |mark: &mut &Mark| {
            scene.actors.group(mark.who, Grain::Program) == Group::Unknown && near.is_near(mark)
        };
        let adopted: Vec<&Mark> = left.extract_if(.., is_theirs).collect();
        if adopted.is_empty() {
            continue;
        }
        candidate.marks.extend(adopted);
        // How bad it is, is told by what they surely did; the words speak of all of it.
        let all = (rule.weigh)(scene, &candidate.marks);
        if let Some(all) = all.filter(|all| all.level == candidate.verdict.level) {
            candidate.verdict.about = all.about;
        }
    }
    left
}

/// The time and the directories of some marks.
pub(super) struct Near<'a> {
    from: i64,
    to: i64,
    directories: BTreeSet<&'a [u8]>,
}

impl<'a> Near<'a> {
    pub(super) fn of(marks: &[&'a Mark]) -> Self {
        let mut directories = BTreeSet::new();
        for mark in marks {
            let mut above = parent(mark.key.as_bytes());
            // The nearest directory, and those above it as far as they are not yet known.
            while let Some(dir) = above.filter(|dir| directories.insert(*dir)) {
                above = parent(dir);
            }
        }
        Self {
            from: marks.iter().map(|mark| mark.at).min().unwrap_or(0) - START_BIN,
            to: marks.iter().map(|mark| mark.at).max().unwrap_or(0) + START_BIN,
            directories,
        }
    }

    pub(super) fn is_in_time(&self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// In time, and a directory that held some of them, or beside one of them.
    pub(super) fn is_near(&self, mark: &Mark) -> bool {
        let key = mark.key.as_bytes();
        let beside =
            parent(key).is_some_and(|dir| !dir.is_empty() && self.directories.contains(dir));
        self.is_in_time(mark.at) && (beside || self.directories.contains(key))
    }
}
