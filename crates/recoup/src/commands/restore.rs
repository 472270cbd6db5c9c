//! `recoup restore`: plan, show, keep what is there now, write.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use model::{Cancel, Kind, SnapshotId};
use restore::{Plan, Report, RestoreError, RestoreOptions};
use serde_json::json;
use source::files::{ExcludeOptions, Excludes};

use crate::access::open::Opened;
use crate::access::own;
use crate::commands::safety::{self, Kept};
use crate::commands::{exclusions, record, restore_plan, store};
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::Place;
use crate::names::select::{Found, Selection};
use crate::names::store::{is_store, source_of};
use crate::output::json::ProblemLine;
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to bring back, as `latest:report.odt`, `3f2a` or `@14:03:letters`
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    place: OsString,
    /// Restore to this directory: it becomes the directory that is restored, a single file goes into
    /// it. Without it: in place
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Remove what the snapshot does not hold. What the config file or the environment exclude is kept,
    /// as is Recoup's own, and what is mounted; what only flags of `backup` excluded is removed, and
    /// kept in the safety snapshot
    #[arg(long)]
    delete: bool,
    /// Read back what was written
    #[arg(long)]
    verify: bool,
    /// Others may write to the repository: leave out setuid bits, devices and trusted attributes
    #[arg(long)]
    untrusted: bool,
    /// Keep no snapshot of what will be overwritten or removed
    #[arg(long)]
    no_safety: bool,
    /// Show what would be done and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let place = Place::parse(arguments.place.as_bytes(), &context::now())?;
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let found = arguments.selection.find(&all, &place, &opened.repository)?;
    let address = arguments.to.as_ref().map(source_of).transpose()?.flatten();
    if let Some(address) = address {
        return store::restore::run(&found, &address, arguments.dry_run, &opened, context);
    }
    if is_store(&found.stored.snapshot.source) {
        return Err(
            Failure::usage("a key-value store is restored into another one")
                .hint("--to etcd://HOST; or, in place and keeping what came since: recoup undo"),
        );
    }
    let cancel = signals::listen()?;
    let (target, in_place) = target(arguments, &found, &opened, context)?;
    partial(&found, arguments.delete, context)?;
    let options = RestoreOptions {
        protected: own::paths(&context.settings)?,
        keep: kept_names(&found, context)?,
        delete: arguments.delete,
        verify: arguments.verify,
        untrusted: arguments.untrusted,
        threads: context.settings.threads,
        root_user: rustix::process::geteuid().is_root(),
        ..RestoreOptions::new(target)
    };
    if arguments.dry_run {
        return restore_plan::dry_run(&opened, &found, &options, &cancel, context);
    }
    let plan = plan(&opened, &found, &options, &cancel, context)?;
    restore_plan::show(&plan, &found, &options, context)?;
    // Where nobody can be asked a safety snapshot is kept anyhow.
    if restore_plan::overwrites(&plan) && context.asks_to_apply()? == Some(false) {
        context.terminal.note("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    let kept = if plan.touches_existing() && !arguments.no_safety {
        let from = in_place.then_some(&found);
        safety::keep(&opened, from, &options.target, &cancel, context)?
    } else {
        None
    };
    let recorded = match kept.as_ref().filter(|_| in_place) {
        Some(kept) => Some(record::begin(&opened, &found, kept.id, context)?),
        None => None,
    };
    let report =
        write(&opened, &found, &options, &cancel, context).map_err(|failure| match &kept {
            Some(kept) => failure.hint(kept.way_back()),
            None => failure,
        })?;
    if let Some(number) = recorded {
        record::end(number, &report, &found, arguments.delete, &opened)?;
    }
    tell(&report, &found, &options, kept.as_ref(), context)
}

/// Says that a snapshot is partial; what could not be read then must not be removed now.
fn partial(found: &Found, delete: bool, context: &Context) -> Result<()> {
    let unread = found.stored.snapshot.errors;
    if unread == 0 {
        return Ok(());
    }
    if delete {
        let failure = Failure::from(RestoreError::Partial { unread });
        return Err(failure.hint("restore without --delete, or from another snapshot"));
    }
    context.terminal.warn(&format!(
        "the snapshot is partial: {} could not be read when it was made",
        text::counted(unread, "path", "paths")
    ));
    Ok(())
}

/// Names that a backup with the settings of now leaves out.
fn kept_names(found: &Found, context: &Context) -> Result<Excludes> {
    let source = Path::new(OsStr::from_bytes(&found.stored.snapshot.source));
    let options = exclusions::with(&ExcludeOptions::default(), &context.settings)?;
    Ok(Excludes::new(source, &options)?)
}

/// A link to a directory stands for that directory: what is kept before is then what is written to.
fn resolved(path: PathBuf) -> Result<PathBuf> {
    if path.is_symlink() && path.is_dir() {
        return path
            .canonicalize()
            .map_err(|error| Failure::io(format!("find {}", path.display()), &error));
    }
    Ok(path)
}

/// What the restored thing's own path will be, and whether that is where it came from.
fn target(
    arguments: &Arguments,
    found: &Found,
    opened: &Opened,
    context: &Context,
) -> Result<(PathBuf, bool)> {
    let snapshot = &found.stored.snapshot;
    let source = PathBuf::from(OsStr::from_bytes(&snapshot.source));
    let kind = restore::kind_at(&opened.repository, snapshot, &found.key);
    let path = found.key.to_path();
    if let Err(RestoreError::NotFound { .. }) = kind {
        let shown = text::path(&path);
        let snapshot = context::describe(&found.stored);
        if found.key.is_root() {
            let source = text::path(&found.stored.snapshot.source);
            let failure = format!("restore {source}: in {snapshot} it was gone, with all in it");
            return Err(Failure::failed(failure)
                .hint("`recoup timeline` lists the moments; one before that has it"));
        }
        return Err(Failure::failed(format!(
            "restore {shown}: snapshot {snapshot} does not hold it"
        ))
        .hint("`recoup find NAME --all-snapshots` and `recoup log PATH` look for it"));
    }
    let kind = kind?;
    let Some(to) = &arguments.to else {
        if snapshot.host != context.host() && !context.yes {
            let host = text::path(snapshot.host.as_bytes());
            return Err(Failure::usage(format!(
                "the snapshot is of another machine ({host}): in place means {} on this one",
                text::path(&snapshot.source)
            ))
            .hint("say --to DIR, or --yes if this machine takes its place"));
        }
        let named = if found.key.is_root() {
            source
        } else {
            source.join(OsStr::from_bytes(&path))
        };
        if kind != Kind::Directory {
            return Ok((named, true));
        }
        let target = resolved(named.clone())?;
        let in_place = target == named;
        return Ok((target, in_place));
    };
    let to = std::path::absolute(to)
        .map_err(|error| Failure::io(format!("find {}", to.display()), &error))?;
    let to = resolved(to)?;
    if kind == Kind::Directory {
        return Ok((to, false));
    }
    let name = match found.key.name() {
        b"" => source.file_name().unwrap_or_default(),
        name => OsStr::from_bytes(name),
    };
    Ok((to.join(name), false))
}

fn plan(
    opened: &Opened,
    found: &Found,
    options: &RestoreOptions,
    cancel: &Cancel,
    context: &Context,
) -> Result<Plan> {
    let progress = Progress::start(&context.terminal).silent();
    let snapshot = &found.stored.snapshot;
    let repository = &opened.repository;
    let plan = restore::plan(repository, snapshot, &found.key, options, &progress, cancel)?;
    drop(progress);
    plan.check_room(&options.target)?;
    Ok(plan)
}

fn write(
    opened: &Opened,
    found: &Found,
    options: &RestoreOptions,
    cancel: &Cancel,
    context: &Context,
) -> Result<Report> {
    let progress = Progress::start(&context.terminal);
    let snapshot = &found.stored.snapshot;
    let repository = &opened.repository;
    Ok(restore::run(
        repository, snapshot, &found.key, options, &progress, cancel,
    )?)
}

fn tell(
    report: &Report,
    found: &Found,
    options: &RestoreOptions,
    kept: Option<&Kept>,
    context: &mut Context,
) -> Result<Exit> {
    for problem in &report.problems {
        let line = ProblemLine::new(&problem.path, &problem.message);
        context.sink.json("problem", &line)?;
    }
    for (path, what) in &report.not_set {
        context
            .sink
            .json("not-set", &ProblemLine::new(path, what))?;
    }
    let target = options.target.as_os_str().as_bytes();
    let summary = json!({
        "snapshot": found.stored.id.to_hex(),
        "target": String::from_utf8_lossy(target),
        "files": report.files,
        "directories": report.directories,
        "bytes": report.bytes,
        "written_bytes": report.written_bytes,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "errors": report.problems_total,
        "missing": report.missing_total,
        "not_set": report.not_set_total,
        "verified": report.verified,
        "safety_snapshot": kept.map(|kept| SnapshotId::to_hex(kept.id)),
        "dry_run": false,
    });
    context.sink.json("summary", &summary)?;
    let mut line = format!(
        "Restored  {}  {}, {}; {} written",
        text::path(target),
        text::counted(report.files, "file", "files"),
        text::size(report.bytes),
        text::size(report.written_bytes)
    );
    for (number, what) in [
        (report.unchanged, "unchanged"),
        (report.deleted, "removed"),
        (report.verified, "read back and right"),
    ] {
        if number > 0 {
            line.push_str(&format!(", {} {what}", text::count(number)));
        }
    }
    context.sink.report(&line)?;
    if report.not_set_total > 0 {
        not_set(report, context);
    }
    if report.is_whole() {
        return Ok(Exit::Ok);
    }
    let missing = text::counted(report.missing_total, "path", "paths");
    let why = if report.damaged_total > 0 {
        "`recoup check --read-data` tells what is damaged"
    } else {
        "nothing is damaged: what is said above was in the way, or could not be written"
    };
    context.terminal.error(&format!(
        "restored, but content of {missing} is missing; {why}"
    ));
    Ok(Exit::Incomplete)
}

/// Attributes that could not be set: usual without the rights of root.
fn not_set(report: &Report, context: &Context) {
    const SHOWN_MAX: usize = 5;
    for (path, what) in report.not_set.iter().take(SHOWN_MAX) {
        context
            .terminal
            .warn(&format!("{}: {what}", text::path(path)));
    }
    let count = text::counted(report.not_set_total, "attribute", "attributes");
    context.terminal.warn(&format!(
        "{count} could not be set (owners need root); all content is there unless said otherwise"
    ));
}
