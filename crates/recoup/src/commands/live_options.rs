//! How a live tree is read for comparing it with snapshots, or for changing it: as the last backup read
//! it, with the exclusions that hold now.

use std::path::Path;

use backup::{BackupOptions, Selection};
use source::files::{ExcludeOptions, Excludes};

use crate::access::caches;
use crate::access::open::{self, Opened};
use crate::commands::exclusions;
use crate::context::{self, Context};
use crate::exit::Result;

pub(super) fn of(
    opened: &Opened,
    root: &Path,
    source: &[u8],
    selection: Selection,
    context: &Context,
) -> Result<BackupOptions> {
    let settings = &context.settings;
    let mut exclude = exclusions::with(&ExcludeOptions::default(), settings)?;
    exclude.paths.push(open::location(settings)?.path);
    exclude.paths.extend(settings.cache.clone());
    let cache = settings
        .cache
        .as_ref()
        .map(|cache| caches::file(cache, opened.repository.id(), source));
    Ok(BackupOptions {
        exclude: Excludes::new(root, &exclude)?,
        root: root.to_owned(),
        source: source.to_vec(),
        selection,
        tags: Vec::new(),
        host: context.host(),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
        one_file_system: settings.config.one_file_system.unwrap_or(false),
        threads: settings.threads,
        cache: cache.transpose()?,
        safety: false,
    })
}
