//! The night on a tree of files: state is deleted and damaged, work goes on, and all of it is taken back.
//!
//! Two things are as the demo wants them, and honest for it: the fleet rests during the first backup, so
//! that the books know what is protected; and nobody makes anew what the job deleted until the second
//! backup is done, since what comes before it can't be told from the job's own work.

use serde_json::json;

use super::Arguments;
use super::stage::Stage;
use super::stage::program::Program;
use super::stage::scratch::Scratch;
use super::stage::screen;
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::output::text;
use crate::signals;

mod fleet;
mod ledger;
mod build;
mod job;
mod control_plane;
mod check;
mod story;
mod proof;
mod night;

use fleet::Fleet;
use ledger::Ledger;
use night::Told;
use story::Story;

pub(super) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let began = std::time::Instant::now();
    let cancel = signals::listen()?;
    let mut scratch = Scratch::new(arguments.keep)?;
    scratch.make(&scratch.tree())?;
    scratch.make(&scratch.temporary())?;
    let program = Program::new(&scratch)?;
    let fleet = Fleet {
        root: scratch.tree(),
        size: arguments.files,
        seed: arguments.seed,
    };
    if arguments.keep {
        scratch.write_wrapper(&program.path)?;
    }
    let about = "A night of 2012, in small: state is deleted by mistake, and work goes on.";
    context.sink.report(&format!("{about}\n"))?;
    context.sink.flush()?;
    let ledger = std::sync::Arc::new(Ledger::new(&fleet));
    let stage = Stage {
        scratch: &mut scratch,
        program,
        cancel,
        context,
    };
    let told = Story {
        fleet,
        ledger,
        stage,
    }
    .tell()?;
    let kept = arguments.keep.then(|| scratch.path().to_owned());
    let night = screen::Night {
        know: told.know_seconds,
        open: None,
        merge: told.undo_seconds,
    };
    screen::nights(&night, context)?;
    if kept.is_some() {
        ways_on(&scratch, context)?;
    }
    screen::during(&context.terminal, "cleaning up", || scratch.finish())?;
    let seconds = began.elapsed().as_secs_f64();
    if kept.is_none() {
        context.sink.report(&format!(
            "All of it took {}; the scratch directory is gone (--keep leaves it).",
            text::duration(seconds)
        ))?;
        context
            .sink
            .report("Now for your own: recoup protect DIR")?;
    }
    summary(arguments, &told, kept.as_deref(), seconds, context)?;
    judge(&told, context)
}

/// Where it is, and what to try.
fn ways_on(scratch: &Scratch, context: &mut Context) -> Result<()> {
    let recoup = scratch.wrapper();
    let recoup = recoup.display();
    let directory = scratch.path().display();
    context
        .sink
        .report(&format!("Kept in {directory}; to play with:"))?;
    context.sink.report(&format!("  {recoup} ops"))?;
    context
        .sink
        .report(&format!("  {recoup} deleted {directory}/fleet"))?;
    context.sink.report(&format!("  {recoup} undo --last"))?;
    let mut all = directory.to_string();
    if let Some(displaced) = scratch.work_directories() {
        all.push_str(&format!(" {displaced}"));
    }
    context.sink.report(&format!("To remove it: rm -r {all}"))
}

/// Type `summary`.
fn summary(
    arguments: &Arguments,
    told: &Told,
    kept: Option<&std::path::Path>,
    seconds: f64,
    context: &mut Context,
) -> Result<()> {
    let Told { toll, compared, .. } = told;
    let summary = json!({
        "files": arguments.files,
        "deleted": toll.deleted,
        "damaged": toll.damaged,
        "restored": told.restored,
        "conflicts": told.conflicts,
        "deferred": told.deferred,
        "compared": compared.files,
        "lost": compared.lost,
        "later_changes_lost": compared.later_lost,
        "unexpected": compared.other,
        "changed_between_backup_and_event": told.newer_than_backup,
        "exact_back": told.back.is_exact(),
        "exact_again": told.again.is_exact(),
        "differences": differences(told),
        "know_seconds": screen::rounded(told.know_seconds),
        "undo_seconds": screen::rounded(told.undo_seconds),
        "seconds": screen::rounded(seconds),
        "kept": kept.map(|path| path.display().to_string()),
    });
    context.sink.json("summary", &summary)
}

fn all(told: &Told) -> [(&'static str, &check::Compared); 3] {
    [
        ("after the undo", &told.compared),
        ("after undoing it", &told.back),
        ("after undoing that", &told.again),
    ]
}

fn differences(told: &Told) -> Vec<String> {
    let listed = all(told).into_iter().flat_map(|(when, compared)| {
        let words = compared.listed.iter();
        words.map(move |words| format!("{when}: {words}"))
    });
    listed.take(check::LISTED_MAX).collect()
}

/// The demo fails when anything differs.
fn judge(told: &Told, context: &mut Context) -> Result<Exit> {
    if all(told)
        .into_iter()
        .all(|(_, compared)| compared.is_exact())
    {
        return Ok(Exit::Ok);
    }
    context.sink.flush()?;
    for words in differences(told) {
        context.terminal.important(&words);
    }
    context
        .terminal
        .error("the result is not what should be there: please report this, with the lines above");
    Ok(Exit::Failed)
}
