//! Parts of a map that can't be read, and how the rest is restored all the same.

use model::{Entry, Kind, PathKey, Snapshot, Timestamp};
use repository::{MapReader, Repository};

use crate::error::{RestoreError, Result};

/// What `from` is. If its own entry is lost but something beneath it is not, it was a directory.
pub(crate) fn kind_of(reader: &MapReader<'_>, snapshot: &Snapshot, from: &PathKey) -> Result<Kind> {
    let error = match reader.entry(snapshot.root, from) {
        Ok(Some(entry)) => return Ok(entry.kind),
        // Maps of a part of a source lack the directories around it.
        Ok(None) => {
            let mut entries = reader.entries(snapshot.root, from);
            return match entries.next_readable(&mut |_, _| {})? {
                Some(_) => Ok(Kind::Directory),
                None => Err(not_found(from)),
            };
        }
        Err(error) if error.is_damage() => error,
        Err(error) => return Err(error.into()),
    };
    let mut entries = reader.entries(snapshot.root, from);
    match entries.next_readable(&mut |_, _| {})? {
        Some((key, _)) if key != *from => Ok(Kind::Directory),
        _ => Err(error.into()),
    }
}

/// What a snapshot has at `from`: a directory too where it only has what lies beneath, as safety
/// snapshots of a part do.
pub fn kind_at(repository: &Repository, snapshot: &Snapshot, from: &PathKey) -> Result<Kind> {
    kind_of(&MapReader::new(repository), snapshot, from)
}

/// The error for a path that the snapshot does not have.
pub(crate) fn not_found(key: &PathKey) -> RestoreError {
    let path = match String::from_utf8_lossy(&key.to_path()) {
        path if path.is_empty() => "anything".to_owned(),
        path => path.into_owned(),
    };
    RestoreError::NotFound { path }
}

/// A directory of which nothing is known but that it was there: only its owner may enter it.
pub(crate) fn lost_directory() -> Entry {
    Entry {
        mode: 0o700,
        ..Entry::new(Kind::Directory)
    }
}

/// A directory around the part of a source that a snapshot holds: made as a program makes one.
pub(crate) fn around_part() -> Entry {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Entry {
        mode: 0o755,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: Timestamp::new(now.as_secs() as i64, now.subsec_nanos()),
        ..Entry::new(Kind::Directory)
    }
}
