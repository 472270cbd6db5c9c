//! Where the change caches of a repository are kept. They may be lost at any time.

use std::path::{Path, PathBuf};

use model::RepositoryId;

use crate::exit::Result;
use crate::settings::directories::make_private;

/// How the file that marks a cache begins, by the Cache Directory Tagging Specification.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory holds caches of Recoup (https://bford.info/cachedir/).\n";

/// The cache file of a source; its directory is made.
pub(crate) fn file(cache: &Path, repository: RepositoryId, source: &[u8]) -> Result<PathBuf> {
    let directory = cache.join(repository.to_hex());
    make_private(&directory)?;
    let tag = cache.join("CACHEDIR.TAG");
    if !tag.exists() {
        // Without the mark other backup programs would read the cache: a pity, no failure.
        let _ = std::fs::write(tag, TAG);
    }
    let name = blake3::hash(source).to_hex();
    Ok(directory.join(format!("{}.cache", &name[..32])))
}
