//! Many conditional writes as one transaction, and its answer as one outcome each.
//!
//! The outer transaction has no condition; it holds an inner one for each key, `if as expected then write
//! else read`. One request, one revision, and a key that moved does not stop the others. Where a server
//! takes a single operation only, the transaction of one key is sent by itself.
//!
//! Servers up to 2026 do not ask whether the user may do what stands in an inner transaction (advisory
//! GHSA-rfx7-8w68-q57q). What
//! a user may not do must not be done by us because nobody asked: for a known user, the outer transaction
//! repeats every key in a condition that is always true and in a branch that is never taken. Both are
//! checked by every server, and count for nothing beside the inner ones.

use std::collections::HashSet;

use prost::Message;

use crate::error::EtcdError;
use crate::value::KeyValue;
use crate::wire::{
    Answer, Ask, Compare, DeleteRequest, Operand, Operation, PutRequest, RangeRequest, TxnRequest,
    TxnResponse,
};
use crate::write::{Expect, Lease, Outcome, Write};

/// Operations of an outer transaction together with those of one inner may be 128 (`--max-txn-ops`).
const OPERATIONS_FIRST: usize = 127;

/// What etcd takes in one request (`--max-request-bytes`), less what it adds itself: its envelope and
/// the user's name.
const BYTES_FIRST: usize = 1536 * 1024 - 512;

/// Tag and length that each operation has around it.
const FRAME_BYTES: usize = 8;

/// What a server takes in one request, as far as it is known: begun with the defaults, lowered when it
/// says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Keys of a transaction; 0 if not even one can stand within another.
    pub keys: usize,
    /// Bytes of a request.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys: OPERATIONS_FIRST,
            bytes: BYTES_FIRST,
        }
    }
}

/// A transaction of the first so many of some writes.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) question: TxnRequest,
    pub(crate) len: usize,
    pub(crate) bytes: usize,
    is_nested: bool,
}

impl Batch {
    /// As many of the first writes as fit, at least one; no key twice. `asks_permission` where the server
    /// knows users.
    pub(crate) fn of(writes: &[Write], limits: Limits, asks_permission: bool) -> Self {
        let is_nested = limits.keys > 0;
        let mut keys = HashSet::new();
        let (mut inner, mut bytes) = (Vec::new(), 0);
        for write in writes.iter().take(limits.keys.max(1)) {
            let one = conditional(write);
            let again = if asks_permission {
                2 * (write.key.len() + 2 * FRAME_BYTES)
            } else {
                0
            };
            let more = one.encoded_len() + FRAME_BYTES + again;
            let fits = inner.is_empty() || bytes + more <= limits.bytes;
            if !fits || !keys.insert(&write.key) {
                break;
            }
            bytes += more;
            inner.push(one);
        }
        let len = inner.len();
        let question = match inner.pop() {
            Some(one) if !is_nested => one,
            last => {
                inner.extend(last);
                let asked = if asks_permission { &writes[..len] } else { &[] };
                TxnRequest {
                    compare: asked
                        .iter()
                        .map(|write| Compare::always(&write.key))
                        .collect(),
                    success: inner.into_iter().map(|one| Ask::Txn(one).into()).collect(),
                    failure: asked
                        .iter()
                        .map(|write| bare_action(write).into())
                        .collect(),
                }
            }
        };
        Self {
            question,
            len,
            bytes,
            is_nested,
        }
    }

    /// One outcome for each of the writes of which the batch was made.
    pub(crate) fn outcomes(
        &self,
        writes: &[Write],
        revision: i64,
        answer: TxnResponse,
    ) -> Result<Vec<Outcome>, EtcdError> {
        let inner = if self.is_nested {
            let answers = answer
                .responses
                .into_iter()
                .map(|reply| match reply.answer {
                    Some(Answer::Txn(inner)) => Ok(inner),
                    _ => Err(unexpected()),
                });
            answers.collect::<Result<Vec<_>, _>>()?
        } else {
            vec![answer]
        };
        if inner.len() != self.len || writes.len() < self.len {
            return Err(unexpected());
        }
        let pairs = inner.into_iter().zip(writes);
        pairs
            .map(|(answer, write)| outcome(write, revision, answer))
            .collect()
    }
}

fn conditional(write: &Write) -> TxnRequest {
    let operand = match &write.expect {
        Expect::Absent => Operand::CreateRevision(0),
        Expect::ModRevision(revision) => Operand::ModRevision(*revision),
        Expect::Value(value) => Operand::Value(value.clone()),
    };
    let action = match &write.new {
        Some(value) => Ask::Put(PutRequest {
            key: write.key.clone(),
            value: value.clone(),
            lease: 0,
            // Etcd refuses to keep the lease of a key that is not there.
            ignore_lease: write.lease == Lease::Keep && write.expect != Expect::Absent,
        }),
        None => Ask::Delete(DeleteRequest {
            key: write.key.clone(),
            range_end: Vec::new(),
        }),
    };
    let look = Ask::Range(RangeRequest {
        key: write.key.clone(),
        ..RangeRequest::default()
    });
    TxnRequest {
        compare: vec![Compare::equal(&write.key, operand)],
        success: vec![Operation::from(action)],
        failure: vec![Operation::from(look)],
    }
}

/// What a write would do, without its value.
fn bare_action(write: &Write) -> Ask {
    let key = write.key.clone();
    match &write.new {
        Some(_) => Ask::Put(PutRequest {
            key,
            ..PutRequest::default()
        }),
        None => Ask::Delete(DeleteRequest {
            key,
            ..DeleteRequest::default()
        }),
    }
}

fn outcome(write: &Write, revision: i64, answer: TxnResponse) -> Result<Outcome, EtcdError> {
    if answer.succeeded {
        // To delete what is not there takes no revision.
        let is_empty = write.new.is_none() && write.expect == Expect::Absent;
        return Ok(if is_empty {
            Outcome::Already(None)
        } else {
            Outcome::Done(revision)
        });
    }
    match answer
        .responses
        .into_iter()
        .next()
        .and_then(|reply| reply.answer)
    {
        Some(Answer::Range(range)) => {
            let current = range.kvs.into_iter().next().map(KeyValue::from);
            Ok(if write.is_done_by(current.as_ref()) {
                Outcome::Already(current)
            } else {
                Outcome::Conflict(current)
            })
        }
        _ => Err(unexpected()),
    }
}

fn unexpected() -> EtcdError {
    let reason = "a transaction answered something else than was asked";
    EtcdError::Protocol { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str, bytes: usize) -> Write {
        Write {
            key: key.into(),
            new: Some(vec![0; bytes]),
            expect: Expect::Absent,
            lease: Lease::None,
        }
    }

    #[test]
    fn a_batch_keeps_within_the_limits() {
        let many: Vec<_> = (0..300).map(|at| write(&at.to_string(), 10)).collect();
        assert_eq!(Batch::of(&many, Limits::default(), false).len, 127);
        let large: Vec<_> = (0..9).map(|at| write(&at.to_string(), 500_000)).collect();
        for asks_permission in [false, true] {
            let batch = Batch::of(&large, Limits::default(), asks_permission);
            assert_eq!(batch.len, 3);
            assert!(batch.question.encoded_len() <= batch.bytes && batch.bytes <= BYTES_FIRST);
        }
        let huge = [write("a", 9_000_000), write("b", 1)];
        assert_eq!(Batch::of(&huge, Limits::default(), false).len, 1);
    }

    #[test]
    fn no_key_stands_twice_in_a_batch() {
        let writes = [write("a", 1), write("b", 1), write("a", 2), write("c", 1)];
        assert_eq!(Batch::of(&writes, Limits::default(), false).len, 2);
    }

    #[test]
    fn a_single_operation_stands_by_itself() {
        let limits = Limits {
            keys: 0,
            bytes: 100,
        };
        let batch = Batch::of(&[write("a", 1), write("b", 1)], limits, true);
        assert_eq!((batch.len, batch.question.compare.len()), (1, 1));
    }
}
