//! `recoup status`: per source the last state, how old it is, and what is wrong.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use model::incident::Level;
use repository::Stored;
use serde_json::json;

use super::watched_lock;
use crate::access::busy::Busy;
use crate::access::open::Opened;
use crate::alerts::undelivered::{self, Undelivered};
use crate::commands::undo::listing;
use crate::context::{self, Context};
use crate::exit::{Exit, Result};
use crate::output::json::SourceText;
use crate::output::table::{Align, Table};
use crate::output::text;

/// Older than this, and not watched, is told: a day with some room, as most schedules are daily.
const OLD_SECS: i64 = 36 * 3600;

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

/// How a source stands.
struct Standing {
    source: Vec<u8>,
    last: model::Timestamp,
    age_secs: i64,
    points: u64,
    watched: bool,
    open: Vec<u64>,
    worries: Vec<String>,
}

/// Type `source`.
#[derive(serde::Serialize)]
struct SourceLine<'a> {
    #[serde(flatten)]
    source: SourceText,
    last: String,
    lag_secs: i64,
    watched: bool,
    points: u64,
    proved: Option<String>,
    open_incidents: &'a [u64],
    worries: &'a [String],
}

pub(crate) fn run(_: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let standings = standings(&all, &opened, context)?;
    show(&standings, context)?;
    let unfinished = listing::all(&opened, context)?
        .into_iter()
        .filter(|op| op.ended.is_none() && op.begun.host == context.host());
    let mut well = standings.iter().all(|standing| standing.worries.is_empty());
    for operation in unfinished {
        let number = operation.begun.number;
        let lock = Busy::try_take(&context.settings.directories.state, &operation.begun.source)?;
        if lock.is_some() {
            well = false;
            context.terminal.warn(&format!(
                "operation {number} was interrupted: `recoup undo --resume` finishes it"
            ));
        }
    }
    well &= is_everything_told(context)?;
    if standings.is_empty() {
        well = false;
        context
            .terminal
            .note("Nothing is protected yet; `recoup protect PATH` begins.");
    }
    context.sink.json(
        "summary",
        &json!({ "well": well, "sources": standings.len() }),
    )?;
    Ok(match (well, all.exit()) {
        (_, Exit::RepositoryDamaged) => Exit::RepositoryDamaged,
        (true, _) => Exit::Ok,
        (false, _) => Exit::Failed,
    })
}

/// Tells of the ways of telling that failed, and did not work since.
fn is_everything_told(context: &mut Context) -> Result<bool> {
    let mut well = true;
    let state = &context.settings.directories.state;
    for telling in context.settings.config.tellings() {
        let Some(last) = undelivered::last(state, &telling.way) else {
            continue;
        };
        well = false;
        context.sink.json("undelivered", &last)?;
        let Undelivered {
            way,
            source,
            incident,
            reason,
            time,
        } = &last;
        context.terminal.warn(&format!(
            "incident {incident} of {source} was not told by {way} ({time}): {reason}; \
             `recoup incidents test` tries whether it works now"
        ));
    }
    Ok(well)
}

/// What is protected, without judging it.
pub(super) fn list(context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let standings = standings(&all, &opened, context)?;
    show(&standings, context)?;
    context.sink.json_count(standings.len() as u64)?;
    Ok(Exit::Ok)
}

fn standings(all: &[Stored], opened: &Opened, context: &Context) -> Result<Vec<Standing>> {
    let host = context.host();
    let mut newest: BTreeMap<&[u8], model::Timestamp> = BTreeMap::new();
    for stored in all {
        let snapshot = &stored.snapshot;
        if snapshot.host == host && !snapshot.safety {
            let last = newest.entry(&snapshot.source).or_insert(snapshot.time);
            *last = (*last).max(snapshot.time);
        }
    }
    let incidents = listing::incidents(all, opened, context)?;
    let now = context::timestamp();
    let mut standings = Vec::new();
    for (source, last) in newest {
        let timeline = opened.repository.timeline(&host, source)?;
        let point = timeline.last()?.and_then(|entry| entry.state());
        let last = point.map_or(last, |(time, _)| time.max(last));
        let state = &context.settings.directories.state;
        let watched = Busy::try_take(state, &watched_lock(source))?.is_none();
        let open: Vec<u64> = incidents
            .iter()
            .filter(|found| found.source == source && found.is_open())
            .filter(|found| found.incident.level == Level::Alarm)
            .map(|found| found.incident.number)
            .collect();
        let age_secs = now.secs.saturating_sub(last.secs).max(0);
        let mut worries = Vec::new();
        if !open.is_empty() {
            worries.push(text::counted(
                open.len() as u64,
                "open incident",
                "open incidents",
            ));
        }
        if !watched && !timeline.is_empty() {
            worries.push("not watched at the moment".to_owned());
        } else if !watched && age_secs > OLD_SECS {
            worries.push("the last backup is old".to_owned());
        }
        if !std::path::Path::new(std::ffi::OsStr::from_bytes(source)).exists()
            && !source.starts_with(b"etcd://")
        {
            worries.push("it is gone".to_owned());
        }
        standings.push(Standing {
            source: source.to_vec(),
            last,
            age_secs,
            points: timeline.numbers().len() as u64,
            watched,
            open,
            worries,
        });
    }
    Ok(standings)
}

fn show(standings: &[Standing], context: &mut Context) -> Result<()> {
    let columns = [
        ("SOURCE", Align::Left),
        ("LAST", Align::Left),
        ("LAG", Align::Right),
        ("WATCHED", Align::Left),
        ("PROVED", Align::Left),
        ("", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for standing in standings {
        let line = SourceLine {
            source: SourceText::new(&standing.source),
            last: text::rfc3339(standing.last),
            lag_secs: if standing.watched {
                0
            } else {
                standing.age_secs
            },
            watched: standing.watched,
            points: standing.points,
            proved: None,
            open_incidents: &standing.open,
            worries: &standing.worries,
        };
        context.sink.json("source", &line)?;
        let lag = if standing.watched {
            "seconds".to_owned()
        } else {
            text::duration(standing.age_secs as f64)
        };
        table.row([
            text::path(&standing.source),
            text::local(standing.last),
            lag,
            if standing.watched { "yes" } else { "no" }.to_owned(),
            "never".to_owned(),
            standing.worries.join(", "),
        ]);
    }
    for row in table.lines() {
        context.sink.line(&row)?;
    }
    Ok(())
}
