//! `recoup incidents`: what was lost, when, by whom, and which moment was the last good one.

use clap::{Args, Subcommand};
use model::incident::{Actor, Incident, Level};
use serde::Serialize;
use serde_json::json;

use crate::commands::undo::listing::{self, FoundIncident};
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::json::{PathText, SourceText};
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
    },
}

/// Type `incident`.
#[derive(Serialize)]
pub(in crate::commands) struct IncidentLine<'a> {
    id: u64,
    level: &'static str,
    rule: &'a str,
    about: &'a str,
    #[serde(flatten)]
    source: SourceText,
    from: String,
    to: String,
    before: String,
    after: String,
    keys: u64,
    deleted: u64,
    changed: u64,
    actor: Option<ActorLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<u64>,
}

#[derive(Serialize)]
struct ActorLine<'a> {
    pid: u32,
    ppid: Option<u32>,
    uid: Option<u32>,
    login_uid: Option<u32>,
    comm: &'a str,
    exe: &'a str,
    command: &'a str,
    gone: bool,
}

impl<'a> IncidentLine<'a> {
    pub(in crate::commands) fn new(
        incident: &'a Incident,
        source: &[u8],
        undone_by: Option<u64>,
    ) -> Self {
        Self {
            id: incident.number,
            level: incident.level.word(),
            rule: &incident.rule,
            about: &incident.about,
            source: SourceText::new(source),
            from: text::rfc3339(incident.from),
            to: text::rfc3339(incident.to),
            before: incident.before.to_hex(),
            after: incident.after.to_hex(),
            keys: incident.keys,
            deleted: incident.deleted,
            changed: incident.changed,
            actor: incident.actor.as_ref().map(|actor| ActorLine {
                pid: actor.pid,
                ppid: actor.ppid,
                uid: actor.uid,
                login_uid: actor.login_uid,
                comm: &actor.comm,
                exe: &actor.exe,
                command: &actor.command,
                gone: actor.gone,
            }),
            undone_by,
        }
    }
}

/// An incident in one line.
pub(in crate::commands) fn words(incident: &Incident) -> String {
    let who = incident
        .actor
        .as_ref()
        .map_or("by an unknown process".to_owned(), |actor| {
            format!("by {}", shown(actor))
        });
    format!(
        "{} {}: {}, {} to {}, {who}",
        incident.level.word(),
        incident.number,
        incident.about,
        text::local(incident.from),
        text::local(incident.to)
    )
}

fn shown(actor: &Actor) -> String {
    let name = if actor.command.is_empty() {
        &actor.comm
    } else {
        &actor.command
    };
    let uid = actor
        .uid
        .map_or(String::new(), |uid| format!(", uid {uid}"));
    let name = text::path(name.as_bytes());
    format!("`{name}` (pid {}{uid})", actor.pid)
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let mut found = listing::incidents(&all, &opened, context)?;
    match arguments.command {
        Some(Command::Show { number }) => {
            let one = found
                .into_iter()
                .find(|found| found.incident.number == number);
            let one = one.ok_or_else(|| {
                Failure::failed(format!("show incident {number}: there is none"))
                    .hint("`recoup incidents` lists them")
            })?;
            show(&one, &opened.repository, context)
        }
        None => {
            found.retain(|found| arguments.all || found.incident.level > Level::Pin);
            list(&found, context)
        }
    }
}

fn list(found: &[FoundIncident], context: &mut Context) -> Result<Exit> {
    for found in found {
        let line = IncidentLine::new(&found.incident, &found.source, found.undone);
        context.sink.json("incident", &line)?;
        context.sink.line(&words(&found.incident))?;
        let source = text::path(&found.source);
        context.sink.line(&format!(
            "    in {source}; last good point {}",
            found.incident.before.short()
        ))?;
        let number = found.incident.number;
        context.sink.line(&match found.undone {
            Some(op) => format!("    taken back by operation {op}"),
            None => format!("    take it back: recoup undo --incident {number}"),
        })?;
    }
    context
        .sink
        .json("summary", &json!({ "count": found.len() }))?;
    if found.is_empty() {
        context.terminal.note("No incidents.");
    }
    Ok(Exit::Ok)
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
        ("last good point", incident.before.short()),
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
    also(found, repository, context)?;
    let keys = found.keys.as_ref().map(|listed| repository.keys(listed));
    let keys = keys.transpose()?.unwrap_or_default();
    for key in &keys {
        context.sink.json("key", &PathText::new(&key.to_path()))?;
        context
            .sink
            .line(&format!("    {}", text::path(&key.to_path())))?;
    }
    let line = IncidentLine::new(incident, &found.source, found.undone);
    context.sink.json("incident", &line)?;
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
