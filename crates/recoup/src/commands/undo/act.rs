//! Plan, show, ask, run, report.

use model::PathKey;
use model::operation::Operation;
use undo::{ContentMerge, Event, Report, UndoError, amounts_of, estimate};

use super::place::{self, Spot};
use super::root::Root;
use super::show::Shown;
use super::{Arguments, ContentMergeChoice, event, listing, pending, show, with_ground};
use crate::access::busy::Busy;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::names::select::Listing;
use crate::output::progress::Progress;
use crate::signals;

pub(super) fn undo(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let (mut spot, event) = choose(arguments, &all, &opened, context)?;
    spot.rate = arguments.rate;
    let _busy = Busy::take(&context.settings.directories.state, &spot.source)?;
    let earlier = pending::refuse_unfinished(&spot.source, &opened, context)?;
    let mut root = Root::provide(&mut spot, &event, arguments.dry_run, &opened, context)?;
    let cancel = signals::listen()?;
    let contents = match arguments.content_merge {
        ContentMergeChoice::Off => ContentMerge::Off,
        ContentMergeChoice::Propose => ContentMerge::Propose,
        ContentMergeChoice::Auto => ContentMerge::Auto,
    };
    let progress = Progress::start(&context.terminal);
    let ended = with_ground(
        &spot,
        &opened,
        &progress,
        &cancel,
        context,
        |work, context| {
            let proposal = work.ground.propose(&event, contents)?;
            progress.hide();
            let planned = amounts_of(&proposal.plan);
            let usual = estimate(&planned, &context.host(), work.ground.source(), &earlier);
            let shown = Shown {
                arguments,
                proposal: &proposal,
                event: &event,
                estimate: match arguments.rate {
                    Some(rate) => usual.at_most(rate, &planned),
                    None => usual,
                },
            };
            let answer = ask(&shown, &opened, context)?;
            progress.show();
            let proposal = match answer {
                Answer::End(exit) => return Ok(Err(exit)),
                Answer::Go => proposal,
                Answer::GoNow => work.ground.propose(&event, contents)?,
            };
            root.keep();
            work.run(&event, &proposal).map(Ok).map_err(failure)
        },
    );
    drop(progress);
    match ended? {
        Ok(done) => report(&done, &opened, context),
        Err(exit) => Ok(exit),
    }
}

/// What becomes of a plan.
enum Answer {
    /// It is not run, and the command ends so.
    End(Exit),
    /// It is run as it is.
    Go,
    /// It is run as it comes out now: somebody thought about it, which may have taken minutes.
    GoNow,
}

/// Shows the plan and asks.
fn ask(shown: &Shown<'_>, opened: &Opened, context: &mut Context) -> Result<Answer> {
    if shown.arguments.dry_run {
        return show::dry_run(shown, opened, context).map(Answer::End);
    }
    show::plan(shown, opened, context)?;
    let plan = &shown.proposal.plan;
    if plan.is_empty() && !plan.leaves_open() {
        return show::nothing(shown.proposal, context).map(Answer::End);
    }
    if shown.arguments.strict && plan.leaves_open() {
        return show::strict(shown.proposal, context).map(Answer::End);
    }
    // Where nobody can be asked everything is kept anyhow.
    Ok(match context.asks_to_apply()? {
        None => Answer::Go,
        Some(true) => Answer::GoNow,
        Some(false) => {
            context.terminal.note("Nothing was changed.");
            Answer::End(Exit::Failed)
        }
    })
}

/// What is to be taken back, and where.
fn choose(
    arguments: &Arguments,
    all: &Listing,
    opened: &Opened,
    context: &Context,
) -> Result<(Spot, Event)> {
    if let Some(number) = arguments.incident {
        return incident(number, arguments, all, opened, context);
    }
    if let Some(path) = &arguments.path {
        let spot = place::find(path, all, context)?;
        let event = event::of_place(arguments, &spot, all, opened, context)?;
        return Ok((spot, event));
    }
    let operation = operation(arguments.op, opened, context)?;
    let event = Event::of_operation(&opened.repository, &operation)?;
    let spot = place::of_source(
        &operation.begun.source,
        PathKey::root(),
        all,
        &context.host(),
    );
    Ok((spot, event))
}

/// The incident with this number, of the source that was named or the only one that has it.
fn incident(
    number: u64,
    arguments: &Arguments,
    all: &Listing,
    opened: &Opened,
    context: &Context,
) -> Result<(Spot, Event)> {
    let found = listing::incidents(all, opened, context)?;
    let path = arguments.path.as_deref();
    let ways = ("undo", "recoup undo PATH --incident N");
    let found = listing::one_incident(found, (number, path), ways, all, context)?;
    let timeline = opened.repository.timeline(&context.host(), &found.source)?;
    let keys = found
        .keys
        .as_ref()
        .map(|listed| opened.repository.keys(listed));
    let keys = keys.transpose()?.unwrap_or_default();
    let mut event = Event::of_incident(&opened.repository, &timeline, &found.incident, &keys)?;
    let spot = place::of_source(&found.source, PathKey::root(), all, &context.host());
    event.changes = event::filtered(event.changes, arguments, &spot)?;
    Ok((spot, event))
}

/// The operation with this number, or the last one that did something.
fn operation(number: Option<u64>, opened: &Opened, context: &Context) -> Result<Operation> {
    let operations = super::listing::all(opened, context)?;
    let found = match number {
        Some(number) => operations.into_iter().find(|op| op.begun.number == number),
        None => operations
            .into_iter()
            .rev()
            .find(|op| op.ended.is_some() && op.begun.host == context.host()),
    };
    let what = number.map_or("the last operation".to_owned(), |n| {
        format!("operation {n}")
    });
    let found = found.ok_or_else(|| {
        Failure::failed(format!("undo {what}: there is none")).hint("`recoup ops` lists them")
    })?;
    if found.begun.host != context.host() {
        return Err(Failure::failed(format!(
            "undo {what}: it was done on {}",
            found.begun.host
        )));
    }
    Ok(found)
}

/// What is told when an operation broke off.
pub(super) fn failure(error: UndoError) -> Failure {
    let number = match &error {
        UndoError::Interrupted { number, .. } | UndoError::Cancelled { number } => Some(*number),
        _ => None,
    };
    let failure = Failure::from(error);
    match number {
        Some(_) => failure.hint(
            "nothing is lost: `recoup undo --resume` finishes it, `recoup undo --resume --abort` \
             takes it back",
        ),
        None => failure,
    }
}

/// What came of it.
pub(super) fn report(report: &Report, opened: &Opened, context: &mut Context) -> Result<Exit> {
    let mut memory = opened.memory(&context.settings);
    memory.saw_snapshots([report.safety, report.left]);
    memory.save()?;
    super::report::show(report, context)
}
