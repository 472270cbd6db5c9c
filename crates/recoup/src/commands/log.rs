//! `recoup log`: pick a path, then see its versions.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use etcd::Address;
use model::{ChangeKind, Entry, PathKey};
use repository::{MapReader, Stored};

use crate::commands::store;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::live;
use crate::names::select::Selection;
use crate::names::store as names_store;
use crate::output::json::{Facts, PathText, SourceText, VersionLine};
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

/// What was asked for.
enum Asked {
    Path(PathBuf),
    Key(Address),
}

impl Asked {
    fn key_in(&self, source: &[u8]) -> Option<PathKey> {
        match self {
            Self::Path(_) if names_store::is_store(source) => None,
            Self::Path(path) => live::key_below(source, path),
            Self::Key(address) => names_store::key_in(source, address),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Path(path) => text::path(path.as_os_str().as_bytes()),
            Self::Key(address) => address.to_string(),
        }
    }
}

/// The snapshots of one source of one machine that may hold it.
pub(in crate::commands) struct Group<'s> {
    pub(in crate::commands) key: PathKey,
    /// At least one, oldest first.
    pub(in crate::commands) snapshots: Vec<&'s Stored>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let asked = match names_store::source_of(&arguments.path)? {
        Some(address) => Asked::Key(address),
        None => Asked::Path(live::absolute(&arguments.path)?),
    };
    let opened = context.open_to_read()?;
    let listing = context.snapshots(&opened)?;
    let all = arguments.selection.filter(&listing)?;
    let host_given = arguments.selection.host.is_some();
    let groups = groups(&all, &asked, &context.host(), host_given);
    let maps = MapReader::new(&opened.repository);
    let mut count = 0;
    for group in &groups {
        let several = groups.len() > 1;
        count += match asked {
            Asked::Path(_) => {
                let versions = versions(&maps, &group.key, &group.snapshots)?;
                show(context, &versions, &group.key, several)?;
                versions.len() as u64
            }
            // Points have no tags.
            Asked::Key(_) => {
                let with_points = arguments.selection.tag.is_empty();
                store::log::show(group, with_points, several, &opened, context)?
            }
        };
    }
    if count > 0 {
        context.sink.json_count(count)?;
        return Ok(listing.exit());
    }
    let shown = asked.shown();
    let why = match groups.len() {
        0 => "no snapshot is of a source that could hold it",
        _ => "no snapshot holds it",
    };
    Err(Failure::failed(format!("find versions of {shown}: {why}"))
        .hint("`recoup snapshots` lists the sources; `recoup find NAME` looks for a name"))
}

/// Snapshots of each source that could hold it, this machine's sources if there are any.
fn groups<'s>(all: &'s [Stored], asked: &Asked, host: &str, host_given: bool) -> Vec<Group<'s>> {
    let holds = |stored: &Stored| asked.key_in(&stored.snapshot.source);
    let here = |stored: &Stored| stored.snapshot.host == host;
    let only_here = !host_given
        && all
            .iter()
            .any(|stored| here(stored) && holds(stored).is_some());
    let mut groups: Vec<Group<'s>> = Vec::new();
    for stored in all {
        if only_here && !here(stored) {
            continue;
        }
        let Some(key) = holds(stored) else { continue };
        let same = |group: &&mut Group<'_>| {
            let first = &group.snapshots[0].snapshot;
            first.source == stored.snapshot.source && first.host == stored.snapshot.host
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.snapshots.push(stored),
            None => groups.push(Group {
                key,
                snapshots: vec![stored],
            }),
        }
    }
    groups
}

/// Whose versions follow, where there are several.
pub(in crate::commands) fn heading(of: &Stored, context: &mut Context) -> Result<()> {
    let source = text::path(&of.snapshot.source);
    let host = text::path(of.snapshot.host.as_bytes());
    context.sink.line(&format!("{host}:{source}"))
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
        if entry.is_none() && versions.is_empty() {
            continue;
        }
        let before = versions.last().and_then(|last| last.entry.as_ref());
        let change = ChangeKind::between(before, entry.as_ref());
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
    if several {
        heading(first.first, context)?;
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
        revision: None,
        facts: version.entry.as_ref().map(Facts::new),
    }
}
