//! Restores: window by window, then everything to disk.

use std::sync::atomic::AtomicUsize;

use model::{Cancel, Monitor, PathKey, Snapshot, Step};
use repository::{MapReader, Repository};
use source::files::attributes::Rights;
use source::files::write::TreeWriter;

use crate::context::{Context, place};
use crate::error::Result;
use crate::finish::close_directories;
use crate::gap::kind_of;
use crate::gather::{Gatherer, Groups};
use crate::guard::Guard;
use crate::ledger::Ledger;
use crate::links::{link, note_leaders};
use crate::options::{Limits, RestoreOptions};
use crate::plan::{check, check_room};
use crate::prepare::prepare;
use crate::report::Report;
use crate::write::write;

/// Restores `from`, and everything beneath it, as `options.target`. When it returns, everything is on
/// disk. What could not be restored is listed in the report; everything else was.
pub fn run(
    repository: &Repository,
    snapshot: &Snapshot,
    from: &PathKey,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Report> {
    run_within(
        repository,
        snapshot,
        from,
        options,
        monitor,
        cancel,
        Limits::default(),
    )
}

pub(crate) fn run_within(
    repository: &Repository,
    snapshot: &Snapshot,
    from: &PathKey,
    options: &RestoreOptions,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    limits: Limits,
) -> Result<Report> {
    repository.require_read()?;
    check(snapshot, options)?;
    let reader = MapReader::new(repository);
    let kind = kind_of(&reader, snapshot, from)?;
    check_room(repository, snapshot, from, options, cancel)?;
    let place = place(from, kind, options)?;
    let tree = TreeWriter::create(place.root(options))?;
    let context = Context {
        repository,
        ledger: Ledger::new(monitor, cancel),
        options,
        rights: Rights::for_user(options.root_user, options.untrusted),
        limits,
        guard: Guard::new(&options.protected, place.root(options)),
        place,
        tree: Some(tree),
        dry: false,
        open_files: AtomicUsize::new(0),
    };
    monitor.step(Step::Writing);
    if from.is_root() {
        let totals = &snapshot.totals;
        // A hostile record may say anything.
        monitor.found(
            totals.files.saturating_add(totals.directories),
            totals.bytes,
        );
        monitor.found_all();
    }
    windows(&context, &reader, snapshot)?;
    monitor.step(Step::Syncing);
    sync(&context)?;
    Ok(context.ledger.into_report())
}

fn windows(context: &Context<'_>, reader: &MapReader<'_>, snapshot: &Snapshot) -> Result<()> {
    let mut gatherer = Gatherer::new(context, reader, snapshot.root);
    let mut groups = Groups::new();
    let counts = !context.place.from.is_root();
    while let Some(mut window) = gatherer.next_window(&mut groups, &mut |_, _| {})? {
        if counts {
            let paths = window.jobs.iter().chain(&window.followers);
            let bytes = paths.map(|job| job.entry.size).sum();
            let count = window.jobs.len() + window.followers.len() + window.closed.len();
            context.ledger.monitor().found(count as u64, bytes);
        }
        let closed = std::mem::take(&mut window.closed);
        loop {
            let pieces = prepare(context, &mut window)?;
            write(context, &window.jobs, pieces);
            context.ledger.check()?;
            note_leaders(&window.jobs, &mut groups);
            if window.followers.is_empty() {
                break;
            }
            (window.jobs, window.followers) = link(context, window.followers, &mut groups);
            context.ledger.check()?;
            if window.jobs.is_empty() {
                break;
            }
        }
        close_directories(context, &closed);
        context.ledger.check()?;
    }
    if counts {
        context.ledger.monitor().found_all();
    }
    Ok(())
}

/// Waits until everything is on disk: on the file system of the target, of which others may be
/// mounted beneath it only where somebody put them before.
fn sync(context: &Context<'_>) -> Result<()> {
    use rustix::fs::{Mode, OFlags, openat, syncfs};
    let directory = context.directory(b"")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(&directory, c".", flags, Mode::empty())
        .and_then(|root| syncfs(&root))
        .map_err(|errno| {
            directory
                .error("write to disk what was restored to", b"", errno)
                .into()
        })
}
