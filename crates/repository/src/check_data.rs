//! Checking data: packs are read whole, every blob is compared with its id.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use format::pack::{PackedSegment, TRAILER_BYTES};
use model::{Cancel, Monitor, PackId};
use storage::ObjectName;

use crate::blobs::Scratch;
use crate::check_report::{CheckOptions, CheckReport};
use crate::error::{RepositoryError, Result};
use crate::location::Segment;
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
        let listed = self.listed_segments();
        let next = AtomicUsize::new(0);
        let shared = Mutex::new(report);
        let work = || -> Result<()> {
            while let Some((id, len)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                if cancel.requested() {
                    return Err(RepositoryError::Cancelled);
                }
                let mut found = CheckReport::default();
                let read = self.read_pack(*id, *len, &listed, &mut found);
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
    fn read_pack(
        &self,
        id: PackId,
        len: u64,
        listed: &HashSet<(PackId, u32)>,
        report: &mut CheckReport,
    ) -> Result<()> {
        let name = ObjectName::Pack(id);
        let (key, is_map) = open_any(self.storage(), id, len, self.keyset())?;
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
        let (mut scratch, mut plain) = (Scratch::default(), Vec::new());
        for packed in &segments {
            if !listed.contains(&(id, packed.offset)) {
                continue;
            }
            let segment = Segment {
                pack: id,
                offset: packed.offset,
                stored_len: packed.stored_len,
                plain_len: packed.plain_len() as u32,
                is_map,
            };
            let read = self
                .read_segment_with(&key, &segment, &mut scratch, &mut plain)
                .and_then(|()| self.check_blobs(name, packed, &plain));
            if report.note(read, None)?.is_some() {
                report.blobs_read += packed.blobs.len() as u64;
            }
        }
        Ok(())
    }

    /// Segments that the index knows. What a repair left out of it, nobody reads again.
    fn listed_segments(&self) -> HashSet<(PackId, u32)> {
        let mut listed = HashSet::new();
        for run in self.index().runs() {
            let packs = &run.directory.packs;
            let segments = run.directory.segments.iter();
            listed.extend(segments.map(|s| (packs[s.pack as usize].id, s.offset)));
        }
        listed
    }

    /// Compares every blob of a segment with its id.
    fn check_blobs(&self, name: ObjectName, segment: &PackedSegment, plain: &[u8]) -> Result<()> {
        let mut rest = plain;
        for blob in &segment.blobs {
            let (bytes, after) = rest.split_at(blob.len as usize);
            if self.id_key().blob_id(bytes) != blob.id {
                let why = format!("blob {} has other content", blob.id);
                return Err(RepositoryError::damaged(name, why));
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
