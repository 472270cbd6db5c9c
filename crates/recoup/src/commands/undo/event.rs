//! From what was typed to the event that is taken back.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use backup::Selection;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use model::{Change, ChangeKind, PathKey, SnapshotId};
use repository::{MapReader, Stored};
use undo::Event;

use super::place::Spot;
use super::{Arguments, Only};
use crate::access::open::Opened;
use crate::commands::live_options;
use crate::commands::states;
use crate::commands::store::connect as store;
use crate::context::{self, Context};
use crate::exit::{Failure, Result};
use crate::names::place::Place;
use crate::names::points;
use crate::names::select::{Listing, Selection as Snapshots};
use crate::names::store as names_store;
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

/// The event, with only what was asked for.
pub(super) fn of_place(
    arguments: &Arguments,
    spot: &Spot,
    all: &Listing,
    opened: &Opened,
    context: &Context,
) -> Result<Event> {
    let mut event = match (&arguments.before, &arguments.after, &arguments.since) {
        (Some(before), Some(after), _) => {
            let before = named(before, spot, all, opened)?;
            let after = named(after, spot, all, opened)?;
            Event::between(&opened.repository, &before, &after, &spot.key)?
        }
        (_, _, Some(since)) => {
            let before = named(since, spot, all, opened)?;
            since_then(&before, spot, opened, context)?
        }
        _ => previous_version(spot, opened, context)?,
    };
    event.changes = filtered(event.changes, arguments, spot)?;
    event.about = format!("{}, {}", spot.shown(), event.about);
    Ok(event)
}

/// The snapshot of the source that was named.
fn named(name: &OsStr, spot: &Spot, all: &Listing, opened: &Opened) -> Result<Stored> {
    let is_number = spot.is_store() && name.as_bytes().iter().all(u8::is_ascii_digit);
    let typed = match is_number {
        true => [b"rev:", name.as_bytes()].concat(),
        false => name.as_bytes().to_vec(),
    };
    let place = Place::parse(&typed, &context::now())?;
    if place.path.is_some() {
        return Err(Failure::usage(format!(
            "`{}` names a path too; the path is said once, in front",
            text::path(name.as_bytes())
        )));
    }
    let selection = Snapshots {
        source: Some(OsStr::from_bytes(&spot.source).into()),
        ..Snapshots::default()
    };
    let found = selection.find(all, &place, &opened.repository)?;
    if found.stored.snapshot.source != spot.source {
        return Err(Failure::failed(format!(
            "undo in {}: snapshot {} is of {}",
            spot.shown(),
            found.stored.id.short(),
            text::path(&found.stored.snapshot.source)
        )));
    }
    Ok(found.stored)
}

/// Everything between a snapshot and now.
fn since_then(before: &Stored, spot: &Spot, opened: &Opened, context: &Context) -> Result<Event> {
    let changes = live_changes(before, spot, opened, context)?;
    let mut event = Event::since(before, changes);
    event.about = format!("everything since {}", text::local(before.snapshot.time));
    Ok(event)
}

pub(super) fn live_changes(
    before: &Stored,
    spot: &Spot,
    opened: &Opened,
    context: &Context,
) -> Result<Vec<Change>> {
    if spot.is_store() {
        let address = store::address_of_source(&spot.source)?;
        let client = store::connect(&address, context)?;
        let (repository, root) = (&opened.repository, before.snapshot.root);
        let compared =
            keyspace::compare_live(repository, &client, address.prefix(), root, &spot.key)?;
        return Ok(compared.1);
    }
    if spot.root.symlink_metadata().is_err() {
        return all_gone(before, spot, opened);
    }
    let cancel = signals::listen()?;
    let below = Selection::Below(spot.key.clone());
    let options = live_options::of(opened, &spot.root, &spot.source, below, context)?;
    let mut changes = Vec::new();
    let progress = Progress::start(&context.terminal);
    let compared = backup::compare_live(
        &opened.repository,
        &before.snapshot,
        &options,
        context::timestamp(),
        &progress,
        &cancel,
        &mut |change| changes.push(change),
    );
    drop(progress);
    for problem in compared? {
        context.terminal.warn(&format!(
            "{}: {}; it is left alone",
            text::path(&problem.path),
            problem.message
        ));
    }
    Ok(changes)
}

/// The root itself is not there: everything that the snapshot holds is gone.
fn all_gone(before: &Stored, spot: &Spot, opened: &Opened) -> Result<Vec<Change>> {
    let reader = MapReader::new(&opened.repository);
    let mut entries = reader.entries(before.snapshot.root, &spot.key);
    let mut changes = Vec::new();
    while let Some((key, entry)) = entries.next()? {
        changes.push(Change {
            key,
            before: Some(entry),
            after: None,
        });
    }
    Ok(changes)
}

/// One file or key: the newest version that is not what is there now, in a snapshot or a point.
fn previous_version(spot: &Spot, opened: &Opened, context: &Context) -> Result<Event> {
    if spot.is_store() && has_keys_beneath(spot, opened)? {
        return Err(says_too_little(spot, "stands for many keys"));
    }
    let live = look(spot, opened, context)?;
    let states = states::of(&spot.snapshots, true, &spot.key, opened)?;
    for state in states.iter().rev() {
        let Some(entry) = &state.entry else {
            continue;
        };
        if entry.kind == model::Kind::Directory {
            return Err(says_too_little(spot, "is a directory"));
        }
        if live
            .as_ref()
            .is_some_and(|live| merge::equality::same(live, entry))
        {
            continue;
        }
        let change = Change {
            key: spot.key.clone(),
            before: Some(entry.clone()),
            after: live,
        };
        let stored = stored_of(state.id, spot, opened)?;
        let mut event = Event::since(&stored, [change]);
        event.about = format!("back to {}", text::local(state.time));
        return Ok(event);
    }
    let why = if live.is_some() {
        "no snapshot holds another version of it"
    } else {
        "no snapshot holds it"
    };
    Err(Failure::failed(format!(
        "find an earlier version of {}: {why}",
        spot.shown()
    ))
    .hint("`recoup log PATH` lists its versions; `recoup find NAME` looks for a name"))
}

/// The snapshot or point with this name.
fn stored_of(id: SnapshotId, spot: &Spot, opened: &Opened) -> Result<Stored> {
    if let Some(stored) = spot.snapshots.iter().find(|stored| stored.id == id) {
        return Ok(stored.clone());
    }
    let digits = id.to_hex();
    let point = points::by_id(&opened.repository, &spot.snapshots, &digits)?;
    point.ok_or_else(|| Failure::failed(format!("read point {}: it is gone", id.short())))
}

fn says_too_little(spot: &Spot, why: &str) -> Failure {
    let shown = spot.shown();
    Failure::usage(format!("{shown} {why}: say what is to be taken back"))
        .hint("--since @14:00 for everything since, or --before and --after two snapshots")
}

/// Whether a place of a store is no key, but what several begin with.
fn has_keys_beneath(spot: &Spot, opened: &Opened) -> Result<bool> {
    if spot.key.is_root() {
        return Ok(true);
    }
    let reader = MapReader::new(&opened.repository);
    let Some(last) = spot.snapshots.last() else {
        return Ok(false);
    };
    let first = reader.entries(last.snapshot.root, &spot.key).next()?;
    Ok(first.is_some_and(|(key, _)| key != spot.key))
}

/// What is at the place now.
fn look(spot: &Spot, opened: &Opened, context: &Context) -> Result<Option<model::Entry>> {
    if spot.is_store() {
        let client = store::connect_source(&spot.source, context)?;
        return Ok(keyspace::look(&opened.repository, &client, &spot.key)?);
    }
    if spot.root.symlink_metadata().is_err() {
        return Ok(None);
    }
    let cancel = signals::listen()?;
    let options = live_options::of(opened, &spot.root, &spot.source, Selection::All, context)?;
    let found: RefCell<Result<Option<model::Entry>>> = RefCell::new(Ok(None));
    backup::look(
        &opened.repository,
        &options,
        [spot.key.clone()].into(),
        context::timestamp(),
        &model::Silent,
        &cancel,
        &mut |_, looked| {
            *found.borrow_mut() = match looked {
                backup::Looked::Found { entry, .. } => Ok(Some(entry)),
                backup::Looked::Unknown(why) => {
                    Err(Failure::failed(format!("read {}: {why}", spot.shown())))
                }
            };
        },
    )?;
    found.into_inner()
}

pub(super) fn filtered(
    changes: merge::ChangeSet,
    arguments: &Arguments,
    spot: &Spot,
) -> Result<merge::ChangeSet> {
    let mut changes = changes;
    if !arguments.only.is_empty() {
        let mut kinds = Vec::new();
        for only in &arguments.only {
            kinds.extend_from_slice(match only {
                Only::Deleted => &[ChangeKind::Deleted][..],
                Only::Created => &[ChangeKind::Created],
                Only::Changed => &[ChangeKind::Changed, ChangeKind::Metadata],
            });
        }
        changes = changes.only(&kinds);
    }
    if let Some(list) = &arguments.paths_from {
        let listed = listed(list, spot)?;
        changes = changes.filter(|key| listed.contains(key));
    }
    if !arguments.globs.is_empty() {
        let globs = globs(&arguments.globs)?;
        changes = changes.filter(|key| matches(&globs, key));
    }
    Ok(changes)
}

/// The paths of a list: the log of what a job touched, say. One in a line, relative to the source or
/// absolute.
fn listed(list: &std::path::Path, spot: &Spot) -> Result<HashSet<PathKey>> {
    let failed = |error: &std::io::Error| Failure::io(format!("read {}", list.display()), error);
    let mut bytes = Vec::new();
    match list.as_os_str().as_bytes() {
        b"-" => std::io::stdin().read_to_end(&mut bytes),
        _ => std::fs::File::open(list).and_then(|mut file| file.read_to_end(&mut bytes)),
    }
    .map_err(|error| failed(&error))?;
    let mut keys = HashSet::new();
    let lines = bytes.split(|&byte| byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    // A name may end so, but not all of them: a list from Windows.
    let is_windows = lines.iter().all(|line| line.ends_with(b"\r"));
    for line in lines {
        let line = match is_windows {
            true => &line[..line.len() - 1],
            false => line,
        };
        let path = std::path::Path::new(OsStr::from_bytes(line));
        let key = match path.is_absolute() {
            true => names_store::key_of(&spot.source, path),
            false => PathKey::from_path(line).ok(),
        };
        let key = key.ok_or_else(|| {
            let line = text::path(line);
            Failure::usage(format!(
                "`{line}` in {} is no path of {}",
                list.display(),
                spot.shown()
            ))
        })?;
        keys.insert(key);
    }
    Ok(keys)
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let trimmed = pattern.trim_start_matches('/');
        let glob = GlobBuilder::new(trimmed).literal_separator(true).build();
        let glob =
            glob.map_err(|error| Failure::usage(format!("`{pattern}` is not a pattern: {error}")))?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| Failure::usage(format!("the patterns can't be used: {error}")))
}

fn matches(globs: &GlobSet, key: &PathKey) -> bool {
    globs.is_match(std::path::Path::new(OsStr::from_bytes(&key.to_path())))
}
