//! Incidents: what the rules find in the points, numbered, and kept in the timeline.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use format::entry::entry_bytes;
use model::incident::{Incident, Observed};
use model::point::TimelineRecord;
use model::{BlobId, PathKey, SnapshotId, Timestamp};
use policy::incident::{Detector, Finding, Mode, Point, State as Standing, Stock};
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
    contents: Contents,
    /// Number of a finding to number of its incident in the timeline.
    numbers: HashMap<u64, u64>,
    next: u64,
    /// Number of a point in the timeline to its name.
    points: BTreeMap<u64, SnapshotId>,
    /// What was last told of each finding.
    told: HashMap<u64, Incident>,
    /// The last record of points that are several records, by the first.
    spans: BTreeMap<u64, u64>,
    /// Findings that are not recorded yet, since the repository refused.
    waiting: Vec<Finding>,
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
    /// Begins with the contents of a state.
    pub fn begin(repository: &Repository, state: &State<'_>, mode: Mode) -> Result<Self> {
        let mut contents = Contents::default();
        let reader = MapReader::new(repository);
        let mut entries = reader.entries(state.root, &PathKey::root());
        while let Some((_, entry)) = entries.next()? {
            contents.add(repository, &entry);
        }
        let known = state.timeline.incidents()?;
        Ok(Self {
            detector: Detector::new(mode),
            contents,
            numbers: HashMap::new(),
            next: known.last().map_or(1, |last| last.incident.number + 1),
            points: [(state.next_number() - 1, state.last_point)].into(),
            told: HashMap::new(),
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
        let repository = state.repository;
        let (actors, places) = state.actors_of(changed);
        let observed = &Observer { repository, tree }.observe(changed, &places, time);
        let fresh = self.take_contents(repository, changed, observed);
        let (number, last) = state.last_span;
        self.points.insert(number, state.last_point);
        while self.points.len() > POINTS_MAX {
            self.points.pop_first();
        }
        if last > number {
            self.spans.insert(number, last);
        }
        let stock = Tree {
            repository,
            root,
            contents: &self.contents,
            fresh: &fresh,
        };
        let point = Point {
            number,
            time,
            blurred,
            observed,
            actors: &actors,
        };
        let findings = self.detector.point(&point, &stock);
        self.waiting.extend(findings);
        self.record_waiting(state, time)
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
        let incident = self.incident(number, finding, state);
        let same = |told: &Incident| {
            (told.level, told.keys, &told.about) == (incident.level, incident.keys, &incident.about)
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
        });
        let repository = state.repository;
        let (keys, _) = repository.write(&model::Silent, |session| {
            let mut packer = Packer::map(session);
            let keys = repository.put_keys(&mut packer, &finding.keys)?;
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
            from: finding.from,
            to: finding.to,
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
