//! After damage: the index is mended, what is lost is stored again, and check is content.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use codec::Secret;
use format::Role;
use model::{BlobId, Cancel, Entropy, Silent, Timestamp};
use recoup_repository::{
    CheckOptions, NewKey, Packer, RepairOptions, Repository, RepositoryError, keys,
};
use storage::{MemoryStorage, ObjectKind, ObjectName, Storage};

/// Bytes that are different each time.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let n = self
                .0
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            part.copy_from_slice(&n.to_be_bytes()[..part.len()]);
        }
    }
}

struct Lab {
    storage: MemoryStorage,
    entropy: Arc<Counter>,
}

fn noise(seed: u64) -> Vec<u8> {
    let entropy = Counter(AtomicU64::new(seed << 32));
    let mut bytes = vec![0; 600_000];
    entropy.fill(&mut bytes);
    bytes
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            storage: MemoryStorage::new(),
            entropy: Arc::default(),
        };
        let key = NewKey {
            role: Role::Full,
            kind: "key-file".into(),
            label: String::new(),
            created: String::new(),
        };
        let secret = Secret::Raw([7; 32].into());
        keys::create(
            &lab.storage,
            &[(secret, key)],
            Timestamp::default(),
            &*lab.entropy,
        )
        .unwrap();
        lab
    }

    fn open(&self) -> Repository {
        let (keyset, _) = keys::unlock(&self.storage, &Secret::Raw([7; 32].into())).unwrap();
        let storage = Arc::new(self.storage.clone());
        Repository::with_keyset(storage, keyset, self.entropy.clone()).unwrap()
    }

    /// Stores three blobs, each in a segment of its own.
    fn store(&self) -> Vec<BlobId> {
        let repository = self.open();
        let store = |session: &recoup_repository::Session<'_>| {
            let mut packer = Packer::data(session);
            let ids = (1..4)
                .map(|seed| packer.add(&noise(seed)).map(|added| added.id))
                .collect::<Result<Vec<_>, _>>()?;
            packer.finish()?;
            Ok::<_, RepositoryError>(ids)
        };
        repository.write(&Silent, store).unwrap().0
    }

    fn one(&self, kind: ObjectKind) -> ObjectName {
        self.storage.list(kind).unwrap()[0].0
    }

    fn is_clean(&self) -> bool {
        let options = CheckOptions {
            read_data: true,
            threads: 1,
            ..CheckOptions::default()
        };
        let report = self
            .open()
            .check(&options, &Silent, &Cancel::default())
            .unwrap();
        report.damaged.is_empty()
    }

    /// Everything is stored again where it is lost, can be read, and nothing is left to complain of.
    fn heals(&self) {
        let ids = self.store();
        let repository = self.open();
        for (id, seed) in ids.iter().zip(1..) {
            assert_eq!(repository.read_blob(id).unwrap(), noise(seed));
        }
    }

    fn flip(&self, name: ObjectName, at: usize) {
        let mut bytes = self.storage.read(&name).unwrap();
        bytes[at] ^= 4;
        self.storage.set(name, bytes);
    }
}

#[test]
fn a_lost_pack_is_forgotten_and_stored_again() {
    let lab = Lab::new();
    lab.store();
    lab.storage.delete(&lab.one(ObjectKind::Pack));
    assert_eq!(lab.open().warnings().len(), 1);
    assert!(!lab.is_clean());
    let rebuilt = lab.open().rebuild_index(RepairOptions::default()).unwrap();
    assert_eq!((rebuilt.packs, rebuilt.runs_removed), (0, 1));
    assert!(lab.is_clean() && lab.open().warnings().is_empty());
    lab.heals();
    assert!(lab.is_clean());
}

#[test]
fn a_damaged_run_is_made_anew() {
    let lab = Lab::new();
    lab.store();
    let run = lab.one(ObjectKind::Index);
    let len = lab.storage.size(&run).unwrap() as usize;
    for at in [20, 100, len / 2, len - 30] {
        let run = lab.one(ObjectKind::Index);
        lab.flip(run, at.min(lab.storage.size(&run).unwrap() as usize - 1));
        assert!(!lab.is_clean(), "flip at {at}");
        let rebuilt = lab.open().rebuild_index(RepairOptions::default()).unwrap();
        assert_eq!(
            (rebuilt.packs, rebuilt.blobs, rebuilt.runs_removed),
            (1, 3, 1)
        );
        assert!(lab.is_clean(), "flip at {at}");
        lab.heals();
    }
}

#[test]
fn a_damaged_segment_is_left_out_and_stored_again() {
    let lab = Lab::new();
    lab.store();
    lab.flip(lab.one(ObjectKind::Pack), 700_000);
    assert!(!lab.is_clean());
    let options = RepairOptions {
        all: false,
        read_data: true,
    };
    let rebuilt = lab.open().rebuild_index(options).unwrap();
    assert_eq!((rebuilt.segments_left_out, rebuilt.blobs), (1, 2));
    lab.heals();
    assert!(lab.is_clean());
}

#[test]
fn a_run_whose_pack_has_no_readable_footer_stays() {
    let lab = Lab::new();
    let ids = lab.store();
    let pack = lab.one(ObjectKind::Pack);
    lab.flip(pack, lab.storage.size(&pack).unwrap() as usize - 10);
    let options = RepairOptions {
        all: true,
        read_data: false,
    };
    let rebuilt = lab.open().rebuild_index(options).unwrap();
    assert_eq!((rebuilt.damaged.len(), rebuilt.runs_removed), (1, 0));
    assert_eq!(lab.open().read_blob(&ids[0]).unwrap(), noise(1));
}
