//! What is going on while the faults strike: nine stages, each as a process of its own would do it.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use format::Role;
use recoup_backup::BackupError;
use recoup_backup::Report;
use repository::Repository;
use repository::RepositoryError;
use storage::FaultKind;
use storage::FaultyStorage;
use storage::MemoryStorage;
use storage::ObjectName;
use storage::Storage;
use storage::StorageError;
use tempfile::TempDir;
use testkit::Lab;
use testkit::Picture;
use testkit::Tree;
use testkit::build;
use testkit::mutate;
use testkit::options;
use testkit::picture_of;

/// What each stage does. A backup names the version that it backs up and the secret that it opens
/// with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Create,
    Backup { version: usize, secret: u8 },
    AddKey,
    ReadAll,
    Check,
}

const WORK: [Work; 9] = [
    Work::Create,
    Work::Backup {
        version: 0,
        secret: 1,
    },
    Work::Backup {
        version: 1,
        secret: 1,
    },
    // Once more, unchanged: everything comes from the change cache.
    Work::Backup {
        version: 1,
        secret: 1,
    },
    Work::AddKey,
    // With a key that can only write.
    Work::Backup {
        version: 2,
        secret: 3,
    },
    Work::ReadAll,
    Work::Check,
    Work::Backup {
        version: 3,
        secret: 2,
    },
];

/// Number of the last stage.
pub(crate) const LAST: usize = WORK.len() - 1;

const VERSIONS: usize = 4;

/// The sources, and what they look like.
pub(crate) struct Script {
    home: TempDir,
    lab: Lab,
    pictures: Vec<Picture>,
}

/// How things stand before a stage, and how many operations it takes.
pub(crate) struct Stage {
    pub(crate) objects: BTreeMap<ObjectName, Vec<u8>>,
    pub(crate) cache: Option<Vec<u8>>,
    pub(crate) operations: u64,
}

/// A change cache that one try may change.
pub(crate) struct Cache {
    _home: TempDir,
    pub(crate) path: PathBuf,
}

/// Whether the error says what happened: the storage failed, in this way.
pub(crate) fn is_storage(error: &BackupError, kind: FaultKind) -> bool {
    let BackupError::Repository(RepositoryError::Storage(error)) = error else {
        return false;
    };
    match kind {
        FaultKind::Full => error.is_full(),
        _ => matches!(error, StorageError::Io { .. }),
    }
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let tree = Tree {
            large_bytes: 1200 << 10,
            ..Tree::small(seed)
        };
        let mut pictures = Vec::new();
        for version in 0..VERSIONS {
            let root = home.path().join(version.to_string());
            std::fs::create_dir(&root).unwrap();
            build(&root, &tree).unwrap();
            for change in 0..version {
                mutate(&root, seed * 100 + change as u64).unwrap();
            }
            pictures.push(Picture::take(&root).unwrap());
        }
        Self {
            home,
            lab: Lab::new(seed),
            pictures,
        }
    }

    /// Runs everything without a fault, keeping what stands before each stage.
    pub(crate) fn record(&self) -> Vec<Stage> {
        let storage = MemoryStorage::new();
        let cache = self.home.path().join("cache");
        (0..WORK.len())
            .map(|number| {
                let counted = Arc::new(FaultyStorage::new(storage.clone()));
                let mut stage = Stage {
                    objects: storage.objects(),
                    cache: std::fs::read(&cache).ok(),
                    operations: 0,
                };
                let shared: Arc<dyn Storage> = counted.clone();
                self.run(number, &shared, &cache).unwrap();
                stage.operations = counted.operations();
                stage
            })
            .collect()
    }

    pub(crate) fn cache_of(&self, stage: &Stage) -> Cache {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("cache");
        if let Some(bytes) = &stage.cache {
            std::fs::write(&path, bytes).unwrap();
        }
        Cache { _home: home, path }
    }

    fn backup(
        &self,
        repository: &Repository,
        version: usize,
        cache: &Path,
    ) -> Result<Report, BackupError> {
        let mut options = options(&self.home.path().join(version.to_string()));
        options.cache = Some(cache.to_owned());
        options.tags = vec![version.to_string()];
        self.lab.backup(repository, &options)
    }

    /// Does the work of one stage.
    pub(crate) fn run(
        &self,
        number: usize,
        storage: &Arc<dyn Storage>,
        cache: &Path,
    ) -> Result<(), BackupError> {
        let lab = &self.lab;
        match WORK[number] {
            Work::Create => lab.create(&**storage)?,
            Work::Backup { version, secret } => {
                let repository = lab.open_with(storage.clone(), secret)?;
                self.backup(&repository, version, cache)?;
            }
            Work::AddKey => {
                let repository = lab.open(storage.clone())?;
                lab.add_key(&repository, 3, Role::WriteOnly)?;
            }
            Work::ReadAll => {
                let repository = lab.open(storage.clone())?;
                for stored in repository.snapshots()?.0 {
                    picture_of(&repository, &stored.snapshot)?;
                }
            }
            Work::Check => {
                let repository = lab.open(storage.clone())?;
                lab.check(&repository)?;
            }
        }
        Ok(())
    }

    /// Everything that must hold after a fault, given how many stages were acknowledged.
    pub(crate) fn verify(
        &self,
        acknowledged: usize,
        storage: &Arc<dyn Storage>,
        cache: &Path,
        what: &str,
    ) {
        if storage.read(&ObjectName::Config).is_err() {
            assert_eq!(acknowledged, 0, "{what}: the repository is gone");
            self.lab.create(&**storage).expect(what);
        }
        let repository = self.lab.open(storage.clone()).expect(what);
        assert_eq!(repository.warnings(), [], "{what}");
        let versions: Vec<usize> = self.whole_snapshots(&repository, what);
        let due: Vec<usize> = WORK[..acknowledged]
            .iter()
            .filter_map(|work| match work {
                Work::Backup { version, .. } => Some(*version),
                _ => None,
            })
            .collect();
        let is_kept = versions == due || versions.split_last().is_some_and(|(_, rest)| rest == due);
        assert!(
            is_kept,
            "{what}: {versions:?} are there, {due:?} were acknowledged"
        );
        if acknowledged > 4 {
            self.lab.open_with(storage.clone(), 3).expect(what);
        }
        self.check(&repository, what);
        let report = self.backup(&repository, 3, cache).expect(what);
        let stored = picture_of(&repository, &report.snapshot).expect(what);
        self.pictures[3].assert_same(&stored, what);
        self.check(&self.lab.open(storage.clone()).expect(what), what);
    }

    /// Compares every snapshot there is with its source; gives the versions in order of time.
    fn whole_snapshots(&self, repository: &Repository, what: &str) -> Vec<usize> {
        let (snapshots, damaged) = repository.snapshots().expect(what);
        assert!(damaged.is_empty(), "{what}: {damaged:?}");
        let version_of = |stored: &repository::Stored| {
            let version: usize = stored.snapshot.tags[0].parse().unwrap();
            let picture = picture_of(repository, &stored.snapshot).expect(what);
            self.pictures[version].assert_same(&picture, what);
            version
        };
        snapshots.iter().map(version_of).collect()
    }

    fn check(&self, repository: &Repository, what: &str) {
        let report = self.lab.check(repository).expect(what);
        assert_eq!(report.damaged, [], "{what}");
    }
}
