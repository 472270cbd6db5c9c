//! Joining small index runs, so that a repository with thousands of snapshots opens as fast as one
//! with ten.
//!
//! The joined run repeats everything that the small ones list and names them as superseded; only when
//! it is durable are they removed. Two writers that join the same runs at once do no harm: both results
//! say the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use format::index::{Directory, IndexedBlob};
use model::{PackId, RunId};
use storage::{ObjectName, StorageError};

use crate::error::{RepositoryError, Result};
use crate::repository::Repository;
use crate::run::{Run, write_run};

/// Runs with fewer blobs than this are small.
const SMALL_BLOBS: u64 = 128 << 10;

/// So many small runs are left alone: they cost a few milliseconds.
const SMALL_RUNS_MAX: usize = 24;

impl Repository {
    /// Joins the small runs if there are many. Gives how many were joined.
    pub fn compact_index(&self) -> Result<usize> {
        let mut small = self.index().runs();
        small.retain(|run| run.directory.blobs < SMALL_BLOBS);
        if small.len() <= SMALL_RUNS_MAX {
            return Ok(0);
        }
        let mut joined = Join::default();
        for run in &small {
            match joined.take(run, self) {
                // Another writer joined them meanwhile, and that is all that was wanted.
                Err(RepositoryError::Storage(StorageError::Missing { .. })) => {
                    self.index().refresh(self.storage(), self.keyset())?;
                    return Ok(0);
                }
                taken => taken?,
            }
        }
        let mut id = RunId([0; 16]);
        self.entropy().fill(&mut id.0);
        joined.blobs.sort_unstable();
        joined.blobs.dedup_by_key(|blob| blob.id);
        joined.directory.supersedes = joined.supersedes.into_iter().collect();
        let len = write_run(
            self.storage(),
            id,
            &joined.blobs,
            joined.directory,
            self.keyset(),
        )?;
        let run = Run::open(self.storage(), id, len, self.keyset())?;
        self.index().replace(&small, run);
        for run in &small {
            match self.storage().remove(&ObjectName::Index(run.id)) {
                // Another writer joined the same runs.
                Ok(()) | Err(StorageError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(small.len())
    }
}

/// What the joined run will hold.
#[derive(Default)]
struct Join {
    directory: Directory,
    blobs: Vec<IndexedBlob>,
    packs: HashMap<PackId, u32>,
    supersedes: BTreeSet<RunId>,
}

impl Join {
    fn take(&mut self, run: &Arc<Run>, repository: &Repository) -> Result<()> {
        self.supersedes.insert(run.id);
        self.supersedes.extend(&run.directory.supersedes);
        let packs: Vec<u32> = run
            .directory
            .packs
            .iter()
            .map(|pack| {
                *self.packs.entry(pack.id).or_insert_with(|| {
                    self.directory.packs.push(*pack);
                    self.directory.packs.len() as u32 - 1
                })
            })
            .collect();
        let base = self.directory.segments.len() as u32;
        for segment in &run.directory.segments {
            let pack = packs[segment.pack as usize];
            self.directory
                .segments
                .push(format::index::IndexedSegment { pack, ..*segment });
        }
        for at in 0..run.directory.blocks.len() {
            let block = run.read_block(at, repository.storage())?;
            self.blobs.extend(block.iter().map(|blob| IndexedBlob {
                segment: base + blob.segment,
                ..*blob
            }));
        }
        Ok(())
    }
}
