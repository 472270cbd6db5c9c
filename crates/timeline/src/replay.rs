//! What the rules know survives a restart: they are shown the last points of the timeline again.
//!
//! Nothing of it is stored, and nothing that was told is told again: what they find is matched with the
//! incidents that were recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::point::{Class, Point, TimelineRecord};
use model::{BlobId, SnapshotId, Timestamp};
use policy::incident::{Finding, Mode, State as Standing};
use repository::{KnownIncident, MapReader, Repository};

use crate::contents::Contents;
use crate::error::Result;
use crate::incidents::{Incidents, Shown};
use crate::state::{Changed, State};

/// How far back: most rules weigh the last hour.
const BACK: Duration = Duration::from_secs(3600);

/// Points shown at most: an hour of one every two seconds.
const POINTS_MAX: usize = 1_800;

/// Changes shown at most: each may need a look at stored bytes, and the start must not take minutes.
const CHANGES_MAX: usize = 20_000;

/// The last points of a timeline.
#[derive(Default)]
struct Past {
    /// Oldest first, with numbers and names.
    points: Vec<(u64, SnapshotId, Point)>,
    checkpoints: Vec<(u64, SnapshotId)>,
}

impl Incidents {
    /// Begins with the last state of a timeline, knowing what led to it.
    pub fn begin(
        repository: &Repository,
        state: &State<'_>,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Self> {
        let known = state.timeline.incidents()?;
        let next = known.last().map_or(1, |last| last.incident.number + 1);
        let past = Past::read(state, now)?;
        let from = past.base(state)?;
        let mut incidents = Self::at(repository, from.unwrap_or(state.root), (mode, now), next)?;
        incidents.saw(state.next_number().saturating_sub(1), state.last_point);
        for (number, snapshot) in &past.checkpoints {
            incidents.saw(*number, *snapshot);
        }
        if let Some(root) = from {
            let (end, findings) = incidents.replay(repository, root, &past)?;
            if end != state.root {
                incidents.contents = Contents::of(repository, state.root)?;
            }
            let last = past.points.last().map_or(0, |(number, ..)| *number);
            incidents.adopt(repository, findings, last, known)?;
        }
        Ok(incidents)
    }

    /// Shows the points to the rules again: the root that they lead to, and the last word on each finding.
    fn replay(
        &mut self,
        repository: &Repository,
        mut root: Option<BlobId>,
        past: &Past,
    ) -> Result<(Option<BlobId>, BTreeMap<u64, Finding>)> {
        let walls: Vec<Timestamp> = past.points.iter().map(|(.., point)| point.last).collect();
        let times = self.steady.past(&walls);
        let mut findings = BTreeMap::new();
        let reader = MapReader::new(repository);
        for ((number, id, point), time) in past.points.iter().zip(times) {
            if root != point.from {
                break;
            }
            let mut changed = Vec::with_capacity(point.changes.len());
            for change in &point.changes {
                changed.push(Changed {
                    key: change.key.clone(),
                    before: reader.entry(root, &change.key)?,
                    after: change.after.clone(),
                    actor: None,
                });
            }
            let places = point.changes.iter().map(|change| change.actor).collect();
            let shown = Shown {
                span: (*number, *number),
                id: *id,
                before: root,
                changed: &changed,
                actors: &(point.actors.clone(), places),
                time,
                blurred: point.class == Class::Blurred,
            };
            for finding in self.show(repository, None, &shown) {
                findings.insert(finding.id, finding);
            }
            let edits = changed.iter().map(|one| (&one.key, one.after.as_ref()));
            root = repository.edit_in_memory(root, edits)?;
        }
        Ok((root, findings))
    }

    /// Matches what was found with what is recorded. What is not, and is of the last point, was found by a
    /// watcher that was stopped before it could record it; the rest was weighed by one that knew more.
    fn adopt(
        &mut self,
        repository: &Repository,
        findings: BTreeMap<u64, Finding>,
        last: u64,
        mut known: Vec<KnownIncident>,
    ) -> Result<()> {
        for (id, finding) in findings {
            let is_same = |one: &KnownIncident| {
                let (first, last) = one.incident.points;
                one.incident.rule == finding.rule
                    && first <= finding.last_point
                    && finding.first_point <= last
            };
            if let Some(at) = known.iter().rposition(is_same) {
                let KnownIncident { incident, keys, .. } = known.remove(at);
                let keys = keys.map(|listed| repository.keys(&listed)).transpose()?;
                let keys: BTreeSet<_> = keys.unwrap_or_default().into_iter().collect();
                self.numbers.insert(id, incident.number);
                self.told.insert(id, incident.clone());
                self.adopted.insert(id, (incident, keys));
            } else if finding.state != Standing::Withdrawn && finding.last_point >= last {
                self.waiting.push(finding);
            }
        }
        Ok(())
    }
}

impl Past {
    /// The newest points, as far back as the rules look and no further than the limits. What can't be read
    /// ends it: what is older can't be connected.
    fn read(state: &State<'_>, now: Timestamp) -> Result<Self> {
        let mut past = Self::default();
        let (mut later, mut age, mut changes) = (now, 0, 0);
        for number in state.timeline.numbers().iter().rev() {
            let entry = match state.timeline.entry(*number) {
                Err(error) if error.is_damage() => break,
                read => read?,
            };
            let Some(entry) = entry else { continue };
            match entry.record {
                TimelineRecord::Point(point) => {
                    age += (later.as_nanos() - point.last.as_nanos()).max(0);
                    later = point.last;
                    changes += point.changes.len();
                    if age > BACK.as_nanos() as i128
                        || changes > CHANGES_MAX
                        || past.points.len() >= POINTS_MAX
                    {
                        break;
                    }
                    past.points.push((entry.number, entry.id, point));
                }
                TimelineRecord::Checkpoint { snapshot, .. } => {
                    past.checkpoints.push((entry.number, snapshot));
                    if later.as_nanos() - entry.time.as_nanos() > BACK.as_nanos() as i128 {
                        break;
                    }
                }
                _ => {}
            }
        }
        past.points.reverse();
        Ok(past)
    }

    /// The root of the state before the oldest point, made readable; nothing if there is none.
    fn base(&self, state: &State<'_>) -> Result<Option<Option<BlobId>>> {
        let Some((number, _, point)) = self.points.first() else {
            return Ok(None);
        };
        let Some(before) = state.timeline.state_before(*number)? else {
            return Ok(None);
        };
        match state.timeline.open(&before) {
            Err(error) if error.is_damage() => Ok(None),
            opened => Ok((opened?.snapshot.root == point.from).then_some(point.from)),
        }
    }
}
