//! `recoup pin` and `recoup unpin`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use model::point::TimelineRecord;
use serde_json::json;

use crate::commands::undo::place;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::{Place, SnapshotName};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The moment, as @14:00, or the first digits of a point
    #[arg(value_name = "MOMENT")]
    moment: OsString,
    /// The watched directory; needed where there are several
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, removed: bool, context: &mut Context) -> Result<Exit> {
    let wanted = Place::parse(arguments.moment.as_bytes(), &context::now())?;
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let host = context.host();
    let path = match &arguments.path {
        Some(path) => path.clone(),
        None => std::env::current_dir()
            .map_err(|error| Failure::io("find the current directory", &error))?,
    };
    let source = match place::find(&path, &all, context) {
        Ok(spot) => spot.source,
        Err(failure) => only_source(&all, arguments).ok_or(failure)?,
    };
    let mut timeline = opened.repository.timeline(&host, &source)?;
    let entry = match &wanted.snapshot {
        SnapshotName::Revision(revision) => timeline.at_revision(*revision)?,
        SnapshotName::At(moment) => timeline.at(*moment)?,
        SnapshotName::Latest(0) => timeline.last()?,
        SnapshotName::Id(digits) => timeline.by_id(digits)?.pop(),
        SnapshotName::Latest(_) => None,
    };
    let Some(entry) = entry else {
        return Err(Failure::failed(format!(
            "pin {}: the timeline of {} has no such moment",
            wanted.typed,
            text::path(&source)
        ))
        .hint("`recoup timeline PATH` lists its points"));
    };
    let time = entry.state().map_or(entry.time, |(time, _)| time);
    let record = TimelineRecord::Pin {
        point: entry.id,
        time,
        removed,
    };
    let mut end = timeline.end()?;
    timeline.append(&mut end, context::timestamp(), &record)?;
    let line = json!({
        "id": entry.id.to_hex(),
        "time": text::rfc3339(time),
        "removed": removed,
    });
    context.sink.json("pin", &line)?;
    let word = if removed { "Unpinned" } else { "Pinned" };
    context.sink.report(&format!(
        "{word}  {}  of {}",
        text::local(time),
        text::path(&source)
    ))?;
    Ok(Exit::Ok)
}

/// Where nobody named a directory and there is one source only, it is meant.
fn only_source(all: &[repository::Stored], arguments: &Arguments) -> Option<Vec<u8>> {
    if arguments.path.is_some() {
        return None;
    }
    let mut sources: Vec<&[u8]> = all
        .iter()
        .filter(|stored| !stored.snapshot.safety)
        .map(|stored| stored.snapshot.source.as_slice())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    match sources.as_slice() {
        [one] => Some(one.to_vec()),
        _ => None,
    }
}
