//! A write session: packers share what is new, packs become durable behind them, the index follows.
//!
//! Order is the safety: every pack is durable before the index run that lists it, every run before the
//! snapshot that needs it. Nothing is visible to readers until the caller stores a snapshot.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use format::index::{Directory, IndexedBlob, IndexedPack, IndexedSegment, ShortId, short_id};
use model::{BlobId, Monitor, PackId, RunId};

use crate::error::{RepositoryError, Result};
use crate::pack::SealedPack;
use crate::repository::Repository;
use crate::run::{Run, write_run};

/// Packs that may wait for the disk: each is at most a few dozen MiB of dirty page cache.
const PACKS_WAITING_MAX: usize = 4;

/// New blobs after which an index run is written, so that memory stays bounded: about 40 MB of them.
const RUN_BLOBS_MAX: usize = 512 << 10;

/// The set of new ids is divided so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// What a session wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Packs.
    pub packs: u64,
    /// Bytes of packs and index runs.
    pub stored_bytes: u64,
    /// New blobs.
    pub blobs: u64,
}

/// Packs that are durable but not in a run yet.
#[derive(Debug, Default)]
struct Pending {
    directory: Directory,
    blobs: Vec<IndexedBlob>,
    written: Written,
    failed: Option<RepositoryError>,
}

/// A write session.
pub struct Session<'r> {
    repository: &'r Repository,
    fresh: Vec<Mutex<HashSet<ShortId>>>,
    /// Packs that are gone: what only they hold is stored again.
    lost: HashSet<PackId>,
    /// Packs for the syncer; `None` ends it.
    queue: Sender<Option<SealedPack<'r>>>,
    pending: Mutex<Pending>,
    monitor: &'r dyn Monitor,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("repository", &self.repository.id())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Repository {
    /// Runs `work` with a session in which packers can store blobs. When it returns, everything it
    /// stored is durable and indexed; when it fails, nothing of it is visible.
    pub fn write<'r, R, E: From<RepositoryError>>(
        &'r self,
        monitor: &'r dyn Monitor,
        work: impl FnOnce(&Session<'r>) -> Result<R, E>,
    ) -> Result<(R, Written), E> {
        let (queue, sealed) = bounded(PACKS_WAITING_MAX);
        let session = Session {
            repository: self,
            fresh: (0..SHARDS).map(|_| Mutex::default()).collect(),
            lost: self.lost_packs()?,
            queue,
            pending: Mutex::default(),
            monitor,
        };
        let result = std::thread::scope(|scope| {
            let session = &session;
            let syncer = scope.spawn(move || session.sync_packs(&sealed));
            let end = EndOfQueue(session);
            let result = work(session);
            drop(end);
            let _ = syncer.join();
            result
        })?;
        let mut pending = lock(&session.pending);
        session.check_failed(&mut pending)?;
        session.write_pending(&mut pending)?;
        if pending.written.packs > 0 {
            self.compact_index()?;
        }
        Ok((result, pending.written))
    }
}

/// Ends the syncer also when the work panics: the scope would wait for it forever.
struct EndOfQueue<'a, 'r>(&'a Session<'r>);

impl Drop for EndOfQueue<'_, '_> {
    fn drop(&mut self) {
        let _ = self.0.queue.send(None);
    }
}

impl<'r> Session<'r> {
    /// The repository that is written.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// Whether the blob is neither stored nor claimed yet; whoever gets `true` has to store it.
    pub(crate) fn claim(&self, id: &BlobId) -> Result<bool> {
        let short = short_id(id);
        let shard = &self.fresh[usize::from(short[0]) % SHARDS];
        if lock(shard).contains(&short) || self.repository.knows(id, &self.lost)? {
            return Ok(false);
        }
        Ok(lock(shard).insert(short))
    }

    /// Hands a finished pack over to become durable.
    pub(crate) fn submit(&self, pack: SealedPack<'r>) -> Result<()> {
        self.check_failed(&mut lock(&self.pending))?;
        self.queue
            .send(Some(pack))
            .map_err(|_| RepositoryError::Poisoned)
    }

    fn check_failed(&self, pending: &mut Pending) -> Result<()> {
        match pending.failed.take() {
            None => Ok(()),
            Some(error) => {
                pending.failed = Some(RepositoryError::Poisoned);
                Err(error)
            }
        }
    }

    /// Makes packs durable one after the other. After a failure it goes on taking packs, so that
    /// nobody waits for it, and drops them.
    fn sync_packs(&self, sealed: &Receiver<Option<SealedPack<'r>>>) {
        while let Ok(Some(pack)) = sealed.recv() {
            if lock(&self.pending).failed.is_some() {
                continue;
            }
            if let Err(error) = self.sync_pack(pack) {
                lock(&self.pending).failed = Some(error);
            }
        }
    }

    fn sync_pack(&self, pack: SealedPack<'r>) -> Result<()> {
        let SealedPack {
            id,
            is_map,
            header_len,
            len,
            segments,
            writer,
        } = pack;
        writer.commit()?;
        self.monitor.stored(len);
        let mut guard = lock(&self.pending);
        let pending = &mut *guard;
        pending.written.packs += 1;
        pending.written.stored_bytes += len;
        let directory = &mut pending.directory;
        let pack = directory.packs.len() as u32;
        directory.packs.push(IndexedPack {
            id,
            header_len,
            is_map,
            len,
        });
        for segment in &segments {
            let at = directory.segments.len() as u32;
            directory.segments.push(IndexedSegment {
                pack,
                offset: segment.offset,
                stored_len: segment.stored_len,
                plain_len: segment.plain_len() as u32,
            });
            let mut offset = 0;
            for blob in &segment.blobs {
                let id = short_id(&blob.id);
                pending.blobs.push(IndexedBlob {
                    id,
                    segment: at,
                    offset,
                    len: blob.len,
                });
                offset += blob.len;
            }
        }
        if pending.blobs.len() >= RUN_BLOBS_MAX {
            self.write_pending(pending)
        } else {
            Ok(())
        }
    }

    /// Writes a run of everything pending and forgets it: from now on the index knows.
    fn write_pending(&self, pending: &mut Pending) -> Result<()> {
        let repository = self.repository;
        if pending.directory.packs.is_empty() {
            return Ok(());
        }
        pending.blobs.sort_unstable();
        let mut id = RunId([0; 16]);
        repository.entropy().fill(&mut id.0);
        let directory = std::mem::take(&mut pending.directory);
        let storage = repository.storage();
        let len = write_run(storage, id, &pending.blobs, directory, repository.keyset())?;
        repository
            .index()
            .add(Run::open(storage, id, len, repository.keyset())?);
        for blob in &pending.blobs {
            lock(&self.fresh[usize::from(blob.id[0]) % SHARDS]).remove(&blob.id);
        }
        pending.written.blobs += pending.blobs.len() as u64;
        pending.written.stored_bytes += len;
        pending.blobs.clear();
        Ok(())
    }
}
