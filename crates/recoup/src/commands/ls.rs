//! `recoup ls`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use model::{Entry, Kind, PathKey, Snapshot};
use repository::MapReader;

use crate::commands::lost::Lost;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::Place;
use crate::names::select::Selection;
use crate::output::json::EntryLine;
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to list, as `latest` or `3f2a:letters/2026`
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    place: OsString,
    /// With kind, permissions, owner, size and time
    #[arg(short, long)]
    long: bool,
    /// With everything beneath
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let place = Place::parse(arguments.place.as_bytes(), &context::now())?;
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let found = arguments.selection.find(&all, &place, &opened.repository)?;
    let snapshot = &found.stored.snapshot;
    let maps = MapReader::new(&opened.repository);
    let mut entries = maps.entries(snapshot.root, &found.key);
    let mut lost = Lost::new(&context.terminal);
    let first = entries.next_readable(&mut |gap, error| lost.tell(gap, error))?;
    match &first {
        Some((key, entry)) if *key == found.key => {
            // A key of a store may have others beneath it.
            if !matches!(entry.kind, Kind::Directory | Kind::Value) {
                show(context, arguments, snapshot, key, entry)?;
                context.sink.json_count(1)?;
                return Ok(lost.exit());
            }
        }
        // A safety snapshot may hold what lies beneath a place, and not the place itself.
        Some(_) => {}
        None if lost.any() => {}
        None => {
            nothing(&found.key, &context::describe(&found.stored))?;
            context.sink.json_count(0)?;
            return Ok(Exit::Ok);
        }
    }
    let is_listed =
        |(key, entry): &(PathKey, Entry)| *key != found.key || entry.kind == Kind::Value;
    let mut next = first.filter(is_listed);
    let mut count = 0;
    loop {
        if next.is_none() {
            next = entries.next_readable(&mut |gap, error| lost.tell(gap, error))?;
        }
        let Some((key, entry)) = next.take() else {
            break;
        };
        show(context, arguments, snapshot, &key, &entry)?;
        count += 1;
        if !arguments.recursive
            && entry.kind == Kind::Directory
            && let Some(end) = key.subtree_end()
        {
            entries.seek(&end)?;
        }
    }
    context.sink.json_count(count)?;
    Ok(lost.exit())
}

fn nothing(key: &PathKey, snapshot: &str) -> Result<()> {
    if key.is_root() {
        return Ok(());
    }
    let path = text::path(&key.to_path());
    Err(
        Failure::failed(format!("list {path}: snapshot {snapshot} does not hold it")).hint(
            format!("`recoup find '{}'` looks for it", text::path(key.name())),
        ),
    )
}

fn show(
    context: &mut Context,
    arguments: &Arguments,
    snapshot: &Snapshot,
    key: &PathKey,
    entry: &Entry,
) -> Result<()> {
    let path = key.to_path();
    if context.sink.is_json() {
        return context.sink.json("entry", &EntryLine::new(&path, entry));
    }
    let name = shown_name(&path, entry);
    if arguments.long {
        context.sink.line(&long_line(snapshot, entry, &name))
    } else {
        context.sink.line(&name)
    }
}

/// The path as a person reads it: directories end in a slash.
pub(crate) fn shown_name(path: &[u8], entry: &Entry) -> String {
    let mut name = text::path(if path.is_empty() { b"." } else { path });
    if entry.kind == Kind::Directory {
        name.push('/');
    }
    name
}

/// One line as of `ls -l`.
pub(crate) fn long_line(snapshot: &Snapshot, entry: &Entry, name: &str) -> String {
    let owner = |names: &[(u32, String)], id: u32| match names.binary_search_by_key(&id, |n| n.0) {
        Ok(at) => text::path(names[at].1.as_bytes()),
        Err(_) => id.to_string(),
    };
    let size = match entry.device {
        Some(device) => format!("{}, {}", device.major, device.minor),
        None => text::size(entry.size),
    };
    let mut line = format!(
        "{} {:<8} {:<8} {size:>10}  {}  {name}",
        text::mode(entry),
        owner(&snapshot.names.users, entry.uid),
        owner(&snapshot.names.groups, entry.gid),
        text::local(entry.mtime),
    );
    if entry.kind == Kind::Symlink {
        line.push_str(" -> ");
        line.push_str(&text::path(&entry.target));
    }
    if entry.unsettled {
        line.push_str("  (changed while it was read)");
    }
    line
}
