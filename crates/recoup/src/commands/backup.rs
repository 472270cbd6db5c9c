//! `recoup backup`.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use backup::{BackupOptions, Report, Selection};
use clap::Args;
use model::{Cancel, SnapshotId};
use serde_json::json;
use source::files::{ExcludeOptions, Excludes, ScanOptions, Scanned};

use crate::access::open::{self, Location, Opened};
use crate::access::{caches, first_use};
use crate::commands::{exclusions, make, store};
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::amount;
use crate::names::store::source_of;
use crate::output::json::{ProblemLine, SnapshotLine};
use crate::output::progress::Progress;
use crate::output::text;
use crate::settings::Settings;
use crate::signals;

/// What a person who has just begun may want next.
const NEXT: &str = "
Next: recoup snapshots                 what there is
      recoup ls latest                 what is in it
      recoup restore latest:PATH       bring a file back, in place";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to back up: directories, files, an `etcd://HOST[:PORT]/PREFIX`; each is a source of its own, with its own snapshots
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Label the snapshot (may be given several times)
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The name of this machine
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Leave out what matches, in the syntax of .gitignore (may be given several times)
    #[arg(
        long,
        short,
        value_name = "PATTERN",
        help_heading = "What to leave out"
    )]
    exclude: Vec<String>,
    /// Leave out what the patterns in a file match
    #[arg(long, value_name = "FILE", help_heading = "What to leave out")]
    exclude_from: Vec<PathBuf>,
    /// Leave out the content of directories that a CACHEDIR.TAG marks as caches
    #[arg(long, help_heading = "What to leave out")]
    exclude_caches: bool,
    /// Leave out the content of directories that hold a file of this name, as .nobackup
    #[arg(long, value_name = "NAME", help_heading = "What to leave out")]
    exclude_if_present: Vec<String>,
    /// Leave out larger files, as 500M
    #[arg(long, value_name = "SIZE", value_parser = amount::size, help_heading = "What to leave out")]
    exclude_larger_than: Option<u64>,
    /// Don't enter other file systems
    #[arg(long, short = 'x', help_heading = "What to leave out")]
    one_file_system: bool,
    /// Read everything and store nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Arguments {
    /// Just this source, as the config file says.
    pub(super) fn of(root: &Path) -> Self {
        Self {
            paths: vec![root.to_owned()],
            tag: Vec::new(),
            host: None,
            exclude: Vec::new(),
            exclude_from: Vec::new(),
            exclude_caches: false,
            exclude_if_present: Vec::new(),
            exclude_larger_than: None,
            one_file_system: false,
            dry_run: false,
        }
    }
}

/// What all sources together came to.
#[derive(Debug, Default)]
struct Sum {
    /// Sources that were named.
    asked: usize,
    /// Those that were backed up.
    sources: u64,
    /// Why one of them was not.
    failed: Option<Failure>,
    snapshots: Vec<SnapshotId>,
    files: u64,
    directories: u64,
    bytes: u64,
    new_bytes: u64,
    errors: u64,
    excluded: u64,
    unsettled: u64,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let mut stores = Vec::new();
    let mut paths = Vec::new();
    for path in &arguments.paths {
        match source_of(path)? {
            Some(address) => stores.push(address),
            None => paths.push(path.clone()),
        }
    }
    if arguments.dry_run && !stores.is_empty() {
        return Err(Failure::usage(
            "--dry-run is for directories, not for etcd://",
        ));
    }
    let roots = roots(&paths)?;
    let location = open::location(&context.settings)?;
    for root in &roots {
        make::refuse_repository(root, &location.path)?;
    }
    // Mistakes in patterns are told before a repository is made.
    let exclude = exclude_options(arguments, &context.settings)?;
    for root in &roots {
        Excludes::new(root, &exclude)?;
    }
    let cancel = signals::listen()?;
    if arguments.dry_run && make::is_unmade(&location) {
        return first_dry_run(arguments, &roots, &exclude, &location, &cancel, context);
    }
    let (opened, is_new) = make::open_or_make(location, context)?;
    for gone in context.gone(&opened)? {
        context
            .terminal
            .warn(&format!("{gone}; `recoup check` tells more"));
    }
    let mut sum = Sum {
        asked: roots.len() + stores.len(),
        ..Sum::default()
    };
    for root in &roots {
        match back_up_root(arguments, root, &exclude, &opened, &cancel, context) {
            Ok(report) => sum.add(&report),
            Err(failure) => sum.bear(failure, root.as_os_str().as_bytes(), context)?,
        }
    }
    for address in &stores {
        let (tags, host) = (&arguments.tag, arguments.host.as_deref());
        match store::backup::run(address, tags, host, &opened, &cancel, context) {
            Ok(report) => sum.add_store(&report),
            Err(failure) => sum.bear(failure, address.to_string().as_bytes(), context)?,
        }
    }
    if let Some(failure) = sum.failed.take_if(|_| sum.sources == 0) {
        return Err(failure);
    }
    sum.show(arguments.dry_run, context)?;
    if is_new && !context.sink.is_json() {
        context.sink.flush()?;
        context.terminal.note(NEXT);
    }
    Ok(sum.exit())
}

fn back_up_root(
    arguments: &Arguments,
    root: &Path,
    exclude: &ExcludeOptions,
    opened: &Opened,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Report> {
    if let Some(warning) = first_use::same_disk_warning(&opened.storage, root) {
        context.terminal.advise(&warning);
    }
    let options = options(arguments, root, exclude, opened, context)?;
    let report = back_up(arguments.dry_run, &options, opened, cancel, context)?;
    tell(&report, &options, arguments.dry_run, context)?;
    if let Some(id) = report.id {
        let mut memory = opened.memory(&context.settings);
        memory.saw_snapshots([id]);
        memory.save()?;
    }
    Ok(report)
}

fn exclude_options(arguments: &Arguments, settings: &Settings) -> Result<ExcludeOptions> {
    let names = arguments.exclude_if_present.iter();
    let mut paths = vec![open::location(settings)?.path];
    paths.extend(settings.cache.clone());
    let given = ExcludeOptions {
        patterns: arguments.exclude.clone(),
        pattern_files: arguments.exclude_from.clone(),
        caches: arguments.exclude_caches,
        if_present: names.map(|name| name.clone().into_bytes()).collect(),
        larger_than: arguments.exclude_larger_than,
        paths,
    };
    exclusions::with(&given, settings)
}

/// Every path, absolute and without symbolic links; all must be there before any work begins.
fn roots(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let canonical = |path: &PathBuf| {
        std::fs::canonicalize(path)
            .map_err(|error| Failure::io(format!("back up {}", path.display()), &error))
    };
    let mut roots: Vec<PathBuf> = Vec::new();
    for path in paths {
        let root = canonical(path)?;
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    Ok(roots)
}

/// Says what the first backup would find, and makes nothing.
fn first_dry_run(
    arguments: &Arguments,
    roots: &[PathBuf],
    exclude: &ExcludeOptions,
    location: &Location,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Exit> {
    context.terminal.note(&format!(
        "There is no repository yet: everything is new. A backup would make one at {}, and a key for it.",
        location.path.display()
    ));
    let mut sum = Sum::default();
    for root in roots {
        let one_file_system = context.settings.config.one_file_system.unwrap_or(false);
        let options = ScanOptions {
            one_file_system: arguments.one_file_system || one_file_system,
            exclude: Excludes::new(root, exclude)?,
            threads: context.settings.threads,
            ..ScanOptions::default()
        };
        let mut problems = Vec::new();
        let progress = Progress::start(&context.terminal);
        let scanned = source::files::scan(root, &options, &progress, cancel, &mut |scanned| {
            if let Scanned::Problem { key, error } = scanned {
                problems.push((model::key::to_path(&key), error.to_string()));
            }
            ControlFlow::Continue(())
        });
        drop(progress);
        let found = scanned?;
        for (path, message) in &problems {
            context
                .terminal
                .warn(&format!("{}: {message}", text::path(path)));
            context
                .sink
                .json("problem", &ProblemLine::new(path, message))?;
        }
        let root = text::path(root.as_os_str().as_bytes());
        context.sink.report(&format!("Dry run  {root}"))?;
        context.sink.report(&format!(
            "  {}, {}; all of it new",
            text::counted(found.files, "file", "files"),
            text::size(found.bytes)
        ))?;
        sum.sources += 1;
        sum.files += found.files;
        sum.directories += found.directories;
        sum.bytes += found.bytes;
        sum.new_bytes += found.bytes;
        sum.errors += found.problems;
        sum.excluded += found.excluded;
    }
    sum.show(true, context)?;
    Ok(sum.exit())
}

fn options(
    arguments: &Arguments,
    root: &Path,
    exclude: &ExcludeOptions,
    opened: &Opened,
    context: &Context,
) -> Result<BackupOptions> {
    let settings = &context.settings;
    let source = root.as_os_str().as_bytes().to_vec();
    let cache = settings
        .cache
        .as_ref()
        .map(|cache| caches::file(cache, opened.repository.id(), &source));
    let mut tags = settings.config.tag.clone().unwrap_or_default();
    tags.extend_from_slice(&arguments.tag);
    Ok(BackupOptions {
        root: root.to_owned(),
        source,
        selection: Selection::All,
        tags,
        host: arguments.host.clone().unwrap_or_else(|| context.host()),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
        exclude: Excludes::new(root, exclude)?,
        one_file_system: arguments.one_file_system
            || settings.config.one_file_system.unwrap_or(false),
        threads: settings.threads,
        cache: cache.transpose()?,
        safety: false,
    })
}

fn back_up(
    dry_run: bool,
    options: &BackupOptions,
    opened: &Opened,
    cancel: &Cancel,
    context: &Context,
) -> Result<Report> {
    let progress = Progress::start(&context.terminal);
    let work = if dry_run {
        backup::dry_run
    } else {
        backup::backup
    };
    let report = work(
        &opened.repository,
        options,
        &context::timestamp,
        &progress,
        cancel,
    );
    drop(progress);
    Ok(report?)
}

fn tell(
    report: &Report,
    options: &BackupOptions,
    dry_run: bool,
    context: &mut Context,
) -> Result<()> {
    for problem in &report.problems {
        let line = ProblemLine::new(&problem.path, &problem.message);
        context.sink.json("problem", &line)?;
    }
    let snapshot = &report.snapshot;
    if let Some(id) = report.id {
        context
            .sink
            .json("snapshot-made", &SnapshotLine::new(id, snapshot))?;
    }
    let name = match report.id {
        Some(id) => format!("Snapshot {}", id.short()),
        None => "Dry run".to_owned(),
    };
    let took = text::moment(snapshot.finished).duration_since(text::moment(snapshot.time));
    let new = match dry_run {
        true => "would be new, before compression",
        false => "new data stored",
    };
    context
        .sink
        .report(&format!("{name}  {}", text::path(&options.source),))?;
    context.sink.report(&format!(
        "  {}, {}; {} {new}; {}",
        text::counted(snapshot.totals.files, "file", "files"),
        text::size(snapshot.totals.bytes),
        text::size(report.new_bytes),
        text::duration(took.as_secs_f64()),
    ))?;
    let changes = &report.changes;
    let counts = [
        (changes.created, "new"),
        (changes.changed, "read again"),
        (changes.unchanged, "unchanged"),
        (changes.deleted, "gone"),
        (report.excluded, "left out"),
        (changes.unsettled, "never held still"),
    ];
    let counts = counts.iter().filter(|(number, _)| *number > 0);
    let counts = counts.map(|(number, what)| format!("{} {what}", text::count(*number)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    context.sink.report(&format!("  {counts}"))?;
    if changes.unsettled > 0 {
        context.terminal.warn(&format!(
            "{} changed all the while they were read; `recoup ls -l` marks them",
            text::counted(changes.unsettled, "file", "files")
        ));
    }
    if snapshot.errors > 0 {
        context.terminal.warn(&format!(
            "{} could not be read: the snapshot is partial",
            text::counted(snapshot.errors, "path", "paths")
        ));
    }
    Ok(())
}

impl Sum {
    fn add_store(&mut self, report: &keyspace::Report) {
        let totals = &report.snapshot.totals;
        self.sources += 1;
        self.snapshots.push(report.id);
        self.files += totals.files;
        self.bytes += totals.bytes;
        self.new_bytes += report.new_bytes;
    }

    fn add(&mut self, report: &Report) {
        let totals = &report.snapshot.totals;
        self.sources += 1;
        self.snapshots.extend(report.id);
        self.files += totals.files;
        self.directories += totals.directories;
        self.bytes += totals.bytes;
        self.new_bytes += report.new_bytes;
        self.errors += report.snapshot.errors;
        self.excluded += report.excluded;
        self.unsettled += report.changes.unsettled;
    }

    /// One source that can't be read does not keep the others from being backed up.
    fn bear(&mut self, failure: Failure, source: &[u8], context: &mut Context) -> Result<()> {
        if failure.exit != Exit::Failed || self.asked == 1 {
            return Err(failure);
        }
        context.terminal.error(&failure.message);
        let line = ProblemLine::new(source, &failure.message);
        context.sink.json("problem", &line)?;
        self.errors += 1;
        self.failed = Some(failure);
        Ok(())
    }

    fn exit(&self) -> Exit {
        if self.errors > 0 {
            Exit::Partial
        } else {
            Exit::Ok
        }
    }

    fn show(&self, dry_run: bool, context: &mut Context) -> Result<()> {
        let all: Vec<String> = self.snapshots.iter().map(|id| id.to_hex()).collect();
        let summary = json!({
            "snapshot": all.last(),
            "snapshots": all,
            "files": self.files,
            "directories": self.directories,
            "bytes": self.bytes,
            "new_bytes": self.new_bytes,
            "errors": self.errors,
            "excluded": self.excluded,
            "unsettled": self.unsettled,
            "dry_run": dry_run,
        });
        context.sink.json("summary", &summary)
    }
}
