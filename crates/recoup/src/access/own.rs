//! Paths that belong to Recoup itself: no command that changes live data touches them.

use std::path::PathBuf;

use crate::access::open;
use crate::exit::Result;
use crate::settings::{SecretSource, Settings};

/// What belongs to Recoup itself, as it is named and where it really is.
pub(crate) fn paths(settings: &Settings) -> Result<Vec<PathBuf>> {
    let directories = &settings.directories;
    let mut named = vec![
        open::location(settings)?.path,
        directories.config.clone(),
        directories.state.clone(),
        directories.cache.clone(),
        settings.config_file.clone(),
    ];
    named.extend(settings.cache.clone());
    if let Some(SecretSource::KeyFile(path) | SecretSource::PasswordFile(path)) = &settings.secret {
        named.push(path.clone());
    }
    let mut paths = Vec::new();
    for path in named {
        // What is not there needs no protection.
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        paths.extend(std::path::absolute(path));
        paths.push(real);
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}
