//! From marks to candidates: each rule over what the rules before it left.

use std::collections::BTreeSet;

use model::{BlobId, Level};

use super::attribution::{Candidate, Near, attribute};
use super::mark::{Deed, Mark};
use super::rules::{Mode, Rule, pieces};
use super::scene::Scene;

/// Marks that a rule has claimed, by where they lie in memory: nothing moves while marks are weighed, and
/// comparing long keys for each rule would cost more than the rules. Only ever asked for membership.
#[derive(Default)]
struct Taken(BTreeSet<usize>);

impl Taken {
    fn has(&self, mark: &Mark) -> bool {
        self.0.contains(&std::ptr::from_ref(mark).addr())
    }

    fn add(&mut self, marks: &[&Mark]) {
        self.0
            .extend(marks.iter().map(|mark| std::ptr::from_ref(*mark).addr()));
    }
}

pub(super) fn candidates<'a>(scene: &mut Scene<'a>, mode: Mode) -> Vec<Candidate<'a>> {
    let ledger = scene.ledger;
    let mut sorted: Vec<&'a Mark> = ledger.marks.values().collect();
    sorted.sort_by_key(|mark| mark.at);
    let mut taken = Taken::default();
    let mut found = Vec::new();
    for rule in mode.rules() {
        let selected: Vec<&Mark> = sorted
            .iter()
            .filter(|mark| !taken.has(mark) && (rule.selects)(scene, mark))
            .copied()
            .collect();
        let mut of_rule = weigh_pieces(scene, *rule, selected);
        for candidate in &of_rule {
            taken.add(&candidate.marks);
        }
        if rule.joins {
            for candidate in of_rule
                .iter_mut()
                .filter(|one| one.verdict.level == Level::Alarm)
            {
                join(scene, candidate, &sorted, &mut taken);
            }
        }
        found.extend(of_rule);
    }
    found
}

/// Events of their own first; what is left may be one slow event that lasts all day.
fn weigh_pieces<'a>(
    scene: &mut Scene<'_>,
    rule: Rule,
    selected: Vec<&'a Mark>,
) -> Vec<Candidate<'a>> {
    let pieces = pieces(&selected);
    if pieces.len() <= 1 {
        return attribute(scene, rule, selected);
    }
    if (rule.weigh)(scene, &selected).is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut slow = Vec::new();
    for piece in pieces {
        let of_piece = attribute(scene, rule, piece.clone());
        if of_piece.is_empty() {
            slow.extend(piece);
        }
        found.extend(of_piece);
    }
    found.extend(attribute(scene, rule, slow));
    found
}

/// Adds what else the same group damaged in that time: files with a copy elsewhere, empty ones,
/// directories, what can be made again. Without a group, what lies among the damage. Not what was
/// merely moved, nor temporary files.
fn join<'a>(
    scene: &Scene<'_>,
    candidate: &mut Candidate<'a>,
    sorted: &[&'a Mark],
    taken: &mut Taken,
) {
    let near = Near::of(&candidate.marks);
    let came: BTreeSet<BlobId> = sorted
        .iter()
        .filter(|mark| !mark.deed.harms())
        .filter_map(|mark| mark.after.and_then(|facts| facts.content))
        .collect();
    let more = sorted.iter().filter(|mark| {
        let harmed = mark.deed.harms() || (mark.deed == Deed::Rewritten && mark.novel);
        let moved = mark.deed == Deed::Removed
            && mark.size() > 0
            && mark.lost.is_some_and(|content| came.contains(&content));
        let theirs = match candidate.group {
            Some((grain, group)) => {
                near.is_in_time(mark.at) && scene.actors.group(mark.who, grain) == group
            }
            None => near.is_near(mark),
        };
        harmed
            && theirs
            && !moved
            && !mark.excused
            && !taken.has(mark)
            && !scene.was_temporary(mark)
    });
    let more: Vec<&Mark> = more.copied().collect();
    taken.add(&more);
    candidate.marks.extend(more);
}
