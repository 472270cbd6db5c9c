//! `recoup log`: pick a path, then see its versions.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use model::{ChangeKind, Entry, PathKey};
use repository::{MapReader, Stored};
use serde::Serialize;

use crate::commands::store;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::live;
use crate::names::select::Selection;
use crate::names::store as names_store;
use crate::output::json::{Facts, PathText, SourceText};
use crate::output::table::{Align, Table};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The path, as it is (or was) in the live tree
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    selection: Selection,
}

/// A stretch of snapshots through which the path stayed as it was.
struct Version<'s> {
    first: &'s Stored,
    last: &'s Stored,
    snapshots: u64,
    change: ChangeKind,
    /// `None` when it was not there.
    entry: Option<Entry>,
}

/// Type `version`.
#[derive(Serialize)]
struct VersionLine<'a> {
    #[serde(flatten)]
    path: PathText,
    #[serde(flatten)]
    source: SourceText,
    host: &'a str,
    change: &'static str,
    snapshot: String,
    time: String,
    last_snapshot: String,
    last_time: String,
    snapshots: u64,
    safety: bool,
    #[serde(flatten)]
    facts: Option<Facts>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let listing = context.snapshots(&opened)?;
    if let Some(address) = names_store::source_of(&arguments.path)? {
        return store::log::run(&address, &listing, &opened, context);
    }
    let all = arguments.selection.filter(&listing)?;
    let path = live::absolute(&arguments.path)?;
    let sources = sources_of(
        &all,
        &path,
        &context.host(),
        arguments.selection.host.is_some(),
    );
    let maps = MapReader::new(&opened.repository);
    let mut count = 0;
    for (key, snapshots) in &sources {
        let versions = versions(&maps, key, snapshots)?;
        count += versions.len() as u64;
        show(context, &versions, key, sources.len() > 1)?;
    }
    if count > 0 {
        context.sink.json_count(count)?;
        return Ok(listing.exit());
    }
    let shown = text::path(path.as_os_str().as_bytes());
    let why = match sources.len() {
        0 => "no snapshot is of a source that could hold it",
        _ => "no snapshot holds it",
    };
    Err(Failure::failed(format!("find versions of {shown}: {why}"))
        .hint("`recoup snapshots` lists the sources; `recoup find NAME` looks for a name"))
}

/// Snapshots of each source that could hold the path, this machine's sources if there are any.
fn sources_of<'s>(
    all: &'s [Stored],
    path: &Path,
    host: &str,
    host_given: bool,
) -> Vec<(PathKey, Vec<&'s Stored>)> {
    let holds = |stored: &Stored| {
        let source = &stored.snapshot.source;
        live::key_below(source, path).filter(|_| !names_store::is_store(source))
    };
    let here = |stored: &Stored| stored.snapshot.host == host;
    let only_here = !host_given
        && all
            .iter()
            .any(|stored| here(stored) && holds(stored).is_some());
    let mut sources: Vec<(PathKey, Vec<&Stored>)> = Vec::new();
    for stored in all {
        if only_here && !here(stored) {
            continue;
        }
        let Some(key) = holds(stored) else { continue };
        let same = |group: &&mut (PathKey, Vec<&Stored>)| {
            let first = &group.1[0].snapshot;
            first.source == stored.snapshot.source && first.host == stored.snapshot.host
        };
        match sources.iter_mut().find(same) {
            Some(group) => group.1.push(stored),
            None => sources.push((key, vec![stored])),
        }
    }
    sources
}

/// The versions, oldest first. A safety snapshot holds only what a restore was about to change: what is
/// not in it need not have been gone.
fn versions<'s>(
    maps: &MapReader<'_>,
    key: &PathKey,
    snapshots: &[&'s Stored],
) -> Result<Vec<Version<'s>>> {
    let mut versions: Vec<Version<'s>> = Vec::new();
    for stored in snapshots {
        let entry = maps.entry(stored.snapshot.root, key)?;
        if entry.is_none() && stored.snapshot.safety {
            continue;
        }
        let change = match (versions.last().and_then(|last| last.entry.as_ref()), &entry) {
            (None, None) if versions.is_empty() => continue,
            (None, Some(_)) => ChangeKind::Created,
            (_, None) => ChangeKind::Deleted,
            (Some(before), Some(after)) if before.same_content(after) => ChangeKind::Metadata,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        match versions.last_mut() {
            Some(last) if last.entry == entry => {
                last.last = stored;
                last.snapshots += 1;
            }
            _ => versions.push(Version {
                first: stored,
                last: stored,
                snapshots: 1,
                change,
                entry,
            }),
        }
    }
    Ok(versions)
}

fn show(
    context: &mut Context,
    versions: &[Version<'_>],
    key: &PathKey,
    several: bool,
) -> Result<()> {
    let Some(first) = versions.first() else {
        return Ok(());
    };
    if context.sink.is_json() {
        let mut lines = versions.iter().rev();
        return lines.try_for_each(|version| context.sink.json("version", &line(version, key)));
    }
    let snapshot = &first.first.snapshot;
    if several {
        let source = text::path(&snapshot.source);
        let host = text::path(snapshot.host.as_bytes());
        context.sink.line(&format!("{host}:{source}"))?;
    }
    let mut table = Table::new(&[
        ("snapshot", Align::Left),
        ("first seen", Align::Left),
        ("change", Align::Left),
        ("size", Align::Right),
        ("modified", Align::Left),
        ("", Align::Left),
    ]);
    for version in versions.iter().rev() {
        let modified = version.entry.as_ref().map(|entry| text::local(entry.mtime));
        table.row([
            version.first.id.short(),
            text::local(version.first.snapshot.time),
            version.change.word().to_owned(),
            version
                .entry
                .as_ref()
                .map_or("-".to_owned(), |entry| text::size(entry.size)),
            modified.unwrap_or_else(|| "-".to_owned()),
            remark(version),
        ]);
    }
    table
        .lines()
        .try_for_each(|line| context.sink.line(&line))?;
    // The version before the last is the one that is wanted most often.
    let back = versions
        .iter()
        .rev()
        .filter(|version| version.entry.is_some() && !version.first.snapshot.safety);
    let back: Vec<&Version<'_>> = back.take(2).collect();
    if let Some(version) = back.last() {
        let path = text::path(&key.to_path());
        context.terminal.note(&format!(
            "One of them back: recoup restore {}:{path}",
            version.first.id.short()
        ));
    }
    Ok(())
}

fn remark(version: &Version<'_>) -> String {
    if version.first.snapshot.safety {
        return "safety: taken before a restore".to_owned();
    }
    if version.snapshots == 1 {
        return String::new();
    }
    let last = context::describe(version.last);
    let id = last.split(' ').next().unwrap_or_default();
    format!("in {} snapshots, to {id}", text::count(version.snapshots))
}

fn line<'a>(version: &'a Version<'_>, key: &PathKey) -> VersionLine<'a> {
    let snapshot = &version.first.snapshot;
    VersionLine {
        path: PathText::new(&key.to_path()),
        source: SourceText::new(&snapshot.source),
        host: &snapshot.host,
        change: version.change.word(),
        snapshot: version.first.id.to_hex(),
        time: text::rfc3339(snapshot.time),
        last_snapshot: version.last.id.to_hex(),
        last_time: text::rfc3339(version.last.snapshot.time),
        snapshots: version.snapshots,
        safety: snapshot.safety,
        facts: version.entry.as_ref().map(Facts::new),
    }
}
