//! `recoup log etcd://.../key`: the versions of one key, from backups and from points.

use model::{ChangeKind, PathKey};
use repository::Stored;

use crate::access::open::Opened;
use crate::commands::log::{Group, heading};
use crate::commands::states::{self, Seen};
use crate::context::Context;
use crate::exit::Result;
use crate::output::json::{Facts, PathText, SourceText, VersionLine};
use crate::output::table::{Align, Table};
use crate::output::text;

/// Shows the versions of one source of one machine, and gives how many there are.
pub(in crate::commands) fn show(
    group: &Group<'_>,
    with_points: bool,
    several: bool,
    opened: &Opened,
    context: &mut Context,
) -> Result<u64> {
    let (key, first) = (&group.key, group.snapshots[0]);
    let snapshots = group.snapshots.iter().copied();
    let seen = states::of(snapshots, with_points, key, opened)?;
    let versions = versions(seen);
    if !versions.is_empty() {
        tell(&versions, (first, several), key, context)?;
    }
    Ok(versions.len() as u64)
}

/// Only where something changed, oldest first, with how.
fn versions(seen: Vec<Seen>) -> Vec<(Seen, ChangeKind)> {
    let mut versions: Vec<(Seen, ChangeKind)> = Vec::new();
    for next in seen {
        let before = versions.last().and_then(|(seen, _)| seen.entry.as_ref());
        if before != next.entry.as_ref() {
            let change = ChangeKind::between(before, next.entry.as_ref());
            versions.push((next, change));
        }
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
