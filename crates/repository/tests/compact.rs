//! Joining index runs: nothing is lost, nor for a reader that opened the repository before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use codec::Secret;
use format::Role;
use model::{BlobId, Entropy, Silent, Timestamp};
use recoup_repository::{NewKey, Packer, Repository, RepositoryError, keys};
use storage::{MemoryStorage, ObjectKind, Storage};

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

fn open(storage: &MemoryStorage, entropy: &Arc<Counter>) -> Repository {
    let secret = Secret::Raw([7; 32].into());
    let (keyset, _) = keys::unlock(storage, &secret).unwrap();
    Repository::with_keyset(Arc::new(storage.clone()), keyset, entropy.clone()).unwrap()
}

fn create(storage: &MemoryStorage, entropy: &Counter) {
    let key = NewKey {
        role: Role::Full,
        kind: "key-file".into(),
        label: String::new(),
        created: String::new(),
    };
    let secret = Secret::Raw([7; 32].into());
    keys::create(storage, &[(secret, key)], Timestamp::default(), entropy).unwrap();
}

fn write(repository: &Repository, text: &str) -> Result<BlobId, RepositoryError> {
    let written = repository.write(&Silent, |session| {
        let mut packer = Packer::data(session);
        let id = packer.add(text.as_bytes())?.id;
        packer.finish()?;
        Ok::<_, RepositoryError>(id)
    });
    written.map(|(id, _)| id)
}

/// An undo beside a watcher: each has opened the repository, and both come to join the same runs.
#[test]
fn who_comes_too_late_to_join_runs_goes_on() {
    let storage = MemoryStorage::new();
    let entropy = Arc::new(Counter::default());
    create(&storage, &entropy);
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    for n in 0..40 {
        let repository = open(&storage, &entropy);
        ids.push(write(&repository, &format!("blob {n}")).unwrap());
        others.push(repository);
    }
    for (n, repository) in others.iter().enumerate() {
        ids.push(write(repository, &format!("late {n}")).unwrap());
    }
    let last = open(&storage, &entropy);
    for id in &ids {
        assert!(last.read_blob(id).is_ok());
    }
}

#[test]
fn many_small_runs_become_one_and_earlier_readers_go_on() {
    let storage = MemoryStorage::new();
    let entropy = Arc::new(Counter::default());
    create(&storage, &entropy);
    let mut ids = Vec::new();
    let mut early = None;
    for n in 0..60u32 {
        let repository = open(&storage, &entropy);
        ids.push(write(&repository, &format!("blob {n}")).unwrap());
        if n == 10 {
            early = Some(open(&storage, &entropy));
        }
    }
    let runs = storage.list(ObjectKind::Index).unwrap().len();
    assert!(runs <= 25, "{runs} runs are left of 60");
    let late = open(&storage, &entropy);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(late.read_blob(id).unwrap(), format!("blob {n}").as_bytes());
    }
    // Its runs are gone: it has to look again.
    let early = early.unwrap();
    for id in &ids[..10] {
        assert!(early.read_blob(id).is_ok());
    }
}
