//! `recoup diff SNAPSHOT live`.

use backup::{BackupOptions, Selection};
use source::files::{ExcludeOptions, Excludes};

use crate::access::caches;
use crate::access::open::{self, Opened};
use crate::commands::diff_show::{self, Tally};
use crate::commands::exclusions;
use crate::context::{self, Context};
use crate::exit::{Exit, Result};
use crate::names::select::Found;
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
    let cancel = signals::listen()?;
    let options = options(opened, before, context)?;
    let mut changes = Vec::new();
    let progress = Progress::start(&context.terminal);
    let compared = backup::compare_live(
        &opened.repository,
        &before.stored.snapshot,
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

/// The live tree as the last backup read it: with the exclusions that hold now.
fn options(opened: &Opened, before: &Found, context: &Context) -> Result<BackupOptions> {
    let root = diff_show::live_root(&before.stored, context)?;
    let settings = &context.settings;
    let snapshot = &before.stored.snapshot;
    let mut exclude = exclusions::with(&ExcludeOptions::default(), settings)?;
    exclude.paths.push(open::location(settings)?.path);
    exclude.paths.extend(settings.cache.clone());
    let cache = settings
        .cache
        .as_ref()
        .map(|cache| caches::file(cache, opened.repository.id(), &snapshot.source));
    Ok(BackupOptions {
        exclude: Excludes::new(&root, &exclude)?,
        root,
        source: snapshot.source.clone(),
        selection: Selection::Below(before.key.clone()),
        tags: Vec::new(),
        host: context.host(),
        user: String::new(),
        program: String::new(),
        one_file_system: settings.config.one_file_system.unwrap_or(false),
        threads: settings.threads,
        cache: cache.transpose()?,
        safety: false,
    })
}
