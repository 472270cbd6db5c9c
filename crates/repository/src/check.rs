//! Checking a repository: that everything a snapshot needs is there and is what was written.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use codec::{Decompressor, Encoding};
use format::Part;
use format::entry::{decode_entry, decode_xattrs};
use format::extents::decode_extents;
use format::pack::{PackedSegment, TRAILER_BYTES};
use model::{BlobId, Cancel, Content, Extent, Monitor, PackId, SnapshotId, Step, Xattrs};
use prolly::MapError;
use storage::{ObjectKind, ObjectName, StorageError};

use crate::error::{RepositoryError, Result};
use crate::nodes::MapReader;
use crate::object::ObjectKey;
use crate::pack::{open_any, read_footer};
use crate::repository::Repository;
use crate::snapshots::Stored;

/// How much to check.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CheckOptions {
    /// Read all data, not only maps and lists.
    pub read_data: bool,
    /// Of the packs, read only this share, between 0 and 1.
    pub sample: Option<f64>,
    /// Chooses the sample.
    pub seed: u64,
    /// Threads that read data.
    pub threads: usize,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which object or blob.
    pub object: String,
    /// What is wrong.
    pub message: String,
    /// Which snapshot suffers, where it is known.
    pub snapshot: Option<SnapshotId>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What is damaged or missing.
    pub damaged: Vec<Finding>,
    /// Packs that no index run lists: left behind by an interrupted backup, or an index run is lost.
    pub unindexed: Vec<PackId>,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs looked at.
    pub packs: u64,
    /// Map nodes looked at.
    pub nodes: u64,
    /// Blobs whose bytes were read and compared with their ids.
    pub blobs_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
}

impl CheckReport {
    fn find(&mut self, error: &RepositoryError, snapshot: Option<SnapshotId>) {
        let object = match error {
            RepositoryError::Damaged { object, .. } | RepositoryError::Newer { object, .. } => {
                object.clone()
            }
            RepositoryError::BlobMissing { id } => format!("blob {id}"),
            RepositoryError::Storage(
                StorageError::Missing { name }
                | StorageError::Truncated { name, .. }
                | StorageError::TooLarge { name, .. },
            ) => name.to_string(),
            _ => "repository".to_owned(),
        };
        let finding = Finding {
            object,
            message: error.to_string(),
            snapshot,
        };
        if !self.damaged.contains(&finding) {
            self.damaged.push(finding);
        }
    }

    /// Takes damage as a finding and lets every other error end the check.
    fn note<T>(&mut self, result: Result<T>, snapshot: Option<SnapshotId>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_damage() => {
                self.find(&error, snapshot);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Repository {
    /// Checks the repository.
    pub fn check(
        &self,
        options: &CheckOptions,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<CheckReport> {
        self.require_read()?;
        monitor.step(Step::Checking);
        let mut report = CheckReport::default();
        self.check_keys(&mut report)?;
        self.check_runs(&mut report)?;
        let packs = self.check_packs(&mut report)?;
        self.check_snapshots(&mut report, cancel)?;
        if options.read_data {
            self.read_packs(&packs, options, &mut report, monitor, cancel)?;
        }
        if cancel.requested() {
            Err(RepositoryError::Cancelled)
        } else {
            Ok(report)
        }
    }

    fn check_keys(&self, report: &mut CheckReport) -> Result<()> {
        if let Err(error) = crate::keys::check_config(self.storage(), self.keyset()) {
            match error {
                RepositoryError::ConfigAltered { .. } => report.damaged.push(Finding {
                    object: "config".to_owned(),
                    message: error.to_string(),
                    snapshot: None,
                }),
                other => _ = report.note::<()>(Err(other), None)?,
            }
        }
        let (_, damaged) = crate::keys::list(self.storage())?;
        damaged.iter().for_each(|error| report.find(error, None));
        Ok(())
    }

    /// Opens every run anew and every block of it.
    fn check_runs(&self, report: &mut CheckReport) -> Result<()> {
        for (name, len) in self.storage().list(ObjectKind::Index)? {
            let ObjectName::Index(id) = name else {
                continue;
            };
            let opened = crate::run::Run::open(self.storage(), id, len, self.keyset());
            let Some(run) = report.note(opened, None)? else {
                continue;
            };
            for at in 0..run.directory.blocks.len() {
                report.note(run.read_block(at, self.storage()), None)?;
            }
        }
        Ok(())
    }

    /// Compares the packs there are with those that the index lists.
    fn check_packs(&self, report: &mut CheckReport) -> Result<Vec<(PackId, u64)>> {
        let present: HashMap<PackId, u64> = self
            .storage()
            .list(ObjectKind::Pack)?
            .into_iter()
            .filter_map(|(name, len)| match name {
                ObjectName::Pack(id) => Some((id, len)),
                _ => None,
            })
            .collect();
        let mut listed = HashMap::new();
        for run in self.index().runs() {
            listed.extend(run.directory.packs.iter().map(|pack| (pack.id, *pack)));
        }
        for (id, pack) in &listed {
            let name = ObjectName::Pack(*id);
            match present.get(id) {
                None => report.find(
                    &RepositoryError::damaged(name, "the index lists it, but it is gone"),
                    None,
                ),
                Some(len) if *len != pack.len => {
                    let why = format!("it has {len} bytes and should have {}", pack.len);
                    report.find(&RepositoryError::damaged(name, why), None);
                }
                Some(_) => {}
            }
        }
        report.unindexed = present
            .keys()
            .filter(|id| !listed.contains_key(id))
            .copied()
            .collect();
        report.unindexed.sort_unstable();
        let mut packs: Vec<_> = present
            .into_iter()
            .filter(|(id, _)| listed.contains_key(id))
            .collect();
        packs.sort_unstable();
        for (id, len) in &packs {
            report.packs += 1;
            let opened = open_any(self.storage(), *id, *len, self.keyset())
                .and_then(|(key, _)| read_footer(self.storage(), *id, *len, &key));
            report.note(opened, None)?;
        }
        Ok(packs)
    }

    /// Walks the map of every snapshot and asks the index for every blob.
    fn check_snapshots(&self, report: &mut CheckReport, cancel: &Cancel) -> Result<()> {
        let (snapshots, damaged) = self.snapshots()?;
        damaged.iter().for_each(|error| report.find(error, None));
        let ids: HashSet<SnapshotId> = self.snapshot_ids()?.into_iter().collect();
        let mut seen = HashSet::new();
        for stored in &snapshots {
            if cancel.requested() {
                return Err(RepositoryError::Cancelled);
            }
            report.snapshots += 1;
            if let Some(parent) = stored.snapshot.parent
                && !ids.contains(&parent)
            {
                report.find(
                    &RepositoryError::damaged(
                        ObjectName::Snapshot(parent),
                        "a later snapshot names it, but it is gone",
                    ),
                    Some(parent),
                );
            }
            self.check_map(stored, &mut seen, report)?;
        }
        Ok(())
    }

    fn check_map(
        &self,
        stored: &Stored,
        seen: &mut HashSet<BlobId>,
        report: &mut CheckReport,
    ) -> Result<()> {
        let reader = MapReader::new(self);
        let map = reader.map(stored.snapshot.root);
        let mut wrong: Vec<RepositoryError> = Vec::new();
        let mut nodes = 0;
        let walked = prolly::walk(
            &map,
            |id| seen.insert(*id),
            |id, node| {
                nodes += 1;
                for at in (0..node.len()).filter(|_| node.is_leaf()) {
                    if let Err(error) = self.check_entry(node.value(at), id) {
                        wrong.push(error);
                    }
                }
            },
        );
        report.nodes += nodes;
        for error in wrong {
            report.note::<()>(Err(error), Some(stored.id))?;
        }
        match walked {
            Ok(()) => Ok(()),
            Err(MapError::Store { source: error, .. }) => {
                report.note::<()>(Err(error), Some(stored.id)).map(drop)
            }
            Err(error) => {
                let object = format!("map of snapshot {}", stored.id.short());
                report.find(&RepositoryError::damaged(object, error), Some(stored.id));
                Ok(())
            }
        }
    }

    /// Whether every blob of an entry is there; lists are read.
    fn check_entry(&self, value: &[u8], node: &BlobId) -> Result<()> {
        let object = || format!("map node {node}");
        let entry =
            decode_entry(value).map_err(|error| RepositoryError::format(object(), &error))?;
        let require = |id: &BlobId| self.locate(id).map(drop);
        let require_all = |extents: &[Extent]| {
            extents.iter().try_for_each(|extent| match extent {
                Extent::Data { id, .. } => require(id),
                _ => Ok(()),
            })
        };
        match &entry.content {
            Content::Empty | Content::Inline(_) => {}
            Content::Blob(id) => require(id)?,
            Content::Extents(extents) => require_all(extents)?,
            Content::ExtentList(id) => {
                let list = decode_extents(&self.read_blob(id)?).map_err(|error| {
                    RepositoryError::format(format!("extent list {id}"), &error)
                })?;
                require_all(&list)?;
            }
        }
        if let Xattrs::Blob(id) = &entry.xattrs {
            decode_xattrs(&self.read_blob(id)?)
                .map_err(|error| RepositoryError::format(format!("attributes {id}"), &error))?;
        }
        Ok(())
    }

    /// Reads packs whole, on several threads.
    fn read_packs(
        &self,
        packs: &[(PackId, u64)],
        options: &CheckOptions,
        report: &mut CheckReport,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<()> {
        let chosen = sample(packs, options);
        monitor.found(chosen.len() as u64, chosen.iter().map(|(_, len)| len).sum());
        monitor.found_all();
        let next = AtomicUsize::new(0);
        let shared = Mutex::new(report);
        let work = || -> Result<()> {
            while let Some((id, len)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                if cancel.requested() {
                    return Err(RepositoryError::Cancelled);
                }
                let mut found = CheckReport::default();
                let read = self.read_pack(*id, *len, &mut found);
                found.note(read, None)?;
                let mut report = shared
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                report.damaged.append(&mut found.damaged);
                report.blobs_read += found.blobs_read;
                report.bytes_read += len;
                monitor.done(1, *len);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..options.threads.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or(Err(RepositoryError::Poisoned)))
        })
    }

    /// Reads one pack: every segment is opened, every blob compared with its id, every other byte is
    /// what it should be.
    fn read_pack(&self, id: PackId, len: u64, report: &mut CheckReport) -> Result<()> {
        let name = ObjectName::Pack(id);
        let (key, _) = open_any(self.storage(), id, len, self.keyset())?;
        let (segments, trailer) = read_footer(self.storage(), id, len, &key)?;
        let end = trailer.offset + trailer.len;
        let mut padding = vec![0; (len - TRAILER_BYTES as u64 - end) as usize];
        self.storage().read_range(&name, end, &mut padding)?;
        if padding.iter().any(|&byte| byte != 0) {
            report.find(
                &RepositoryError::damaged(name, "its padding is not zero"),
                None,
            );
        }
        let mut reader = SegmentReader::default();
        for segment in &segments {
            match reader.check(self, id, &key, segment) {
                Ok(()) => report.blobs_read += segment.blobs.len() as u64,
                Err(error) => _ = report.note::<()>(Err(error), None)?,
            }
        }
        Ok(())
    }
}

/// Buffers for reading the segments of a pack one after the other.
#[derive(Default)]
struct SegmentReader {
    sealed: Vec<u8>,
    plain: Vec<u8>,
    decompressor: Decompressor,
}

impl SegmentReader {
    fn check(
        &mut self,
        repository: &Repository,
        pack: PackId,
        key: &ObjectKey,
        segment: &PackedSegment,
    ) -> Result<()> {
        let name = ObjectName::Pack(pack);
        let malformed = || RepositoryError::damaged(name, "a segment has an unknown encoding");
        self.sealed.clear();
        self.sealed.resize(segment.stored_len as usize, 0);
        repository
            .storage()
            .read_range(&name, segment.offset.into(), &mut self.sealed)?;
        let opened = key.unseal(
            Part::Segment,
            segment.offset.into(),
            &mut self.sealed,
            &name,
        )?;
        let (&code, data) = opened.split_first().ok_or_else(malformed)?;
        let encoding = Encoding::from_code(code).ok_or_else(malformed)?;
        self.decompressor
            .decompress(
                data,
                encoding,
                segment.plain_len() as usize,
                &mut self.plain,
            )
            .map_err(|error| RepositoryError::codec(name, &error))?;
        let mut rest = self.plain.as_slice();
        for blob in &segment.blobs {
            let (bytes, after) = rest.split_at(blob.len as usize);
            if repository.id_key().blob_id(bytes) != blob.id {
                return Err(RepositoryError::damaged(
                    name,
                    format!("blob {} has other content", blob.id),
                ));
            }
            rest = after;
        }
        Ok(())
    }
}

/// Chooses packs by a seeded shuffle (splitmix64, Steele et al. 2014), at least one.
fn sample(packs: &[(PackId, u64)], options: &CheckOptions) -> Vec<(PackId, u64)> {
    let Some(share) = options.sample else {
        return packs.to_vec();
    };
    let mut keyed: Vec<(u64, (PackId, u64))> = packs
        .iter()
        .enumerate()
        .map(|(at, pack)| (splitmix(options.seed ^ splitmix(at as u64)), *pack))
        .collect();
    keyed.sort_unstable();
    let count = (packs.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
    keyed
        .into_iter()
        .take(count)
        .map(|(_, pack)| pack)
        .collect()
}

fn splitmix(mut state: u64) -> u64 {
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
