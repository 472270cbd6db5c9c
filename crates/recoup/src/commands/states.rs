//! What one path or key of a source was, as backups and points tell.

use std::collections::BTreeMap;

use model::point::{PointChange, TimelineRecord};
use model::{Entry, PathKey, SnapshotId, Timestamp};
use repository::{MapReader, Stored};

use crate::access::open::Opened;
use crate::exit::Result;

/// What it was at some state.
pub(super) struct Seen {
    pub(super) id: SnapshotId,
    pub(super) time: Timestamp,
    pub(super) revision: Option<u64>,
    pub(super) safety: bool,
    /// `None` when it was not there.
    pub(super) entry: Option<Entry>,
}

/// What it was in these snapshots, all of one source of one machine, and in its points; oldest first.
pub(super) fn of<'s>(
    snapshots: impl IntoIterator<Item = &'s Stored>,
    with_points: bool,
    key: &PathKey,
    opened: &Opened,
) -> Result<Vec<Seen>> {
    let reader = MapReader::new(&opened.repository);
    let mut seen = Vec::new();
    let mut any = None;
    for stored in snapshots {
        let snapshot = &stored.snapshot;
        any = Some(stored);
        let entry = reader.entry(snapshot.root, key)?;
        // One of these holds only what was about to be changed.
        if entry.is_none() && snapshot.safety {
            continue;
        }
        seen.push(Seen {
            id: stored.id,
            time: snapshot.time,
            revision: keyspace::revision_of(snapshot),
            safety: snapshot.safety,
            entry,
        });
    }
    if let Some(any) = any.filter(|_| with_points) {
        points(any, key, opened, &mut seen)?;
    }
    seen.sort_by_key(|seen| (seen.time, seen.revision));
    Ok(seen)
}

/// What the points of a source say of a key.
fn points(of: &Stored, key: &PathKey, opened: &Opened, seen: &mut Vec<Seen>) -> Result<()> {
    let snapshot = &of.snapshot;
    let timeline = opened
        .repository
        .timeline(&snapshot.host, &snapshot.source)?;
    let mut states: BTreeMap<u64, (SnapshotId, Timestamp, Option<u64>)> = BTreeMap::new();
    let mut runs = Vec::new();
    timeline.each(0, |entry| {
        let id = match &entry.record {
            TimelineRecord::Checkpoint { snapshot, .. } => *snapshot,
            _ => entry.id,
        };
        if entry.state().is_some() {
            states.insert(entry.number, (id, entry.time, entry.revision()));
        }
        match &entry.record {
            TimelineRecord::Point(point) => {
                if let Some(after) = after(&point.changes, key) {
                    seen.push(Seen {
                        id: entry.id,
                        time: point.last,
                        revision: point.revision,
                        safety: false,
                        entry: after,
                    });
                }
            }
            TimelineRecord::Thinned(thinned) => {
                for run in &thinned.runs {
                    runs.extend(after(&run.changes, key).map(|after| (run.last, after)));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    // What thinned points did is in the next state that is left.
    for (last, entry) in runs {
        if let Some((_, &(id, time, revision))) = states.range(last + 1..).next() {
            seen.push(Seen {
                id,
                time,
                revision,
                safety: false,
                entry,
            });
        }
    }
    Ok(())
}

/// What changes left at a key, if they touched it.
fn after(changes: &[PointChange], key: &PathKey) -> Option<Option<Entry>> {
    let at = changes.binary_search_by(|it| it.key.cmp(key)).ok()?;
    Some(changes[at].after.clone())
}
