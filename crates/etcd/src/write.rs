//! What is to be written, under which condition, and what became of it.

use crate::error::EtcdError;
use crate::value::KeyValue;

/// What must stand at a key for it to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect {
    /// No such key.
    Absent,
    /// The key as it was written in this revision, and not since.
    ModRevision(i64),
    /// The key with exactly this value, whoever wrote it and when.
    Value(Vec<u8>),
}

/// What becomes of the lease of a key that gets a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    /// A key that is there keeps the one it has, so its owner's life goes on deciding over it.
    Keep,
    /// None: the key stays until somebody deletes it.
    None,
}

/// One key that is to be written or deleted, if it is what is expected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Write {
    /// The key.
    pub key: Vec<u8>,
    /// The new value; `None` deletes the key.
    pub new: Option<Vec<u8>>,
    /// The condition.
    pub expect: Expect,
    /// What becomes of the key's lease.
    pub lease: Lease,
}

impl Write {
    /// Whether this state of the key is what the write would leave, as far as bytes go.
    pub fn is_done_by(&self, current: Option<&KeyValue>) -> bool {
        self.new.as_deref() == current.map(|kv| kv.value.as_slice())
    }
}

/// What became of a write.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Written in this revision.
    Done(i64),
    /// Not what was expected, but already what was to be written: by somebody else, or by us in a call
    /// whose answer was lost.
    Already(Option<KeyValue>),
    /// Something else stands there, and was left alone.
    Conflict(Option<KeyValue>),
    /// The server does not take this key or value, whatever stands there.
    Refused(EtcdError),
    /// Sent, and no answer came; nor could anybody be asked what became of it.
    Unknown,
    /// Not sent.
    NotTried,
}

impl Outcome {
    /// Whether the key now holds what was to be written.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Already(_))
    }
}
