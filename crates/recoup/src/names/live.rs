//! Paths of the live tree as typed, made comparable with those that snapshots remember.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use model::PathKey;

use crate::exit::{Failure, Result};

/// The absolute path without symbolic links above its last component, which need not exist.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)
        .map_err(|error| Failure::io(format!("find {}", path.display()), &error))?;
    // What exists of it is resolved by the system; of the rest, as typed.
    let mut rest = Vec::new();
    let mut known: &Path = &path;
    while let Some(name) = known.file_name() {
        rest.push(name.to_owned());
        known = known.parent().unwrap_or(Path::new("/"));
        if let Ok(real) = std::fs::canonicalize(known) {
            return Ok(rest.iter().rev().fold(real, |path, name| path.join(name)));
        }
    }
    match std::fs::canonicalize(&path) {
        Ok(real) => Ok(real),
        Err(_) => Ok(lexically(&path)),
    }
}

fn lexically(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = clean.pop(),
            part => clean.push(part),
        }
    }
    clean
}

/// Where an absolute path lies in a source; `None` when it lies elsewhere.
pub(crate) fn key_below(source: &[u8], path: &Path) -> Option<PathKey> {
    let source = Path::new(std::ffi::OsStr::from_bytes(source));
    let inner = path.strip_prefix(source).ok()?;
    PathKey::from_path(inner.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_relative_to_the_source() {
        let key = |source: &str, path: &str| {
            key_below(source.as_bytes(), Path::new(path)).map(|key| key.to_path())
        };
        assert_eq!(key("/home/a", "/home/a/b/c"), Some(b"b/c".to_vec()));
        assert_eq!(key("/home/a", "/home/a"), Some(Vec::new()));
        assert_eq!(key("/", "/etc"), Some(b"etc".to_vec()));
        assert_eq!(key("/home/a", "/home/ab"), None);
    }

    #[test]
    fn links_above_the_last_name_are_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(real.join("d")).unwrap();
        std::os::unix::fs::symlink("d", real.join("l")).unwrap();
        assert_eq!(
            absolute(&real.join("l/gone/x")).unwrap(),
            real.join("d/gone/x")
        );
        assert_eq!(absolute(&real.join("l")).unwrap(), real.join("l"));
        assert_eq!(absolute(&real.join("d/../d/.")).unwrap(), real.join("d"));
    }
}
