//! Logs at rest: records numbered without gaps, each naming the one before it by its hash.
//!
//! A record is an object of its own that is written once. Two writers that take the same number are
//! told apart by the storage: the later one looks again and takes the next.

use std::collections::{HashMap, VecDeque};

use format::log::{
    LOG_RECORD_BYTES_MAX, LogRecord, REPLACES, decode_log_record, encode_log_record,
};
use format::timeline::decode_record;
use format::{ObjectType, Part};
use model::point::{Thinned, TimelineRecord};
use model::{LogId, Timestamp};
use storage::{ObjectKind, ObjectName, StorageError};

use crate::error::{RepositoryError, Result};
use crate::object::{ChainKey, ObjectKey};
use crate::repository::Repository;

/// How often a number may be taken by somebody else before we give up: each time another record was
/// stored, so somebody makes progress.
const TRIES_MAX: usize = 1000;

/// Numbers that a record may have: those before and behind are numbers too.
const NUMBERS: std::ops::Range<u64> = 1..u64::MAX - 1;

/// The place behind the last record of a log.
#[derive(Debug, Clone)]
pub struct LogEnd {
    /// The number of the next record; the first one is 1.
    pub next: u64,
    /// Keyed hash of the last record; `None` if there is none, or if it can't be read.
    pub previous: Option<[u8; 32]>,
    /// Whether the key of the next record follows from an earlier one.
    pub keys: LogKeys,
}

impl LogEnd {
    fn new(next: u64, previous: Option<[u8; 32]>) -> Self {
        Self {
            next,
            previous,
            keys: LogKeys::Wrapped,
        }
    }
}

/// Where the key of a new record comes from. A wrapped key is longer than most records.
#[derive(Debug, Clone)]
pub enum LogKeys {
    /// It is random and wrapped.
    Wrapped,
    /// The same, and later ones follow from it.
    Begin,
    /// It follows from that of an earlier record.
    Chained(ChainKey),
}

/// A record with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Its number in the log.
    pub number: u64,
    /// The record.
    pub record: LogRecord,
    /// Its keyed hash: what the next record names.
    pub hash: [u8; 32],
}

impl Repository {
    /// The numbers of the records of a log, ascending.
    pub(crate) fn log_numbers(&self, log: LogId) -> Result<Vec<u64>> {
        let names = self.storage().list(ObjectKind::Log)?;
        let numbers = names.into_iter().filter_map(|(name, _)| match name {
            // Ours count from 1, and never come to the other end: somebody else's may be any.
            ObjectName::Log(of, number) if of == log && NUMBERS.contains(&number) => Some(number),
            _ => None,
        });
        Ok(numbers.collect())
    }

    /// Reads a record.
    pub fn log_record(&self, log: LogId, number: u64) -> Result<Numbered> {
        let name = ObjectName::Log(log, number);
        let mut bytes = self.storage().read(&name)?;
        let id = object_id(log, number);
        let chain = |first| self.chain_key(log, first, number);
        let key = ObjectKey::open_record(&bytes, (&id, number), self.keyset(), &name, chain)?;
        let offset = key.header_len();
        let plain = key.unseal(Part::Record, offset as u64, &mut bytes[offset..], &name)?;
        let hash = self.id_key().log_hash(plain);
        let record =
            decode_log_record(plain).map_err(|error| RepositoryError::format(name, &error))?;
        Ok(Numbered {
            number,
            record,
            hash,
        })
    }

    /// The key that the one of record `first` leads to for record `number`. The last one is kept: logs
    /// are read in order.
    fn chain_key(&self, log: LogId, first: u64, number: u64) -> Result<ChainKey> {
        let name = ObjectName::Log(log, number);
        let far = || RepositoryError::damaged(name, "its key follows from one too far away");
        if let Some((of, mut known)) = self.chain.get()
            && of == log
            && known.first() == first
            && known.number() <= number
        {
            if !known.advance(number) {
                return Err(far());
            }
            self.chain.set((log, known.clone()));
            return Ok(known);
        }
        let first_name = ObjectName::Log(log, first);
        let bytes = self.storage().read(&first_name)?;
        let id = object_id(log, first);
        let mut key = ObjectKey::chain_from(&bytes, (&id, first), self.keyset(), &first_name)?;
        if !key.advance(number) {
            return Err(far());
        }
        self.chain.set((log, key.clone()));
        Ok(key)
    }

    /// All records of a log that can be read, ascending, and what is wrong with the rest: damage, gaps
    /// in the numbers that no record explains, records that name another one before them.
    pub fn log(&self, log: LogId) -> Result<(Vec<Numbered>, Vec<RepositoryError>)> {
        let mut records: Vec<Numbered> = Vec::new();
        let wrong = self.walk_log(log, &mut |read| records.push(read))?;
        Ok((records, wrong))
    }

    /// Hands all records of a log that can be read to `each`, ascending, and tells what is wrong with the
    /// rest. One is held at a time: a timeline may have a million.
    pub(crate) fn walk_log(
        &self,
        log: LogId,
        each: &mut dyn FnMut(Numbered),
    ) -> Result<Vec<RepositoryError>> {
        let mut wrong = Vec::new();
        let mut chain = Chain::default();
        let mut ahead: VecDeque<u64> = self.log_numbers(log)?.into();
        while let Some(number) = ahead.pop_front() {
            match self.log_record(log, number) {
                Ok(read) => {
                    chain.take(&read);
                    each(read);
                }
                Err(error) if is_missing(&error) => {
                    let now = self.log_numbers(log)?;
                    if now.binary_search(&number).is_ok() {
                        chain.numbers.push(number);
                        wrong.push(error);
                    }
                    // Else somebody thinned since it was listed; what stands in for it is behind.
                    ahead = now.into_iter().filter(|&next| next > number).collect();
                }
                Err(error) if error.is_damage() => {
                    chain.numbers.push(number);
                    wrong.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        chain.gaps(log, &mut wrong);
        chain.breaks(log, &mut wrong);
        Ok(wrong)
    }

    /// Removes a record that another one stands in for.
    pub(crate) fn log_remove(&self, log: LogId, number: u64) -> Result<()> {
        match self.storage().remove(&ObjectName::Log(log, number)) {
            Err(StorageError::Missing { .. }) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Where the next record of a log goes.
    pub fn log_end(&self, log: LogId) -> Result<LogEnd> {
        let Some(last) = self.log_numbers(log)?.pop() else {
            return Ok(LogEnd::new(1, None));
        };
        let previous = match self.log_record(log, last) {
            Ok(read) => Some(read.hash),
            Err(RepositoryError::WriteOnlyKey) => None,
            // What is damaged is told by whoever reads the log; it must not stop the next record.
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error),
        };
        Ok(LogEnd::new(last.saturating_add(1), previous))
    }

    /// Stores the next record of a log, durably, and moves `end` behind it; gives its number and the bytes
    /// that it takes. Fails with `AlreadyExists` if somebody else was first.
    pub(crate) fn log_append_at(
        &self,
        log: LogId,
        end: &mut LogEnd,
        time: Timestamp,
        kind: u64,
        body: Vec<u8>,
    ) -> Result<(u64, u64)> {
        let name = ObjectName::Log(log, end.next);
        let mut record = encode_log_record(&LogRecord {
            time,
            previous: end.previous,
            kind,
            body,
        });
        RepositoryError::within(name, record.len() as u64, LOG_RECORD_BYTES_MAX)?;
        let hash = self.id_key().log_hash(&record);
        let id = object_id(log, end.next);
        let (keyset, entropy) = (self.keyset(), self.entropy());
        let (keys, (key, mut bytes)) = match &end.keys {
            LogKeys::Begin => {
                let (key, bytes, chain) = ObjectKey::first_of_chain(end.next, &id, keyset, entropy);
                (LogKeys::Chained(chain), (key, bytes))
            }
            LogKeys::Chained(chain) => {
                let mut chain = chain.clone();
                if chain.advance(end.next) {
                    let sealed = ObjectKey::chained(&chain, &id, keyset);
                    (LogKeys::Chained(chain), sealed)
                } else {
                    let sealed = ObjectKey::wrapped(ObjectType::LogRecord, &id, keyset, entropy);
                    (LogKeys::Wrapped, sealed)
                }
            }
            LogKeys::Wrapped => {
                let sealed = ObjectKey::wrapped(ObjectType::LogRecord, &id, keyset, entropy);
                (LogKeys::Wrapped, sealed)
            }
        };
        let offset = bytes.len() as u64;
        key.seal(Part::Record, offset, &mut record, 0);
        bytes.extend_from_slice(&record);
        if let Err(error) = self.storage().put_new(&name, &bytes) {
            end.keys = after_failure(&end.keys, keys, end.next);
            return Err(error.into());
        }
        let number = end.next;
        *end = LogEnd {
            next: number + 1,
            previous: Some(hash),
            keys,
        };
        Ok((number, bytes.len() as u64))
    }

    /// Stores a record behind the last one, whoever else writes. `body` is given the records that are
    /// there, since what is stored may depend on them.
    pub fn log_append(
        &self,
        log: LogId,
        time: Timestamp,
        kind: u64,
        mut body: impl FnMut(&Self) -> Result<Vec<u8>>,
    ) -> Result<u64> {
        for _ in 0..TRIES_MAX {
            let mut end = self.log_end(log)?;
            let body = body(self)?;
            match self.log_append_at(log, &mut end, time, kind, body) {
                Err(RepositoryError::Storage(StorageError::AlreadyExists { .. })) => {}
                done => return Ok(done?.0),
            }
        }
        Err(RepositoryError::Poisoned)
    }
}

fn is_missing(error: &RepositoryError) -> bool {
    matches!(
        error,
        RepositoryError::Storage(StorageError::Missing { .. })
    )
}

/// What is remembered of the records of a log to tell whether it is whole.
#[derive(Debug, Default)]
struct Chain {
    /// Those that are there, damaged ones too.
    numbers: Vec<u64>,
    hashes: HashMap<u64, [u8; 32]>,
    /// Which record names which hash before it.
    named: Vec<(u64, [u8; 32])>,
    replaced: Vec<Thinned>,
}

impl Chain {
    fn take(&mut self, read: &Numbered) {
        self.numbers.push(read.number);
        self.hashes.insert(read.number, read.hash);
        if let Some(named) = read.record.previous {
            self.named.push((read.number, named));
        }
        if read.record.kind == REPLACES
            && let Ok(Some(TimelineRecord::Thinned(mut thinned))) =
                decode_record(REPLACES, &read.record.body)
        {
            for run in &mut thinned.runs {
                self.hashes.entry(run.last).or_insert(run.hash);
                // Only the numbers count here, and the changes may be many.
                run.changes = Vec::new();
            }
            self.replaced.push(thinned);
        }
    }

    /// Tells of numbers that are missing and that no record stands in for.
    fn gaps(&self, log: LogId, wrong: &mut Vec<RepositoryError>) {
        let mut expected = 1;
        for &number in &self.numbers {
            let stands_in = |gone| self.replaced.iter().any(|thinned| thinned.has(gone));
            if let Some(gone) = (expected..number).find(|&gone| !stands_in(gone)) {
                let why = format!("record {gone} before it is gone");
                wrong.push(RepositoryError::damaged(ObjectName::Log(log, number), why));
            }
            expected = number.saturating_add(1);
        }
    }

    /// Tells of records that name another one before them.
    fn breaks(&self, log: LogId, wrong: &mut Vec<RepositoryError>) {
        for (number, named) in &self.named {
            let before = self.hashes.get(&(number - 1));
            if before.is_some_and(|before| before != named) {
                let name = ObjectName::Log(log, *number);
                let why = "it names another record before it";
                wrong.push(RepositoryError::damaged(name, why));
            }
        }
    }
}

/// Where keys come from after a record could not be stored. Its bytes may have been seen, and the offset is
/// the nonce: the key of this number must not be used for others. And a chain begins with the record that
/// was to begin it, or not at all.
fn after_failure(before: &LogKeys, tried: LogKeys, number: u64) -> LogKeys {
    if let (LogKeys::Chained(_), LogKeys::Chained(mut chain)) = (before, tried)
        && chain.advance(number + 1)
    {
        return LogKeys::Chained(chain);
    }
    LogKeys::Wrapped
}

/// The id in the header of a record: the log, then the number.
fn object_id(log: LogId, number: u64) -> [u8; 24] {
    let mut id = [0; 24];
    id[..16].copy_from_slice(&log.0);
    id[16..].copy_from_slice(&number.to_le_bytes());
    id
}
