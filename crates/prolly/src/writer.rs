//! One node being written: entries go in, canonical bytes come out.

use crate::boundary::weight;
use crate::node::{Child, HEADER_BYTES, put_header};
use crate::varint;

/// A node that is still open.
#[derive(Debug)]
pub(crate) struct NodeWriter {
    level: u8,
    out: Vec<u8>,
    entries: u32,
    weight: u64,
    count: u64,
    bytes: u64,
    /// The key pushed last, in this node or in the one before it.
    last: Option<Vec<u8>>,
}

/// A key that is not above the one before it.
pub(crate) struct OutOfOrder;

impl NodeWriter {
    pub(crate) fn new(level: u8) -> Self {
        let out = vec![0; HEADER_BYTES];
        Self {
            level,
            out,
            entries: 0,
            weight: 0,
            count: 0,
            bytes: 0,
            last: None,
        }
    }

    pub(crate) fn push_value(
        &mut self,
        key: &[u8],
        value: &[u8],
        bytes: u64,
    ) -> Result<(), OutOfOrder> {
        let shared = self.begin(key)?;
        varint::put(&mut self.out, value.len() as u64);
        self.out.extend_from_slice(&key[shared..]);
        self.out.extend_from_slice(value);
        self.end(key, shared, 1, bytes);
        Ok(())
    }

    pub(crate) fn push_child(&mut self, key: &[u8], child: &Child) -> Result<(), OutOfOrder> {
        let shared = self.begin(key)?;
        varint::put(&mut self.out, child.count);
        varint::put(&mut self.out, child.bytes);
        self.out.extend_from_slice(child.id.as_bytes());
        self.out.extend_from_slice(&key[shared..]);
        self.end(key, shared, child.count, child.bytes);
        Ok(())
    }

    /// Entries in the open node.
    pub(crate) fn entries(&self) -> u32 {
        self.entries
    }

    /// Weight of the entries in the open node.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The key pushed last; empty if there was none.
    pub(crate) fn last_key(&self) -> &[u8] {
        self.last.as_deref().unwrap_or_default()
    }

    /// Completes the node: its bytes, the entries of the map below it and their logical bytes.
    pub(crate) fn seal(&mut self) -> (&[u8], u64, u64) {
        assert!(self.entries > 0, "no node is empty");
        put_header(&mut self.out, self.level, self.entries);
        (&self.out, self.count, self.bytes)
    }

    /// Begins the next node of the level. Remembers the last key, to keep the order.
    pub(crate) fn clear(&mut self) {
        self.out.truncate(HEADER_BYTES);
        self.entries = 0;
        self.weight = 0;
        self.count = 0;
        self.bytes = 0;
    }

    /// Checks the order and writes how long the shared prefix and the rest of the key are.
    fn begin(&mut self, key: &[u8]) -> Result<usize, OutOfOrder> {
        let mut shared = 0;
        if let Some(last) = &self.last {
            shared = common_prefix(last, key);
            if key.get(shared) <= last.get(shared) {
                return Err(OutOfOrder);
            }
        }
        if self.entries == 0 {
            shared = 0;
        }
        varint::put(&mut self.out, shared as u64);
        varint::put(&mut self.out, (key.len() - shared) as u64);
        Ok(shared)
    }

    fn end(&mut self, key: &[u8], shared: usize, count: u64, bytes: u64) {
        let last = self.last.get_or_insert_default();
        last.truncate(shared);
        last.extend_from_slice(&key[shared..]);
        self.entries += 1;
        self.weight += weight(key);
        self.count = self.count.saturating_add(count);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// How many bytes the two begin with in common.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut at = 0;
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return at + differing.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + a[at..]
        .iter()
        .zip(&b[at..])
        .take_while(|(a, b)| a == b)
        .count()
}
