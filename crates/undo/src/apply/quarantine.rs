//! Where displaced things go: under their own path, or one like it that is free.
//!
//! Owns the promise that nothing displaced is lost: whatever can't be put back ends here.

use std::path::PathBuf;
use std::sync::Arc;

use model::PathKey;
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Swap};

use super::site::{Site, locked};

/// Names tried before giving up: as many versions of one path were displaced by one operation.
const TRIES_MAX: usize = 10_000;

/// Something that was displaced.
#[derive(Debug, Clone)]
pub(super) struct Displaced {
    pub(super) step: usize,
    /// Key and name of where it is, in the sink.
    pub(super) directory: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) path: PathBuf,
    /// Its state when it was displaced; `None` if it has not been looked at.
    pub(super) stat: Option<Stat>,
}

/// Where something was put.
pub(super) struct Put {
    pub(super) directory: Arc<Directory>,
    pub(super) name: Vec<u8>,
}

impl Site<'_> {
    /// Moves `name` of `from` to the sink, under `key`. [`Swap::Gone`] if nothing is there any more.
    pub(super) fn to_sink(
        &self,
        key: &PathKey,
        from: &Directory,
        name: &[u8],
    ) -> Result<(Swap, Option<Put>), SourceError> {
        let directory = self.sink_directory(key)?;
        for number in 1..TRIES_MAX {
            let free = free_name(key.name(), number);
            let swap = self.hands.take(from, name, &directory, &free)?;
            match swap {
                Swap::Taken => {}
                Swap::Done => {
                    let name = free;
                    return Ok((swap, Some(Put { directory, name })));
                }
                other => return Ok((other, None)),
            }
        }
        Ok((Swap::Taken, None))
    }

    /// Notes what was displaced, for the report and for late writes.
    pub(super) fn note_displaced(&self, step: usize, put: &Put, stat: Option<Stat>) {
        locked(&self.notes.displaced).push(Displaced {
            step,
            directory: put.directory.key().to_vec(),
            name: put.name.clone(),
            path: put.directory.path(&put.name),
            stat,
        });
    }

    /// Moves to the sink for good, and notes it: what an unfinished or failed step has left over.
    pub(super) fn keep(
        &self,
        step: usize,
        key: &PathKey,
        from: &Directory,
        name: &[u8],
    ) -> Result<(), SourceError> {
        if let (Swap::Done, Some(put)) = self.to_sink(key, from, name)? {
            let stat = self.hands.look(&put.directory, &put.name)?;
            self.note_displaced(step, &put, stat);
        }
        Ok(())
    }

    fn sink_directory(&self, key: &PathKey) -> Result<Arc<Directory>, SourceError> {
        let parent = model::key::parent(key.as_bytes()).unwrap_or_default();
        match self.sink.create_directory(parent) {
            // A file that was displaced has the name of a directory of today: then without the path.
            Err(SourceError::WrongKind { .. } | SourceError::Symlink { .. }) => {
                self.sink.directory(b"")
            }
            done => done,
        }
    }
}

fn free_name(name: &[u8], number: usize) -> Vec<u8> {
    if number == 1 {
        return name.to_vec();
    }
    let end = format!(".{number}");
    let room = model::key::NAME_BYTES_MAX - end.len();
    [&name[..name.len().min(room)], end.as_bytes()].concat()
}
