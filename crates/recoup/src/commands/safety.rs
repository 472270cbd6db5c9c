//! Keeping what a restore is about to change: a safety snapshot.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use backup::{BackupOptions, Selection};
use model::{Cancel, PathKey, SnapshotId};
use source::files::{ExcludeOptions, Excludes};

use crate::access::caches;
use crate::access::open::{self, Opened};
use crate::context::{self, Context};
use crate::exit::{Failure, Result};
use crate::names::select::Found;
use crate::output::progress::Progress;
use crate::output::text;

/// What was kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: SnapshotId,
    key: PathKey,
}

impl Kept {
    /// How to get it back.
    pub(super) fn way_back(&self) -> String {
        let mut place = self.id.short();
        if !self.key.is_root() {
            place = format!("{place}:{}", text::path(&self.key.to_path()));
        }
        format!("back to that: recoup restore {place}")
    }
}

/// Backs up what is at `target` now. Where a place is restored in place, the snapshot belongs to the
/// same source. `None` if there is nothing at the target.
pub(super) fn keep(
    opened: &Opened,
    in_place: Option<&Found>,
    target: &Path,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Option<Kept>> {
    let Ok(metadata) = target.symlink_metadata() else {
        return Ok(None);
    };
    let (root, key) = match in_place {
        Some(found) => {
            let source = Path::new(std::ffi::OsStr::from_bytes(&found.stored.snapshot.source));
            (source.to_owned(), found.key.clone())
        }
        None if metadata.is_dir() => (target.to_owned(), PathKey::root()),
        None => {
            let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
            let name = target.file_name().unwrap_or_default();
            let key = PathKey::from_path(name.as_bytes());
            (
                folder,
                key.map_err(|error| Failure::failed(format!("keep what is there: {error}")))?,
            )
        }
    };
    let root = std::fs::canonicalize(&root)
        .map_err(|error| Failure::io(format!("keep what is at {}", root.display()), &error))?;
    let options = options(opened, &root, &key, context)?;
    let progress = Progress::start(&context.terminal);
    let repository = &opened.repository;
    let report = backup::backup(repository, &options, &context::timestamp, &progress, cancel);
    drop(progress);
    let report = report.map_err(|error| {
        let failure = Failure::from(error);
        let hint = "nothing was changed; --no-safety restores without keeping what is there";
        Failure {
            message: format!("{} (while keeping what is there now)", failure.message),
            ..failure
        }
        .hint(hint)
    })?;
    let Some(id) = report.id else { return Ok(None) };
    if report.snapshot.errors > 0 {
        return Err(Failure::failed(format!(
            "keep all of what is there now: {} could not be read; nothing was changed",
            text::counted(report.snapshot.errors, "path", "paths")
        ))
        .hint("--no-safety restores without keeping what is there"));
    }
    let mut memory = opened.memory(&context.settings);
    memory.saw_snapshots([id]);
    memory.save()?;
    let kept = Kept { id, key };
    context.sink.report(&format!(
        "Kept      what was there before, as safety snapshot {}",
        id.short()
    ))?;
    let way_back = kept.way_back();
    context.sink.report(&format!("          {way_back}"))?;
    context.sink.flush()?;
    Ok(Some(kept))
}

/// Nothing is left out but the repository itself: exclusions must not decide what is lost.
fn options(
    opened: &Opened,
    root: &Path,
    key: &PathKey,
    context: &Context,
) -> Result<BackupOptions> {
    let settings = &context.settings;
    let source = root.as_os_str().as_bytes().to_vec();
    let mut paths = vec![open::location(settings)?.path];
    paths.extend(settings.cache.clone());
    let exclude = ExcludeOptions {
        paths,
        ..ExcludeOptions::default()
    };
    let cache = settings
        .cache
        .as_ref()
        .map(|cache| caches::file(cache, opened.repository.id(), &source));
    Ok(BackupOptions {
        root: root.to_owned(),
        source,
        // Named even when it is the root: the cache is read, but stays that of the last backup.
        selection: Selection::Below(key.clone()),
        tags: Vec::new(),
        host: context.host(),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
        exclude: Excludes::new(root, &exclude)?,
        one_file_system: false,
        threads: settings.threads,
        cache: cache.transpose()?,
        safety: true,
    })
}
