//! `recoup diff`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use model::{Change, ChangeKind, PathKey};
use repository::{MapReader, Stored};
use serde_json::json;

use crate::access::open::Opened;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::live;
use crate::names::place::Place;
use crate::names::select::{Found, Listing, Selection};
use crate::output::json::ChangeLine;
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The earlier state
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    before: OsString,
    /// The later state: a snapshot, or `live` for the tree as it is now
    #[arg(value_name = "SNAPSHOT|live", default_value = "live")]
    after: OsString,
    /// Only what is here and beneath: relative to the source's root, or absolute
    #[arg(value_name = "PATH")]
    path: Option<OsString>,
    /// Only count
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    selection: Selection,
}

/// How many changes of each kind there are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    created: u64,
    deleted: u64,
    changed: u64,
    metadata: u64,
    bytes_before: u64,
    bytes_after: u64,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let now = context::now();
    let mut place = Place::parse(arguments.before.as_bytes(), &now)?;
    if let Some(path) = &arguments.path {
        if place.path.is_some() {
            return Err(Failure::usage(
                "the path is said twice: behind the colon and on its own",
            ));
        }
        place.path = Some(path.as_bytes().to_vec());
    }
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let before = arguments.selection.find(&all, &place)?;
    let mut tally = Tally::default();
    let mut exit = Exit::Ok;
    if arguments.after == "live" {
        exit = super::diff_live::run(&opened, &before, arguments.stat, &mut tally, context)?;
    } else {
        let after = after(arguments, &all, &before.stored, &now)?;
        compare(
            &opened,
            &before,
            &after,
            arguments.stat,
            &mut tally,
            context,
        )?;
    }
    tally.show(arguments.stat, context)?;
    Ok(exit)
}

/// The later snapshot. `latest` means that of the same source, where several are stored.
fn after(
    arguments: &Arguments,
    all: &Listing,
    before: &Stored,
    now: &jiff::Zoned,
) -> Result<Stored> {
    let mut place = Place::parse(arguments.after.as_bytes(), now)?;
    place.path = None;
    let mut selection = arguments.selection.clone();
    if selection.source.is_none() {
        let source = std::ffi::OsStr::from_bytes(&before.snapshot.source);
        selection.source = Some(source.into());
        selection.host.get_or_insert(before.snapshot.host.clone());
    }
    Ok(selection.find(all, &place)?.stored)
}

fn compare(
    opened: &Opened,
    before: &Found,
    after: &Stored,
    stat: bool,
    tally: &mut Tally,
    context: &mut Context,
) -> Result<()> {
    let maps = MapReader::new(&opened.repository);
    let (from, to) = (before.stored.snapshot.root, after.snapshot.root);
    for change in maps.changes(from, to, &before.key) {
        let change = change?;
        tally.count(&change);
        if !stat {
            show(&change, context)?;
        }
    }
    Ok(())
}

/// One change: a sign and the path for people.
pub(super) fn show(change: &Change, context: &mut Context) -> Result<()> {
    if context.sink.is_json() {
        return context.sink.json("change", &ChangeLine::new(change));
    }
    let sign = match change.kind() {
        ChangeKind::Created => '+',
        ChangeKind::Deleted => '-',
        ChangeKind::Changed => 'M',
        ChangeKind::Metadata => 'm',
    };
    let entry = change.after.as_ref().or(change.before.as_ref());
    let path = change.key.to_path();
    let name = entry.map_or_else(
        || text::path(&path),
        |entry| super::ls::shown_name(&path, entry),
    );
    let sizes = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before.size != after.size => {
            format!(
                "  ({} -> {})",
                text::size(before.size),
                text::size(after.size)
            )
        }
        _ => String::new(),
    };
    context.sink.line(&format!("{sign}  {name}{sizes}"))
}

impl Tally {
    pub(super) fn count(&mut self, change: &Change) {
        *match change.kind() {
            ChangeKind::Created => &mut self.created,
            ChangeKind::Deleted => &mut self.deleted,
            ChangeKind::Changed => &mut self.changed,
            ChangeKind::Metadata => &mut self.metadata,
        } += 1;
        if change.kind() != ChangeKind::Metadata {
            self.bytes_before += change.before.as_ref().map_or(0, |entry| entry.size);
            self.bytes_after += change.after.as_ref().map_or(0, |entry| entry.size);
        }
    }

    fn show(&self, stat: bool, context: &mut Context) -> Result<()> {
        if stat {
            let summary = json!({
                "created": self.created,
                "deleted": self.deleted,
                "changed": self.changed,
                "metadata": self.metadata,
                "bytes_before": self.bytes_before,
                "bytes_after": self.bytes_after,
            });
            context.sink.json("summary", &summary)?;
        }
        let counts = format!(
            "{} created (+), {} deleted (-), {} changed (M), {} metadata only (m)",
            text::count(self.created),
            text::count(self.deleted),
            text::count(self.changed),
            text::count(self.metadata)
        );
        if stat {
            return context.sink.line(&counts);
        }
        if !context.sink.is_json() {
            context.terminal.note(&counts);
        }
        Ok(())
    }
}

/// Where the source of a snapshot is in the live tree, if it is of this machine.
pub(super) fn live_root(stored: &Stored, context: &Context) -> Result<std::path::PathBuf> {
    let snapshot = &stored.snapshot;
    let root = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(&snapshot.source));
    let is_there = live::key_below(&snapshot.source, &root) == Some(PathKey::root())
        && root.symlink_metadata().is_ok();
    if is_there {
        return Ok(root);
    }
    let host = if snapshot.host == context.host() {
        ""
    } else {
        ", it is of another machine"
    };
    Err(Failure::failed(format!(
        "look at {}: it is not there{host}",
        text::path(&snapshot.source)
    )))
}
