//! An opened repository.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use codec::{IdKey, Keyset};
use format::index::short_id;
use model::{BlobId, Entropy, PackId, RepositoryId, RunId, SnapshotId};
use storage::{ObjectKind, ObjectName, Storage};

use crate::error::{RepositoryError, Result};
use crate::index::Index;
use crate::location::Segment;
use crate::memory::NodeMemory;
use crate::object::{LastChain, ObjectKey};
use crate::recent::Recent;

/// Plaintext of segments that is kept, in bytes: enough for a few dozen.
const SEGMENT_CACHE_BYTES: usize = 24 << 20;

/// Decoded map nodes that are kept, in bytes.
const NODE_CACHE_BYTES: usize = 16 << 20;

/// Keys of packs that are kept.
const PACK_KEYS_MAX: usize = 8192;

// A key set that opens never asks for nodes that a map refuses.
const _: () = assert!(codec::MapParams::WEIGHT_MAX == prolly::WEIGHT_MAX);

/// Something that the user should hear of when the repository is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub String);

/// A repository whose keys are at hand.
pub struct Repository {
    storage: Arc<dyn Storage>,
    keyset: Keyset,
    id_key: IdKey,
    entropy: Arc<dyn Entropy>,
    index: Index,
    warnings: Vec<Warning>,
    pub(crate) pack_keys: Recent<PackId, Arc<ObjectKey>>,
    pub(crate) segments: Recent<Segment, Arc<Vec<u8>>>,
    pub(crate) nodes: Recent<BlobId, Arc<prolly::Node>>,
    pub(crate) memory: NodeMemory,
    pub(crate) chain: LastChain,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Opens a repository with an unlocked key set. Index runs that can't be read are passed over;
    /// [`Repository::warnings`] tells of them.
    pub fn with_keyset(
        storage: Arc<dyn Storage>,
        keyset: Keyset,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        let (index, damaged) = Index::open(&storage, &keyset)?;
        let warnings = damaged
            .iter()
            .map(|error| Warning(format!("{error}; `recoup repair index` rebuilds the index")))
            .collect();
        let mut repository = Self {
            storage,
            id_key: keyset.id_key(),
            keyset,
            entropy,
            index,
            warnings,
            pack_keys: Recent::new(PACK_KEYS_MAX),
            segments: Recent::new(SEGMENT_CACHE_BYTES),
            nodes: Recent::new(NODE_CACHE_BYTES),
            memory: NodeMemory::default(),
            chain: LastChain::default(),
        };
        let lost = repository.lost_packs()?.len();
        if lost > 0 {
            repository.warnings.push(Warning(format!(
                "{lost} packs are missing or too short: backups store again what only they held; \
                 `recoup check` names what is lost, `recoup repair index` forgets them"
            )));
        }
        Ok(repository)
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.keyset.repository()
    }

    /// Whether the key can read what is stored.
    pub fn can_read(&self) -> bool {
        self.keyset.can_read()
    }

    /// Refuses a key that can't read, before work begins that would fail in the middle.
    pub fn require_read(&self) -> Result<()> {
        if self.can_read() {
            Ok(())
        } else {
            Err(RepositoryError::WriteOnlyKey)
        }
    }

    /// What the user should hear of.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the objects lie.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// The keys.
    pub fn keyset(&self) -> &Keyset {
        &self.keyset
    }

    /// What names blobs and snapshots.
    pub fn id_key(&self) -> &IdKey {
        &self.id_key
    }

    /// Unpredictable bytes.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How maps of this repository are cut into nodes.
    pub fn map_params(&self) -> prolly::Params {
        let codec::MapParams { target, min, max } = self.keyset.map_params();
        prolly::Params {
            salt: *self.keyset.map_salt(),
            target,
            min,
            max,
        }
    }

    /// How files of this repository are cut into chunks.
    pub fn chunker(&self) -> codec::Chunker {
        self.keyset.chunker()
    }

    /// Whether everything that was listed when a cache was made is still there: the snapshot, the index
    /// runs (or runs that repeat them), and every pack they list, at its full length.
    pub fn still_holds(&self, runs: &[RunId], snapshot: &SnapshotId) -> Result<bool> {
        let present = self.index.runs();
        let listed = |id: &RunId| {
            present
                .iter()
                .any(|run| run.id == *id || run.directory.supersedes.contains(id))
        };
        if !runs.iter().all(listed) || !self.snapshot_ids()?.contains(snapshot) {
            return Ok(false);
        }
        // What a damaged block lists can't be found any more, and a cache would still name it.
        for run in &present {
            if !run.is_whole(&*self.storage)? {
                return Ok(false);
            }
        }
        Ok(self.lost_packs()?.is_empty())
    }

    /// Packs that the index lists and that are gone or too short. From now on nothing is looked for in
    /// them that is stored elsewhere too.
    pub fn lost_packs(&self) -> Result<HashSet<PackId>> {
        let present: HashMap<ObjectName, u64> =
            self.storage.list(ObjectKind::Pack)?.into_iter().collect();
        let runs = self.index.runs();
        let packs = runs.iter().flat_map(|run| &run.directory.packs);
        let lost: HashSet<PackId> = packs
            .filter(|pack| present.get(&ObjectName::Pack(pack.id)) != Some(&pack.len))
            .map(|pack| pack.id)
            .collect();
        self.index.set_lost(lost.clone());
        Ok(lost)
    }

    /// Whether a blob is listed in a pack that is not lost: what a backup asks before it stores one.
    pub(crate) fn knows(&self, id: &BlobId, lost: &HashSet<PackId>) -> Result<bool> {
        match self.index.find(&short_id(id), &*self.storage, &self.keyset) {
            Ok(place) => Ok(place.is_some_and(|place| !lost.contains(&place.pack.id))),
            // A damaged block says nothing: storing the blob again is always right.
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
