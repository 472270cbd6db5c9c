//! Making the index anew from the packs alone.
//!
//! Packs are never touched. Index runs only repeat what packs say, so those that are damaged, or list
//! what is gone, are removed once better ones are durable; what no pack holds any more is then unknown
//! again, and the next backup stores it.

use std::collections::HashSet;

use format::index::{Directory, IndexedBlob, IndexedPack, IndexedSegment, short_id};
use model::{PackId, RunId};
use storage::{ObjectKind, ObjectName, StorageError};

use crate::blobs::Scratch;
use crate::error::{RepositoryError, Result};
use crate::location::Segment;
use crate::pack::{open_any, read_footer};
use crate::repository::Repository;
use crate::run::{Run, write_run};

/// How thoroughly to repair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// Make every run anew, not only those that are damaged.
    pub all: bool,
    /// Read all data, and leave damaged segments out of the index.
    pub read_data: bool,
}

/// What a rebuild did.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Packs that were taken into the index.
    pub packs: u64,
    /// Blobs in them.
    pub blobs: u64,
    /// Runs that were replaced.
    pub runs_removed: u64,
    /// Damaged segments that were left out: what they held is stored again by the next backup that
    /// finds it.
    pub segments_left_out: u64,
    /// Packs that could not be read.
    pub damaged: Vec<RepositoryError>,
}

/// Blobs that one run takes: bounds the memory of a rebuild.
const RUN_BLOBS_MAX: usize = 1 << 20;

/// A run that is to be replaced; its packs are known if its directory can be read.
struct Bad {
    id: RunId,
    packs: Vec<PackId>,
}

/// What is being gathered for the next run.
#[derive(Default)]
struct Gathered {
    directory: Directory,
    blobs: Vec<IndexedBlob>,
}

impl Repository {
    /// Replaces index runs that are damaged or list what is gone, and takes in packs that no sound run
    /// lists.
    pub fn rebuild_index(&self, options: RepairOptions) -> Result<Rebuilt> {
        self.require_read()?;
        let mut rebuilt = Rebuilt::default();
        let left_out = match options.read_data {
            true => self.damaged_segments(&mut rebuilt)?,
            false => HashSet::new(),
        };
        let (sound, bad) = self.sort_runs(options.all, &left_out)?;
        let mut gathered = Gathered::default();
        let mut failed = HashSet::new();
        for (id, len) in self.packs()? {
            if sound.contains(&id) {
                continue;
            }
            match self.index_pack(id, len, &left_out, &mut gathered) {
                Ok(()) => rebuilt.packs += 1,
                Err(error) if error.is_damage() => {
                    failed.insert(id);
                    rebuilt.damaged.push(error);
                }
                Err(error) => return Err(error),
            }
            if gathered.blobs.len() >= RUN_BLOBS_MAX {
                self.write_rebuilt(&mut gathered, &mut rebuilt)?;
            }
        }
        self.write_rebuilt(&mut gathered, &mut rebuilt)?;
        // A run is kept that may still find blobs in a pack whose own list can't be read.
        for run in bad
            .iter()
            .filter(|run| !run.packs.iter().any(|pack| failed.contains(pack)))
        {
            match self.storage().remove(&ObjectName::Index(run.id)) {
                Ok(()) => rebuilt.runs_removed += 1,
                Err(StorageError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.index().refresh(self.storage(), self.keyset())?;
        Ok(rebuilt)
    }

    fn packs(&self) -> Result<Vec<(PackId, u64)>> {
        let names = self.storage().list(ObjectKind::Pack)?;
        Ok(names
            .into_iter()
            .filter_map(|(name, len)| match name {
                ObjectName::Pack(id) => Some((id, len)),
                _ => None,
            })
            .collect())
    }

    /// The packs that sound runs list, and the runs that are not sound.
    fn sort_runs(
        &self,
        all: bool,
        left_out: &HashSet<(PackId, u32)>,
    ) -> Result<(HashSet<PackId>, Vec<Bad>)> {
        let lost = self.lost_packs()?;
        let holed: HashSet<PackId> = left_out.iter().map(|(pack, _)| *pack).collect();
        let (mut sound, mut bad) = (HashSet::new(), Vec::new());
        for (name, len) in self.storage().list(ObjectKind::Index)? {
            let ObjectName::Index(id) = name else {
                continue;
            };
            let run = match Run::open(self.storage(), id, len, self.keyset()) {
                Ok(run) => run,
                Err(error) if error.is_damage() => {
                    bad.push(Bad {
                        id,
                        packs: Vec::new(),
                    });
                    continue;
                }
                Err(error) => return Err(error),
            };
            let packs: Vec<PackId> = run.directory.packs.iter().map(|pack| pack.id).collect();
            let lists_lost = packs
                .iter()
                .any(|pack| lost.contains(pack) || holed.contains(pack));
            if all || lists_lost || !run.is_whole(self.storage())? {
                bad.push(Bad { id, packs });
            } else {
                sound.extend(packs);
            }
        }
        Ok((sound, bad))
    }

    /// Reads every pack and names the segments that can't be read.
    fn damaged_segments(&self, rebuilt: &mut Rebuilt) -> Result<HashSet<(PackId, u32)>> {
        let mut damaged = HashSet::new();
        let (mut scratch, mut plain) = (Scratch::default(), Vec::new());
        for (id, len) in self.packs()? {
            let opened =
                open_any(self.storage(), id, len, self.keyset()).and_then(|(key, is_map)| {
                    let (segments, _) = read_footer(self.storage(), id, len, &key)?;
                    Ok((key, is_map, segments))
                });
            // A pack that can't be opened at all is told of when it is taken in.
            let Ok((key, is_map, segments)) = opened else {
                continue;
            };
            for packed in &segments {
                let segment = Segment {
                    pack: id,
                    offset: packed.offset,
                    stored_len: packed.stored_len,
                    plain_len: packed.plain_len() as u32,
                    is_map,
                };
                match self.read_segment_with(&key, &segment, &mut scratch, &mut plain) {
                    Ok(()) => {}
                    Err(error) if error.is_damage() => {
                        rebuilt.segments_left_out += 1;
                        damaged.insert((id, packed.offset));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(damaged)
    }

    fn index_pack(
        &self,
        id: PackId,
        len: u64,
        left_out: &HashSet<(PackId, u32)>,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let (key, is_map) = open_any(self.storage(), id, len, self.keyset())?;
        let (segments, _) = read_footer(self.storage(), id, len, &key)?;
        let Gathered { directory, blobs } = gathered;
        let pack = directory.packs.len() as u32;
        let header_len = key.header_len() as u32;
        directory.packs.push(IndexedPack {
            id,
            header_len,
            is_map,
            len,
        });
        for segment in segments {
            if left_out.contains(&(id, segment.offset)) {
                continue;
            }
            let at = directory.segments.len() as u32;
            directory.segments.push(IndexedSegment {
                pack,
                offset: segment.offset,
                stored_len: segment.stored_len,
                plain_len: segment.plain_len() as u32,
            });
            let mut offset = 0;
            for blob in segment.blobs {
                let id = short_id(&blob.id);
                blobs.push(IndexedBlob {
                    id,
                    segment: at,
                    offset,
                    len: blob.len,
                });
                offset += blob.len;
            }
        }
        Ok(())
    }

    fn write_rebuilt(&self, gathered: &mut Gathered, rebuilt: &mut Rebuilt) -> Result<()> {
        let Gathered {
            directory,
            mut blobs,
        } = std::mem::take(gathered);
        if directory.packs.is_empty() {
            return Ok(());
        }
        blobs.sort_unstable();
        let mut id = RunId([0; 16]);
        self.entropy().fill(&mut id.0);
        write_run(self.storage(), id, &blobs, directory, self.keyset())?;
        rebuilt.blobs += blobs.len() as u64;
        Ok(())
    }
}
