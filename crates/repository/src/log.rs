//! Logs at rest: records numbered without gaps, each naming the one before it by its hash.
//!
//! A record is an object of its own that is written once. Two writers that take the same number are
//! told apart by the storage: the later one looks again and takes the next.

use std::sync::Arc;

use format::log::{LOG_RECORD_BYTES_MAX, LogRecord, decode_log_record, encode_log_record};
use format::{ObjectType, Part};
use model::{LogId, Timestamp};
use storage::{ObjectKind, ObjectName, StorageError};

use crate::error::{RepositoryError, Result};
use crate::object::ObjectKey;
use crate::repository::Repository;

/// How often a number may be taken by somebody else before we give up: each time another record was
/// stored, so somebody makes progress.
const TRIES_MAX: usize = 1000;

/// The place behind the last record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// The number of the next record; the first one is 1.
    pub next: u64,
    /// Keyed hash of the last record; `None` if there is none, or if it can't be read.
    pub previous: Option<[u8; 32]>,
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
    pub fn log_numbers(&self, log: LogId) -> Result<Vec<u64>> {
        let names = self.storage().list(ObjectKind::Log)?;
        let numbers = names.into_iter().filter_map(|(name, _)| match name {
            ObjectName::Log(of, number) if of == log => Some(number),
            _ => None,
        });
        Ok(numbers.collect())
    }

    /// Reads a record.
    pub fn log_record(&self, log: LogId, number: u64) -> Result<Numbered> {
        let name = ObjectName::Log(log, number);
        let mut bytes = self.storage().read(&name)?;
        let id = object_id(log, number);
        let key = ObjectKey::open(&bytes, ObjectType::LogRecord, &id, self.keyset(), &name)?;
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

    /// All records of a log that can be read, ascending, and what is wrong with the rest: damage, gaps
    /// in the numbers, records that name another one before them.
    pub fn log(&self, log: LogId) -> Result<(Vec<Numbered>, Vec<RepositoryError>)> {
        let mut records: Vec<Numbered> = Vec::new();
        let mut wrong = Vec::new();
        let mut expected = 1;
        for number in self.log_numbers(log)? {
            let name = ObjectName::Log(log, number);
            if number != expected {
                let why = format!("record {expected} before it is gone");
                wrong.push(RepositoryError::damaged(name, why));
            }
            expected = number.saturating_add(1);
            match self.log_record(log, number) {
                Ok(read) => {
                    let before = records.last().filter(|last| last.number + 1 == number);
                    let fits = before.is_none_or(|last| {
                        read.record.previous.is_none_or(|named| named == last.hash)
                    });
                    if !fits {
                        let why = "it names another record before it";
                        wrong.push(RepositoryError::damaged(name, why));
                    }
                    records.push(read);
                }
                Err(error) if error.is_damage() => wrong.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok((records, wrong))
    }

    /// Where the next record of a log goes.
    pub fn log_end(&self, log: LogId) -> Result<LogEnd> {
        let Some(last) = self.log_numbers(log)?.pop() else {
            return Ok(LogEnd {
                next: 1,
                previous: None,
            });
        };
        let previous = match self.log_record(log, last) {
            Ok(read) => Some(read.hash),
            Err(RepositoryError::WriteOnlyKey) => None,
            // What is damaged is told by whoever reads the log; it must not stop the next record.
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error),
        };
        Ok(LogEnd {
            next: last.saturating_add(1),
            previous,
        })
    }

    /// Stores the next record of a log, durably, and moves `end` behind it. Fails with `AlreadyExists`
    /// if somebody else was first.
    pub fn log_append_at(
        &self,
        log: LogId,
        end: &mut LogEnd,
        time: Timestamp,
        kind: u64,
        body: Vec<u8>,
    ) -> Result<u64> {
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
        let (key, mut bytes): (Arc<ObjectKey>, Vec<u8>) =
            ObjectKey::wrapped(ObjectType::LogRecord, &id, self.keyset(), self.entropy());
        let offset = bytes.len() as u64;
        key.seal(Part::Record, offset, &mut record, 0);
        bytes.extend_from_slice(&record);
        self.storage().put_new(&name, &bytes)?;
        let number = end.next;
        *end = LogEnd {
            next: number + 1,
            previous: Some(hash),
        };
        Ok(number)
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
                done => return done,
            }
        }
        Err(RepositoryError::Poisoned)
    }
}

/// The id in the header of a record: the log, then the number.
fn object_id(log: LogId, number: u64) -> [u8; 24] {
    let mut id = [0; 24];
    id[..16].copy_from_slice(&log.0);
    id[16..].copy_from_slice(&number.to_le_bytes());
    id
}
