//! Makes stored objects with valid keys and content that no backup would write.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use format::entry::encode_entry;
use format::index::Directory;
use format::index::IndexedBlob;
use format::index::IndexedPack;
use format::index::IndexedSegment;
use format::index::short_id;
use format::pack::PackedBlob;
use format::pack::PackedSegment;
use model::BlobId;
use model::Content;
use model::Entry;
use model::Kind;
use model::PathKey;
use model::RunId;
use model::Silent;
use model::Snapshot;
use model::Timestamp;
use repository::MapReader;
use repository::Packer;
use repository::RepairOptions;
use repository::Repository;
use repository::RepositoryError;
use repository::pack::PackWriter;
use storage::MemoryStorage;
use testkit::Lab;

/// A repository in the making.
pub(crate) struct Kit {
    lab: Lab,
    storage: Arc<MemoryStorage>,
    /// Where nothing may be written.
    pub(crate) canary: PathBuf,
    runs: u8,
}

/// Raw entries of a map: key bytes and value bytes.
pub(crate) type Raw = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn value(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry(entry, &mut bytes);
    bytes
}

pub(crate) fn directory() -> Entry {
    Entry {
        mode: 0o755,
        ..Entry::new(Kind::Directory)
    }
}

pub(crate) fn file(bytes: &[u8]) -> Entry {
    Entry {
        mode: 0o644,
        size: bytes.len() as u64,
        content: Content::Inline(bytes.to_vec()),
        ..Entry::new(Kind::File)
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn header(level: u8, entries: u32) -> Vec<u8> {
    let mut node = b"RMN\x01".to_vec();
    node.push(level);
    node.extend_from_slice(&entries.to_le_bytes());
    node
}

/// A leaf in the order given, whatever that is.
pub(crate) fn leaf(entries: &Raw) -> Vec<u8> {
    let mut node = header(0, entries.len() as u32);
    let mut last: &[u8] = &[];
    for (key, value) in entries {
        let shared = last.iter().zip(key).take_while(|(a, b)| a == b).count();
        varint(&mut node, shared as u64);
        varint(&mut node, (key.len() - shared) as u64);
        varint(&mut node, value.len() as u64);
        node.extend_from_slice(&key[shared..]);
        node.extend_from_slice(value);
        last = key;
    }
    node
}

/// An inner node; the keys are short and share nothing.
pub(crate) fn inner(level: u8, children: &[(&[u8], u64, BlobId)]) -> Vec<u8> {
    let mut node = header(level, children.len() as u32);
    for (key, count, id) in children {
        varint(&mut node, 0);
        varint(&mut node, key.len() as u64);
        varint(&mut node, *count);
        varint(&mut node, 0);
        node.extend_from_slice(id.as_bytes());
        node.extend_from_slice(key);
    }
    node
}

pub(crate) fn snapshot(root: Option<BlobId>) -> Snapshot {
    Snapshot {
        time: Timestamp::new(1, 2),
        finished: Timestamp::new(3, 4),
        host: "lab".to_owned(),
        user: "eve".to_owned(),
        source: b"/home/ada".to_vec(),
        tags: Vec::new(),
        root,
        parent: None,
        totals: Default::default(),
        errors: 0,
        safety: false,
        names: Default::default(),
        program: "recoup test".to_owned(),
    }
}

impl Kit {
    pub(crate) fn new(canary: &Path) -> Self {
        let (lab, storage) = (Lab::new(66), Arc::new(MemoryStorage::new()));
        lab.create(&*storage).unwrap();
        Self {
            lab,
            storage,
            canary: canary.to_owned(),
            runs: 0,
        }
    }

    pub(crate) fn open(&self) -> Repository {
        self.lab.open(self.storage.clone()).unwrap()
    }

    /// Stores blobs as a map packer does.
    pub(crate) fn store(&self, blobs: &[&[u8]]) -> Vec<BlobId> {
        let repository = self.open();
        let stored = repository.write(&Silent, |session| {
            let mut packer = Packer::map(session);
            let ids = blobs
                .iter()
                .map(|bytes| Ok(packer.add(bytes)?.id))
                .collect::<Result<Vec<_>, RepositoryError>>();
            packer.finish()?;
            ids
        });
        stored.unwrap().0
    }

    pub(crate) fn store_one(&self, bytes: &[u8]) -> BlobId {
        self.store(&[bytes])[0]
    }

    /// A snapshot of these entries behind a root directory, sorted.
    pub(crate) fn tree(&self, mut entries: Raw) -> Snapshot {
        entries.push((Vec::new(), value(&directory())));
        entries.push((b"an ordinary file".to_vec(), value(&file(b"hello"))));
        entries.sort();
        self.raw(&entries)
    }

    /// A snapshot of one leaf with exactly these entries.
    pub(crate) fn raw(&self, entries: &Raw) -> Snapshot {
        self.root(&leaf(entries))
    }

    /// A snapshot whose root node is these bytes.
    pub(crate) fn root(&self, node: &[u8]) -> Snapshot {
        let id = self.store_one(node);
        self.keep(snapshot(Some(id)))
    }

    /// Stores the record and hands it back.
    pub(crate) fn keep(&self, snapshot: Snapshot) -> Snapshot {
        self.open().put_snapshot(&snapshot).unwrap();
        snapshot
    }

    /// A pack with one sealed segment made of these bytes (encoding first), indexed as told.
    pub(crate) fn segment(
        &mut self,
        mut sealed: Vec<u8>,
        blobs: &[(BlobId, u32)],
        lie: impl Fn(&mut IndexedPack, &mut IndexedSegment, &mut [IndexedBlob]),
    ) {
        let repository = self.open();
        let keyset = repository.keyset();
        let mut pack =
            PackWriter::create(repository.storage(), false, keyset, repository.entropy()).unwrap();
        let packed = blobs.iter().map(|&(id, len)| PackedBlob { id, len });
        let segment = PackedSegment {
            offset: 0,
            stored_len: 0,
            blobs: packed.collect(),
        };
        pack.append(&mut sealed, segment).unwrap();
        let done = pack.finish().unwrap();
        let mut indexed = IndexedPack {
            id: done.id,
            header_len: done.header_len,
            is_map: false,
            len: done.len,
        };
        let mut place = IndexedSegment {
            pack: 0,
            offset: done.segments[0].offset,
            stored_len: done.segments[0].stored_len,
            plain_len: blobs.iter().map(|(_, len)| len).sum(),
        };
        done.writer.commit().unwrap();
        let mut offset = 0;
        let mut listed = Vec::new();
        for (id, len) in blobs {
            listed.push(IndexedBlob {
                id: short_id(id),
                segment: 0,
                offset,
                len: *len,
            });
            offset += len;
        }
        lie(&mut indexed, &mut place, &mut listed);
        listed.sort_unstable();
        let directory = Directory {
            packs: vec![indexed],
            segments: vec![place],
            ..Directory::default()
        };
        self.runs += 1;
        let id = RunId([self.runs; 16]);
        repository::run::write_run(repository.storage(), id, &listed, directory, keyset).unwrap();
    }

    /// The id that these bytes would have.
    pub(crate) fn id(&self, bytes: &[u8]) -> BlobId {
        self.open().id_key().blob_id(bytes)
    }

    /// Lists and checks: errors are fine, panics and loops are not.
    pub(crate) fn look(&self, snapshot: &Snapshot) {
        let repository = self.open();
        let reader = MapReader::new(&repository);
        let mut entries = reader.entries(snapshot.root, &PathKey::root());
        while let Ok(Some(_)) = entries.next() {}
        let _ = self.lab.check(&repository);
        let _ = repository.rebuild_index(RepairOptions {
            all: true,
            read_data: false,
        });
    }
}
