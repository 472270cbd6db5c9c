//! Plays a script through a detector, and judges what came out.

use std::collections::{BTreeMap, BTreeSet};

use model::incident::{Facts, Observed};
use model::{BlobId, Level, PathKey, Timestamp};
use recoup_policy::incident::Mode;
use recoup_policy::{Detector, Finding, Point, State};

use super::script::{Act, MINUTE, Script};
use super::world::{Answers, Tree};

pub(crate) const POINT: i64 = 5_000;

pub(crate) struct Outcome {
    /// Worst level that was handed out while it lasted, withdrawn or not.
    pub(crate) worst: Option<Level>,
    /// The last word on each finding.
    pub(crate) last: BTreeMap<u64, Finding>,
    /// Milliseconds from the first damage to the point that raised the alarm.
    pub(crate) delay: Option<i64>,
    pub(crate) first_damaged_point: Option<u64>,
}

pub(crate) struct Cut {
    /// Observations of each point are turned round.
    pub(crate) reverse: bool,
    /// Every point is given in two, each observation to a half by this.
    pub(crate) halve: Option<u64>,
}

pub(crate) const WHOLE: Cut = Cut {
    reverse: false,
    halve: None,
};

pub(crate) fn stamp(millis: i64) -> Timestamp {
    let millis = 1_700_000_000_000 + millis;
    Timestamp::new(
        millis / 1000,
        u32::try_from(millis % 1000).unwrap() * 1_000_000,
    )
}

pub(crate) fn play(start: &Tree, script: &Script, mode: Mode, cut: &Cut) -> Outcome {
    let mut player = Player::new(start, mode);
    let mut acts = script.acts.clone();
    acts.sort_by_key(|act| act.at);
    let mut rest = acts.as_slice();
    let mut number = 0;
    player.feed(&[], script, (number, 0, false), cut);
    while let Some(first) = rest.first() {
        let close = (first.at / POINT + 1) * POINT;
        let (now, later) = rest.split_at(rest.partition_point(|act| act.at < close));
        rest = later;
        let blurred = script
            .blurred
            .iter()
            .any(|(from, to)| close > *from && close <= *to);
        // A quiet point before, as a watcher makes none while nothing happens but may.
        number += 2;
        player.feed(&[], script, (number - 1, close - POINT, false), cut);
        player.feed(now, script, (number, close, blurred), cut);
    }
    let end = script.now + 11 * MINUTE;
    player.feed(&[], script, (number + 1, end, false), cut);
    player.outcome
}

struct Player {
    detector: Detector,
    tree: Tree,
    live: BTreeMap<BlobId, usize>,
    seen: BTreeSet<BlobId>,
    outcome: Outcome,
    first_damage: Option<i64>,
}

impl Player {
    fn new(start: &Tree, mode: Mode) -> Self {
        let mut live = BTreeMap::new();
        for content in start.values().filter_map(|facts| facts.content) {
            *live.entry(content).or_default() += 1;
        }
        Self {
            detector: Detector::new(mode),
            seen: live.keys().copied().collect(),
            live,
            tree: start.clone(),
            outcome: Outcome {
                worst: None,
                last: BTreeMap::new(),
                delay: None,
                first_damaged_point: None,
            },
            first_damage: None,
        }
    }

    fn feed(
        &mut self,
        acts: &[Act],
        script: &Script,
        (number, close, blurred): (u64, i64, bool),
        cut: &Cut,
    ) {
        // Writing encrypted copies is no damage yet; removing what was there is.
        let damage = |act: &&Act| act.evil && self.tree.contains_key(&act.key);
        if let Some(evil) = acts.iter().find(damage) {
            self.first_damage.get_or_insert(evil.at);
            self.outcome.first_damaged_point.get_or_insert(number);
        }
        let mut net: BTreeMap<&PathKey, (&Act, Option<Facts>)> = BTreeMap::new();
        for act in acts {
            net.insert(&act.key, (act, act.after));
        }
        let mut observed: Vec<Observed> = net
            .into_iter()
            .map(|(key, (act, after))| Observed {
                key: key.clone(),
                time: stamp(act.at),
                actor: act.who,
                before: self.tree.get(key).copied(),
                after,
            })
            .filter(|observed| observed.before != observed.after)
            .collect();
        if cut.reverse {
            observed.reverse();
        }
        let halves: Vec<Vec<Observed>> = match cut.halve {
            None => vec![observed],
            Some(salt) => {
                let mut dice = super::world::Dice(salt ^ number);
                let (one, other) = observed.into_iter().partition(|_| dice.below(2) == 0);
                vec![one, other]
            }
        };
        let halved = halves.len() as u64;
        for (half, observed) in halves.into_iter().enumerate() {
            let number = number * halved + half as u64;
            self.point(&observed, script, number, close, blurred);
        }
    }

    fn point(
        &mut self,
        observed: &[Observed],
        script: &Script,
        number: u64,
        close: i64,
        blurred: bool,
    ) {
        let before = self.tree.clone();
        let seen = self.seen.clone();
        for one in observed {
            if let Some(content) = one.before.and_then(|facts| facts.content) {
                *self.live.entry(content).or_default() -= 1;
            }
            if let Some(content) = one.after.and_then(|facts| facts.content) {
                *self.live.entry(content).or_default() += 1;
                self.seen.insert(content);
            }
            match one.after {
                Some(facts) => drop(self.tree.insert(one.key.clone(), facts)),
                None => drop(self.tree.remove(&one.key)),
            }
        }
        let answers = Answers {
            before: &before,
            live: &self.live,
            seen: &seen,
        };
        let point = Point {
            number,
            time: stamp(close),
            blurred,
            observed,
            actors: &script.actors,
        };
        for finding in self.detector.point(&point, &answers) {
            if finding.level == Level::Alarm
                && finding.state != State::Withdrawn
                && self.outcome.delay.is_none()
            {
                self.outcome.delay = self.first_damage.map(|first| close - first);
            }
            if finding.state != State::Withdrawn {
                self.outcome.worst = self.outcome.worst.max(Some(finding.level));
            }
            self.outcome.last.insert(finding.id, finding);
        }
    }
}

impl Outcome {
    /// Findings of this level that stand at the end.
    pub(crate) fn standing(&self, level: Level) -> Vec<&Finding> {
        let standing =
            |finding: &&Finding| finding.level == level && finding.state != State::Withdrawn;
        self.last.values().filter(standing).collect()
    }

    /// What stands at the end, without identities and words.
    pub(crate) fn verdict(&self) -> Vec<(Level, &'static str, Vec<PathKey>, u64, u64)> {
        let standing = self
            .last
            .values()
            .filter(|finding| finding.state != State::Withdrawn);
        let mut verdict: Vec<_> = standing
            .map(|one| {
                (
                    one.level,
                    one.rule,
                    one.keys.clone(),
                    one.deleted,
                    one.changed,
                )
            })
            .collect();
        verdict.sort_unstable();
        verdict
    }
}
