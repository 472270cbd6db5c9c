//! Looking at chosen paths of a live tree: what an entry of each would be now, storing nothing.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use format::entry::decode_entry;
use model::{Cancel, Entry, Monitor, PathKey, Timestamp};
use repository::Repository;
use source::files::Stat;

use crate::assemble::{Outcome, outcome};
use crate::batch::Batch;
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::options::{BackupOptions, Selection};
use crate::pipeline::{Collect, read_source};
use crate::sink::Namer;

/// What was found at a path. Paths at which nothing was found are not told of.
#[derive(Debug, Clone)]
pub enum Looked {
    /// Something is there.
    Found {
        /// As a backup would store it.
        entry: Entry,
        /// The very thing that was looked at.
        stat: Stat,
    },
    /// Something is there, or may be, and can't be read.
    Unknown(String),
}

/// Looks at the keys, which are in ascending order, and hands on what is there, in that order.
pub fn look(
    repository: &Repository,
    options: &BackupOptions,
    keys: Arc<[PathKey]>,
    began: Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(PathKey, Looked),
) -> Result<()> {
    let options = BackupOptions {
        selection: Selection::Keys(keys),
        ..options.clone()
    };
    let context = Context {
        repository,
        options: &options,
        monitor,
        cancel,
        began,
    };
    let counted = AtomicU64::new(0);
    let sinks = (0..options.threads.max(1))
        .map(|_| Namer::new(repository, &counted))
        .collect();
    let mut looking = Looking {
        lists: RefCell::new(Namer::new(repository, &counted)),
        each,
    };
    // The change cache would have to be read from beginning to end for a few paths, and would be
    // believed where the bytes themselves are to be known.
    read_source(&context, None, sinks, &mut looking)?;
    Ok(())
}

struct Looking<'a, 'e> {
    lists: RefCell<Namer<'a>>,
    each: &'e mut dyn FnMut(PathKey, Looked),
}

impl Collect for Looking<'_, '_> {
    fn batch(&mut self, batch: Batch) -> Result<()> {
        let mut scratch = Vec::new();
        for item in &batch.items {
            let looked = match outcome(&batch, item, &self.lists, &mut scratch)? {
                Outcome::Entry { value, .. } => Looked::Found {
                    entry: decode_entry(value).map_err(|error| BackupError::Map {
                        why: error.to_string(),
                    })?,
                    stat: item.stat,
                },
                Outcome::Vanished => continue,
                Outcome::Failed(message) => Looked::Unknown(message.to_owned()),
            };
            if let Ok(key) = PathKey::from_bytes(batch.at(item.key).to_vec()) {
                (self.each)(key, looked);
            }
        }
        Ok(())
    }

    fn problem(&mut self, key: &[u8], message: String) {
        if let Ok(key) = PathKey::from_bytes(key.to_vec()) {
            (self.each)(key, Looked::Unknown(message));
        }
    }

    fn deleted(&mut self, _key: &[u8]) {}
}
