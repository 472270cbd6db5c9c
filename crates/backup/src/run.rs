//! A backup from beginning to end, and its rehearsal.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Cancel, Monitor, Snapshot, SnapshotId, Step, Timestamp, Totals};
use repository::{Packer, Repository};
use source::files::{ScanSummary, owner_names};

use crate::assemble::{Assembler, Found, Shared};
use crate::cache::{CacheHead, CacheReader, CacheWriter};
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::options::{BackupOptions, Report, Selection};
use crate::pipeline::read_source;
use crate::sink::{Namer, Sink};

/// What reading the source came to.
struct Read {
    root: Option<model::BlobId>,
    cache: Option<CacheWriter>,
    found: Found,
    summary: ScanSummary,
}

/// Backs a source up. When it returns, the snapshot is durable.
pub fn backup(
    repository: &Repository,
    options: &BackupOptions,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Report> {
    let context = Context {
        repository,
        options,
        monitor,
        cancel,
        began: clock(),
    };
    monitor.step(Step::Reading);
    let (reader, head) = open_cache(repository, options);
    let writer = options
        .cache
        .as_ref()
        .filter(|_| options.selection == Selection::All)
        .map(|path| CacheWriter::create(path, repository));
    let (read, written) = repository.write(monitor, |session| {
        let sinks = (0..options.threads.max(1))
            .map(|_| Packer::data(session))
            .collect();
        let lists = RefCell::new(Packer::map(session));
        let read = read_into(&context, reader, writer, sinks, &lists)?;
        lists.into_inner().finish()?;
        monitor.step(Step::Syncing);
        Ok::<_, BackupError>(read)
    })?;
    if cancel.requested() {
        return Err(BackupError::Cancelled);
    }
    let parent = parent(repository, options, head.as_ref())?;
    let totals = Totals {
        stored_bytes: written.stored_bytes,
        ..read.found.totals
    };
    let snapshot = record(&context, &read, totals, parent, clock());
    let id = repository.put_snapshot(&snapshot)?;
    if let Some(cache) = read.cache {
        cache.finish(repository, &options.source, id);
    }
    Ok(report(
        Some(id),
        snapshot,
        read.found,
        read.summary,
        written.stored_bytes,
    ))
}

/// Reads everything that a backup would read and stores nothing.
pub fn dry_run(
    repository: &Repository,
    options: &BackupOptions,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Report> {
    let context = Context {
        repository,
        options,
        monitor,
        cancel,
        began: clock(),
    };
    monitor.step(Step::Reading);
    let (reader, head) = open_cache(repository, options);
    let new_bytes = AtomicU64::new(0);
    let sinks = (0..options.threads.max(1))
        .map(|_| Namer::new(repository, &new_bytes))
        .collect();
    let map_bytes = AtomicU64::new(0);
    let lists = RefCell::new(Namer::new(repository, &map_bytes));
    let read = read_into(&context, reader, None, sinks, &lists)?;
    let parent = parent(repository, options, head.as_ref())?;
    let snapshot = record(&context, &read, read.found.totals, parent, clock());
    let bytes = new_bytes.load(Ordering::Relaxed) + map_bytes.load(Ordering::Relaxed);
    Ok(report(None, snapshot, read.found, read.summary, bytes))
}

fn read_into<S: Sink + Send, L: Sink>(
    context: &Context<'_>,
    reader: Option<CacheReader>,
    writer: Option<CacheWriter>,
    sinks: Vec<S>,
    lists: &RefCell<L>,
) -> Result<Read> {
    let mut nodes = Shared(lists);
    let params = context.repository.map_params();
    let mut assembler = Assembler::new(lists, &mut nodes, params, writer, context.monitor);
    let summary = read_source(context, reader, sinks, &mut assembler)?;
    let (root, cache, found) = assembler.finish()?;
    Ok(Read {
        root,
        cache,
        found,
        summary,
    })
}

/// The cache, if everything that it points to is still in the repository.
pub(crate) fn open_cache(
    repository: &Repository,
    options: &BackupOptions,
) -> (Option<CacheReader>, Option<CacheHead>) {
    let opened = options
        .cache
        .as_ref()
        .and_then(|path| CacheReader::open(path, repository, &options.source));
    let Some((reader, head)) = opened else {
        return (None, None);
    };
    match repository.still_holds(&head.runs, &head.snapshot) {
        Ok(true) => (Some(reader), Some(head)),
        _ => (None, None),
    }
}

/// The snapshot that this one follows: the cache knows it; else, with a key that can read, the newest
/// of this source from this machine.
fn parent(
    repository: &Repository,
    options: &BackupOptions,
    head: Option<&CacheHead>,
) -> Result<Option<SnapshotId>> {
    if let Some(head) = head {
        return Ok(Some(head.snapshot));
    }
    if !repository.can_read() {
        return Ok(None);
    }
    let (snapshots, _) = repository.snapshots()?;
    let same = |snapshot: &Snapshot| {
        snapshot.source == options.source && snapshot.host == options.host && !snapshot.safety
    };
    Ok(snapshots
        .iter()
        .rev()
        .find(|stored| same(&stored.snapshot))
        .map(|stored| stored.id))
}

fn record(
    context: &Context<'_>,
    read: &Read,
    totals: Totals,
    parent: Option<SnapshotId>,
    finished: Timestamp,
) -> Snapshot {
    let options = context.options;
    let found = &read.found;
    let mut tags = options.tags.clone();
    tags.sort();
    tags.dedup();
    Snapshot {
        time: context.began,
        finished,
        host: options.host.clone(),
        user: options.user.clone(),
        source: options.source.clone(),
        tags,
        root: read.root,
        parent,
        totals,
        errors: found.problem_count,
        safety: options.safety,
        names: owner_names(found.users.iter().copied(), found.groups.iter().copied()),
        program: options.program.clone(),
    }
}

fn report(
    id: Option<SnapshotId>,
    snapshot: Snapshot,
    found: Found,
    summary: ScanSummary,
    new_bytes: u64,
) -> Report {
    Report {
        id,
        snapshot,
        problems: found.problems,
        changes: found.changes,
        excluded: summary.excluded,
        new_bytes,
    }
}
