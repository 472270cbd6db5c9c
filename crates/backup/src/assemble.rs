//! From entries in key order to a map, the next change cache, and the numbers of the report.

use std::cell::RefCell;
use std::collections::BTreeSet;

use format::entry::{encode_entry, encode_xattrs};
use format::extents::encode_extents;
use model::{BlobId, Content, Kind, Monitor, Totals, Xattrs};
use prolly::{BuildError, Builder, NodeSink, Params};

use crate::batch::{Batch, Item, Known, Long, State};
use crate::cache::{CacheWriter, Fingerprint};
use crate::content::content_of;
use crate::error::{BackupError, Result};
use crate::options::{Counts, Problem};
use crate::pipeline::Collect;
use crate::sink::Sink;
use crate::worker::LIST_BYTES_MAX;

/// Nodes and lists go to the same packs; the builder of the map and whoever stores lists share them.
pub(crate) struct Shared<'a, S>(pub(crate) &'a RefCell<S>);

impl<S: Sink> NodeSink for Shared<'_, S> {
    type Error = BackupError;

    fn put(&mut self, bytes: &[u8]) -> Result<BlobId> {
        self.0.borrow_mut().add(bytes)
    }
}

/// What an item came to.
pub(crate) enum Outcome<'b> {
    /// An entry.
    Entry {
        value: &'b [u8],
        fingerprint: Fingerprint,
        unsettled: bool,
    },
    /// Nothing: it vanished.
    Vanished,
    /// It could not be read.
    Failed(&'b str),
}

/// The encoded entry of an item; lists that are too long for it are stored here.
pub(crate) fn outcome<'b, S: Sink>(
    batch: &'b Batch,
    item: &'b Item,
    lists: &RefCell<S>,
    scratch: &'b mut Vec<u8>,
) -> Result<Outcome<'b>> {
    Ok(match &item.state {
        State::Ready {
            value,
            fingerprint,
            unsettled,
        } => Outcome::Entry {
            value: batch.at(*value),
            fingerprint: *fingerprint,
            unsettled: *unsettled,
        },
        State::Long(long) => {
            encode_long(long, lists, scratch)?;
            Outcome::Entry {
                value: scratch,
                fingerprint: long.fingerprint,
                unsettled: long.entry.unsettled,
            }
        }
        State::Failed(message) => Outcome::Failed(message),
        State::Vanished | State::Wanted => Outcome::Vanished,
    })
}

fn encode_long<S: Sink>(long: &Long, lists: &RefCell<S>, scratch: &mut Vec<u8>) -> Result<()> {
    let mut entry = long.entry.clone();
    if !long.extents.is_empty() {
        entry.content = content_of(long.extents.clone());
        if let Content::Extents(extents) = &entry.content {
            let list = encode_extents(extents);
            if list.len() > LIST_BYTES_MAX {
                entry.content = Content::ExtentList(lists.borrow_mut().add(&list)?);
            }
        }
    }
    let list = encode_xattrs(&long.xattrs);
    entry.xattrs = match list.len() > LIST_BYTES_MAX {
        true => Xattrs::Blob(lists.borrow_mut().add(&list)?),
        false => Xattrs::Inline(long.xattrs.clone()),
    };
    scratch.clear();
    encode_entry(&entry, scratch);
    Ok(())
}

/// Builds map and cache.
pub(crate) struct Assembler<'a, S: Sink> {
    lists: &'a RefCell<S>,
    builder: Builder<'a, Shared<'a, S>>,
    cache: Option<CacheWriter>,
    monitor: &'a dyn Monitor,
    pub(crate) found: Found,
}

/// What was found on the way.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) totals: Totals,
    pub(crate) changes: Counts,
    pub(crate) problems: Vec<Problem>,
    /// How many problems there were: only the first ones are kept.
    pub(crate) problem_count: u64,
    pub(crate) users: BTreeSet<u32>,
    pub(crate) groups: BTreeSet<u32>,
}

/// Problems that are kept with their messages; the rest is counted.
const PROBLEMS_MAX: usize = 10_000;

impl<'a, S: Sink> Assembler<'a, S> {
    pub(crate) fn new(
        lists: &'a RefCell<S>,
        nodes: &'a mut Shared<'a, S>,
        params: Params,
        cache: Option<CacheWriter>,
        monitor: &'a dyn Monitor,
    ) -> Self {
        let builder = Builder::new(params, format::entry::entry_bytes, nodes);
        Self {
            lists,
            builder,
            cache,
            monitor,
            found: Found::default(),
        }
    }

    /// The root of the map, the cache that goes with it, and what was found.
    pub(crate) fn finish(self) -> Result<(Option<BlobId>, Option<CacheWriter>, Found)> {
        let root = self.builder.finish().map_err(build_error)?;
        Ok((root, self.cache, self.found))
    }
}

fn build_error(error: BuildError<BackupError>) -> BackupError {
    match error {
        BuildError::Sink { source, .. } => source,
        other => BackupError::Map {
            why: other.to_string(),
        },
    }
}

impl Found {
    pub(crate) fn problem(&mut self, monitor: &dyn Monitor, key: &[u8], message: String) {
        let path = model::key::to_path(key);
        monitor.problem(&path, &message);
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { path, message });
        }
    }

    fn count(&mut self, item: &Item, value: &[u8], unsettled: bool) {
        match item.stat.kind {
            Kind::Directory => self.totals.directories += 1,
            _ => self.totals.files += 1,
        }
        self.totals.bytes += format::entry::entry_bytes(b"", value);
        self.users.insert(item.stat.uid);
        self.groups.insert(item.stat.gid);
        match item.known {
            Known::New => self.changes.created += 1,
            Known::Changed => self.changes.changed += 1,
            Known::Unchanged => self.changes.unchanged += 1,
        }
        self.changes.unsettled += u64::from(unsettled);
    }
}

impl<S: Sink> Collect for Assembler<'_, S> {
    fn batch(&mut self, batch: Batch) -> Result<()> {
        let mut scratch = Vec::new();
        for item in &batch.items {
            let key = batch.at(item.key);
            match outcome(&batch, item, self.lists, &mut scratch)? {
                Outcome::Entry {
                    value,
                    fingerprint,
                    unsettled,
                } => {
                    self.found.count(item, value, unsettled);
                    self.builder.push(key, value).map_err(build_error)?;
                    if let Some(cache) = &mut self.cache {
                        cache.push(key, fingerprint, value);
                    }
                }
                Outcome::Vanished => {}
                Outcome::Failed(message) => {
                    self.found.problem(self.monitor, key, message.to_owned());
                }
            }
        }
        Ok(())
    }

    fn problem(&mut self, key: &[u8], message: String) {
        self.found.problem(self.monitor, key, message);
    }

    fn deleted(&mut self, _key: &[u8]) {
        self.found.changes.deleted += 1;
    }
}
