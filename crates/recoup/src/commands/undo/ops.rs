//! `recoup ops`: what changed live data, and how it went.

use clap::{Args, Subcommand};
use model::operation::Operation;
use serde_json::json;

use super::listing;
use super::show::{OpenLine, shown};
use crate::access::busy::Busy;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::json::{PathText, SourceText};
use crate::output::table::{Align, Table};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show one operation: its plan, what came of it, its safety snapshot
    Show {
        /// Number of the operation
        #[arg(value_name = "N")]
        number: u64,
    },
}

/// Type `operation`.
#[derive(serde::Serialize)]
struct OperationLine<'a> {
    op: u64,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    kind: &'static str,
    status: &'static str,
    #[serde(flatten)]
    source: SourceText,
    host: &'a str,
    user: &'a str,
    about: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_snapshot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_snapshot: Option<String>,
    restored: u64,
    removed: u64,
    metadata: u64,
    kept: u64,
    merged: u64,
    conflicts: u64,
    deferred: u64,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = listing::all(&opened, context)?;
    match arguments.command {
        Some(Command::Show { number }) => show(number, &all, &opened, context),
        None => list(&all, &opened, context),
    }
}

fn line<'a>(operation: &'a Operation, context: &Context) -> Result<OperationLine<'a>> {
    let begun = &operation.begun;
    let ended = operation.ended.as_ref();
    let amounts = ended.map_or(&begun.planned, |(_, ended)| &ended.amounts);
    Ok(OperationLine {
        op: begun.number,
        time: text::rfc3339(operation.time),
        finished: ended.map(|(time, _)| text::rfc3339(*time)),
        kind: begun.kind.word(),
        status: status(operation, context)?,
        source: SourceText::new(&begun.source),
        host: &begun.host,
        user: &begun.user,
        about: &begun.about,
        of: begun.of,
        incident: begun.incident,
        safety_snapshot: begun.safety.map(model::SnapshotId::to_hex),
        left_snapshot: ended
            .and_then(|(_, it)| it.left)
            .map(model::SnapshotId::to_hex),
        restored: amounts.restored,
        removed: amounts.removed,
        metadata: amounts.metadata,
        kept: amounts.kept,
        merged: amounts.merged,
        conflicts: amounts.conflicts,
        deferred: amounts.deferred,
    })
}

/// Whoever runs an operation holds the lock of its source.
fn status(operation: &Operation, context: &Context) -> Result<&'static str> {
    let running = operation.ended.is_none() && {
        let state = &context.settings.directories.state;
        Busy::try_take(state, &operation.begun.source)?.is_none()
    };
    Ok(listing::status(operation, running))
}

/// Conflicts that nobody has decided since, and what was left for later.
fn still_open(operation: &Operation, all: &[Operation], opened: &Opened) -> Result<u64> {
    let conflicts = listing::open_conflicts(operation, all, opened)?.len() as u64;
    let deferred = listing::left_open(operation, opened)?.deferred.len() as u64;
    Ok(conflicts + deferred)
}

fn list(all: &[Operation], opened: &Opened, context: &mut Context) -> Result<Exit> {
    let columns = [
        ("OP", Align::Right),
        ("TIME", Align::Left),
        ("KIND", Align::Left),
        ("STATUS", Align::Left),
        ("OPEN", Align::Right),
        ("WHAT", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for operation in all {
        let line = line(operation, context)?;
        let open = match line.conflicts + line.deferred {
            0 => 0,
            _ => still_open(operation, all, opened)?,
        };
        table.row([
            line.op.to_string(),
            text::local(operation.time),
            line.kind.to_owned(),
            line.status.to_owned(),
            if open > 0 {
                text::count(open)
            } else {
                "-".to_owned()
            },
            operation.begun.about.clone(),
        ]);
        context.sink.json("operation", &line)?;
    }
    for row in table.lines() {
        context.sink.line(&row)?;
    }
    context.sink.json_count(all.len() as u64)?;
    if all.is_empty() {
        context.terminal.note("Nothing has changed live data yet.");
    }
    Ok(Exit::Ok)
}

fn show(number: u64, all: &[Operation], opened: &Opened, context: &mut Context) -> Result<Exit> {
    let found = all.iter().find(|op| op.begun.number == number);
    let operation = found.ok_or_else(|| {
        Failure::failed(format!("show operation {number}: there is none"))
            .hint("`recoup ops` lists them")
    })?;
    let summary = line(operation, context)?;
    let begun = &operation.begun;
    context.sink.line(&format!(
        "Operation {number}  {}  {}  {}",
        summary.kind,
        summary.status,
        text::local(operation.time)
    ))?;
    context.sink.line(&format!("  what      {}", begun.about))?;
    let by = format!("  by        {} on {}", begun.user, begun.host);
    context.sink.line(&by)?;
    if let Some(safety) = begun.safety {
        context
            .sink
            .line(&format!("  before    safety snapshot {}", safety.short()))?;
    }
    if let Some((_, ended)) = &operation.ended {
        if let Some(left) = ended.left {
            context
                .sink
                .line(&format!("  after     snapshot {}", left.short()))?;
        }
        let place = text::path(&ended.quarantine);
        if std::path::Path::new(&place).is_dir() {
            context.sink.line(&format!("  displaced {place}"))?;
        }
    }
    let plan = begun
        .plan
        .as_ref()
        .map(|listed| opened.repository.plan(listed));
    if let Some(plan) = plan.transpose()? {
        for step in &plan.steps {
            let line = json!({ "action": step.action.word() });
            let path = PathText::new(&step.key.to_path());
            context.sink.json("step", &WithPath { path, line })?;
            let row = format!("  {:<9} {}", step.action.word(), shown(&step.key));
            context.sink.line(&row)?;
        }
    }
    let open = listing::left_open(operation, opened)?;
    for conflict in &open.conflicts {
        let line = OpenLine::conflict(conflict, Some(number), None);
        context.sink.json("conflict", &line)?;
        let row = format!(
            "  conflict  {}  ({})",
            shown(&conflict.key),
            conflict.kind.word()
        );
        context.sink.line(&row)?;
    }
    for deferred in &open.deferred {
        let line = OpenLine::why(&deferred.key, &deferred.why);
        context.sink.json("deferred", &line)?;
        let row = format!("  deferred  {}  ({})", shown(&deferred.key), deferred.why);
        context.sink.line(&row)?;
    }
    context.sink.json("operation", &summary)?;
    Ok(Exit::Ok)
}

/// A line about one path.
#[derive(serde::Serialize)]
struct WithPath {
    #[serde(flatten)]
    path: PathText,
    #[serde(flatten)]
    line: serde_json::Value,
}
