//! The change cache: what the last backup saw of each path, so that the next one need not read it.
//!
//! A local file that can be deleted at any time. It holds every entry of the last map together with a
//! fingerprint of inode, ctime and size; a path whose fingerprint is the same has not changed. Blocks
//! carry a keyed hash: what was torn by a crash or made by somebody else is not believed.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};

use model::{RunId, SnapshotId, Timestamp};
use repository::Repository;
use source::files::Stat;

const MAGIC: &[u8; 8] = b"RCACHE\x00\x01";

/// Payload of a block: large enough to hash at full speed.
const BLOCK_BYTES: usize = 256 << 10;

/// Longest block: one record beyond a full one.
const BLOCK_BYTES_MAX: usize = 4 << 20;

/// A file that changed this shortly before the scan may change again without its ctime moving: clocks
/// of file systems tick in milliseconds, those of network file systems differ from ours.
const RACY_SECS: i64 = 1;

const KEY_CONTEXT: &str = "recoup v1 change cache";

/// What a path looked like: equal fingerprints mean an unchanged file. Never zero, which means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Of a file that can't be relied on to be seen changing.
    pub const UNKNOWN: Self = Self(0);

    /// Of this state. Inode, ctime, mtime and size: mode, owner and attributes can't change without
    /// ctime.
    pub fn of(stat: &Stat) -> Self {
        let time = |time: Timestamp| (time.secs as u64) << 30 ^ u64::from(time.nanos);
        let fields = [
            stat.ino,
            time(stat.ctime),
            time(stat.mtime),
            stat.size,
            stat.kind as u64,
        ];
        let mixed = fields
            .iter()
            .fold(0x9e37_79b9_7f4a_7c15, |state, field| mix(state ^ field));
        Self(mixed.max(1))
    }

    /// Of this state, seen by a scan that began at `began`.
    pub fn settled(stat: &Stat, began: Timestamp) -> Self {
        if stat.ctime.secs >= began.secs - RACY_SECS {
            Self::UNKNOWN
        } else {
            Self::of(stat)
        }
    }
}

/// The finalizer of MurmurHash3 (Appleby 2011): every input bit reaches every output bit.
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    value = (value ^ value >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

/// What a cache was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheHead {
    /// The snapshot whose entries it holds.
    pub snapshot: SnapshotId,
    /// Index runs that were there: what the entries point to is listed in them.
    pub runs: Vec<RunId>,
}

/// Reads a cache in key order.
pub struct CacheReader {
    file: BufReader<Take<File>>,
    key: [u8; 32],
    block: Vec<u8>,
    at: usize,
    record: Option<Record>,
    last_key: Vec<u8>,
}

impl std::fmt::Debug for CacheReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheReader").finish_non_exhaustive()
    }
}

/// Positions of the current record in the block; its key is in `last_key`.
#[derive(Debug, Clone, Copy)]
struct Record {
    fingerprint: Fingerprint,
    value: (usize, usize),
}

/// One path of the cache.
#[derive(Debug)]
pub struct Cached<'a> {
    /// Stored key.
    pub key: &'a [u8],
    /// What it looked like.
    pub fingerprint: Fingerprint,
    /// Its encoded entry.
    pub value: &'a [u8],
}

fn cache_key(repository: &Repository) -> [u8; 32] {
    *codec::derive_key(KEY_CONTEXT, repository.keyset().index_key())
}

impl CacheReader {
    /// Opens a cache if it is whole so far as can be seen, and belongs to this repository and source.
    pub fn open(path: &Path, repository: &Repository, source: &[u8]) -> Option<(Self, CacheHead)> {
        let mut file = File::open(path).ok()?;
        let end = file.seek(SeekFrom::End(-8)).ok()?;
        let mut offset = [0; 8];
        file.read_exact(&mut offset).ok()?;
        let records_end = u64::from_le_bytes(offset);
        file.seek(SeekFrom::Start(records_end)).ok()?;
        let key = cache_key(repository);
        let mut block = Vec::new();
        let mut magic = [0; 8];
        let whole = records_end <= end && read_block(&mut file, &key, &mut block);
        file.seek(SeekFrom::Start(0)).ok()?;
        file.read_exact(&mut magic).ok()?;
        if !whole || magic != *MAGIC {
            return None;
        }
        let head = decode_head(&block, repository, source)?;
        block.clear();
        let records = file.take(records_end - MAGIC.len() as u64);
        let file = BufReader::with_capacity(BLOCK_BYTES, records);
        let mut reader = Self {
            file,
            key,
            block,
            at: 0,
            record: None,
            last_key: Vec::new(),
        };
        reader.advance();
        Some((reader, head))
    }

    /// The current record, if there is one left.
    pub fn peek(&self) -> Option<Cached<'_>> {
        let record = self.record?;
        let value = &self.block[record.value.0..record.value.1];
        Some(Cached {
            key: &self.last_key,
            fingerprint: record.fingerprint,
            value,
        })
    }

    /// Goes to the next record. A damaged block ends the cache: the rest is read from the source.
    pub fn advance(&mut self) {
        self.record = None;
        if self.at >= self.block.len() {
            self.at = 0;
            if !read_block(&mut self.file, &self.key, &mut self.block) {
                return;
            }
        }
        self.record = self.decode_record();
        if self.record.is_none() {
            self.block.clear();
        }
    }

    fn decode_record(&mut self) -> Option<Record> {
        let mut reader = format::bytes::Reader::new(&self.block[self.at..], "change cache");
        let before = reader.left();
        let shared = reader.varint().ok()? as usize;
        let suffix_len = reader.varint().ok()? as usize;
        let value_len = reader.varint().ok()? as usize;
        let fingerprint = Fingerprint(reader.u64().ok()?);
        let suffix = reader.take(suffix_len).ok()?;
        if shared > self.last_key.len() {
            return None;
        }
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
        let start = self.at + before - reader.left();
        reader.take(value_len).ok()?;
        self.at = start + value_len;
        Some(Record {
            fingerprint,
            value: (start, start + value_len),
        })
    }
}

/// Reads a block and checks it; an empty block means that there is none to be believed.
fn read_block(file: &mut impl Read, key: &[u8; 32], block: &mut Vec<u8>) -> bool {
    let mut head = [0; 36];
    block.clear();
    if file.read_exact(&mut head).is_err() {
        return false;
    }
    let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if len > BLOCK_BYTES_MAX {
        return false;
    }
    block.resize(len, 0);
    let whole =
        file.read_exact(block).is_ok() && *blake3::keyed_hash(key, block).as_bytes() == head[4..];
    if !whole {
        block.clear();
    }
    whole
}

fn decode_head(block: &[u8], repository: &Repository, source: &[u8]) -> Option<CacheHead> {
    let mut reader = format::bytes::Reader::new(block, "change cache");
    let belongs = reader.array().ok()? == *repository.id().as_bytes()
        && reader.array().ok()? == *blake3::hash(source).as_bytes();
    let snapshot = SnapshotId(reader.array().ok()?);
    let count = reader.varint().ok()? as usize;
    let runs: Option<Vec<RunId>> = (0..count).map(|_| reader.array().ok().map(RunId)).collect();
    reader.finish().ok()?;
    belongs.then_some(CacheHead {
        snapshot,
        runs: runs?,
    })
}

/// Writes a cache beside the old one and puts it in its place at the end.
#[derive(Debug)]
pub struct CacheWriter {
    /// Where it will be.
    path: PathBuf,
    temporary: PathBuf,
    /// `None` when it can't be written.
    file: Option<File>,
    written: u64,
    key: [u8; 32],
    block: Vec<u8>,
    last_key: Vec<u8>,
}

impl CacheWriter {
    /// Begins a cache. That it can't be written is no reason to fail a backup: the next one is slower.
    pub fn create(path: &Path, repository: &Repository) -> Self {
        let temporary = path.with_extension(format!("new-{}", std::process::id()));
        if let Some(parent) = path.parent() {
            let _ = std::fs::create_dir_all(parent);
        }
        let file = File::create(&temporary)
            .and_then(|mut file| file.write_all(MAGIC).map(|()| file))
            .ok();
        Self {
            path: path.to_owned(),
            temporary,
            file,
            written: MAGIC.len() as u64,
            key: cache_key(repository),
            block: Vec::with_capacity(BLOCK_BYTES + 4096),
            last_key: Vec::new(),
        }
    }

    /// Adds a path; keys must come in order.
    pub fn push(&mut self, key: &[u8], fingerprint: Fingerprint, value: &[u8]) {
        let shared = key
            .iter()
            .zip(&self.last_key)
            .take_while(|(a, b)| a == b)
            .count();
        let suffix = &key[shared..];
        for number in [shared, suffix.len(), value.len()] {
            format::bytes::put_varint(&mut self.block, number as u32);
        }
        self.block.extend_from_slice(&fingerprint.0.to_le_bytes());
        self.block.extend_from_slice(suffix);
        self.block.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
        if self.block.len() >= BLOCK_BYTES {
            self.spill();
        }
    }

    /// Writes the open block. Keys go on being cut against the one before it.
    fn spill(&mut self) {
        let mut head = [0; 36];
        head[..4].copy_from_slice(&(self.block.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(blake3::keyed_hash(&self.key, &self.block).as_bytes());
        self.written += (head.len() + self.block.len()) as u64;
        if let Some(file) = &mut self.file
            && file
                .write_all(&head)
                .and_then(|()| file.write_all(&self.block))
                .is_err()
        {
            self.file = None;
        }
        self.block.clear();
    }

    /// Puts the cache in place for a snapshot that is durable.
    pub fn finish(mut self, repository: &Repository, source: &[u8], snapshot: SnapshotId) {
        if !self.block.is_empty() {
            self.spill();
        }
        let records_end = self.written;
        self.block.extend_from_slice(repository.id().as_bytes());
        self.block
            .extend_from_slice(blake3::hash(source).as_bytes());
        self.block.extend_from_slice(snapshot.as_bytes());
        let runs = repository.index().runs();
        format::bytes::put_varint(&mut self.block, runs.len() as u32);
        for run in runs {
            self.block.extend_from_slice(run.id.as_bytes());
        }
        self.spill();
        if let Some(mut file) = self.file.take()
            && file.write_all(&records_end.to_le_bytes()).is_ok()
        {
            let _ = rustix::fs::rename(&self.temporary, &self.path);
        }
    }
}

impl Drop for CacheWriter {
    fn drop(&mut self) {
        // Gone already when it was put in place.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
