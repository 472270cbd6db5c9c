//! `recoup deleted`: what is gone, newest first, one key away from back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use model::{Change, Entry, Kind, PathKey};
use repository::{MapReader, Stored};

use super::event::live_changes;
use super::place::{self, Spot};
use crate::access::open::Opened;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::{Place, SnapshotName};
use crate::names::store;
use crate::output::json::PathText;
use crate::output::table::{Align, Table};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A source, or a directory in it
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Only what was deleted since then, as @14:00 or '@2 days ago'
    #[arg(long, value_name = "TIME")]
    since: Option<OsString>,
}

/// Something that is gone.
struct Gone {
    key: PathKey,
    entry: Entry,
    /// The last snapshot that holds it.
    last: Stored,
    /// The first one that does not; `None` if it went after the newest.
    first_without: Option<model::Timestamp>,
    /// Paths beneath it that went with it.
    beneath: u64,
}

/// Type `deleted`.
#[derive(serde::Serialize)]
struct DeletedLine {
    #[serde(flatten)]
    path: PathText,
    kind: &'static str,
    size: u64,
    beneath: u64,
    snapshot: String,
    last_seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_by: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let spot = place::find(&arguments.path, &all, context)?;
    let since = since(arguments)?;
    let gone = find(&spot, since, &opened, context)?;
    for gone in &gone {
        let line = DeletedLine {
            path: PathText::new(&gone.key.to_path()),
            kind: gone.entry.kind.word(),
            size: gone.entry.size,
            beneath: gone.beneath,
            snapshot: gone.last.id.to_hex(),
            last_seen: text::rfc3339(gone.last.snapshot.time),
            gone_by: gone.first_without.map(text::rfc3339),
        };
        context.sink.json("deleted", &line)?;
    }
    context.sink.json_count(gone.len() as u64)?;
    table(&gone, context)?;
    if context.sink.is_json() {
        return Ok(Exit::Ok);
    }
    if let Some(first) = gone.first() {
        let snapshot = &first.last;
        let how = match store::address_of(&snapshot.snapshot.source, &first.key) {
            Some(address) => format!("undo {address}"),
            None => {
                let path = text::path(&first.key.to_path());
                format!("restore {}:{path}", snapshot.id.short())
            }
        };
        context
            .terminal
            .note(&format!("Back again, as the first of them: recoup {how}"));
    } else {
        context
            .terminal
            .note("Nothing that a snapshot holds is gone.");
    }
    Ok(Exit::Ok)
}

fn since(arguments: &Arguments) -> Result<Option<model::Timestamp>> {
    let Some(since) = &arguments.since else {
        return Ok(None);
    };
    match Place::parse(since.as_bytes(), &context::now())?.snapshot {
        SnapshotName::At(moment) => Ok(Some(moment)),
        _ => Err(Failure::usage("--since takes a time").hint("write @14:00 or '@2 days ago'")),
    }
}

/// Walks back through the snapshots. What is there now, or was named already, is passed over.
fn find(
    spot: &Spot,
    since: Option<model::Timestamp>,
    opened: &Opened,
    context: &Context,
) -> Result<Vec<Gone>> {
    let Some(newest) = spot.snapshots.last() else {
        return Ok(Vec::new());
    };
    let mut gone: BTreeMap<PathKey, Gone> = BTreeMap::new();
    let live = live_changes(newest, spot, opened, context)?;
    let is_made = |key: &PathKey| {
        live.binary_search_by(|change| change.key.cmp(key))
            .is_ok_and(|at| live[at].after.is_some())
    };
    take(live.iter().cloned(), newest, None, &mut gone);
    let reader = MapReader::new(&opened.repository);
    for pair in spot.snapshots.windows(2).rev() {
        let [before, after] = pair else { continue };
        if since.is_some_and(|since| after.snapshot.time < since) {
            break;
        }
        let (from, to) = (before.snapshot.root, after.snapshot.root);
        for change in reader.changes(from, to, &spot.key) {
            let change = change?;
            let back = reader.entry(newest.snapshot.root, &change.key)?.is_some();
            if change.after.is_none() && !back && !is_made(&change.key) {
                let first = Some(after.snapshot.time);
                take([change], before, first, &mut gone);
            }
        }
    }
    let mut found = fold(gone);
    found.sort_by(|one, two| {
        let when = |gone: &Gone| gone.first_without.map_or((1, None), |time| (0, Some(time)));
        when(two)
            .cmp(&when(one))
            .then_with(|| one.key.cmp(&two.key))
    });
    Ok(found)
}

fn take(
    changes: impl IntoIterator<Item = Change>,
    last: &Stored,
    first_without: Option<model::Timestamp>,
    gone: &mut BTreeMap<PathKey, Gone>,
) {
    for change in changes {
        let (Some(entry), None) = (change.before, change.after) else {
            continue;
        };
        gone.entry(change.key.clone()).or_insert_with(|| Gone {
            key: change.key,
            entry,
            last: last.clone(),
            first_without,
            beneath: 0,
        });
    }
}

/// What went together with the directory that it was in is counted there.
fn fold(gone: BTreeMap<PathKey, Gone>) -> Vec<Gone> {
    let mut folded: Vec<Gone> = Vec::new();
    for (key, next) in gone {
        let above = folded.last_mut().filter(|above| {
            above.entry.kind == Kind::Directory
                && above.key.contains(key.as_bytes())
                && above.last.id == next.last.id
        });
        match above {
            Some(above) => {
                above.beneath += 1;
                above.entry.size = above.entry.size.saturating_add(next.entry.size);
            }
            None => folded.push(next),
        }
    }
    folded
}

fn table(gone: &[Gone], context: &mut Context) -> Result<()> {
    let columns = [
        ("GONE BY", Align::Left),
        ("SIZE", Align::Right),
        ("IN", Align::Left),
        ("PATH", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for gone in gone {
        let mut path = text::path(&gone.key.to_path());
        if gone.entry.kind == Kind::Directory {
            path = format!("{path}/  ({} beneath)", text::count(gone.beneath));
        }
        table.row([
            gone.first_without.map_or("now".to_owned(), text::local),
            text::size(gone.entry.size),
            gone.last.id.short(),
            path,
        ]);
    }
    for line in table.lines() {
        context.sink.line(&line)?;
    }
    Ok(())
}
