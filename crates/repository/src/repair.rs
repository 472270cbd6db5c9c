//! Rebuilding the index from the packs alone. Removes nothing.

use std::collections::HashSet;

use format::index::{Directory, IndexedBlob, IndexedPack, IndexedSegment, short_id};
use model::{PackId, RunId};
use storage::{ObjectKind, ObjectName};

use crate::error::{RepositoryError, Result};
use crate::pack::{open_any, read_footer};
use crate::repository::Repository;
use crate::run::write_run;

/// What a rebuild did.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Packs that were taken into the index.
    pub packs: u64,
    /// Blobs in them.
    pub blobs: u64,
    /// Packs that could not be read.
    pub damaged: Vec<RepositoryError>,
}

/// Blobs that one run takes: bounds the memory of a rebuild.
const RUN_BLOBS_MAX: usize = 1 << 20;

impl Repository {
    /// Writes index runs for the packs that no readable run lists; with `all`, for every pack. The
    /// footers are enough: no data is read.
    pub fn rebuild_index(&self, all: bool) -> Result<Rebuilt> {
        self.require_read()?;
        let listed: HashSet<PackId> = self
            .index()
            .runs()
            .iter()
            .flat_map(|run| run.directory.packs.iter().map(|pack| pack.id))
            .filter(|_| !all)
            .collect();
        let mut rebuilt = Rebuilt::default();
        let mut directory = Directory::default();
        let mut blobs = Vec::new();
        for (name, len) in self.storage().list(ObjectKind::Pack)? {
            let ObjectName::Pack(id) = name else { continue };
            if listed.contains(&id) {
                continue;
            }
            match self.index_pack(id, len, &mut directory, &mut blobs) {
                Ok(()) => rebuilt.packs += 1,
                Err(error) if error.is_damage() => rebuilt.damaged.push(error),
                Err(error) => return Err(error),
            }
            if blobs.len() >= RUN_BLOBS_MAX {
                self.write_rebuilt(&mut directory, &mut blobs, &mut rebuilt)?;
            }
        }
        self.write_rebuilt(&mut directory, &mut blobs, &mut rebuilt)?;
        Ok(rebuilt)
    }

    fn index_pack(
        &self,
        id: PackId,
        len: u64,
        directory: &mut Directory,
        blobs: &mut Vec<IndexedBlob>,
    ) -> Result<()> {
        let (key, is_map) = open_any(self.storage(), id, len, self.keyset())?;
        let (segments, _) = read_footer(self.storage(), id, len, &key)?;
        let pack = directory.packs.len() as u32;
        directory.packs.push(IndexedPack {
            id,
            header_len: key.header_len() as u32,
            is_map,
            len,
        });
        for segment in segments {
            let at = directory.segments.len() as u32;
            directory.segments.push(IndexedSegment {
                pack,
                offset: segment.offset,
                stored_len: segment.stored_len,
                plain_len: segment.plain_len() as u32,
            });
            let mut offset = 0;
            for blob in segment.blobs {
                blobs.push(IndexedBlob {
                    id: short_id(&blob.id),
                    segment: at,
                    offset,
                    len: blob.len,
                });
                offset += blob.len;
            }
        }
        Ok(())
    }

    fn write_rebuilt(
        &self,
        directory: &mut Directory,
        blobs: &mut Vec<IndexedBlob>,
        rebuilt: &mut Rebuilt,
    ) -> Result<()> {
        if directory.packs.is_empty() {
            return Ok(());
        }
        blobs.sort_unstable();
        let mut id = RunId([0; 16]);
        self.entropy().fill(&mut id.0);
        write_run(
            self.storage(),
            id,
            blobs,
            std::mem::take(directory),
            self.keyset(),
        )?;
        rebuilt.blobs += blobs.len() as u64;
        blobs.clear();
        Ok(())
    }
}
