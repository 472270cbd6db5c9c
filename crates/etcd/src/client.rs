//! A client of one etcd: single calls, each of them blocking.
//!
//! One runtime with one thread carries the connections; callers wait on it. A call that reads is tried at
//! every endpoint until patience ends; a call that writes is made once, since one that got no answer may
//! have been carried out.

use std::sync::Arc;

use prost::Message;
use tokio::runtime::Runtime;

use crate::address::{Address, range_of};
use crate::connection::{Call, Members};
use crate::error::EtcdError;
use crate::settings::Settings;
use crate::value::KeyValue;
use crate::wire::{
    Answer, Ask, DeleteRequest, DeleteResponse, PutRequest, PutResponse, RangeRequest,
    RangeResponse, TxnRequest, TxnResponse,
};

pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
const PUT: &str = "/etcdserverpb.KV/Put";
const DELETE: &str = "/etcdserverpb.KV/DeleteRange";
const TXN: &str = "/etcdserverpb.KV/Txn";

/// Keys that are asked for in one transaction: what etcd takes by default (`--max-txn-ops 128`).
const GET_KEYS: usize = 128;

/// A connection to an etcd; clones share it, and threads may. Not for use within another runtime: its calls
/// block.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    members: Arc<Members>,
    /// Always there until dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// Connects, and asks once for the current revision, so that a wrong address or password shows at
    /// once.
    pub fn connect(address: &Address, settings: &Settings) -> Result<Self, EtcdError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|error| EtcdError::Settings {
                reason: format!("can't start a thread: {error}"),
            })?;
        let members = {
            let _guard = runtime.enter();
            Arc::new(Members::new(address, settings)?)
        };
        let inner = Arc::new(Inner {
            address: address.clone(),
            members,
            runtime: Some(runtime),
        });
        let client = Self { inner };
        client.revision()?;
        Ok(client)
    }

    /// Where it is connected to.
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// The current revision, as the whole cluster sees it.
    pub fn revision(&self) -> Result<i64, EtcdError> {
        // The first key of our range may be read by whoever may read the range.
        let (key, _) = self.inner.address.range();
        let question = RangeRequest {
            key,
            count_only: true,
            ..RangeRequest::default()
        };
        self.range(&question).map(|(revision, _)| revision)
    }

    /// The value of a key, now or at a revision.
    pub fn get(&self, key: &[u8], revision: Option<i64>) -> Result<Option<KeyValue>, EtcdError> {
        let question = question_for(key, revision.unwrap_or(0));
        let (_, answer) = self.range(&question)?;
        Ok(answer.kvs.into_iter().next().map(KeyValue::from))
    }

    /// The values of many keys at one revision, and that revision; now if none is given.
    pub fn get_many(
        &self,
        keys: &[&[u8]],
        revision: Option<i64>,
    ) -> Result<(i64, Vec<Option<KeyValue>>), EtcdError> {
        let revision = match revision {
            Some(revision) => revision,
            None => self.revision()?,
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut at_once = GET_KEYS;
        while let Some(rest) = keys.get(found.len()..).filter(|rest| !rest.is_empty()) {
            let batch = &rest[..at_once.min(rest.len())];
            match self.get_batch(batch, revision) {
                Ok(values) => found.extend(values),
                Err(EtcdError::TooLarge { .. } | EtcdError::TooManyOperations)
                    if batch.len() > 1 =>
                {
                    at_once = batch.len() / 2;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((revision, found))
    }

    fn get_batch(&self, keys: &[&[u8]], revision: i64) -> Result<Vec<Option<KeyValue>>, EtcdError> {
        if let [key] = keys {
            return Ok(vec![self.get(key, Some(revision))?]);
        }
        let ranges = keys
            .iter()
            .map(|key| Ask::Range(question_for(key, revision)).into());
        let question = TxnRequest {
            success: ranges.collect(),
            ..TxnRequest::default()
        };
        // It only reads, so it may be made twice.
        let mut call = Call::new(TXN, &question);
        call.revision = revision;
        let answer: TxnResponse = self.call(&call)?;
        self.members().check(answer.header.as_ref())?;
        let reason = "a transaction answered something else than was asked";
        if answer.responses.len() != keys.len() {
            return Err(EtcdError::Protocol { reason });
        }
        let values = answer
            .responses
            .into_iter()
            .map(|reply| match reply.answer {
                Some(Answer::Range(range)) => Ok(range.kvs.into_iter().next().map(KeyValue::from)),
                _ => Err(EtcdError::Protocol { reason }),
            });
        values.collect()
    }

    /// How many keys with this prefix there are now.
    pub fn count(&self, prefix: &[u8]) -> Result<u64, EtcdError> {
        let (key, range_end) = range_of(prefix);
        let question = RangeRequest {
            key,
            range_end,
            count_only: true,
            ..RangeRequest::default()
        };
        let (_, answer) = self.range(&question)?;
        Ok(u64::try_from(answer.count).unwrap_or(0))
    }

    /// Writes a key without a condition; gives the new revision. `lease` 0 is none.
    pub fn put(&self, key: &[u8], value: &[u8], lease: i64) -> Result<i64, EtcdError> {
        let question = PutRequest {
            key: key.to_vec(),
            value: value.to_vec(),
            lease,
            ignore_lease: false,
        };
        let answer: PutResponse = self.call_once(PUT, &question)?;
        self.members().check(answer.header.as_ref())
    }

    /// Writes many keys in one transaction without conditions; gives the new revision. The server limits
    /// how many.
    pub fn put_all(&self, pairs: &[(&[u8], &[u8])]) -> Result<i64, EtcdError> {
        let puts = pairs.iter().map(|(key, value)| {
            let put = PutRequest {
                key: key.to_vec(),
                value: value.to_vec(),
                ..PutRequest::default()
            };
            Ask::Put(put).into()
        });
        let question = TxnRequest {
            success: puts.collect(),
            ..TxnRequest::default()
        };
        self.txn(&question).map(|(revision, _)| revision)
    }

    /// Deletes a key without a condition; gives the revision, and whether there was such a key.
    pub fn delete(&self, key: &[u8]) -> Result<(i64, bool), EtcdError> {
        self.delete_range(key.to_vec(), Vec::new())
            .map(|(revision, count)| (revision, count > 0))
    }

    /// Deletes every key with this prefix, in one revision; gives it, and how many there were.
    pub fn delete_prefix(&self, prefix: &[u8]) -> Result<(i64, u64), EtcdError> {
        let (key, end) = range_of(prefix);
        self.delete_range(key, end)
    }

    fn delete_range(&self, key: Vec<u8>, range_end: Vec<u8>) -> Result<(i64, u64), EtcdError> {
        let question = DeleteRequest { key, range_end };
        let answer: DeleteResponse = self.call_once(DELETE, &question)?;
        let revision = self.members().check(answer.header.as_ref())?;
        Ok((revision, u64::try_from(answer.deleted).unwrap_or(0)))
    }

    pub(crate) fn range(&self, question: &RangeRequest) -> Result<(i64, RangeResponse), EtcdError> {
        let mut call = Call::new(RANGE, question);
        call.revision = question.revision;
        let answer: RangeResponse = self.call(&call)?;
        let revision = self.members().check(answer.header.as_ref())?;
        Ok((revision, answer))
    }

    /// One transaction, sent once.
    pub(crate) fn txn(&self, question: &TxnRequest) -> Result<(i64, TxnResponse), EtcdError> {
        let answer: TxnResponse = self.call_once(TXN, question)?;
        let revision = self.members().check(answer.header.as_ref())?;
        Ok((revision, answer))
    }

    /// One transaction that may be carried out more than once, sent until an answer comes.
    pub(crate) fn txn_until_answered(
        &self,
        question: &TxnRequest,
    ) -> Result<(i64, TxnResponse), EtcdError> {
        let answer: TxnResponse = self.call(&Call::new(TXN, question))?;
        let revision = self.members().check(answer.header.as_ref())?;
        Ok((revision, answer))
    }

    pub(crate) fn call<Q, A>(&self, call: &Call<'_, Q>) -> Result<A, EtcdError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.wait(self.members().call(call))
    }

    /// Sends once. After [`EtcdError::Unreachable`] nobody knows whether it was carried out; the next call
    /// goes to another member.
    pub(crate) fn call_once<Q, A>(&self, path: &'static str, question: &Q) -> Result<A, EtcdError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let members = self.members();
        let at = members.current();
        let answer = self.wait(members.try_once(at, &Call::new(path, question)));
        answer.map_err(|(error, _)| {
            if matches!(error, EtcdError::Unreachable { .. }) {
                members.move_on(at);
            }
            members.with_names(error)
        })
    }

    /// Whether the server may know us as a user: by name, or by certificate.
    pub(crate) fn has_user(&self) -> bool {
        self.members().has_user()
    }

    pub(crate) fn members(&self) -> &Arc<Members> {
        &self.inner.members
    }

    /// Waits for work of the runtime.
    pub(crate) fn wait<F: Future>(&self, work: F) -> F::Output {
        self.runtime().block_on(work)
    }

    /// Starts work on the runtime's thread.
    pub(crate) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.runtime().spawn(work)
    }

    fn runtime(&self) -> &Runtime {
        let runtime = self.inner.runtime.as_ref();
        runtime.expect("the runtime is only taken when the last client is dropped")
    }
}

fn question_for(key: &[u8], revision: i64) -> RangeRequest {
    RangeRequest {
        key: key.to_vec(),
        revision,
        ..RangeRequest::default()
    }
}
