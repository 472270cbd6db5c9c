//! `recoup incidents`: what was lost, when, by whom, and which moment was the last good one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::incident::{Dismissal, Level};
use model::point::TimelineRecord;
use serde_json::json;

use super::incident_line::{self, IncidentLine, dismissed, words};
use super::trial;
use crate::commands::undo::listing::{self, FoundIncident};
use crate::context::{self, Context};
use crate::exit::{Exit, Result};
use crate::output::json::PathText;
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Also what is only kept in mind (pins)
    #[arg(long, global = true)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one incident and the keys that it damaged
    Show {
        /// Number of the incident
        #[arg(value_name = "N")]
        number: u64,
        /// The watched directory, where several have an incident of this number
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// Say that an incident is nothing: `status` is well again, and thinning goes on
    Dismiss {
        /// Number of the incident
        #[arg(value_name = "N")]
        number: u64,
        /// The watched directory, where several have an incident of this number
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
        /// Why, for whoever reads it later
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Send a test message to everybody who is told of incidents (`on-incident`), and say how it went
    Test,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    if let Some(Command::Test) = arguments.command {
        return trial::run(context);
    }
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let mut found = listing::incidents(&all, &opened, context)?;
    match &arguments.command {
        Some(Command::Show { number, path }) => {
            let named = format!("recoup incidents show {number} PATH");
            let ways = ("show", named.as_str());
            let asked = (*number, path.as_deref());
            let found = listing::one_incident(found, asked, ways, &all, context)?;
            show(&found, &opened.repository, context)
        }
        Some(Command::Dismiss {
            number,
            path,
            reason,
        }) => {
            let named = format!("recoup incidents dismiss {number} PATH");
            let ways = ("dismiss", named.as_str());
            let asked = (*number, path.as_deref());
            let found = listing::one_incident(found, asked, ways, &all, context)?;
            dismiss(found, reason, &opened.repository, context)
        }
        Some(Command::Test) | None => {
            found.retain(|found| arguments.all || found.incident.level > Level::Pin);
            list(&found, context)
        }
    }
}

/// Records that an incident is nothing. What was said before stays, and is not said twice.
fn dismiss(
    mut found: FoundIncident,
    reason: &str,
    repository: &repository::Repository,
    context: &mut Context,
) -> Result<Exit> {
    let number = found.incident.number;
    let was_dismissed = found.dismissed.is_some();
    if !was_dismissed {
        let dismissal = Dismissal {
            incident: number,
            by: context::user(),
            reason: reason.to_owned(),
        };
        let now = context::timestamp();
        let mut timeline = repository.timeline(&context.host(), &found.source)?;
        let mut end = timeline.end()?;
        timeline.append(&mut end, now, &TimelineRecord::Dismissed(dismissal.clone()))?;
        found.dismissed = Some((now, dismissal));
    }
    context.sink.json("incident", &IncidentLine::of(&found))?;
    let source = text::path(&found.source);
    let word = if was_dismissed {
        "Was dismissed"
    } else {
        "Dismissed"
    };
    context.sink.report(&format!(
        "{word}  incident {number} of {source}; `recoup undo --incident {number}` can still take it back"
    ))?;
    Ok(Exit::Ok)
}

fn list(all: &[FoundIncident], context: &mut Context) -> Result<Exit> {
    for found in all {
        let line = IncidentLine::of(found);
        context.sink.json("incident", &line)?;
        context.sink.line(&words(&found.incident))?;
        let source = text::path(&found.source);
        context
            .sink
            .line(&format!("    in {source}; last good {}", last_good(found)))?;
        context.sink.line(&match (found.undone, &found.dismissed) {
            (Some(op), _) => format!("    taken back by operation {op}"),
            (None, Some((time, by))) => format!("    {}", dismissed(*time, by)),
            (None, None) => format!("    take it back: {}", way_back(found, all)),
        })?;
    }
    context
        .sink
        .json("summary", &json!({ "count": all.len() }))?;
    if all.is_empty() {
        context.terminal.note("No incidents.");
    }
    Ok(Exit::Ok)
}

/// The command that takes one of these back. Each source counts its own.
fn way_back(found: &FoundIncident, all: &[FoundIncident]) -> String {
    let number = found.incident.number;
    let same = |other: &&FoundIncident| other.incident.number == number;
    let place = match all.iter().filter(same).count() {
        1 => String::new(),
        _ => incident_line::place(&found.source),
    };
    format!("recoup undo{place} --incident {number}")
}

/// The last good state, in the words in which it can be named.
fn last_good(found: &FoundIncident) -> String {
    let point = found.incident.before.short();
    match found.revisions.0 {
        Some(revision) => format!("revision {revision} (point {point})"),
        None => format!("point {point}"),
    }
}

fn show(
    found: &FoundIncident,
    repository: &repository::Repository,
    context: &mut Context,
) -> Result<Exit> {
    let incident = &found.incident;
    context.sink.line(&words(incident))?;
    for (name, value) in [
        ("source", text::path(&found.source)),
        ("rule", incident.rule.clone()),
        ("last good", last_good(found)),
        ("with all of it", incident.after.short()),
        ("gone", text::count(incident.deleted)),
        ("changed", text::count(incident.changed)),
    ] {
        context.sink.line(&format!("  {name:<16} {value}"))?;
    }
    if let Some(actor) = &incident.actor {
        let program = text::path(actor.exe.as_bytes());
        context
            .sink
            .line(&format!("  {:<16} {program}", "program"))?;
    }
    if let Some((time, by)) = &found.dismissed {
        let words = dismissed(*time, by);
        context.sink.line(&format!("  {words}"))?;
    }
    also(found, repository, context)?;
    let keys = found.keys.as_ref().map(|listed| repository.keys(listed));
    let keys = keys.transpose()?.unwrap_or_default();
    for key in &keys {
        context.sink.json("key", &PathText::new(&key.to_path()))?;
        context
            .sink
            .line(&format!("    {}", text::path(&key.to_path())))?;
    }
    context.sink.json("incident", &IncidentLine::of(found))?;
    Ok(Exit::Ok)
}

/// What else the same process touched in that time: to be looked at, not judged.
fn also(
    found: &FoundIncident,
    repository: &repository::Repository,
    context: &mut Context,
) -> Result<()> {
    let timeline = repository.timeline(&context.host(), &found.source)?;
    let keys = found.keys.as_ref().map(|listed| repository.keys(listed));
    let keys = keys.transpose()?.unwrap_or_default();
    let event = undo::Event::of_incident(repository, &timeline, &found.incident, &keys)?;
    let others = event
        .changes
        .changes()
        .iter()
        .filter(|change| keys.binary_search(&change.key).is_err());
    let count = others.count() as u64;
    if count > 0 {
        context.sink.line(&format!(
            "  {:<16} {}, of which an undo takes back all but what was changed since",
            "also touched",
            text::counted(count, "path", "paths")
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_several_have_is_said_with_its_source() {
        let found = |source: &[u8]| FoundIncident {
            source: source.to_vec(),
            incident: trial::nothing(),
            keys: None,
            revisions: (None, None),
            undone: None,
            dismissed: None,
        };
        let all = [found(b"/home/it's"), found(b"etcd://h:2379/lb")];
        assert_eq!(way_back(&all[0], &all[..1]), "recoup undo --incident 0");
        let ways = all.each_ref().map(|one| way_back(one, &all));
        assert_eq!(ways[0], r"recoup undo '/home/it'\''s' --incident 0");
        assert_eq!(ways[1], "recoup undo etcd://h:2379/lb --incident 0");
    }
}
