//! `recoup timeline`: the points of a watched directory, as a table and as bars.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use model::Timestamp;
use model::incident::{Dismissal, Incident};
use model::point::{Point, TimelineRecord};
use serde_json::{Value, json};

use crate::commands::undo::place;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::{Place, SnapshotName};
use crate::output::text;

/// Width of the longest bar.
const BAR: usize = 30;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The watched directory, or something in it
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Only what happened since then, as @14:00 or '@2 hours ago'
    #[arg(long, value_name = "TIME")]
    since: Option<OsString>,
}

/// One row.
struct Row {
    time: Timestamp,
    id: String,
    what: What,
}

enum What {
    Point {
        changes: u64,
        class: &'static str,
        who: String,
        revision: Option<u64>,
    },
    Checkpoint {
        revision: Option<u64>,
    },
    Incident(Box<Incident>),
    Dismissed(Dismissal),
    Pin {
        removed: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let since = since(arguments)?;
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let spot = place::find(&arguments.path, &all, context)?;
    let timeline = opened.repository.timeline(&context.host(), &spot.source)?;
    if timeline.is_empty() {
        return Err(Failure::failed(format!(
            "show the timeline of {}: it was never watched",
            spot.shown()
        ))
        .hint("`recoup protect PATH` or `recoup watch PATH` begins one; `recoup snapshots` lists snapshots"));
    }
    let mut rows = Vec::new();
    timeline.each(0, |entry| {
        let what = match entry.record {
            TimelineRecord::Thinned(_) => return Ok(()),
            TimelineRecord::Point(point) => What::Point {
                changes: under(&point, &spot.key),
                class: point.class.word(),
                who: who(&point),
                revision: point.revision,
            },
            TimelineRecord::Checkpoint { revision, .. } => What::Checkpoint { revision },
            TimelineRecord::Incident { incident, .. } => What::Incident(Box::new(incident)),
            TimelineRecord::Pin { removed, .. } => What::Pin { removed },
            TimelineRecord::Dismissed(dismissal) => What::Dismissed(dismissal),
        };
        let row = Row {
            time: entry.time,
            id: entry.id.to_hex(),
            what,
        };
        if since.is_none_or(|since| row.time >= since) {
            rows.push(row);
        }
        Ok(())
    })?;
    rows.retain(|row| !matches!(row.what, What::Point { changes: 0, .. }));
    show(&rows, &spot.source, context)?;
    context.sink.json_count(rows.len() as u64)?;
    Ok(Exit::Ok)
}

fn since(arguments: &Arguments) -> Result<Option<Timestamp>> {
    let Some(since) = &arguments.since else {
        return Ok(None);
    };
    match Place::parse(since.as_bytes(), &context::now())?.snapshot {
        SnapshotName::At(moment) => Ok(Some(moment)),
        _ => Err(Failure::usage("--since takes a time").hint("write @14:00 or '@2 hours ago'")),
    }
}

fn under(point: &Point, key: &model::PathKey) -> u64 {
    let beneath = point
        .changes
        .iter()
        .filter(|change| key.contains(change.key.as_bytes()));
    beneath.count() as u64
}

/// The programs that had a part in it.
fn who(point: &Point) -> String {
    let mut names: Vec<&str> = point
        .actors
        .iter()
        .map(|actor| actor.comm.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(3);
    names.join(", ")
}

fn show(rows: &[Row], source: &[u8], context: &mut Context) -> Result<()> {
    let most = rows
        .iter()
        .map(|row| match row.what {
            What::Point { changes, .. } => changes,
            _ => 0,
        })
        .max()
        .unwrap_or(0);
    for row in rows {
        let time = text::local(row.time);
        let id: String = row.id.chars().take(8).collect();
        match &row.what {
            What::Point {
                changes,
                class,
                who,
                revision,
            } => {
                let line = json!({
                    "id": row.id,
                    "time": text::rfc3339(row.time),
                    "changes": changes,
                    "class": class,
                    "blurred": *class == "blurred",
                    "actors": who,
                });
                let line = with_revision(line, *revision);
                context.sink.json("point", &line)?;
                let bar = bar(*changes, most);
                let blurred = if *class == "blurred" {
                    "  (blurred)"
                } else {
                    ""
                };
                let count = text::count(*changes);
                let at = revision.map_or(String::new(), |at| format!("revision {at}"));
                context.sink.line(&format!(
                    "{time}  {id}  {count:>9}  {bar:<BAR$}  {who}{at}{blurred}"
                ))?;
            }
            What::Checkpoint { revision } => {
                let line = with_revision(json!({ "time": text::rfc3339(row.time) }), *revision);
                context.sink.json("checkpoint", &line)?;
                let what = match revision {
                    Some(at) => format!("the state at revision {at} was stored whole"),
                    None => "the whole directory was scanned".to_owned(),
                };
                context.sink.line(&format!("{time}  --------  {what}"))?;
            }
            What::Incident(incident) => {
                let line = super::incident_line::IncidentLine::new(incident, source);
                context.sink.json("incident", &line)?;
                let words = super::incident_line::words(incident);
                context.sink.line(&format!("{time}  ** {words}"))?;
            }
            What::Dismissed(dismissal) => show_dismissed(row.time, dismissal, context)?,
            What::Pin { removed } => {
                let line = json!({ "time": text::rfc3339(row.time), "removed": removed });
                context.sink.json("pin", &line)?;
                let word = if *removed { "unpinned" } else { "pinned" };
                context.sink.line(&format!("{time}  ** {word}"))?;
            }
        }
    }
    Ok(())
}

/// A line, and the revision where it is of a store.
fn with_revision(mut line: Value, revision: Option<u64>) -> Value {
    if let Some(revision) = revision {
        line["revision"] = json!(revision);
    }
    line
}

fn show_dismissed(time: Timestamp, dismissal: &Dismissal, context: &mut Context) -> Result<()> {
    let line = json!({
        "id": dismissal.incident,
        "time": text::rfc3339(time),
        "by": dismissal.by,
        "reason": dismissal.reason,
    });
    context.sink.json("dismissed", &line)?;
    let words = super::incident_line::dismissed(time, dismissal);
    let (time, number) = (text::local(time), dismissal.incident);
    context
        .sink
        .line(&format!("{time}  ** incident {number} {words}"))
}

/// Longer for more changes; by the logarithm, since a bulk change is thousands of times an edit.
fn bar(changes: u64, most: u64) -> String {
    if most == 0 {
        return String::new();
    }
    let share = ((changes + 1) as f64).ln() / ((most + 1) as f64).ln();
    "#".repeat(((share * BAR as f64) as usize).clamp(1, BAR))
}
