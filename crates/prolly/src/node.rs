//! The bytes of a node, and a decoded node that is cheap to walk.
//!
//! # Layout
//!
//! ```text
//! header   magic "RMN" (3) | version 1 (1) | level (1) | number of entries, u32 little-endian (4)
//! level 0  shared | suffix length | value length | suffix | value                      per entry
//! level >0 shared | suffix length | count | bytes | child id (32) | suffix             per entry
//! ```
//!
//! `shared` (how many bytes the key has in common with the key before it in this node; 0 for the first
//! entry), the lengths, `count` and `bytes` are LEB128 numbers in their shortest form. Keys ascend
//! strictly, and `shared` is as large as it can be, so that a node has exactly one form. The key of an
//! inner entry is the last key below the child; `count` and `bytes` say how many entries lie below the
//! child and how many logical bytes they stand for. Nothing follows the last entry. No node is empty:
//! the empty map has no node at all.

use model::BlobId;

use crate::varint;

/// First bytes of every node.
pub const MAGIC: [u8; 3] = *b"RMN";
/// Version of the layout.
pub const FORMAT_VERSION: u8 = 1;
/// Longest key. Paths stay below PATH_MAX (4 KiB) nearly always; nesting can make them longer.
pub const KEY_BYTES_MAX: usize = 1 << 20;
/// Longest value: what is larger belongs in a blob of its own.
pub const VALUE_BYTES_MAX: usize = 32 << 10;
/// Longest node. What the largest parameters, keys and values allow together is about 47 MiB.
pub const NODE_BYTES_MAX: usize = 64 << 20;
/// Most memory that the entries of a node may take once prefixes are written out.
pub const DECODED_BYTES_MAX: usize = 128 << 20;
/// Highest level: an inner node has two children or more, bar the last of a level.
pub const LEVEL_MAX: u8 = 63;

pub(crate) const HEADER_BYTES: usize = 9;
const COUNT_AT: usize = 5;
/// Shortest entry: three one-byte numbers.
const ENTRY_BYTES_MIN: usize = 3;
const CHILD_BYTES: usize = BlobId::LEN + 16;

/// Why bytes are not a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// It does not begin as nodes do.
    #[error("not a map node")]
    Magic,
    /// A later program wrote it.
    #[error("map node of unknown format version {version}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// A length or number is beyond its limit.
    #[error("map node exceeds a limit: {what} is {found}, at most {max} is allowed")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// What was found.
        found: u64,
        /// What is allowed.
        max: u64,
    },
    /// It ends early or says something that cannot be.
    #[error("damaged map node: {what} at entry {entry}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// At which entry.
        entry: u32,
    },
}

/// What an inner entry says of the node below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The node.
    pub id: BlobId,
    /// Entries of the map below it.
    pub count: u64,
    /// Logical bytes that they stand for.
    pub bytes: u64,
}

/// Where the key and the payload of an entry end; they begin where the previous entry ends.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key_end: u32,
    end: u32,
}

/// A decoded node: sorted entries, each a key with a value (level 0) or with a child.
#[derive(Debug)]
pub struct Node {
    level: u8,
    count: u64,
    /// Whole keys, each followed by its value or by its child (id, count, bytes).
    data: Vec<u8>,
    slots: Vec<Slot>,
}

impl Node {
    /// Checks and decodes the bytes of a node.
    pub fn decode(bytes: &[u8]) -> Result<Self, NodeError> {
        within(
            "length of the node",
            bytes.len() as u64,
            NODE_BYTES_MAX as u64,
        )?;
        let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(NodeError::Magic);
        };
        let [m0, m1, m2, version, level, c0, c1, c2, c3] = *header;
        if [m0, m1, m2] != MAGIC {
            return Err(NodeError::Magic);
        }
        if version != FORMAT_VERSION {
            return Err(NodeError::Version { version });
        }
        within("level", u64::from(level), u64::from(LEVEL_MAX))?;
        let entries = u32::from_le_bytes([c0, c1, c2, c3]);
        within(
            "number of entries",
            u64::from(entries),
            (rest.len() / ENTRY_BYTES_MIN) as u64,
        )?;
        if entries == 0 {
            return Err(NodeError::Damaged {
                what: "no entries",
                entry: 0,
            });
        }
        let mut decoder = Decoder {
            node: Self {
                level,
                count: 0,
                data: Vec::with_capacity(rest.len() * 2),
                slots: Vec::with_capacity(entries as usize),
            },
            previous: 0..0,
        };
        for entry in 0..entries {
            decoder.entry(&mut rest, entry)?;
        }
        if !rest.is_empty() {
            return Err(NodeError::Damaged {
                what: "trailing bytes",
                entry: entries,
            });
        }
        Ok(decoder.node)
    }

    /// 0 for a leaf; otherwise one more than the level of every child.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Whether the entries hold values.
    pub fn is_leaf(&self) -> bool {
        self.level == 0
    }

    /// How many entries the node itself has.
    #[expect(clippy::len_without_is_empty, reason = "no node is empty")]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many entries of the map lie in or below the node.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Key of the entry; panics if `index` is not below [`Self::len`].
    pub fn key(&self, index: usize) -> &[u8] {
        &self.data[self.start(index)..self.slots[index].key_end as usize]
    }

    /// Value of the entry in a leaf; panics if `index` is not below [`Self::len`].
    pub fn value(&self, index: usize) -> &[u8] {
        assert!(self.is_leaf(), "inner nodes have no values");
        self.payload(index)
    }

    /// Child of the entry in an inner node; panics if `index` is not below [`Self::len`].
    pub fn child(&self, index: usize) -> Child {
        assert!(!self.is_leaf(), "leaves have no children");
        let payload = self.payload(index);
        let (id, numbers) = payload.split_at(BlobId::LEN);
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&numbers[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let mut bytes = [0; BlobId::LEN];
        bytes.copy_from_slice(id);
        Child {
            id: BlobId(bytes),
            count: number(0),
            bytes: number(8),
        }
    }

    /// The greatest key.
    pub fn last_key(&self) -> &[u8] {
        self.key(self.len() - 1)
    }

    /// Index of the first entry whose key is not below `key`; [`Self::len`] if there is none.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// About how much memory the node takes, for caches.
    pub fn memory_bytes(&self) -> usize {
        self.data.capacity() + self.slots.capacity() * size_of::<Slot>() + size_of::<Self>()
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 {
            0
        } else {
            self.slots[index - 1].end as usize
        }
    }

    fn payload(&self, index: usize) -> &[u8] {
        let Slot { key_end, end } = self.slots[index];
        &self.data[key_end as usize..end as usize]
    }
}

/// Writes the header of a node into the first [`HEADER_BYTES`] of `node`.
pub(crate) fn put_header(node: &mut [u8], level: u8, entries: u32) {
    node[..3].copy_from_slice(&MAGIC);
    node[3] = FORMAT_VERSION;
    node[4] = level;
    node[COUNT_AT..HEADER_BYTES].copy_from_slice(&entries.to_le_bytes());
}

struct Decoder {
    node: Node,
    /// Where the previous key stands in the data.
    previous: std::ops::Range<usize>,
}

impl Decoder {
    fn entry(&mut self, rest: &mut &[u8], entry: u32) -> Result<(), NodeError> {
        let damaged = |what| NodeError::Damaged { what, entry };
        let number = |rest: &mut &[u8]| varint::take(rest).ok_or(damaged("malformed number"));
        let shared = number(rest)?;
        let suffix_len = number(rest)?;
        within(
            "length of a key",
            shared.saturating_add(suffix_len),
            KEY_BYTES_MAX as u64,
        )?;
        // Below KEY_BYTES_MAX, as just checked.
        let (shared, suffix_len) = (shared as usize, suffix_len as usize);
        let (value_len, child) = if self.node.is_leaf() {
            let len = number(rest)?;
            within("length of a value", len, VALUE_BYTES_MAX as u64)?;
            self.node.count += 1;
            (len as usize, None)
        } else {
            let (count, bytes) = (number(rest)?, number(rest)?);
            let (id, after) = rest.split_first_chunk::<32>().ok_or(damaged("cut off"))?;
            *rest = after;
            self.node.count = self.node.count.saturating_add(count);
            (CHILD_BYTES, Some((id, count, bytes)))
        };
        let Some((suffix, after)) = rest.split_at_checked(suffix_len) else {
            return Err(damaged("cut off"));
        };
        *rest = after;
        self.key(shared, suffix, entry)?;
        let key_end = self.node.data.len();
        within(
            "decoded size",
            (key_end + value_len) as u64,
            DECODED_BYTES_MAX as u64,
        )?;
        let data = &mut self.node.data;
        if let Some((id, count, bytes)) = child {
            data.extend_from_slice(id);
            data.extend_from_slice(&count.to_le_bytes());
            data.extend_from_slice(&bytes.to_le_bytes());
        } else {
            let Some((value, after)) = rest.split_at_checked(value_len) else {
                return Err(damaged("cut off"));
            };
            data.extend_from_slice(value);
            *rest = after;
        }
        self.node.slots.push(Slot {
            key_end: key_end as u32,
            end: data.len() as u32,
        });
        Ok(())
    }

    /// Appends a key. That it ascends and that its prefix is the longest shows in a single byte.
    fn key(&mut self, shared: usize, suffix: &[u8], entry: u32) -> Result<(), NodeError> {
        let damaged = |what| NodeError::Damaged { what, entry };
        let previous = self.previous.clone();
        if shared > previous.len() {
            return Err(damaged("prefix longer than the key before"));
        }
        let data = &mut self.node.data;
        if entry > 0 {
            let ascends = match (suffix.first(), data[previous.clone()].get(shared)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(new), Some(old)) => new > old,
            };
            if !ascends {
                return Err(damaged("keys out of order"));
            }
        }
        let start = data.len();
        within(
            "decoded size",
            (start + shared + suffix.len()) as u64,
            DECODED_BYTES_MAX as u64,
        )?;
        data.extend_from_within(previous.start..previous.start + shared);
        data.extend_from_slice(suffix);
        self.previous = start..data.len();
        Ok(())
    }
}

fn within(what: &'static str, found: u64, max: u64) -> Result<(), NodeError> {
    if found > max {
        return Err(NodeError::Limit { what, found, max });
    }
    Ok(())
}
