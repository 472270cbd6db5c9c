//! Incidents: what the rules find in the points, numbered, and kept in the timeline.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Instant;

use format::entry::entry_bytes;
use model::incident::{Actor, Incident, Observed};
use model::point::TimelineRecord;
use model::{BlobId, PathKey, SnapshotId, Timestamp};
use policy::incident::{Detector, Finding, Mode, Point, State as Standing, Steady, Stock};
use repository::{MapReader, Packer, Repository};
use source::files::TreeReader;

use crate::contents::Contents;
use crate::error::Result;
use crate::observe::Observer;
use crate::state::{Changed, State};

/// Points whose names are remembered, to say where an incident begins: a day of one every two seconds.
const POINTS_MAX: usize = 43_200;

/// The rules with what they know of one source.
pub struct Incidents {
    detector: Detector,
    pub(crate) contents: Contents,
    /// The time that the rules go by, and when it began.
    pub(crate) steady: Steady,
    began: Instant,
    /// Number of a finding to number of its incident in the timeline.
    pub(crate) numbers: HashMap<u64, u64>,
    next: u64,
    /// Number of a point in the timeline to its name.
    points: BTreeMap<u64, SnapshotId>,
    /// What was last told of each finding.
    pub(crate) told: HashMap<u64, Incident>,
    /// By finding, what an earlier watcher recorded of it, and the keys: this one may know only a part.
    pub(crate) adopted: HashMap<u64, (Incident, BTreeSet<PathKey>)>,
    /// The last record of points that are several records, by the first.
    spans: BTreeMap<u64, u64>,
    /// Findings that are not recorded yet, since the repository refused.
    pub(crate) waiting: Vec<Finding>,
}

/// A point as the rules are given it.
pub(crate) struct Shown<'a> {
    /// First and last numbers of its records.
    pub(crate) span: (u64, u64),
    pub(crate) id: SnapshotId,
    /// Root of the state before it.
    pub(crate) before: Option<BlobId>,
    pub(crate) changed: &'a [Changed],
    /// Who made the changes, and for each change a place in that list.
    pub(crate) actors: &'a (Vec<Actor>, Vec<Option<u32>>),
    /// By the clock of the rules.
    pub(crate) time: Timestamp,
    pub(crate) blurred: bool,
}

/// The tree before a point, as the rules ask for it.
struct Tree<'a> {
    repository: &'a Repository,
    root: Option<BlobId>,
    contents: &'a Contents,
    /// Contents that came with the point: not seen before it.
    fresh: &'a HashMap<BlobId, bool>,
}

impl Stock for Tree<'_> {
    fn count(&self, key: &PathKey) -> (u64, u64) {
        let reader = MapReader::new(self.repository);
        let map = reader.map(self.root);
        let end = key.subtree_end();
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(key.as_bytes()), to);
        // What can't be read counts for nothing: a rule then sees a larger share, and warns sooner.
        map.totals(range.0, range.1, entry_bytes)
            .map_or((0, 0), |totals| (totals.count, totals.bytes))
    }

    fn is_live(&self, content: &BlobId) -> bool {
        self.contents.is_live(content)
    }

    fn was_seen(&self, content: &BlobId) -> bool {
        match self.fresh.get(content) {
            Some(seen) => *seen,
            None => self.contents.was_seen(content),
        }
    }
}

impl std::fmt::Debug for Incidents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incidents")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Incidents {
    /// With the contents of a state, and nothing of what led to it.
    pub(crate) fn at(
        repository: &Repository,
        root: Option<BlobId>,
        (mode, now): (Mode, Timestamp),
        next: u64,
    ) -> Result<Self> {
        Ok(Self {
            detector: Detector::new(mode),
            contents: Contents::of(repository, root)?,
            steady: Steady::new(now),
            began: Instant::now(),
            numbers: HashMap::new(),
            next,
            points: BTreeMap::new(),
            told: HashMap::new(),
            adopted: HashMap::new(),
            spans: BTreeMap::new(),
            waiting: Vec::new(),
        })
    }

    /// Lets the rules look at the last point, and records what they find or see otherwise now. `root` is that
    /// of the state before it; `tree` is where the live bytes are, if values are not at hand anyway.
    pub fn judge(
        &mut self,
        state: &mut State<'_>,
        tree: Option<&TreeReader>,
        root: Option<BlobId>,
        changed: &[Changed],
        (time, blurred): (Timestamp, bool),
    ) -> Result<Vec<Incident>> {
        let shown = Shown {
            span: state.last_span,
            id: state.last_point,
            before: root,
            changed,
            actors: &state.actors_of(changed),
            time: self.steady.now(self.began.elapsed(), time),
            blurred,
        };
        let findings = self.show(state.repository, tree, &shown);
        self.waiting.extend(findings);
        self.record_waiting(state, time)
    }

    /// Lets the rules look at a point: what is new or seen otherwise now.
    pub(crate) fn show(
        &mut self,
        repository: &Repository,
        tree: Option<&TreeReader>,
        shown: &Shown<'_>,
    ) -> Vec<Finding> {
        let (actors, places) = shown.actors;
        let observer = Observer { repository, tree };
        let observed = &observer.observe(shown.changed, places, shown.time);
        let fresh = self.take_contents(repository, shown.changed, observed);
        let (number, last) = shown.span;
        self.saw(number, shown.id);
        if last > number {
            self.spans.insert(number, last);
        }
        let stock = Tree {
            repository,
            root: shown.before,
            contents: &self.contents,
            fresh: &fresh,
        };
        let point = Point {
            number,
            time: shown.time,
            blurred: shown.blurred,
            observed,
            actors,
        };
        self.detector.point(&point, &stock)
    }

    /// Records what was found and is not recorded yet. What was recorded before the repository refused is
    /// told with the rest.
    pub fn record_waiting(
        &mut self,
        state: &mut State<'_>,
        time: Timestamp,
    ) -> Result<Vec<Incident>> {
        let mut incidents = Vec::new();
        let mut findings = std::mem::take(&mut self.waiting).into_iter();
        while let Some(finding) = findings.next() {
            if finding.state == Standing::Withdrawn && !self.numbers.contains_key(&finding.id) {
                continue;
            }
            match self.record(&finding, state, time) {
                Ok(Some(incident)) => incidents.push(incident),
                Ok(None) => {}
                Err(error) => {
                    self.waiting.push(finding);
                    self.waiting.extend(findings);
                    // The caller hears of these now, of the rest when it tries again.
                    return if incidents.is_empty() {
                        Err(error)
                    } else {
                        Ok(incidents)
                    };
                }
            }
        }
        Ok(incidents)
    }

    /// Whether something that was found is not recorded yet.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a state up that was found by a scan: nobody knows who did it, nor in which order.
    pub fn saw(&mut self, number: u64, id: SnapshotId) {
        self.points.insert(number, id);
        while self.points.len() > POINTS_MAX {
            self.points.pop_first();
        }
    }

    /// Keeps count of the contents; tells for each that came whether it had been seen before.
    fn take_contents(
        &mut self,
        repository: &Repository,
        changed: &[Changed],
        observed: &[Observed],
    ) -> HashMap<BlobId, bool> {
        let mut fresh = HashMap::new();
        for after in observed.iter().filter_map(|one| one.after.as_ref()) {
            if let Some(content) = after.content {
                fresh.insert(content, self.contents.was_seen(&content));
            }
        }
        for one in changed {
            if let Some(before) = &one.before {
                self.contents.remove(repository, before);
            }
            if let Some(after) = &one.after {
                self.contents.add(repository, after);
            }
        }
        fresh
    }

    fn record(
        &mut self,
        finding: &Finding,
        state: &mut State<'_>,
        time: Timestamp,
    ) -> Result<Option<Incident>> {
        let number = match self.numbers.get(&finding.id) {
            Some(number) => *number,
            None => {
                let number = self.next;
                self.next += 1;
                self.numbers.insert(finding.id, number);
                number
            }
        };
        let mut incident = self.incident(number, finding, state);
        let mut keys = finding.keys.clone();
        if let Some((earlier, theirs)) = self.adopted.get(&finding.id) {
            (incident, keys) = joined((earlier, theirs), incident, keys);
        }
        let same = |told: &Incident| {
            (told.level, told.keys, &told.about) == (incident.level, incident.keys, &incident.about)
                && !is_after(&incident, told)
        };
        let told = self.told.get(&finding.id);
        if told.is_some_and(same) {
            return Ok(None);
        }
        // That some of it is mended is recorded, but nobody is called for it.
        let is_news = told.is_none_or(|told| {
            told.level != incident.level
                || told.about != incident.about
                || told.keys < incident.keys
                || is_after(&incident, told)
        });
        let repository = state.repository;
        let (keys, _) = repository.write(&model::Silent, |session| {
            let mut packer = Packer::map(session);
            let keys = repository.put_keys(&mut packer, &keys)?;
            packer.finish()?;
            Ok::<_, crate::error::TimelineError>(keys)
        })?;
        let record = TimelineRecord::Incident {
            incident: incident.clone(),
            keys: Some(keys),
        };
        state.add(&record, time)?;
        self.told.insert(finding.id, incident.clone());
        Ok(is_news.then_some(incident))
    }

    fn incident(&self, number: u64, finding: &Finding, state: &State<'_>) -> Incident {
        let name = |wanted: u64| self.points.range(..=wanted).next_back().map(|(_, id)| *id);
        let before = finding
            .last_good
            .and_then(name)
            .or_else(|| name(finding.first_point.saturating_sub(1)));
        Incident {
            number,
            level: finding.level,
            rule: finding.rule.to_owned(),
            about: finding.about.clone(),
            from: self.steady.wall(finding.from),
            to: self.steady.wall(finding.to),
            before: before.unwrap_or(state.began_at),
            after: name(finding.last_point).unwrap_or(state.last_point),
            keys: finding.damaged(),
            deleted: finding.deleted,
            changed: finding.changed,
            actor: finding.actor.clone(),
            points: (
                finding.first_point,
                *self
                    .spans
                    .get(&finding.last_point)
                    .unwrap_or(&finding.last_point),
            ),
        }
    }
}

/// Whether all of an incident came after what was told of it: the same keys were damaged once more after they
/// had been put right.
fn is_after(incident: &Incident, told: &Incident) -> bool {
    incident.from > told.to
}

/// What is known of an incident now with what an earlier watcher recorded of it: a later record takes the
/// place of the earlier one, and must not say less.
fn joined(
    (earlier, theirs): (&Incident, &BTreeSet<PathKey>),
    mut now: Incident,
    keys: Vec<PathKey>,
) -> (Incident, Vec<PathKey>) {
    let more = keys.iter().filter(|key| !theirs.contains(*key)).count() as u64;
    if more == 0 && is_after(&now, earlier) {
        return (now, keys);
    }
    if more == 0 {
        return (earlier.clone(), theirs.iter().cloned().collect());
    }
    let deleted = (more * now.deleted).div_ceil(now.keys.max(1)).min(more);
    let all: BTreeSet<PathKey> = keys.into_iter().chain(theirs.iter().cloned()).collect();
    now.level = now.level.max(earlier.level);
    (now.from, now.before) = (earlier.from, earlier.before);
    now.points.0 = now.points.0.min(earlier.points.0);
    now.keys = earlier.keys + more;
    now.deleted = earlier.deleted + deleted;
    now.changed = now.keys.saturating_sub(now.deleted);
    (now, all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use model::incident::Level;

    use super::*;

    fn key(name: &str) -> PathKey {
        PathKey::from_path(name.as_bytes()).unwrap()
    }

    fn incident(level: Level, (from, first): (i64, u64), keys: u64) -> Incident {
        Incident {
            number: 1,
            level,
            rule: "lost".to_owned(),
            about: String::new(),
            from: Timestamp::new(from, 0),
            to: Timestamp::new(90, 0),
            before: SnapshotId([first as u8; 32]),
            after: SnapshotId([9; 32]),
            keys,
            deleted: keys,
            changed: 0,
            actor: None,
            points: (first, 9),
        }
    }

    /// The same damage once more, after it was put right, is told again although it looks the same.
    #[test]
    fn what_happens_again_comes_after_what_was_told() {
        let told = incident(Level::Alarm, (10, 2), 3);
        let longer = incident(Level::Alarm, (90, 2), 3);
        let again = incident(Level::Alarm, (91, 5), 3);
        assert!(is_after(&again, &told) && !is_after(&longer, &told));
    }

    /// A watcher that was started in the middle knows a part, and its record counts from then on.
    #[test]
    fn a_later_record_says_no_less() {
        let theirs: BTreeSet<PathKey> = ["a", "b", "c"].map(key).into();
        let earlier = incident(Level::Alarm, (10, 2), 3);
        let now = incident(Level::Notice, (50, 5), 2);
        let (same, keys) = joined((&earlier, &theirs), now.clone(), vec![key("b"), key("c")]);
        assert_eq!((&same, keys.len()), (&earlier, 3));
        let again = incident(Level::Alarm, (91, 12), 2);
        let (new, keys) = joined((&earlier, &theirs), again.clone(), vec![key("b"), key("c")]);
        assert_eq!((&new, keys.len()), (&again, 2), "they were damaged anew");
        let (more, keys) = joined((&earlier, &theirs), now, vec![key("c"), key("d")]);
        assert_eq!(keys, ["a", "b", "c", "d"].map(key));
        assert_eq!((more.keys, more.deleted, more.changed), (4, 4, 0));
        assert_eq!(more.level, Level::Alarm);
        assert_eq!((more.from, more.points), (earlier.from, (2, 9)));
        assert_eq!(more.before, earlier.before);
    }
}
