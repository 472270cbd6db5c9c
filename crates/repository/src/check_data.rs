//! Checking data: packs are read whole, every blob is compared with its id.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use codec::{Decompressor, Encoding};
use format::Part;
use format::pack::{PackedSegment, TRAILER_BYTES};
use model::{Cancel, Monitor, PackId};
use storage::ObjectName;

use crate::check_report::{CheckOptions, CheckReport};
use crate::error::{RepositoryError, Result};
use crate::object::ObjectKey;
use crate::pack::{open_any, read_footer};
use crate::repository::Repository;

impl Repository {
    /// Reads packs whole, on several threads.
    pub(crate) fn read_packs(
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
