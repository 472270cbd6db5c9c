//! Builds repositories and snapshots, and restores them in windows of three entries.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use codec::Keyset;
use format::entry::{encode_entry, entry_bytes};
use model::{
    BlobId, Cancel, Content, Entropy, Entry, Extent, Kind, LinkId, PathKey, Silent, Snapshot,
    Timestamp, Totals,
};
use repository::{MapWriter, Packer, Repository, RepositoryError};
use storage::MemoryStorage;

use crate::options::Limits;
use crate::run::run_within;
use crate::{Report, RestoreError, RestoreOptions};

/// Not random at all, but never the same twice.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            *byte = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8;
        }
    }
}

pub(super) struct Fixture {
    pub(super) storage: MemoryStorage,
    pub(super) keyset: Keyset,
    entropy: Arc<dyn Entropy>,
    pub(super) repository: Repository,
    pub(super) entries: BTreeMap<Vec<u8>, Entry>,
    pub(super) target: tempfile::TempDir,
}

pub(super) fn key(path: &str) -> Vec<u8> {
    path.bytes()
        .map(|b| if b == b'/' { 0 } else { b })
        .collect()
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn plain(kind: Kind, mode: u32) -> Entry {
    let mut entry = Entry::new(kind);
    entry.mode = mode;
    entry.uid = rustix::process::geteuid().as_raw();
    entry.gid = rustix::process::getegid().as_raw();
    entry.mtime = Timestamp::new(1_234_567_890, 123_456_789);
    entry
}

/// Bytes that don't compress, different for each seed.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

impl Fixture {
    pub(super) fn new() -> Self {
        let storage = MemoryStorage::new();
        let entropy: Arc<dyn Entropy> = Arc::new(Counting(AtomicU64::new(1)));
        let (keyset, _) =
            repository::keys::create(&storage, &[], Timestamp::default(), &*entropy).unwrap();
        let repository = Repository::with_keyset(
            Arc::new(storage.clone()),
            keyset.clone(),
            Arc::clone(&entropy),
        )
        .unwrap();
        let mut fixture = Self {
            storage,
            keyset,
            entropy,
            repository,
            entries: BTreeMap::new(),
            target: tempfile::tempdir().unwrap(),
        };
        fixture.directory("");
        fixture
    }

    /// Opens the repository anew, with nothing in its caches.
    pub(super) fn reopen(&mut self) {
        self.repository = Repository::with_keyset(
            Arc::new(self.storage.clone()),
            self.keyset.clone(),
            Arc::clone(&self.entropy),
        )
        .unwrap();
    }

    pub(super) fn store(&self, blobs: &[&[u8]]) -> Vec<BlobId> {
        self.repository
            .write(&Silent, |session| {
                let mut packer = Packer::data(session);
                let ids = blobs
                    .iter()
                    .map(|blob| packer.add(blob).map(|added| added.id))
                    .collect::<Result<Vec<_>, _>>()?;
                packer.finish()?;
                Ok::<_, RepositoryError>(ids)
            })
            .unwrap()
            .0
    }

    pub(super) fn put(&mut self, path: &str, entry: Entry) -> &mut Entry {
        let key = key(path);
        self.entries.insert(key.clone(), entry);
        self.entries.get_mut(&key).unwrap()
    }

    pub(super) fn directory(&mut self, path: &str) -> &mut Entry {
        self.put(path, plain(Kind::Directory, 0o755))
    }

    /// A file of one blob, or of inline bytes when it is short.
    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) -> &mut Entry {
        let mut entry = plain(Kind::File, 0o644);
        entry.size = bytes.len() as u64;
        entry.content = match bytes.len() {
            0 => Content::Empty,
            1..33 => Content::Inline(bytes.to_vec()),
            _ => Content::Blob(self.store(&[bytes])[0]),
        };
        self.put(path, entry)
    }

    /// A file of chunks: `Ok` bytes, `Err(len)` a hole.
    pub(super) fn chunks(&mut self, path: &str, chunks: &[Result<Vec<u8>, u64>]) -> &mut Entry {
        let extents: Vec<Extent> = chunks
            .iter()
            .map(|chunk| match chunk {
                Ok(bytes) => Extent::Data {
                    id: self.store(&[bytes])[0],
                    len: bytes.len() as u64,
                },
                Err(len) => Extent::Hole { len: *len },
            })
            .collect();
        let mut entry = plain(Kind::File, 0o644);
        entry.size = extents.iter().map(Extent::len).sum();
        entry.content = if extents.len() > 8 {
            let list = format::extents::encode_extents(&extents);
            Content::ExtentList(self.store(&[&list])[0])
        } else {
            Content::Extents(extents)
        };
        self.put(path, entry)
    }

    pub(super) fn symlink(&mut self, path: &str, target: &str) -> &mut Entry {
        let mut entry = plain(Kind::Symlink, 0o777);
        entry.target = target.as_bytes().to_vec();
        self.put(path, entry)
    }

    pub(super) fn special(&mut self, path: &str, kind: Kind) -> &mut Entry {
        self.put(path, plain(kind, 0o640))
    }

    /// Makes these paths names of one file.
    pub(super) fn link(&mut self, group: u8, paths: &[&str]) {
        let mut leader = self.entries[&key(paths[0])].clone();
        leader.link = Some(LinkId([group; 16]));
        for path in paths {
            self.put(path, leader.clone());
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let params = self.repository.map_params();
        let root = self
            .repository
            .write(&Silent, |session| {
                let mut packer = Packer::map(session);
                let mut writer = MapWriter(&mut packer);
                let mut builder = prolly::Builder::new(params, entry_bytes, &mut writer);
                let mut value = Vec::new();
                for (key, entry) in &self.entries {
                    value.clear();
                    encode_entry(entry, &mut value);
                    builder.push(key, &value).unwrap();
                }
                let root = builder.finish().unwrap();
                packer.finish()?;
                Ok::<_, RepositoryError>(root)
            })
            .unwrap()
            .0;
        let directories = |entry: &&Entry| entry.kind == Kind::Directory;
        let count = self.entries.values().filter(directories).count() as u64;
        Snapshot {
            time: Timestamp::default(),
            finished: Timestamp::default(),
            host: String::new(),
            user: String::new(),
            source: b"/".to_vec(),
            tags: Vec::new(),
            root,
            parent: None,
            totals: Totals {
                files: self.entries.len() as u64 - count,
                directories: count,
                bytes: self.entries.values().map(|entry| entry.size).sum(),
                stored_bytes: 0,
            },
            errors: 0,
            safety: false,
            names: model::Names::default(),
            program: String::new(),
        }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.target.path().join("out")
    }

    pub(super) fn options(&self) -> RestoreOptions {
        let mut options = RestoreOptions::new(self.path());
        options.root_user = is_root();
        options.threads = 3;
        options
    }

    pub(super) fn restore(&self) -> Report {
        self.restore_with(&self.options(), "").unwrap()
    }

    pub(super) fn restore_with(
        &self,
        options: &RestoreOptions,
        from: &str,
    ) -> Result<Report, RestoreError> {
        let limits = Limits {
            entries: 3,
            open_files: 2,
            ..Limits::default()
        };
        self.restore_within(options, from, limits)
    }

    pub(super) fn restore_within(
        &self,
        options: &RestoreOptions,
        from: &str,
        limits: Limits,
    ) -> Result<Report, RestoreError> {
        run_within(
            &self.repository,
            &self.snapshot(),
            &PathKey::from_path(from.as_bytes()).unwrap(),
            options,
            &Silent,
            &Cancel::default(),
            limits,
        )
    }

    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path().join(path)).unwrap()
    }
}

/// Everything in a tree, for comparing: path, and what it is.
pub(super) fn listing(root: &Path) -> BTreeMap<String, String> {
    fn add(root: &Path, at: &Path, listing: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            let what = if meta.is_dir() {
                add(root, &path, listing);
                "dir".to_owned()
            } else if meta.is_symlink() {
                format!("-> {}", path.read_link().unwrap().display())
            } else if meta.is_file() {
                format!("{} bytes", meta.len())
            } else {
                "special".to_owned()
            };
            listing.insert(name.into_owned(), what);
        }
    }
    let mut found = BTreeMap::new();
    add(root, root, &mut found);
    found
}
