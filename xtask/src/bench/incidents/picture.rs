//! What a tree looks like at one moment: the harness's own bookkeeping, made without Recoup.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Of one path: all that an undo must bring back, but no times, which say nothing about what is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Hash of the bytes of a file or of the target of a link; 0 of a directory.
    pub(super) content: u64,
    pub(super) size: u64,
}

/// Paths relative to the root, as text: all names that the harness makes are ASCII.
pub(super) type Picture = BTreeMap<String, Look>;

/// Takes the picture of the tree. A file that goes while it is looked at is not in it.
pub(super) fn take(root: &Path) -> Result<Picture> {
    let mut picture = Picture::new();
    below(root, root, &mut picture)?;
    Ok(picture)
}

fn below(root: &Path, folder: &Path, picture: &mut Picture) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let is_directory = metadata.is_dir();
        let content = if is_directory {
            0
        } else if metadata.is_symlink() {
            hash(fs::read_link(&path)?.as_os_str().as_bytes())
        } else {
            fs::read(&path).map_or(0, |bytes| hash(&bytes))
        };
        let look = Look {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            content,
            size: if is_directory { 0 } else { metadata.len() },
        };
        picture.insert(name, look);
        if is_directory {
            below(root, &path, picture)?;
        }
    }
    Ok(())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Paths that were there before and are gone or different after.
pub(super) fn worse(before: &Picture, after: &Picture) -> Vec<String> {
    before
        .iter()
        .filter(|(path, look)| after.get(*path) != Some(look))
        .map(|(path, _)| path.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_or_different_is_worse_and_what_came_is_not() {
        let look = |content| Look {
            mode: 0o100_644,
            owner: (0, 0),
            content,
            size: 1,
        };
        let before = Picture::from([
            ("a".into(), look(1)),
            ("b".into(), look(2)),
            ("c".into(), look(3)),
        ]);
        let after = Picture::from([
            ("a".into(), look(1)),
            ("b".into(), look(9)),
            ("d".into(), look(4)),
        ]);
        assert_eq!(worse(&before, &after), ["b", "c"]);
    }
}
