//! Thinning: points of closed checkpoint intervals become fewer as they get older.
//!
//! What the ladder no longer wants is first replaced by one record per interval that does what they did,
//! durably; then they are removed. Stopped in between, both are there, and say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use format::timeline::encode_record;
use model::incident::{Actor, Level};
use model::operation::that_took_back;
use model::point::{PointChange, Thinned, ThinnedRun, TimelineRecord};
use model::{PathKey, SnapshotId, Timestamp};
use policy::thinning::{Kept, Ladder, droppable};
use repository::log::LogEnd;
use repository::{KnownIncidents, Repository, Timeline};

use crate::error::Result;

/// An interval is thinned when at least one in so many of its points may go: each time the record that
/// stands in for them is written anew.
const WORTH_IT: usize = 4;

/// Longest record that stands in for others: half of what a record may have. What is longer stays.
const THINNED_BYTES_MAX: usize = 8 << 20;

/// Around an incident that somebody was told of every point stays for so long: the choice of the moment
/// before it is theirs.
const AROUND_SECS: i64 = 3600;

/// No point goes that is younger: of the last hour people know what they did when.
const YOUNG: Duration = Duration::from_secs(3600);

/// By how much the points of an interval may seem to be longer than it was: a clock is slewed, and a pause
/// of the watcher is not counted to the last moment.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// What thinning came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinning {
    /// Points that went.
    pub dropped: u64,
    /// Points that are left.
    pub kept: u64,
    /// Intervals that were thinned.
    pub intervals: u64,
}

/// How to thin.
#[derive(Debug, Clone)]
pub struct ThinOptions {
    /// How points get fewer.
    pub ladder: Ladder,
    /// For how long the source has been watched: the age of its first point.
    pub lived: Duration,
    /// The moment, for the record.
    pub time: Timestamp,
}

/// A point or a checkpoint, as far as it is known without its changes.
#[derive(Debug)]
struct Light {
    number: u64,
    id: SnapshotId,
    time: Timestamp,
    lived: Duration,
    is_checkpoint: bool,
}

/// What a timeline holds, read once.
#[derive(Debug, Default)]
struct Overview {
    states: Vec<Light>,
    pins: BTreeSet<SnapshotId>,
    incidents: KnownIncidents,
}

/// Thins a timeline, unless an alarm is open: neither taken back nor dismissed. `end` is where its next record goes.
pub fn thin(
    repository: &Repository,
    timeline: &mut Timeline<'_>,
    end: &mut LogEnd,
    options: &ThinOptions,
) -> Result<Thinning> {
    finish_earlier(timeline)?;
    let overview = Overview::read(timeline)?;
    let alarm_open = overview.has_open_alarm(repository, timeline)?;
    let pinned = overview.pinned();
    let kept: Vec<Kept> = overview
        .states
        .iter()
        .map(|state| Kept {
            id: state.number,
            lived: state.lived,
            pinned: pinned.contains(&state.number)
                || options.lived.saturating_sub(state.lived) < YOUNG,
            checkpoint: state.is_checkpoint,
            proven: false,
        })
        .collect();
    let gone: BTreeSet<u64> = droppable(&kept, options.lived, &options.ladder, alarm_open)
        .into_iter()
        .collect();
    let mut thinning = Thinning::default();
    for interval in intervals(&overview.states) {
        let (base, points) = interval;
        let here: BTreeSet<u64> = points
            .iter()
            .map(|point| point.number)
            .filter(|number| gone.contains(number))
            .collect();
        let is_worth_it = !here.is_empty() && here.len() * WORTH_IT >= points.len();
        if !is_worth_it || !thin_interval(timeline, end, (base, points), &here, options.time)? {
            thinning.kept += points.len() as u64;
            continue;
        }
        thinning.dropped += here.len() as u64;
        thinning.kept += (points.len() - here.len()) as u64;
        thinning.intervals += 1;
    }
    Ok(thinning)
}

/// Removes what a thinning that was stopped has left.
fn finish_earlier(timeline: &mut Timeline<'_>) -> Result<()> {
    let left: Vec<Thinned> = timeline
        .thinned()?
        .values()
        .map(|(_, thinned)| thinned.clone())
        .filter(|thinned| timeline.numbers().iter().any(|&number| thinned.has(number)))
        .collect();
    for thinned in left {
        timeline.remove_replaced(&thinned)?;
    }
    Ok(())
}

/// Each checkpoint that another one follows, by number, with the points between.
fn intervals(states: &[Light]) -> Vec<(u64, &[Light])> {
    let checkpoints: Vec<usize> = (0..states.len())
        .filter(|&at| states[at].is_checkpoint)
        .collect();
    checkpoints
        .windows(2)
        .map(|pair| (states[pair[0]].number, &states[pair[0] + 1..pair[1]]))
        .collect()
}

/// Replaces the points of an interval that are `gone`; `false` if the record for it would be too long.
fn thin_interval(
    timeline: &mut Timeline<'_>,
    end: &mut LogEnd,
    (base, points): (u64, &[Light]),
    gone: &BTreeSet<u64>,
    time: Timestamp,
) -> Result<bool> {
    let earlier = timeline.thinned()?.get(&base).cloned();
    let mut replaces = gone.clone();
    let mut composed = Composed::default();
    if let Some((number, earlier)) = &earlier {
        replaces.insert(*number);
        for &(first, last) in &earlier.replaces {
            replaces.extend(first..=last);
        }
        for run in &earlier.runs {
            composed.earlier.insert(run.last, run.clone());
        }
    }
    for point in points {
        composed.take_earlier(point.number);
        if gone.contains(&point.number) {
            let Some(entry) = timeline.entry(point.number)? else {
                return Ok(false);
            };
            if let TimelineRecord::Point(point) = &entry.record {
                composed.take((entry.number, entry.id), &point.changes, &point.actors);
            }
        } else {
            composed.close();
        }
    }
    // What is behind the last point that stays leads to the next checkpoint, which needs it no more: only
    // the hash stays, so that the chain can be followed.
    composed.take_earlier(u64::MAX);
    composed.open.changes.clear();
    composed.close();
    let thinned = Thinned {
        replaces: ranges(&replaces),
        base,
        runs: composed.runs,
    };
    if encode_record(&TimelineRecord::Thinned(thinned.clone())).len() > THINNED_BYTES_MAX {
        return Ok(false);
    }
    timeline.replace(end, time, &thinned)?;
    Ok(true)
}

/// Neighbours as first and last.
fn ranges(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// Points on the way to become one change.
#[derive(Debug, Default)]
struct Composed {
    /// Runs of an earlier thinning that are not taken up yet, by their last number.
    earlier: BTreeMap<u64, ThinnedRun>,
    open: Open,
    runs: Vec<ThinnedRun>,
}

#[derive(Debug, Default)]
struct Open {
    last: Option<(u64, SnapshotId)>,
    changes: BTreeMap<PathKey, (PointChange, Option<Actor>)>,
}

impl Composed {
    /// Takes the earlier runs up that end before a number.
    fn take_earlier(&mut self, before: u64) {
        while let Some(entry) = self.earlier.first_entry() {
            if *entry.key() >= before {
                return;
            }
            let run = entry.remove();
            self.take((run.last, SnapshotId(run.hash)), &run.changes, &run.actors);
        }
    }

    fn take(&mut self, last: (u64, SnapshotId), changes: &[PointChange], actors: &[Actor]) {
        self.open.last = Some(last);
        for change in changes {
            let actor = change.actor.and_then(|at| actors.get(at as usize)).cloned();
            self.open
                .changes
                .insert(change.key.clone(), (change.clone(), actor));
        }
    }

    /// Ends the run, since a point follows that stays.
    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let Some((last, id)) = open.last else {
            return;
        };
        let mut run = ThinnedRun {
            last,
            hash: *id.as_bytes(),
            changes: Vec::with_capacity(open.changes.len()),
            actors: Vec::new(),
        };
        for (mut change, actor) in open.changes.into_values() {
            change.actor = actor.map(|actor| place(&mut run.actors, actor));
            run.changes.push(change);
        }
        self.runs.push(run);
    }
}

fn place(actors: &mut Vec<Actor>, actor: Actor) -> u32 {
    let known = actors.iter().position(|known| *known == actor);
    let at = known.unwrap_or_else(|| {
        actors.push(actor);
        actors.len() - 1
    });
    at as u32
}

impl Overview {
    fn read(timeline: &Timeline<'_>) -> Result<Self> {
        let mut overview = Self::default();
        timeline.each(0, |entry| {
            let mut state = Light {
                number: entry.number,
                id: entry.id,
                time: entry.time,
                lived: Duration::ZERO,
                is_checkpoint: false,
            };
            match &entry.record {
                TimelineRecord::Checkpoint { lived_millis, .. } => {
                    state.lived = Duration::from_millis(*lived_millis);
                    state.is_checkpoint = true;
                    overview.states.push(state);
                }
                TimelineRecord::Point(_) => overview.states.push(state),
                TimelineRecord::Pin { point, removed, .. } => {
                    if *removed {
                        overview.pins.remove(point);
                    } else {
                        overview.pins.insert(*point);
                    }
                }
                TimelineRecord::Incident { .. } | TimelineRecord::Dismissed(_) => {
                    overview.incidents.take(entry);
                }
                TimelineRecord::Thinned(_) => {}
            }
            Ok(())
        })?;
        overview.place_points();
        Ok(overview)
    }

    /// Gives each point the age that its place between two checkpoints says: by the clock, or evenly where
    /// that was set, since then it must make no point older or younger than its neighbours.
    fn place_points(&mut self) {
        let checkpoints: Vec<usize> = (0..self.states.len())
            .filter(|&at| self.states[at].is_checkpoint)
            .collect();
        for pair in checkpoints.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (began, ended) = (self.states[from].lived, self.states[to].lived);
            let whole = ended.saturating_sub(began);
            let since = |state: &Light, base: &Light| state.time.as_nanos() - base.time.as_nanos();
            let between = &self.states[from..to];
            let is_in_order = between
                .windows(2)
                .all(|two| two[0].time.as_nanos() <= two[1].time.as_nanos());
            let last = since(&between[between.len() - 1], &between[0]);
            let slack = i128::from(CLOCK_SLACK.as_nanos() as u64);
            let is_sane = is_in_order && last <= whole.as_nanos() as i128 + slack;
            let count = u32::try_from(to - from).unwrap_or(u32::MAX);
            let start = self.states[from].time;
            for (at, state) in (0..).zip(&mut self.states[from..to]).skip(1) {
                state.lived = if is_sane {
                    let since = (state.time.as_nanos() - start.as_nanos()).max(0);
                    began
                        + Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX)).min(whole)
                } else {
                    began + whole / count * at
                };
            }
        }
    }

    /// Whether there is an alarm that nobody has dismissed and no operation has taken back.
    fn has_open_alarm(&self, repository: &Repository, timeline: &Timeline<'_>) -> Result<bool> {
        let known = self.incidents.0.values();
        let mut alarms = known
            .filter(|known| known.incident.level == Level::Alarm && known.dismissed.is_none())
            .map(|known| &known.incident)
            .peekable();
        if alarms.peek().is_none() {
            return Ok(false);
        }
        let (operations, _) = repository.operations()?;
        let (host, source) = (timeline.host(), timeline.source());
        Ok(alarms.any(|alarm| that_took_back(&operations, alarm, host, source).is_none()))
    }

    /// Numbers of the states that stay whatever their age: those that somebody pinned, and those of
    /// incidents, from the last one before to the first one after, with an hour around where somebody
    /// was told of it and has not dismissed it.
    fn pinned(&self) -> BTreeSet<u64> {
        let mut pinned: BTreeSet<u64> = self
            .states
            .iter()
            .filter(|state| self.pins.contains(&state.id))
            .map(|state| state.number)
            .collect();
        for known in self.incidents.0.values() {
            let incident = &known.incident;
            let around = if incident.level == Level::Pin || known.dismissed.is_some() {
                0
            } else {
                AROUND_SECS
            };
            let (first, last) = incident.points;
            let before = self
                .states
                .iter()
                .rev()
                .find(|state| state.number < first)
                .map(|state| state.number);
            let from = before.unwrap_or(first);
            let ids = [incident.before, incident.after];
            pinned.extend(
                self.states
                    .iter()
                    .filter(|state| {
                        (from..=last).contains(&state.number)
                            || ids.contains(&state.id)
                            || state.time.secs >= incident.from.secs.saturating_sub(around)
                                && state.time.secs <= incident.to.secs.saturating_add(around)
                    })
                    .map(|state| state.number),
            );
        }
        pinned
    }
}
