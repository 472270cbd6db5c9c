//! Timelines at rest: the log of a watched source, read back as points.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use format::timeline::{decode_keys, decode_record, encode_keys, encode_record, kind_of, log_of};
use model::operation::Listed;
use model::point::{Point, PointChange, Thinned, ThinnedRun, TimelineRecord};
use model::{BlobId, Entry, LogId, PathKey, Snapshot, SnapshotId, Timestamp};
use storage::{ObjectName, StorageError};

use crate::error::{RepositoryError, Result};
use crate::log::{LogEnd, LogKeys, Numbered};
use crate::packer::Packer;
use crate::repository::Repository;
use crate::snapshots::Stored;

/// Points that may lie between two checkpoints: a day of one a second is far below.
const POINTS_MAX: u64 = 1 << 20;

/// How often somebody else may take the number that a record was to get.
const TRIES_MAX: usize = 1000;

/// The timeline of one source of one machine.
#[derive(Debug)]
pub struct Timeline<'r> {
    repository: &'r Repository,
    host: String,
    source: Vec<u8>,
    log: LogId,
    numbers: Vec<u64>,
    /// By the number of the checkpoint that begins the interval, what stands in for its points.
    thinned: OnceLock<BTreeMap<u64, (u64, Thinned)>>,
}

/// A record with its place in the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its number in the log.
    pub number: u64,
    /// What names it: a point is called by this, like a snapshot.
    pub id: SnapshotId,
    /// When it was written.
    pub time: Timestamp,
    /// What it says.
    pub record: TimelineRecord,
}

impl TimelineEntry {
    /// The moment whose state it is, and the root of that state; `None` for what is no state.
    pub fn state(&self) -> Option<(Timestamp, Option<BlobId>)> {
        match &self.record {
            TimelineRecord::Point(point) => Some((point.last, point.root)),
            TimelineRecord::Checkpoint { root, .. } => Some((self.time, *root)),
            _ => None,
        }
    }
}

impl TimelineEntry {
    /// The revision of the store whose state it is, where the store counts them.
    pub fn revision(&self) -> Option<u64> {
        match &self.record {
            TimelineRecord::Point(point) => point.revision,
            TimelineRecord::Checkpoint { revision, .. } => *revision,
            _ => None,
        }
    }
}

impl Repository {
    /// The timeline of a source; empty where it was never watched.
    pub fn timeline(&self, host: &str, source: &[u8]) -> Result<Timeline<'_>> {
        let log = self.id_key().log_id(&log_of(host, source));
        Ok(Timeline {
            repository: self,
            host: host.to_owned(),
            source: source.to_vec(),
            log,
            numbers: self.log_numbers(log)?,
            thinned: OnceLock::new(),
        })
    }

    /// Stores a list of keys; it is durable when the session is.
    pub fn put_keys(&self, packer: &mut Packer<'_, '_>, keys: &[PathKey]) -> Result<Listed> {
        self.put_listed(packer, &encode_keys(keys.iter()))
    }

    /// Reads a list of keys back.
    pub fn keys(&self, listed: &Listed) -> Result<Vec<PathKey>> {
        const WHAT: &str = "keys of an incident";
        let bytes = self.read_listed(listed, WHAT)?;
        decode_keys(&bytes).map_err(|error| RepositoryError::format(WHAT, &error))
    }
}

/// A record that was stored.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    /// Its number.
    pub number: u64,
    /// Its name, as that of a state.
    pub id: SnapshotId,
    /// Bytes that it takes.
    pub stored_bytes: u64,
}

impl<'r> Timeline<'r> {
    /// Numbers of the records, ascending.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// The machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The source.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// Whether the source was never watched.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Reads a record; `None` for one of a newer program.
    pub fn entry(&self, number: u64) -> Result<Option<TimelineEntry>> {
        let Numbered { record, hash, .. } = self.repository.log_record(self.log, number)?;
        let name = ObjectName::Log(self.log, number);
        let decoded = decode_record(record.kind, &record.body)
            .map_err(|error| RepositoryError::format(name, &error))?;
        Ok(decoded.map(|decoded| TimelineEntry {
            number,
            id: SnapshotId(hash),
            time: record.time,
            record: decoded,
        }))
    }

    /// Appends a record, durably. Where somebody else was first (a pin,
    /// say), it goes behind theirs. Keys of the records behind a checkpoint follow from that one's.
    pub fn append(
        &mut self,
        end: &mut LogEnd,
        time: Timestamp,
        record: &TimelineRecord,
    ) -> Result<Appended> {
        let body = encode_record(record);
        let kind = kind_of(record);
        for _ in 0..TRIES_MAX {
            if matches!(record, TimelineRecord::Checkpoint { .. }) {
                end.keys = LogKeys::Begin;
            }
            let tried = self
                .repository
                .log_append_at(self.log, end, time, kind, body.clone());
            match tried {
                Ok((number, stored_bytes)) => {
                    self.numbers.push(number);
                    return Ok(Appended {
                        number,
                        id: SnapshotId(end.previous.unwrap_or_default()),
                        stored_bytes,
                    });
                }
                Err(RepositoryError::Storage(StorageError::AlreadyExists { .. })) => {
                    let keys = end.keys.clone();
                    *end = self.repository.log_end(self.log)?;
                    end.keys = keys;
                    self.numbers = self.repository.log_numbers(self.log)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(RepositoryError::Poisoned)
    }

    /// Puts a record in the place of others, durably, and removes those: points that the ladder no
    /// longer wants, and the record that stood in for others of the same interval before.
    pub fn replace(&mut self, end: &mut LogEnd, time: Timestamp, thinned: &Thinned) -> Result<()> {
        self.append(end, time, &TimelineRecord::Thinned(thinned.clone()))?;
        self.remove_replaced(thinned)
    }

    /// Removes what a record stands in for and what is still there.
    pub fn remove_replaced(&mut self, thinned: &Thinned) -> Result<()> {
        let mut left = Vec::with_capacity(self.numbers.len());
        for &number in &self.numbers {
            if thinned.has(number) && self.may_go(number, thinned)? {
                self.repository.log_remove(self.log, number)?;
            } else {
                left.push(number);
            }
        }
        self.numbers = left;
        self.thinned = OnceLock::new();
        Ok(())
    }

    /// Whether a record is one that another may stand in for: a point of the same interval, or what stood in
    /// for such before. Who may only write can say that a record stands in for
    /// anything, and must not have anything removed by that.
    fn may_go(&self, number: u64, by: &Thinned) -> Result<bool> {
        let entry = match self.entry(number) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(false),
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(match entry.record {
            TimelineRecord::Point(point) => point.base == by.base,
            TimelineRecord::Thinned(thinned) => thinned.base == by.base && thinned != *by,
            _ => false,
        })
    }

    /// What stands in for points that are gone, by the number of the checkpoint that begins the interval,
    /// each with its own number. Of several for one interval the last one counts.
    pub fn thinned(&self) -> Result<&BTreeMap<u64, (u64, Thinned)>> {
        if let Some(known) = self.thinned.get() {
            return Ok(known);
        }
        let mut found = BTreeMap::new();
        let whole = self.numbers.last().copied().unwrap_or_default() == self.numbers.len() as u64;
        let first_gap = self
            .numbers
            .iter()
            .zip(1..)
            .find(|(number, at)| *number != at);
        if let (false, Some((&behind, _))) = (whole, first_gap) {
            // What stands in for others is behind them.
            let begin = self.numbers.partition_point(|&number| number < behind);
            for place in begin..self.numbers.len() {
                let Some(entry) = self.whole(place)? else {
                    continue;
                };
                if let TimelineRecord::Thinned(thinned) = entry.record {
                    found.insert(thinned.base, (entry.number, thinned));
                }
            }
        }
        Ok(self.thinned.get_or_init(|| found))
    }

    /// Where the next record goes.
    pub fn end(&self) -> Result<LogEnd> {
        self.repository.log_end(self.log)
    }

    /// The last state at or before a moment, by when it was read. Records are ordered by the clock of
    /// the machine; where that jumped, the later record counts.
    pub fn at(&self, moment: Timestamp) -> Result<Option<TimelineEntry>> {
        let (mut low, mut high) = (0, self.numbers.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.readable(middle)? {
                Some(entry) if entry.time > moment => high = middle,
                _ => low = middle + 1,
            }
        }
        self.last_before(low, |entry| {
            entry.state().is_some_and(|(time, _)| time <= moment)
        })
    }

    /// The last state at or before a revision of a store. Where a store was put back to an earlier one,
    /// the later records count.
    pub fn at_revision(&self, revision: u64) -> Result<Option<TimelineEntry>> {
        let is_at = |entry: &TimelineEntry| entry.revision().is_some_and(|at| at <= revision);
        let (mut low, mut high) = (0, self.numbers.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            // What is no state has no revision: the state before it tells.
            match self.last_before(middle + 1, |entry| entry.revision().is_some())? {
                Some(entry) if !is_at(&entry) => high = middle,
                _ => low = middle + 1,
            }
        }
        self.last_before(low, is_at)
    }

    /// The last state.
    pub fn last(&self) -> Result<Option<TimelineEntry>> {
        // What is behind the last checkpoint was never thinned.
        for place in (0..self.numbers.len()).rev() {
            if let Some(entry) = self.whole(place)?.filter(|entry| entry.state().is_some()) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The last state before the record with this number.
    pub fn state_before(&self, number: u64) -> Result<Option<TimelineEntry>> {
        let place = self.numbers.partition_point(|&other| other < number);
        self.last_before(place, |entry| entry.state().is_some())
    }

    /// The last record before a place for which `wanted` says so.
    fn last_before(
        &self,
        place: usize,
        wanted: impl Fn(&TimelineEntry) -> bool,
    ) -> Result<Option<TimelineEntry>> {
        for at in (0..place).rev() {
            if let Some(entry) = self.readable(at)?.filter(&wanted) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// A record, unless it is damaged, or a point that another record stands in for: thinning was stopped
    /// before it was removed, and what it builds upon may be gone.
    fn readable(&self, place: usize) -> Result<Option<TimelineEntry>> {
        let entry = self.whole(place)?;
        if let Some(TimelineRecord::Point(point)) = entry.as_ref().map(|entry| &entry.record)
            && self.is_thinned(point.base, self.numbers[place])?
        {
            return Ok(None);
        }
        Ok(entry)
    }

    /// A record, unless it is damaged.
    fn whole(&self, place: usize) -> Result<Option<TimelineEntry>> {
        match self.entry(self.numbers[place]) {
            // What is damaged is told by `check`; it does not hide the rest.
            Err(error) if error.is_damage() => Ok(None),
            read => read,
        }
    }

    /// All records from a number on that can be read, handed on one by one.
    pub fn each(&self, from: u64, mut each: impl FnMut(TimelineEntry) -> Result<()>) -> Result<()> {
        let begin = self.numbers.partition_point(|&number| number < from);
        for place in begin..self.numbers.len() {
            if let Some(entry) = self.readable(place)? {
                each(entry)?;
            }
        }
        Ok(())
    }

    /// The states whose names begin with these digits.
    pub fn by_id(&self, digits: &str) -> Result<Vec<TimelineEntry>> {
        let mut found = Vec::new();
        self.each(0, |entry| {
            if entry.state().is_some() && entry.id.to_hex().starts_with(digits) {
                found.push(entry);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// A state as a snapshot: its map can be read afterwards.
    pub fn open(&self, entry: &TimelineEntry) -> Result<Stored> {
        if let TimelineRecord::Point(point) = &entry.record {
            match self.make_readable(entry.number, point) {
                // Somebody may just have thinned what this timeline was listed with.
                Err(RepositoryError::Storage(StorageError::Missing { .. })) => {
                    let again = self.repository.timeline(&self.host, &self.source)?;
                    again.make_readable(entry.number, point)?;
                }
                done => done?,
            }
        }
        self.describe(entry)
    }

    /// A state as a snapshot whose map is not read: the nodes of a point are not made for it.
    pub fn describe(&self, entry: &TimelineEntry) -> Result<Stored> {
        let (time, root) = entry.state().ok_or_else(|| {
            RepositoryError::damaged(ObjectName::Log(self.log, entry.number), "it is no state")
        })?;
        if let TimelineRecord::Checkpoint { snapshot, .. } = &entry.record {
            let id = *snapshot;
            let snapshot = self.repository.snapshot(id)?;
            return Ok(Stored { id, snapshot });
        }
        Ok(Stored {
            id: entry.id,
            snapshot: Snapshot {
                time,
                finished: entry.time,
                host: self.host.clone(),
                user: String::new(),
                source: self.source.clone(),
                tags: Vec::new(),
                root,
                parent: None,
                totals: model::Totals::default(),
                errors: 0,
                safety: false,
                names: model::Names::default(),
                program: String::new(),
            },
        })
    }

    fn is_thinned(&self, base: u64, number: u64) -> Result<bool> {
        let thinned = self.thinned()?;
        Ok(thinned
            .get(&base)
            .is_some_and(|(_, thinned)| thinned.has(number)))
    }

    /// The points that were made one change, of which the last one had this number.
    fn run_ending(&self, base: u64, number: u64) -> Result<Option<&ThinnedRun>> {
        let Some((_, thinned)) = self.thinned()?.get(&base) else {
            return Ok(None);
        };
        let at = thinned.runs.binary_search_by_key(&number, |run| run.last);
        Ok(at.ok().map(|at| &thinned.runs[at]))
    }

    /// Makes the nodes of a point again, in memory, from the checkpoint before it.
    fn make_readable(&self, number: u64, point: &Point) -> Result<()> {
        if number.saturating_sub(point.base) > POINTS_MAX {
            return Err(RepositoryError::damaged(
                "timeline",
                "its checkpoint is too far away",
            ));
        }
        let name = |number| ObjectName::Log(self.log, number);
        let base = self.entry(point.base)?.map(|entry| entry.record);
        let Some(TimelineRecord::Checkpoint { root: from, .. }) = base else {
            return Err(RepositoryError::damaged(
                name(point.base),
                "a point builds upon it, and it is no checkpoint",
            ));
        };
        let mut latest: BTreeMap<PathKey, Option<Entry>> = BTreeMap::new();
        let mut take = |changes: &[PointChange]| {
            for change in changes {
                latest.insert(change.key.clone(), change.after.clone());
            }
        };
        for at in point.base + 1..=number {
            // A record that is damaged breaks the chain, and that is told: the root differs.
            let is_here = self.numbers.binary_search(&at).is_ok();
            if (is_here || !self.is_thinned(point.base, at)?)
                && let Some(TimelineRecord::Point(next)) = self.entry(at)?.map(|entry| entry.record)
            {
                take(&next.changes);
            }
            if let Some(run) = self.run_ending(point.base, at)? {
                take(&run.changes);
            }
        }
        let changes = latest.iter().map(|(key, entry)| (key, entry.as_ref()));
        let root = self.repository.edit_in_memory(from, changes)?;
        if root != point.root {
            return Err(RepositoryError::damaged(
                name(number),
                "the changes before it do not lead to its state",
            ));
        }
        Ok(())
    }
}
