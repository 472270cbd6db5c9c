//! Reads one directory: its names sorted, then page by page what the system says about each.
//!
//! Names lie in one arena and states in packed records, because a directory may hold a million.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::Arc;

use model::{Device, Kind, Timestamp};
use rustix::fs::RawDir;
use rustix::io::Errno;

use crate::files::exclude::{Excludes, is_own_home};
use crate::files::stat::Stat;

/// Most names of one page: large enough that opening the directory again costs nothing, small enough
/// that several threads can share a huge directory and the consumer can begin early.
pub(super) const PAGE_NAMES: usize = 4096;

/// Longest run of getdents results taken at once; the kernel fills it when the directory has that much.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// The names of one directory, sorted by bytes, each ended by a zero byte in the arena.
#[derive(Debug)]
pub(super) struct Names {
    /// Stored key of the directory.
    pub(super) key: Vec<u8>,
    arena: Vec<u8>,
    /// Where each name begins.
    starts: Vec<u32>,
    /// Names that were left out because of a marker.
    pub(super) excluded: u64,
}

/// States of a stretch of the names, in order; what vanished or is left out is missing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) names: Arc<Names>,
    /// Index of its first name.
    pub(super) from: usize,
    /// Index of the first name that belongs to a later page.
    pub(super) until: usize,
    records: Vec<Record>,
    /// Records that differ from the rest: devices, and roots of other file systems.
    odd: Vec<(u32, u64, Option<Device>)>,
    dev: u64,
    /// Indices of the records of directories that are to be entered, in order.
    pub(super) enter: Vec<u32>,
    /// Names that couldn't be asked about.
    pub(super) problems: Vec<(u32, Errno)>,
    /// Entries that were left out.
    pub(super) excluded: u64,
    /// Sum of the sizes of the regular files.
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Record {
    size: u64,
    blocks: u64,
    ino: u64,
    mtime_secs: i64,
    ctime_secs: i64,
    mtime_nanos: u32,
    ctime_nanos: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    name: u32,
    mode: u16,
    kind: Kind,
}

impl Names {
    /// Reads all names of an open directory.
    pub(super) fn read(
        key: Vec<u8>,
        directory: impl AsFd,
        exclude: &Excludes,
        buffer: &mut [MaybeUninit<u8>],
    ) -> rustix::io::Result<Self> {
        let mut names = Self {
            key,
            arena: Vec::new(),
            starts: Vec::new(),
            excluded: 0,
        };
        let mut entries = RawDir::new(directory.as_fd(), buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // The directory was removed while it was read: what it held is gone.
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b".." | b"") {
                continue;
            }
            let start = u32::try_from(names.arena.len()).map_err(|_| Errno::OVERFLOW)?;
            names.starts.push(start);
            names.arena.extend_from_slice(name.to_bytes_with_nul());
        }
        names.sort();
        names.keep_marker(directory, exclude);
        names.arena.shrink_to_fit();
        names.starts.shrink_to_fit();
        Ok(names)
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The name with this index.
    pub(super) fn get(&self, index: usize) -> &[u8] {
        self.c_str(index).to_bytes()
    }

    fn c_str(&self, index: usize) -> &CStr {
        c_str(&self.arena, self.starts[index])
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let bytes = |start: u32| c_str(arena, start).to_bytes();
        if !self.starts.is_sorted_by(|&a, &b| bytes(a) < bytes(b)) {
            // Eight bytes behind what all names begin with decide most comparisons without touching
            // the arena.
            let common = common_prefix(self.starts.iter().map(|&start| bytes(start)));
            let mut keyed: Vec<(u64, u32)> = self
                .starts
                .iter()
                .map(|&start| (head(&bytes(start)[common..]), start))
                .collect();
            keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| bytes(a.1).cmp(bytes(b.1))));
            self.starts = keyed.into_iter().map(|(_, start)| start).collect();
        }
        // A name can come twice while others are renamed beside it.
        self.starts.dedup_by(|a, b| bytes(*a) == bytes(*b));
    }

    fn keep_marker(&mut self, directory: impl AsFd, exclude: &Excludes) {
        let has = |name: &[u8]| self.find(name).is_some();
        let Some((marker, _)) = exclude.marker(directory, has) else {
            return;
        };
        let Some(at) = self.find(marker) else { return };
        self.excluded = self.starts.len() as u64 - 1;
        self.starts = vec![self.starts[at]];
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.starts
            .binary_search_by(|&start| c_str(&self.arena, start).to_bytes().cmp(name))
            .ok()
    }
}

/// How to look at the entries of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) exclude: &'a Excludes,
    /// The only file system to enter, if there is a limit.
    pub(super) only_dev: Option<u64>,
}

impl Page {
    /// Asks about the names from `from` on, as many as make a page.
    pub(super) fn read(
        names: &Arc<Names>,
        from: usize,
        directory: impl AsFd,
        rules: Rules<'_>,
    ) -> Self {
        let until = names.len().min(from + PAGE_NAMES);
        let mut page = Self {
            names: Arc::clone(names),
            from,
            until,
            records: Vec::with_capacity(until - from),
            odd: Vec::new(),
            dev: 0,
            enter: Vec::new(),
            problems: Vec::new(),
            excluded: if from == 0 { names.excluded } else { 0 },
            bytes: 0,
        };
        let directory = directory.as_fd();
        for index in from..until {
            match Stat::at(directory, names.c_str(index)) {
                Ok(stat)
                    if stat.kind == Kind::Directory && is_own_home(directory, names.get(index)) =>
                {
                    page.excluded += 1;
                }
                Ok(stat) => page.push(index, &stat, rules),
                // Gone since the names were read: as if it had never been there.
                Err(Errno::NOENT) => {}
                Err(errno) => page.problems.push((index as u32, errno)),
            }
        }
        page
    }

    fn push(&mut self, index: usize, stat: &Stat, rules: Rules<'_>) {
        let exclude = rules.exclude;
        let directory = stat.kind == Kind::Directory;
        let mut key = Vec::new();
        if exclude.asks_per_entry() || directory && exclude.asks_per_directory() {
            push_name(&self.names.key, self.names.get(index), &mut key);
            if exclude.entry(&key, stat).is_some() {
                self.excluded += 1;
                return;
            }
        }
        let at = self.records.len() as u32;
        if at == 0 {
            self.dev = stat.dev;
        }
        if stat.dev != self.dev || stat.device.is_some() {
            self.odd.push((at, stat.dev, stat.device));
        }
        if directory
            && rules.only_dev.is_none_or(|dev| dev == stat.dev)
            && !(exclude.asks_per_directory() && exclude.never_enters(&key, stat))
        {
            self.enter.push(at);
        }
        if stat.kind == Kind::File {
            self.bytes += stat.size;
        }
        self.records.push(Record::new(index, stat));
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Name and state of a record.
    pub(super) fn get(&self, index: usize) -> (&[u8], Stat) {
        let record = &self.records[index];
        let (dev, device) = self
            .odd
            .binary_search_by_key(&(index as u32), |odd| odd.0)
            .map_or((self.dev, None), |at| (self.odd[at].1, self.odd[at].2));
        (
            self.names.get(record.name as usize),
            record.stat(dev, device),
        )
    }

    /// Name of a record.
    pub(super) fn name(&self, index: usize) -> &[u8] {
        self.names.get(self.records[index].name as usize)
    }
}

impl Record {
    fn new(index: usize, stat: &Stat) -> Self {
        Self {
            size: stat.size,
            blocks: stat.blocks,
            ino: stat.ino,
            mtime_secs: stat.mtime.secs,
            ctime_secs: stat.ctime.secs,
            mtime_nanos: stat.mtime.nanos,
            ctime_nanos: stat.ctime.nanos,
            uid: stat.uid,
            gid: stat.gid,
            nlink: stat.nlink,
            name: index as u32,
            mode: stat.mode as u16,
            kind: stat.kind,
        }
    }

    fn stat(&self, dev: u64, device: Option<Device>) -> Stat {
        Stat {
            kind: self.kind,
            mode: u32::from(self.mode),
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            mtime: Timestamp::new(self.mtime_secs, self.mtime_nanos),
            ctime: Timestamp::new(self.ctime_secs, self.ctime_nanos),
            ino: self.ino,
            dev,
            nlink: self.nlink,
            device,
            blocks: self.blocks,
        }
    }
}

/// Writes the key of `name` in the directory `key` into `into`, replacing what it held.
pub(super) fn push_name(key: &[u8], name: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(key);
    if !key.is_empty() {
        into.push(0);
    }
    into.extend_from_slice(name);
}

fn c_str(arena: &[u8], start: u32) -> &CStr {
    // Every name in the arena was pushed with the zero byte that ends it.
    CStr::from_bytes_until_nul(&arena[start as usize..]).unwrap_or_default()
}

/// How many bytes all names begin with in common.
fn common_prefix<'n>(mut names: impl Iterator<Item = &'n [u8]>) -> usize {
    let first = names.next().unwrap_or_default();
    names.fold(first.len(), |common, name| {
        first[..common]
            .iter()
            .zip(name)
            .take_while(|(a, b)| a == b)
            .count()
    })
}

fn head(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = name.len().min(8);
    bytes[..len].copy_from_slice(&name[..len]);
    u64::from_be_bytes(bytes)
}
