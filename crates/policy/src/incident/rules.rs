//! The rules in the order in which they claim marks: what became random is not lost as well.

use super::limits::QUIET;
use super::mark::{Deed, Mark};
use super::scene::Scene;
use super::words::Verdict;
use super::{bulk, emptied, lost, prefix, renamed, restyled, scrambled};

/// What kind of map is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Files and directories.
    #[default]
    Tree,
    /// Keys and values, such as etcd: every deletion counts, whatever values are left elsewhere.
    KeyValue,
}

/// One rule: which marks it is about, and what it makes of a set of them.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) selects: fn(&Scene<'_>, &Mark) -> bool,
    pub(super) weigh: fn(&mut Scene<'_>, &[&Mark]) -> Option<Verdict>,
    /// At the level of an alarm, what else the same actor damaged belongs to it.
    pub(super) joins: bool,
    /// Where nobody knows who did it, only the burst is the event.
    pub(super) bursts: bool,
}

const TREE: [Rule; 7] = [
    Rule {
        selects: |scene, mark| scene.is_scramble(mark),
        weigh: scrambled::weigh,
        joins: true,
        bursts: false,
    },
    Rule {
        selects: |scene, mark| scene.is_emptying(mark),
        weigh: emptied::weigh,
        joins: true,
        bursts: false,
    },
    Rule {
        selects: |scene, mark| scene.is_loss(mark),
        weigh: lost::weigh,
        joins: true,
        bursts: false,
    },
    Rule {
        selects: |scene, mark| scene.renamed.contains(&mark.key) && !mark.excused,
        weigh: renamed::weigh,
        joins: false,
        bursts: false,
    },
    Rule {
        selects: |_, mark| mark.deed == Deed::Restyled && !mark.soft,
        weigh: restyled::weigh,
        joins: false,
        bursts: false,
    },
    Rule {
        selects: is_orderly,
        weigh: bulk::regenerable,
        joins: false,
        bursts: false,
    },
    Rule {
        selects: is_rewrite,
        weigh: bulk::rewritten,
        joins: false,
        bursts: false,
    },
];

const KEY_VALUE: [Rule; 3] = [
    Rule {
        selects: |scene, mark| scene.is_scramble(mark),
        weigh: scrambled::weigh,
        joins: true,
        bursts: false,
    },
    Rule {
        // What was made just before counts, too: of a store nobody knows whether its maker removed it.
        selects: |_, mark| mark.deed == Deed::Removed && !mark.soft,
        weigh: prefix::deleted,
        joins: false,
        bursts: true,
    },
    Rule {
        selects: |_, mark| matches!(mark.deed, Deed::Rewritten | Deed::Emptied) && !mark.soft,
        weigh: prefix::overwritten,
        joins: false,
        bursts: false,
    },
];

fn is_orderly(scene: &Scene<'_>, mark: &Mark) -> bool {
    mark.deed.harms()
        && !mark.is_directory()
        && (mark.soft || mark.excused)
        && !scene.was_temporary(mark)
}

fn is_rewrite(_: &Scene<'_>, mark: &Mark) -> bool {
    mark.deed == Deed::Rewritten && !mark.soft
}

impl Mode {
    pub(super) fn rules(self) -> &'static [Rule] {
        match self {
            Self::Tree => &TREE,
            Self::KeyValue => &KEY_VALUE,
        }
    }
}

/// Marks in order of time, cut where nothing happened for a while: what lies in one piece may be one event.
pub(super) fn pieces<'a>(sorted: &[&'a Mark]) -> Vec<Vec<&'a Mark>> {
    let mut pieces: Vec<Vec<&Mark>> = Vec::new();
    for mark in sorted {
        match pieces.last_mut() {
            Some(piece) if piece.last().is_some_and(|last| mark.at - last.at <= QUIET) => {
                piece.push(mark);
            }
            _ => pieces.push(vec![mark]),
        }
    }
    pieces
}
