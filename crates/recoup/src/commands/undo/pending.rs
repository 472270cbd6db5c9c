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

/// Whether it is one of this machine without an end, and with a plan to go on with.
fn is_unfinished(operation: &Operation, context: &Context) -> bool {
    let begun = &operation.begun;
    operation.ended.is_none() && begun.host == context.host() && begun.plan.is_some()
}

/// Nothing new is begun on a source on which something is half done. The lock of the source is held, so
/// whatever has no end was interrupted.
///
/// All operations if there is none.
pub(super) fn refuse_unfinished(
    source: &[u8],
    opened: &Opened,
    context: &Context,
) -> Result<Vec<Operation>> {
    let all = listing::all(opened, context)?;
    let pending = |op: &&Operation| is_unfinished(op, context) && op.begun.source == source;
    let Some(first) = all.iter().find(pending) else {
        return Ok(all);
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
    let mut pending = listing::all(&opened, context)?;
    pending.retain(|operation| is_unfinished(operation, context));
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
        let done = with_ground(&spot, &opened, &progress, &cancel, context, |work, _| {
            work.roll_back(operation).map_err(failure)
        });
        drop(progress);
        return rolled_back(number, done?.as_ref(), context);
    }
    let done = with_ground(&spot, &opened, &progress, &cancel, context, |work, _| {
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
