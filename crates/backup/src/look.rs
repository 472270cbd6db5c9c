//! Looking at chosen paths of a live tree: what an entry of each would be now. Their content is stored
//! only where that is asked for.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use format::entry::decode_entry;
use model::{Cancel, Entry, Monitor, PathKey, Timestamp};
use repository::{Packer, Repository, Session};
use source::files::Stat;

use crate::assemble::{Outcome, outcome};
use crate::batch::Batch;
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::options::{BackupOptions, Selection};
use crate::pipeline::{Collect, read_source};
use crate::sink::{Namer, Sink};

/// What was found at a path. Paths at which nothing was found are not told of.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are found, and there are many: a box each would cost more"
)]
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

/// The same for what the options select, with everything that a snapshot would need stored: it is
/// durable when the session is.
pub fn look_and_store(
    session: &Session<'_>,
    options: &BackupOptions,
    began: Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(PathKey, Looked),
) -> Result<()> {
    let context = Context {
        repository: session.repository(),
        options,
        monitor,
        cancel,
        began,
    };
    let sinks = (0..options.threads.max(1))
        .map(|_| Packer::data(session))
        .collect();
    let mut looking = Looking {
        lists: RefCell::new(Packer::map(session)),
        each,
    };
    read_source(&context, None, sinks, &mut looking)?;
    Ok(looking.lists.into_inner().finish()?)
}

struct Looking<'e, S> {
    lists: RefCell<S>,
    each: &'e mut dyn FnMut(PathKey, Looked),
}

impl<S: Sink> Collect for Looking<'_, S> {
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
