//! The index: all runs of a repository, asked as one.

use std::collections::HashSet;
use std::sync::{Arc, RwLock};

use codec::Keyset;
use format::index::{IndexedBlob, IndexedPack, IndexedSegment, ShortId};
use model::{PackId, RunId};
use storage::{ObjectKind, ObjectName, Storage, StorageError};

use crate::error::{RepositoryError, Result};
use crate::recent::Recent;
use crate::run::{BlockCache, Run};

/// Bytes of decoded blocks that are kept.
const BLOCK_CACHE_BYTES: usize = 32 << 20;

/// All runs.
#[derive(Debug)]
pub struct Index {
    runs: RwLock<Vec<Arc<Run>>>,
    /// Packs that are gone or too short: what they held may have been stored again elsewhere.
    lost: RwLock<HashSet<PackId>>,
    cache: BlockCache,
}

/// Where a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its pack.
    pub pack: IndexedPack,
    /// Its segment.
    pub segment: IndexedSegment,
    /// Where it begins in the plaintext of the segment.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}

impl Index {
    /// Opens every run. A run that can't be read does not stand in the way of the others: what is
    /// wrong with it is handed back.
    pub fn open(storage: &dyn Storage, keyset: &Keyset) -> Result<(Self, Vec<RepositoryError>)> {
        let (runs, damaged) = read_runs(storage, keyset)?;
        let index = Self {
            runs: RwLock::new(runs),
            lost: RwLock::default(),
            cache: Recent::new(BLOCK_CACHE_BYTES),
        };
        Ok((index, damaged))
    }

    /// Reads the list of runs anew: another process may have joined some since it was read.
    pub(crate) fn refresh(&self, storage: &dyn Storage, keyset: &Keyset) -> Result<()> {
        let (runs, _) = read_runs(storage, keyset)?;
        *self
            .runs
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = runs;
        Ok(())
    }

    /// The runs there are.
    pub fn runs(&self) -> Vec<Arc<Run>> {
        self.runs
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Takes in a run that was written just now.
    pub fn add(&self, run: Run) {
        self.runs
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(Arc::new(run));
    }

    /// Takes in a run that repeats what others list, and lets go of those.
    pub fn replace(&self, superseded: &[Arc<Run>], run: Run) {
        let mut runs = self
            .runs
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        runs.retain(|known| !superseded.iter().any(|old| old.id == known.id));
        runs.push(Arc::new(run));
    }

    /// Says which packs are gone: a blob that was stored again is then found where it is.
    pub fn set_lost(&self, lost: HashSet<PackId>) {
        *self
            .lost
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = lost;
    }

    /// How many blobs are listed; one that stands in two runs counts twice.
    pub fn blobs(&self) -> u64 {
        self.runs().iter().map(|run| run.directory.blobs).sum()
    }

    /// Where a blob is.
    pub fn find(
        &self,
        id: &ShortId,
        storage: &dyn Storage,
        keyset: &Keyset,
    ) -> Result<Option<Place>> {
        match self.find_once(id, storage) {
            Err(RepositoryError::Storage(StorageError::Missing { .. })) => {
                self.refresh(storage, keyset)?;
                self.find_once(id, storage)
            }
            found => found,
        }
    }

    fn find_once(&self, id: &ShortId, storage: &dyn Storage) -> Result<Option<Place>> {
        let runs = self
            .runs
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let lost = self
            .lost
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut failed, mut gone) = (None, None);
        for run in runs.iter() {
            let pack_of = |blob: &IndexedBlob| {
                let segment = run.directory.segments[blob.segment as usize];
                (segment, run.directory.packs[segment.pack as usize])
            };
            let is_there = |blob: &IndexedBlob| !lost.contains(&pack_of(blob).1.id);
            match run.find(id, storage, &self.cache, &is_there) {
                Ok(None) => {}
                Ok(Some(blob)) => {
                    let (segment, pack) = pack_of(&blob);
                    let place = Place {
                        pack,
                        segment,
                        offset: blob.offset,
                        len: blob.len,
                    };
                    if !lost.contains(&pack.id) {
                        return Ok(Some(place));
                    }
                    gone = Some(place);
                }
                // Another run may list the blob as well.
                Err(error) if error.is_damage() => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (failed, gone) {
            (Some(error), None) => Err(error),
            (_, gone) => Ok(gone),
        }
    }
}

/// Every readable run that no other one repeats, and what is wrong with the rest.
fn read_runs(
    storage: &dyn Storage,
    keyset: &Keyset,
) -> Result<(Vec<Arc<Run>>, Vec<RepositoryError>)> {
    let mut runs = Vec::new();
    let mut damaged = Vec::new();
    let mut listed = storage.list(ObjectKind::Index)?;
    let mut tried = HashSet::new();
    while let Some((name, len)) = listed.pop() {
        let ObjectName::Index(id) = name else {
            continue;
        };
        if !tried.insert(id) {
            continue;
        }
        match Run::open(storage, id, len, keyset) {
            Ok(run) => runs.push(Arc::new(run)),
            // Another process joined it with others after it was listed: the joined run is there now.
            Err(RepositoryError::Storage(StorageError::Missing { .. })) => {
                listed = storage.list(ObjectKind::Index)?;
            }
            Err(error) if error.is_damage() => damaged.push(error),
            Err(error) => return Err(error),
        }
    }
    let superseded: HashSet<RunId> = runs
        .iter()
        .flat_map(|run| run.directory.supersedes.iter().copied())
        .collect();
    runs.retain(|run| !superseded.contains(&run.id));
    // Large runs first: most blobs are found at the first try.
    runs.sort_by_key(|run| std::cmp::Reverse(run.directory.blobs));
    Ok((runs, damaged))
}
