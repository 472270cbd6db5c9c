//! Repositories for tests: made on any storage, opened again, written to with fixed clocks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use backup::BackupError;
use backup::Report;
use backup::{BackupOptions, Selection};
use codec::Secret;
use format::Role;
use model::Cancel;
use model::KeyId;
use model::Silent;
use model::Timestamp;
use repository::CheckOptions;
use repository::CheckReport;
use repository::NewKey;
use repository::Repository;
use repository::RepositoryError;
use source::files::Excludes;
use storage::Storage;
use zeroize::Zeroizing;

use crate::picture::Picture;
use crate::random::SeededEntropy;
use crate::snapshot::picture_of;

/// A fixed moment long after every file of a test was made: so no change time is too young to be relied
/// on.
const CLOCK_SECS: i64 = 4_000_000_000;

/// What one test works with besides storage: randomness and a clock that moves by a second whenever it
/// is read.
#[derive(Debug, Clone)]
pub struct Lab {
    entropy: Arc<SeededEntropy>,
    clock: Arc<AtomicI64>,
}

/// The secret of that number: 256 bits of a key file.
pub fn secret(number: u8) -> Secret {
    Secret::Raw(Zeroizing::new([number; 32]))
}

/// A description of a key.
pub fn new_key(role: Role, label: &str) -> NewKey {
    NewKey {
        role,
        kind: "key-file".to_owned(),
        label: label.to_owned(),
        created: "2026-11-22T14:03:10Z".to_owned(),
    }
}

/// A backup of `root` under a name that does not tell where the test ran.
pub fn options(root: &Path) -> BackupOptions {
    BackupOptions {
        root: root.to_owned(),
        source: b"/home/ada".to_vec(),
        selection: Selection::All,
        tags: Vec::new(),
        host: "lab".to_owned(),
        user: "ada".to_owned(),
        program: "recoup test".to_owned(),
        exclude: Excludes::none(),
        one_file_system: false,
        threads: 1,
        cache: None,
        safety: false,
    }
}

impl Lab {
    /// Everything random follows from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            entropy: Arc::new(SeededEntropy::new(seed)),
            clock: Arc::new(AtomicI64::new(CLOCK_SECS)),
        }
    }

    /// Makes a repository with two full keys: secret 1, and secret 2 as the recovery code would be.
    pub fn create(&self, storage: &dyn Storage) -> Result<(), RepositoryError> {
        let keys = [
            (secret(1), new_key(Role::Full, "first")),
            (secret(2), new_key(Role::Full, "recovery")),
        ];
        repository::keys::create(storage, &keys, Timestamp::default(), &*self.entropy).map(drop)
    }

    /// Opens a repository with secret 1.
    pub fn open(&self, storage: Arc<dyn Storage>) -> Result<Repository, RepositoryError> {
        self.open_with(storage, 1)
    }

    /// Opens a repository with the secret of that number.
    pub fn open_with(
        &self,
        storage: Arc<dyn Storage>,
        number: u8,
    ) -> Result<Repository, RepositoryError> {
        let (keyset, _) = repository::keys::unlock(&*storage, &secret(number))?;
        Repository::with_keyset(storage, keyset, self.entropy.clone())
    }

    /// Adds a key with the secret of that number.
    pub fn add_key(
        &self,
        repository: &Repository,
        number: u8,
        role: Role,
    ) -> Result<KeyId, RepositoryError> {
        let key = new_key(role, "another");
        repository::keys::add_slot(
            repository.storage(),
            repository.keyset(),
            &secret(number),
            &key,
            &*self.entropy,
        )
    }

    /// Backs up.
    pub fn backup(
        &self,
        repository: &Repository,
        options: &BackupOptions,
    ) -> Result<Report, BackupError> {
        let clock = || Timestamp::new(self.clock.fetch_add(1, Ordering::Relaxed), 7);
        backup::backup(repository, options, &clock, &Silent, &Cancel::default())
    }

    /// Checks everything, all data included.
    pub fn check(&self, repository: &Repository) -> Result<CheckReport, RepositoryError> {
        let options = CheckOptions {
            read_data: true,
            threads: 1,
            ..CheckOptions::default()
        };
        repository.check(&options, &Silent, &Cancel::default())
    }

    /// Backs up and compares what was stored with what is there.
    #[track_caller]
    pub fn backup_and_compare(&self, repository: &Repository, options: &BackupOptions) {
        let report = self.backup(repository, options).expect("back up");
        let live = Picture::take(&options.root).expect("take a picture");
        let stored = picture_of(repository, &report.snapshot).expect("read it back");
        live.assert_same(&stored, "what was backed up");
    }
}
