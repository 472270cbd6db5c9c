//! `recoup diff SNAPSHOT live`.

use backup::Selection;

use crate::access::open::Opened;
use crate::commands::diff_show::{self, Tally};
use crate::commands::live_options;
use crate::commands::store::connect::{address_of_source, connect};
use crate::context::{self, Context};
use crate::exit::{Exit, Result};
use crate::names::select::Found;
use crate::names::store;
use crate::output::json::ProblemLine;
use crate::output::progress::Progress;
use crate::signals;

/// Compares a place of a snapshot with the live tree.
pub(super) fn run(
    opened: &Opened,
    before: &Found,
    stat: bool,
    tally: &mut Tally,
    context: &mut Context,
) -> Result<Exit> {
    if store::is_store(&before.stored.snapshot.source) {
        return run_store(opened, before, stat, tally, context);
    }
    let cancel = signals::listen()?;
    let snapshot = &before.stored.snapshot;
    let root = diff_show::live_root(&before.stored, context)?;
    let below = Selection::Below(before.key.clone());
    let options = live_options::of(opened, &root, &snapshot.source, below, context)?;
    let mut changes = Vec::new();
    let progress = Progress::start(&context.terminal);
    let compared = backup::compare_live(
        &opened.repository,
        snapshot,
        &options,
        context::timestamp(),
        &progress,
        &cancel,
        &mut |change| {
            tally.count(&change);
            if !stat {
                changes.push(change);
            }
        },
    );
    drop(progress);
    let problems = compared?;
    for change in &changes {
        diff_show::show(change, context)?;
    }
    for problem in &problems {
        let line = ProblemLine::new(&problem.path, &problem.message);
        context.sink.json("problem", &line)?;
    }
    Ok(if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::Partial
    })
}

/// Compares a place of a snapshot with the live store.
fn run_store(
    opened: &Opened,
    before: &Found,
    stat: bool,
    tally: &mut Tally,
    context: &mut Context,
) -> Result<Exit> {
    let snapshot = &before.stored.snapshot;
    let address = address_of_source(&snapshot.source)?;
    let client = connect(&address, context)?;
    let (_, changes) = keyspace::compare_live(
        &opened.repository,
        &client,
        address.prefix(),
        snapshot.root,
        &before.key,
    )?;
    for change in &changes {
        tally.count(change);
        if !stat {
            diff_show::show(change, context)?;
        }
    }
    Ok(Exit::Ok)
}
