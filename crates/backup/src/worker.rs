//! What a worker does: read what the walker found new or changed, and store its chunks.

use std::os::fd::AsFd;

use crossbeam_channel::{Receiver, Sender};
use format::entry::encode_entry;
use model::{Content, Entry, Kind, Timestamp, Xattr, Xattrs};
use source::SourceError;
use source::files::{Stat, TreeReader, xattrs_of};

use crate::batch::{Batch, Done, Item, Long, ReadFailure, Region, RegionRead, State, Task};
use crate::cache::Fingerprint;
use crate::content::{ContentError, ContentReader};
use crate::context::Context;
use crate::error::{BackupError, Result};
use crate::sink::Sink;

/// How often a file is read again that changed meanwhile.
const READ_TRIES: usize = 3;

/// Lists up to this long stand in the entry, longer ones in a blob of their own.
pub(crate) const LIST_BYTES_MAX: usize = 512;

/// One worker.
struct Worker<'a, S> {
    tree: &'a TreeReader,
    reader: ContentReader,
    sink: S,
    /// When the scan began.
    began: Timestamp,
}

/// Ends the backup or says why one file can't be had.
enum Trouble {
    Stop(BackupError),
    File(ReadFailure),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::File(match error {
            SourceError::NotFound { .. } => ReadFailure::Vanished,
            SourceError::Io { ref source, .. } | SourceError::Unreadable { ref source, .. } => {
                ReadFailure::Failed(source.to_string())
            }
            other => ReadFailure::Failed(other.to_string()),
        })
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::File(ReadFailure::Failed(error.to_string()))
    }
}

impl From<ContentError> for Trouble {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Read(error) => error.into(),
            ContentError::Stop(error) => Self::Stop(error),
        }
    }
}

impl<S: Sink> Worker<'_, S> {
    /// Reads everything in a batch that is wanted.
    fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        let mut encoded = Vec::new();
        for at in 0..batch.items.len() {
            let item = &batch.items[at];
            if !matches!(item.state, State::Wanted) {
                continue;
            }
            encoded.clear();
            let state = match self.item(batch.at(item.key), item, &mut encoded) {
                Ok(Read::Encoded {
                    fingerprint,
                    unsettled,
                }) => State::Ready {
                    value: batch.append(&encoded),
                    fingerprint,
                    unsettled,
                },
                Ok(Read::Long(long)) => State::Long(long),
                Err(Trouble::File(ReadFailure::Vanished)) => State::Vanished,
                Err(Trouble::File(ReadFailure::Failed(message))) => State::Failed(message),
                Err(Trouble::Stop(error)) => return Err(error),
            };
            batch.items[at].state = state;
        }
        Ok(())
    }

    /// Reads a region of a large file.
    fn region(&mut self, region: &Region) -> Result<Result<RegionRead, ReadFailure>> {
        match self.read_region(region) {
            Ok(read) => Ok(Ok(read)),
            Err(Trouble::File(failure)) => Ok(Err(failure)),
            Err(Trouble::Stop(error)) => Err(error),
        }
    }

    fn read_region(&mut self, region: &Region) -> Result<RegionRead, Trouble> {
        let (file, before) = self.tree.open_file(&region.key)?;
        let xattrs = if region.index == 0 {
            xattrs_of(&file)?
        } else {
            Vec::new()
        };
        let (from, to) = (region.from, region.to);
        let extents = self
            .reader
            .read_range(file.as_fd(), &before, from, to, &mut self.sink)?;
        let after = Stat::of(&file).map_err(std::io::Error::from)?;
        Ok(RegionRead {
            extents,
            before,
            after,
            xattrs,
        })
    }

    fn item(&mut self, key: &[u8], item: &Item, encoded: &mut Vec<u8>) -> Result<Read, Trouble> {
        if item.stat.kind == Kind::File {
            return self.file(key, item, encoded);
        }
        let mut entry = entry_of(&item.stat);
        entry.link = item.link;
        if item.stat.kind == Kind::Symlink {
            entry.target = self.tree.read_link(key)?;
        }
        let xattrs = self.tree.xattrs(key)?;
        let fingerprint = Fingerprint::settled(&item.stat, self.began);
        Ok(finish(entry, Vec::new(), xattrs, fingerprint, encoded))
    }

    /// Reads a file, again if it changed meanwhile.
    fn file(&mut self, key: &[u8], item: &Item, encoded: &mut Vec<u8>) -> Result<Read, Trouble> {
        let mut tries = READ_TRIES;
        loop {
            tries -= 1;
            let (file, before) = self.tree.open_file(key)?;
            let (content, size) = self.reader.read(file.as_fd(), &before, &mut self.sink)?;
            let xattrs = xattrs_of(&file)?;
            let after = Stat::of(&file).map_err(std::io::Error::from)?;
            let settled = held_still(&before, &after) && size == after.size;
            if !settled && tries > 0 {
                continue;
            }
            let mut entry = entry_of(&after);
            entry.link = item.link;
            entry.size = size;
            entry.unsettled = !settled;
            let fingerprint = match settled {
                true => Fingerprint::settled(&after, self.began),
                false => Fingerprint::UNKNOWN,
            };
            let extents = match content {
                Content::Extents(extents) => extents,
                short => {
                    entry.content = short;
                    Vec::new()
                }
            };
            return Ok(finish(entry, extents, xattrs, fingerprint, encoded));
        }
    }
}

/// What became of an entry.
enum Read {
    Encoded {
        fingerprint: Fingerprint,
        unsettled: bool,
    },
    Long(Box<Long>),
}

/// Encodes the entry if everything of it is short enough to stand there.
fn finish(
    mut entry: Entry,
    extents: Vec<model::Extent>,
    xattrs: Vec<Xattr>,
    fingerprint: Fingerprint,
    encoded: &mut Vec<u8>,
) -> Read {
    let xattr_bytes: usize = xattrs
        .iter()
        .map(|x| x.name.len() + x.value.len() + 6)
        .sum();
    if xattr_bytes > LIST_BYTES_MAX || extents.len() * 40 > LIST_BYTES_MAX {
        return Read::Long(Box::new(Long {
            entry,
            extents,
            xattrs,
            fingerprint,
        }));
    }
    entry.xattrs = Xattrs::Inline(xattrs);
    if !extents.is_empty() {
        entry.content = Content::Extents(extents);
    }
    encode_entry(&entry, encoded);
    Read::Encoded {
        fingerprint,
        unsettled: entry.unsettled,
    }
}

/// Whether nothing happened to a file between two looks.
pub(crate) fn held_still(before: &Stat, after: &Stat) -> bool {
    (before.ino, before.ctime, before.mtime, before.size)
        == (after.ino, after.ctime, after.mtime, after.size)
}

/// An entry with everything that the state tells.
pub(crate) fn entry_of(stat: &Stat) -> Entry {
    Entry {
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime,
        device: stat.device,
        ..Entry::new(stat.kind)
    }
}

/// Tells the walker that a result will never come, also when a worker panics.
struct Farewell<'a>(&'a Sender<Done>, bool);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if !self.1 {
            let _ = self.0.send(Done::Lost);
        }
    }
}

/// The life of a worker.
pub(crate) fn work<S: Sink>(
    context: &Context<'_>,
    tree: &TreeReader,
    sink: S,
    tasks: &Receiver<Task>,
    done: &Sender<Done>,
) -> Result<()> {
    let repository = context.repository;
    let params = repository.keyset().chunk_params();
    let reader = ContentReader::new(repository.chunker(), params);
    let mut worker = Worker {
        tree,
        reader,
        sink,
        began: context.began,
    };
    let mut farewell = Farewell(done, false);
    for task in tasks {
        if context.cancel.requested() {
            return Err(BackupError::Cancelled);
        }
        let result = match task {
            Task::Batch(mut batch) => {
                worker.batch(&mut batch)?;
                context
                    .monitor
                    .done(batch.items.len() as u64, batch.file_bytes);
                Done::Batch(batch)
            }
            Task::Region(region) => {
                let read = worker.region(&region)?;
                context.monitor.done(0, region.to - region.from);
                Done::Region {
                    number: region.number,
                    index: region.index,
                    read,
                }
            }
        };
        if done.send(result).is_err() {
            break;
        }
    }
    farewell.1 = true;
    worker.sink.finish()
}
