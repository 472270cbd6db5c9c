//! Operations that were interrupted: finished, or taken back.

use std::path::Path;

use model::PathKey;
use model::operation::Operation;

use super::act::{failure, report};
use super::place::{self, Spot};
use super::{listing, with_ground};
use crate::access::busy::Busy;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

/// Operations of this machine without an end.
fn unfinished(opened: &Opened, context: &Context) -> Result<Vec<Operation>> {
    let mut all = listing::all(opened, context)?;
    let host = context.host();
    all.retain(|op| op.ended.is_none() && op.begun.host == host && op.begun.plan.is_some());
    Ok(all)
}

/// Nothing new is begun on a source on which something is half done. The lock of the source is held, so
/// whatever has no end was interrupted.
pub(super) fn refuse_unfinished(source: &[u8], opened: &Opened, context: &Context) -> Result<()> {
    let pending = unfinished(opened, context)?;
    let Some(first) = pending.iter().find(|op| op.begun.source == source) else {
        return Ok(());
    };
    let number = first.begun.number;
    let message = format!("operation {number} was interrupted: it has to be ended first");
    Err(Failure {
        exit: Exit::Open,
        message,
        hint: Some(
            "`recoup undo --resume` finishes it, `recoup undo --resume --abort` takes it back"
                .to_owned(),
        ),
    })
}

/// Finishes the interrupted operation of a source, or takes it back.
pub(super) fn resume(path: Option<&Path>, abort: bool, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let mut pending = unfinished(&opened, context)?;
    if let Some(path) = path {
        let spot = place::find(path, &all, context)?;
        pending.retain(|op| op.begun.source == spot.source);
    }
    let Some(operation) = pending.first() else {
        context.sink.report("Nothing was interrupted.")?;
        let none = serde_json::json!({ "op": null });
        context.sink.json("summary", &none)?;
        return Ok(Exit::Ok);
    };
    let source = &operation.begun.source;
    let spot: Spot = place::of_source(source, PathKey::root(), &all, &context.host());
    let _busy = Busy::take(&context.settings.directories.state, source)?;
    let cancel = signals::listen()?;
    let number = operation.begun.number;
    context.terminal.note(&format!(
        "operation {number} ({}) on {} {}",
        operation.begun.about,
        text::path(source),
        if abort { "is taken back" } else { "goes on" }
    ));
    let progress = Progress::start(&context.terminal);
    if abort {
        let done = with_ground(&spot, &opened, &progress, &cancel, context, |work| {
            work.roll_back(operation).map_err(failure)
        });
        drop(progress);
        return rolled_back(number, done?.as_ref(), context);
    }
    let done = with_ground(&spot, &opened, &progress, &cancel, context, |work| {
        work.resume(operation).map_err(failure)
    });
    drop(progress);
    report(&done?, &opened, context)
}

fn rolled_back(
    number: u64,
    outcome: Option<&undo::apply::Outcome>,
    context: &mut Context,
) -> Result<Exit> {
    let left = outcome.is_some_and(undo::apply::Outcome::leaves_open);
    let summary = serde_json::json!({ "op": number, "rolled_back": true, "leaves_open": left });
    context.sink.json("summary", &summary)?;
    context
        .sink
        .report(&format!("Done      operation {number} was taken back"))?;
    if left {
        context.terminal.warn(
            "some paths were changed meanwhile and were left alone; what they replaced is in the \
             safety snapshot that `recoup ops show` names",
        );
        return Ok(Exit::Open);
    }
    Ok(Exit::Ok)
}
