//! Walks over trees: counting, listing, removing.

use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

pub(crate) fn count(root: &Path) -> Result<Count> {
    let mut count = Count::default();
    walk(root, &mut |_, metadata| {
        count.files += 1;
        count.bytes += metadata.len();
    })?;
    Ok(count)
}

/// Visits all regular files below `root` in a fixed order, so that a seed picks the same ones everywhere.
///
/// Never lists the whole tree: the peak memory of this process would become the least that any child is
/// reported to use.
pub(crate) fn visit_files(root: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("list {}", root.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            visit_files(&path, visit)?;
        } else if metadata.is_file() {
            visit(&path)?;
        }
    }
    Ok(())
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Calls `visit` for everything below `root` that is not a directory.
fn walk(root: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata)) -> Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                visit(&path, &metadata);
            }
        }
    }
    Ok(())
}
