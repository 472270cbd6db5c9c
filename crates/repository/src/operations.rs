//! The log of operations, and the long lists that its records name.

use std::collections::BTreeMap;

use format::operation::{
    BEGUN, ENDED, OPERATIONS, decode_begun, decode_ended, encode_begun, encode_ended,
};
use format::plan::{decode_plan, encode_plan};
use model::operation::{Begun, Ended, Listed, Operation};
use model::{LogId, Plan, Timestamp};
use storage::ObjectName;

use crate::error::{RepositoryError, Result};
use crate::packer::Packer;
use crate::repository::Repository;

/// Length of the pieces of a list: long enough to compress well, short enough for one segment.
const PIECE_BYTES: usize = 512 << 10;

/// Longest list that is read back: about ten million steps.
const LISTED_BYTES_MAX: u64 = 4 << 30;

impl Repository {
    pub(crate) fn operations_log(&self) -> LogId {
        self.id_key().log_id(OPERATIONS)
    }

    /// Stores a list of an operation; it is durable when the session is.
    pub fn put_listed(&self, packer: &mut Packer<'_, '_>, bytes: &[u8]) -> Result<Listed> {
        let mut blobs = Vec::new();
        for piece in bytes.chunks(PIECE_BYTES) {
            blobs.push(packer.add(piece)?.id);
        }
        Ok(Listed {
            hash: self.id_key().log_hash(bytes),
            len: bytes.len() as u64,
            blobs,
        })
    }

    /// Stores a plan; it is durable when the session is.
    pub fn put_plan(&self, packer: &mut Packer<'_, '_>, plan: &Plan) -> Result<Listed> {
        self.put_listed(packer, &encode_plan(plan))
    }

    /// What names a plan: the same for equal plans.
    pub fn plan_hash(&self, plan: &Plan) -> [u8; 32] {
        self.id_key().log_hash(&encode_plan(plan))
    }

    /// Reads a plan back.
    pub fn plan(&self, listed: &Listed) -> Result<Plan> {
        const WHAT: &str = "plan of an operation";
        let bytes = self.read_listed(listed, WHAT)?;
        decode_plan(&bytes).map_err(|error| RepositoryError::format(WHAT, &error))
    }

    /// Reads a list back.
    pub(crate) fn read_listed(&self, listed: &Listed, what: &'static str) -> Result<Vec<u8>> {
        if listed.len > LISTED_BYTES_MAX {
            return Err(RepositoryError::damaged(what, "it is too long"));
        }
        let mut bytes = Vec::new();
        for id in &listed.blobs {
            bytes.extend_from_slice(&self.read_blob(id)?);
            if bytes.len() as u64 > listed.len {
                break;
            }
        }
        if bytes.len() as u64 != listed.len || self.id_key().log_hash(&bytes) != listed.hash {
            return Err(RepositoryError::damaged(what, "it is another one"));
        }
        Ok(bytes)
    }

    /// Stores how an operation begins, durably, and gives it its number.
    pub fn begin_operation(&self, begun: &Begun, time: Timestamp) -> Result<u64> {
        let mut number = 0;
        self.log_append(self.operations_log(), time, BEGUN, |repository| {
            let (operations, wrong) = repository.operations()?;
            // What can't be read may have had a number too: no number is ever given twice.
            let last = operations.last().map_or(0, |last| last.begun.number);
            number = last.saturating_add(wrong.len() as u64).saturating_add(1);
            Ok(encode_begun(&Begun {
                number,
                ..begun.clone()
            }))
        })?;
        Ok(number)
    }

    /// Stores how an operation ended, durably.
    pub fn end_operation(&self, ended: &Ended, time: Timestamp) -> Result<()> {
        let body = encode_ended(ended);
        let log = self.operations_log();
        self.log_append(log, time, ENDED, |_| Ok(body.clone()))?;
        Ok(())
    }

    /// All operations that can be read, oldest first, and what is wrong with the log.
    pub fn operations(&self) -> Result<(Vec<Operation>, Vec<RepositoryError>)> {
        let log = self.operations_log();
        let (records, mut wrong) = self.log(log)?;
        let mut operations: BTreeMap<u64, Operation> = BTreeMap::new();
        for numbered in records {
            let name = ObjectName::Log(log, numbered.number);
            let record = numbered.record;
            let bad = |error| RepositoryError::format(name, &error);
            match record.kind {
                BEGUN => match decode_begun(&record.body) {
                    Ok(begun) => {
                        let operation = Operation {
                            time: record.time,
                            begun,
                            ended: None,
                        };
                        operations
                            .entry(operation.begun.number)
                            .or_insert(operation);
                    }
                    Err(error) => wrong.push(bad(error)),
                },
                ENDED => match decode_ended(&record.body) {
                    Ok(ended) => {
                        if let Some(operation) = operations.get_mut(&ended.number) {
                            operation.ended.get_or_insert((record.time, ended));
                        }
                    }
                    Err(error) => wrong.push(bad(error)),
                },
                // Of a newer program: it must not hide the rest.
                _ => {}
            }
        }
        Ok((operations.into_values().collect(), wrong))
    }
}
