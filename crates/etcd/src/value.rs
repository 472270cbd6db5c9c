//! A key with its value, and what etcd knows about it.

use crate::wire::Kv;

/// A key with its value at some revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyValue {
    /// The key, any bytes.
    pub key: Vec<u8>,
    /// The value, any bytes, perhaps none.
    pub value: Vec<u8>,
    /// Revision at which the key came into being.
    pub create_revision: i64,
    /// Revision at which it got this value.
    pub mod_revision: i64,
    /// How many times it was written since it came into being.
    pub version: i64,
    /// The lease that it dies with; 0 for none.
    pub lease: i64,
}

impl KeyValue {
    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

impl From<Kv> for KeyValue {
    fn from(kv: Kv) -> Self {
        Self {
            key: kv.key,
            value: kv.value,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            lease: kv.lease,
        }
    }
}
