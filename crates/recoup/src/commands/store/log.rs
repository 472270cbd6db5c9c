//! `recoup log etcd://.../key`: the versions of one key, from backups and from points.

use std::collections::BTreeMap;

use model::point::{PointChange, TimelineRecord};
use model::{ChangeKind, Entry, PathKey, SnapshotId, Timestamp};
use repository::{MapReader, Stored};

use crate::access::open::Opened;
use crate::commands::log::{Group, heading};
use crate::context::Context;
use crate::exit::Result;
use crate::output::json::{Facts, PathText, SourceText, VersionLine};
use crate::output::table::{Align, Table};
use crate::output::text;

/// What a key was at some state.
struct Seen {
    id: SnapshotId,
    time: Timestamp,
    revision: Option<u64>,
    safety: bool,
    entry: Option<Entry>,
}

/// Shows the versions of one source of one machine, and gives how many there are.
pub(in crate::commands) fn show(
    group: &Group<'_>,
    with_points: bool,
    several: bool,
    opened: &Opened,
    context: &mut Context,
) -> Result<u64> {
    let (key, first) = (&group.key, group.snapshots[0]);
    let reader = MapReader::new(&opened.repository);
    let mut seen = Vec::new();
    for stored in &group.snapshots {
        let snapshot = &stored.snapshot;
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
    if with_points {
        points(first, key, opened, &mut seen)?;
    }
    seen.sort_by_key(|seen| (seen.time, seen.revision));
    let versions = versions(seen);
    if !versions.is_empty() {
        tell(&versions, (first, several), key, context)?;
    }
    Ok(versions.len() as u64)
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

/// Only where something changed, oldest first, with how.
fn versions(seen: Vec<Seen>) -> Vec<(Seen, ChangeKind)> {
    let mut versions: Vec<(Seen, ChangeKind)> = Vec::new();
    for next in seen {
        let before = versions.last().map(|(seen, _)| &seen.entry);
        let change = match (before.and_then(Option::as_ref), &next.entry) {
            (None, None) => continue,
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), None) => ChangeKind::Deleted,
            (Some(before), Some(after)) if before == after => continue,
            (Some(before), Some(after)) if before.same_content(after) => ChangeKind::Metadata,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        versions.push((next, change));
    }
    versions
}

fn tell(
    versions: &[(Seen, ChangeKind)],
    (of, several): (&Stored, bool),
    key: &PathKey,
    context: &mut Context,
) -> Result<()> {
    if context.sink.is_json() {
        for (seen, change) in versions.iter().rev() {
            let line = VersionLine {
                path: PathText::new(&key.to_path()),
                source: SourceText::new(&of.snapshot.source),
                host: &of.snapshot.host,
                change: change.word(),
                snapshot: seen.id.to_hex(),
                time: text::rfc3339(seen.time),
                last_snapshot: seen.id.to_hex(),
                last_time: text::rfc3339(seen.time),
                snapshots: 1,
                safety: seen.safety,
                revision: seen.revision,
                facts: seen.entry.as_ref().map(Facts::new),
            };
            context.sink.json("version", &line)?;
        }
        return Ok(());
    }
    if several {
        heading(of, context)?;
    }
    let mut table = Table::new(&[
        ("state", Align::Left),
        ("revision", Align::Right),
        ("seen", Align::Left),
        ("change", Align::Left),
        ("size", Align::Right),
    ]);
    for (seen, change) in versions.iter().rev() {
        table.row([
            seen.id.short(),
            seen.revision
                .map_or("-".to_owned(), |revision| revision.to_string()),
            text::local(seen.time),
            change.word().to_owned(),
            seen.entry
                .as_ref()
                .map_or("-".to_owned(), |entry| text::size(entry.size)),
        ]);
    }
    let mut lines = table.lines();
    lines.try_for_each(|line| context.sink.line(&line))
}
