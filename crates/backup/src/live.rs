//! Comparing a snapshot with the tree as it is now, storing nothing.

use std::cell::RefCell;
use std::sync::atomic::AtomicU64;

use format::entry::decode_entry;
use model::{Cancel, Change, Entry, Monitor, PathKey, Snapshot, Step, Timestamp};
use repository::{Entries, MapReader, Repository};

use crate::assemble::{Found, Outcome, outcome};
use crate::batch::Batch;
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::options::{BackupOptions, Problem};
use crate::pipeline::{Collect, read_source};
use crate::run::open_cache;
use crate::sink::Namer;

/// Hands every difference between the snapshot and the live tree to `each`, in key order. Only the part
/// that the options name is compared. Gives what could not be read: nothing is claimed of that.
pub fn compare_live(
    repository: &Repository,
    snapshot: &Snapshot,
    options: &BackupOptions,
    began: Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    each: &mut dyn FnMut(Change),
) -> Result<Vec<Problem>> {
    let context = Context {
        repository,
        options,
        monitor,
        cancel,
        began,
    };
    monitor.step(Step::Reading);
    let (cache, _) = open_cache(repository, options);
    let counted = AtomicU64::new(0);
    let sinks = (0..options.threads.max(1))
        .map(|_| Namer::new(repository, &counted))
        .collect();
    let maps = MapReader::new(repository);
    let below = options.selection.base();
    let mut entries = maps.entries(snapshot.root, &below);
    let stored = entries.next()?;
    let mut comparison = Comparison {
        lists: RefCell::new(Namer::new(repository, &counted)),
        entries,
        stored,
        each,
        found: Found::default(),
        unread: Vec::new(),
        monitor,
    };
    read_source(&context, cache, sinks, &mut comparison)?;
    comparison.finish()?;
    Ok(comparison.found.problems)
}

struct Comparison<'a> {
    lists: RefCell<Namer<'a>>,
    entries: Entries<'a>,
    /// The stored entry that is next in order.
    stored: Option<(PathKey, Entry)>,
    each: &'a mut dyn FnMut(Change),
    found: Found,
    /// Where the live tree could not be read: what was stored there is not called deleted.
    unread: Vec<PathKey>,
    monitor: &'a dyn Monitor,
}

impl Comparison<'_> {
    /// Reports everything stored before `key` as deleted, and gives what is stored at it.
    fn stored_at(&mut self, key: &PathKey) -> Result<Option<Entry>> {
        while let Some((stored_key, _)) = &self.stored {
            match stored_key.cmp(key) {
                std::cmp::Ordering::Less => self.pass_deleted()?,
                std::cmp::Ordering::Equal => {
                    let next = self.entries.next()?;
                    return Ok(std::mem::replace(&mut self.stored, next).map(|(_, entry)| entry));
                }
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    fn pass_deleted(&mut self) -> Result<()> {
        let next = self.entries.next()?;
        if let Some((key, entry)) = std::mem::replace(&mut self.stored, next)
            && !self
                .unread
                .iter()
                .any(|unread| unread.contains(key.as_bytes()))
        {
            (self.each)(Change {
                key,
                before: Some(entry),
                after: None,
            });
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        while self.stored.is_some() {
            self.pass_deleted()?;
        }
        Ok(())
    }
}

impl Collect for Comparison<'_> {
    fn batch(&mut self, batch: Batch) -> Result<()> {
        for item in &batch.items {
            let Ok(key) = PathKey::from_bytes(batch.at(item.key).to_vec()) else {
                continue;
            };
            let mut scratch = Vec::new();
            let live = match outcome(&batch, item, &self.lists, &mut scratch)? {
                Outcome::Entry { value, .. } => {
                    decode_entry(value).map_err(|error| BackupError::Map {
                        why: error.to_string(),
                    })?
                }
                Outcome::Vanished => continue,
                Outcome::Failed(message) => {
                    let message = message.to_owned();
                    self.problem(batch.at(item.key), message);
                    continue;
                }
            };
            let before = self.stored_at(&key)?;
            if before.as_ref() != Some(&live) {
                (self.each)(Change {
                    key,
                    before,
                    after: Some(live),
                });
            }
        }
        Ok(())
    }

    fn problem(&mut self, key: &[u8], message: String) {
        self.unread.extend(PathKey::from_bytes(key.to_vec()));
        self.found.problem(self.monitor, key, message);
    }

    fn deleted(&mut self, _key: &[u8]) {}
}
