//! The detector: fed with points, it hands out findings and revises them.

use std::collections::{BTreeMap, BTreeSet};

use model::Timestamp;
use model::key::{PathKey, parent};

use super::actors::{Actors, Who};
use super::attribution::Candidate;
use super::baseline::Baselines;
use super::cases::candidates;
use super::excuse::Traces;
use super::finding::{Finding, Point, State};
use super::ledger::{Ledger, Seen};
use super::limits::{
    BURST_RATE_MAX, FORGET_EVERY, HORIZON, HOUR, JUDGE_CHANGES, JUDGE_EVERY, QUIET,
    SCRAMBLED_SIGNED,
};
use super::mark::Deed;
use super::moment::{self, Points};
use super::population::Population;
use super::rules::Mode;
use super::scene::Scene;
use super::stock::{self, Stock};

/// Watches one source. A value: what it knows is what it was fed with. Bounded in memory: see the
/// limits of [`Finding::keys`]; at most about 60 MB after a day of the worst.
#[derive(Debug, Default)]
pub struct Detector {
    mode: Mode,
    ledger: Ledger,
    actors: Actors,
    population: Population,
    baselines: Baselines,
    points: Points,
    findings: BTreeMap<u64, Finding>,
    last_id: u64,
    forgot_at: i64,
    judged_at: i64,
    /// Changes since then.
    unjudged: usize,
}

/// What a candidate amounts to, before it has an identity.
struct Draft {
    ids: BTreeSet<u64>,
    finding: Finding,
}

impl Detector {
    /// A detector that has seen nothing yet.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// Takes the changes of a point up; answers with the findings that are new or have changed.
    pub fn point(&mut self, point: &Point<'_>, stock: &dyn Stock) -> Vec<Finding> {
        let now = millis(point.time);
        if now - self.forgot_at >= FORGET_EVERY {
            self.forget(now);
        }
        self.baselines.settle(now);
        let mut changed = BTreeSet::new();
        if !point.observed.is_empty() {
            self.take(point, now, stock, &mut changed);
        }
        self.unjudged += point.observed.len();
        let moved = self.ledger.has_moved();
        let due = self.unjudged > 0 && now - self.judged_at >= JUDGE_EVERY;
        if moved || due || self.unjudged >= JUDGE_CHANGES {
            self.excuse();
            // After it: orderly work is no measure of what a program usually loses.
            if moved {
                self.learn(point.number, now);
            }
            self.judge(stock, &mut changed);
            self.judged_at = now;
            self.unjudged = 0;
        }
        self.points.add(point.number, point.blurred);
        self.close(now, &mut changed);
        changed
            .iter()
            .filter_map(|id| self.findings.get(id).cloned())
            .collect()
    }

    fn take(
        &mut self,
        point: &Point<'_>,
        now: i64,
        stock: &dyn Stock,
        changed: &mut BTreeSet<u64>,
    ) {
        let whose: Vec<Who> = point
            .actors
            .iter()
            .map(|actor| self.actors.intern(actor))
            .collect();
        let mut seen: Vec<Seen<'_>> = point
            .observed
            .iter()
            .map(|observed| {
                let index = observed.actor.map(|index| index as usize);
                Seen {
                    observed,
                    at: millis(observed.time).clamp(now - HOUR, now),
                    point: point.number,
                    blurred: point.blurred,
                    who: index.and_then(|index| whose.get(index).copied().flatten()),
                    ours: index
                        .and_then(|index| point.actors.get(index))
                        .is_some_and(|actor| actor.ours),
                }
            })
            .collect();
        // In the order of the map: neighbours are found where the last one was.
        seen.sort_by(|one, other| {
            (&one.observed.key, one.at).cmp(&(&other.observed.key, other.at))
        });
        self.population.begin(&seen, now);
        let mut soft: BTreeMap<Option<&[u8]>, bool> = BTreeMap::new();
        let mut repaired = BTreeSet::new();
        for one in &seen {
            let key = &one.observed.key;
            let dir = parent(key.as_bytes());
            // Asked of the directory, as the answer is kept for all that lies in it.
            let soft = *soft
                .entry(dir)
                .or_insert_with(|| key.parent().is_some_and(|dir| stock.regenerable(&dir)));
            let soft = soft || stock::is_derived(key, |source| stock.count(source).0 > 0);
            repaired.extend(self.ledger.take(one, soft, stock));
        }
        self.ledger.look_for_contents(point.observed, stock);
        // What Recoup puts right is over: it is not withdrawn, and damage from now on is another event.
        for id in repaired {
            self.ledger.forget_finding(id);
            if let Some(finding) = self.findings.get_mut(&id) {
                finding.state = State::Closed;
                changed.insert(id);
            }
        }
    }

    fn excuse(&mut self) {
        let excused: Vec<PathKey> = {
            let traces = Traces::read(self.ledger.marks.values(), &self.actors);
            let harmed = self
                .ledger
                .marks
                .values()
                .filter(|mark| mark.deed.harms() && !mark.excused);
            harmed
                .filter(|mark| traces.excuses(mark, &self.actors))
                .map(|mark| mark.key.clone())
                .collect()
        };
        for key in excused {
            if let Some(mark) = self.ledger.marks.get_mut(&key) {
                mark.excused = true;
            }
        }
    }

    /// What programs lose is what is usual for them.
    fn learn(&mut self, point: u64, now: i64) {
        let mut lost: BTreeMap<Option<u32>, (Who, u64)> = BTreeMap::new();
        for mark in self.ledger.marks.values() {
            let counts =
                mark.point == point && mark.deed == Deed::Removed && !mark.soft && !mark.excused;
            if counts && (self.mode == Mode::KeyValue || self.ledger.is_lost(mark)) {
                lost.entry(self.actors.program(mark.who))
                    .or_insert((mark.who, 0))
                    .1 += 1;
            }
        }
        for (who, lost) in lost.into_values() {
            self.baselines.add(&self.actors.class(who), lost, now);
        }
    }

    fn judge(&mut self, stock: &dyn Stock, changed: &mut BTreeSet<u64>) {
        // No rule fires on less.
        if self.ledger.marks.len() < SCRAMBLED_SIGNED && self.mode == Mode::Tree {
            return self.revise(Vec::new(), changed);
        }
        // Taken out while the marks are looked at: asking it for a population makes it remember the answer.
        let mut population = std::mem::take(&mut self.population);
        let mut scene = Scene::set(
            &self.ledger,
            &self.actors,
            &self.baselines,
            &mut population,
            stock,
        );
        let found = candidates(&mut scene, self.mode);
        let drafts = found
            .iter()
            .map(|candidate| self.draft(candidate))
            .collect();
        self.population = population;
        self.revise(drafts, changed);
    }

    fn draft(&self, candidate: &Candidate<'_>) -> Draft {
        let marks = &candidate.marks;
        let deleted = marks
            .iter()
            .filter(|mark| mark.deed == Deed::Removed)
            .count() as u64;
        let mut keys: Vec<PathKey> = marks.iter().map(|mark| mark.key.clone()).collect();
        keys.sort_unstable();
        let whose: BTreeSet<u32> = match candidate.group {
            Some(_) => marks.iter().filter_map(|mark| mark.who).collect(),
            None => BTreeSet::new(),
        };
        let first = marks
            .iter()
            .filter(|mark| mark.who.is_some())
            .min_by_key(|mark| (mark.at, mark.who));
        let actor = first
            .filter(|_| !whose.is_empty())
            .and_then(|mark| self.actors.get(mark.who))
            .cloned();
        let first_point = marks.iter().map(|mark| mark.point).min().unwrap_or(0);
        let mut finding = Finding {
            id: 0,
            state: State::Open,
            level: candidate.verdict.level,
            rule: candidate.verdict.rule,
            about: candidate.verdict.about.clone(),
            processes: whose.len(),
            from: timestamp(moment::start(marks, actor.is_some())),
            to: timestamp(marks.iter().map(|mark| mark.at).max().unwrap_or(0)),
            actor,
            last_good: self.points.last_good(first_point),
            first_point,
            last_point: marks.iter().map(|mark| mark.point).max().unwrap_or(0),
            keys,
            deleted,
            changed: marks.len() as u64 - deleted,
        };
        self.add_beyond(candidate, &mut finding);
        let ids = marks
            .iter()
            .map(|mark| mark.finding)
            .filter(|id| *id > 0)
            .collect();
        Draft { ids, finding }
    }

    /// Counts damage of the same kind and group that was too much to keep key by key.
    fn add_beyond(&self, candidate: &Candidate<'_>, finding: &mut Finding) {
        let deeds: BTreeSet<Deed> = candidate.marks.iter().map(|mark| mark.deed).collect();
        let mut more = 0;
        for ((deed, who, _), beyond) in &self.ledger.beyond {
            let theirs = match candidate.group {
                Some((grain, group)) => self.actors.group(*who, grain) == group,
                // Of a store only the burst is the event.
                None => self.mode == Mode::Tree || beyond.count >= BURST_RATE_MAX as u64,
            };
            if !theirs || !deeds.contains(deed) {
                continue;
            }
            match deed {
                Deed::Removed => finding.deleted += beyond.count,
                _ => finding.changed += beyond.count,
            }
            more += beyond.count;
            finding.to = finding.to.max(timestamp(beyond.to));
            finding.last_point = finding.last_point.max(beyond.point);
        }
        if more > 0 {
            finding.about.push_str(&format!("; and {more} more"));
        }
    }

    /// Gives drafts their identity: that of the findings which their marks belonged to, or a new one.
    fn revise(&mut self, mut drafts: Vec<Draft>, changed: &mut BTreeSet<u64>) {
        let mut claimed = BTreeSet::new();
        // The worst first, so that it keeps the identity that people know.
        drafts.sort_by_key(|draft| {
            (
                std::cmp::Reverse(draft.finding.level),
                draft.finding.first_point,
            )
        });
        for mut draft in drafts {
            let known = draft
                .ids
                .iter()
                .copied()
                .find(|id| self.findings.contains_key(id) && !claimed.contains(id));
            let id = known.unwrap_or_else(|| {
                self.last_id += 1;
                self.last_id
            });
            claimed.insert(id);
            draft.finding.id = id;
            for key in &draft.finding.keys {
                if let Some(mark) = self.ledger.marks.get_mut(key) {
                    mark.finding = id;
                }
            }
            let old = self.findings.get(&id);
            let grown = old.is_none_or(|old| match old.state {
                // Closed findings only open again for more damage, not because marks age away.
                State::Closed => {
                    draft.finding.damaged() > old.damaged() || draft.finding.level > old.level
                }
                State::Open | State::Withdrawn => *old != draft.finding,
            });
            if grown {
                self.findings.insert(id, draft.finding);
                changed.insert(id);
            }
        }
        for (id, finding) in &mut self.findings {
            if finding.state == State::Open && !claimed.contains(id) {
                finding.state = State::Withdrawn;
                changed.insert(*id);
            }
        }
    }

    fn close(&mut self, now: i64, changed: &mut BTreeSet<u64>) {
        for (id, finding) in &mut self.findings {
            if finding.state == State::Open && now - millis(finding.to) > QUIET {
                finding.state = State::Closed;
                changed.insert(*id);
            }
        }
    }

    fn forget(&mut self, now: i64) {
        self.forgot_at = now;
        self.findings.retain(|_, finding| {
            finding.state == State::Open || millis(finding.to) >= now - HORIZON
        });
        let findings = &self.findings;
        let lives = |id| {
            findings
                .get(&id)
                .is_some_and(|one| one.state != State::Withdrawn)
        };
        self.ledger.forget(now, lives);
        let marks = &self.ledger.marks;
        self.population.forget(now, |dir| {
            let Ok(start) = PathKey::from_bytes(dir.to_vec()) else {
                return false;
            };
            marks
                .range(start.clone()..)
                .take_while(|(key, _)| start.contains(key.as_bytes()))
                .any(|(_, mark)| mark.deed.harms())
        });
        let used: BTreeSet<u32> = self.ledger.who();
        if let Some(moved) = self.actors.compact(&used) {
            self.ledger.rename(&moved);
        }
    }
}

fn millis(time: Timestamp) -> i64 {
    time.secs
        .saturating_mul(1000)
        .saturating_add(i64::from(time.nanos / 1_000_000))
}

fn timestamp(millis: i64) -> Timestamp {
    let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Timestamp::new(millis.div_euclid(1000), nanos)
}
