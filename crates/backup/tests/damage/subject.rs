//! The repository that is damaged, what it should hold, and the judge of what is left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use format::Role;
use model::SnapshotId;
use repository::RepairOptions;
use repository::Repository;
use repository::RepositoryError;
use storage::MemoryStorage;
use storage::ObjectKind;
use storage::ObjectName;
use tempfile::TempDir;
use testkit::Lab;
use testkit::Picture;
use testkit::Tree;
use testkit::build;
use testkit::mutate;
use testkit::options;
use testkit::picture_of;
use testkit::snapshot::read_what_can_be;

use crate::cases::Case;
use crate::cases::Way;
use crate::cases::damaged;

/// A small repository with three snapshots of a tree and four keys.
pub(crate) struct Subject {
    home: TempDir,
    lab: Lab,
    pub(crate) objects: BTreeMap<ObjectName, Vec<u8>>,
    pub(crate) foreign: BTreeMap<ObjectName, Vec<u8>>,
    pub(crate) newest: ObjectName,
    pictures: BTreeMap<SnapshotId, Picture>,
    cache: Vec<u8>,
}

/// What became of one case.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Wrong bytes or attributes that nobody complained of.
    pub(crate) wrong: Vec<String>,
    /// The repository does not open, or the check reports damage.
    pub(crate) found: bool,
    /// Whether everything in every snapshot can be read.
    pub(crate) all_readable: bool,
    /// What could not be read although the damage is elsewhere.
    pub(crate) lost: Vec<String>,
    /// Whether the next backup with the change cache can be read whole.
    pub(crate) cached_whole: bool,
    /// Whether the next backup without change cache can be read whole; `None` if there was none.
    pub(crate) backup_whole: Option<bool>,
    /// The damaged key slot refuses its secret.
    pub(crate) slot_refused: bool,
    /// The damaged key slot still opens the same keys.
    pub(crate) slot_same: bool,
}

fn make(
    lab: &Lab,
    root: &std::path::Path,
    cache: PathBuf,
) -> (MemoryStorage, BTreeMap<SnapshotId, Picture>, SnapshotId) {
    let storage = MemoryStorage::new();
    lab.create(&storage).unwrap();
    let mut pictures = BTreeMap::new();
    let mut newest = SnapshotId([0; 32]);
    let mut options = options(root);
    options.cache = Some(cache);
    for version in 0..3 {
        let repository = lab.open(Arc::new(storage.clone())).unwrap();
        newest = lab.backup(&repository, &options).unwrap().id.unwrap();
        pictures.insert(newest, Picture::take(root).unwrap());
        if version < 2 {
            mutate(root, version).unwrap();
        }
        if version == 1 {
            lab.add_key(&repository, 3, Role::WriteOnly).unwrap();
        }
    }
    (storage, pictures, newest)
}

impl Subject {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let lab = Lab::new(21);
        let roots = ["other", "root"].map(|name| {
            let root = home.path().join(name);
            std::fs::create_dir(&root).unwrap();
            build(&root, &Tree::small(4)).unwrap();
            root
        });
        let (foreign, ..) = make(&lab, &roots[0], home.path().join("other cache"));
        let (storage, pictures, newest) = make(&lab, &roots[1], home.path().join("cache"));
        let cache = std::fs::read(home.path().join("cache")).unwrap();
        let objects = storage.objects();
        let bytes: usize = objects.values().map(Vec::len).sum();
        println!("the repository: {} objects, {bytes} bytes", objects.len());
        Self {
            home,
            lab,
            objects,
            foreign: foreign.objects(),
            newest: ObjectName::Snapshot(newest),
            pictures,
            cache,
        }
    }

    /// Does the damage and looks at what is left in every way there is.
    pub(crate) fn judge(&self, case: &Case, with_backup: bool) -> Verdict {
        let mut verdict = Verdict::default();
        let Some(storage) = damaged(self, case) else {
            return Verdict {
                found: true,
                ..verdict
            };
        };
        let storage = Arc::new(storage);
        if let ObjectName::Key(_) = case.name {
            self.try_secrets(&storage, &mut verdict);
        }
        let opened = self.lab.open(storage.clone()).or_else(|_| {
            // The slot of the secret is what was damaged: another key opens the repository.
            assert_eq!(case.name.kind(), ObjectKind::Key, "{case:?}");
            verdict.found = true;
            self.lab.open_with(storage.clone(), 2)
        });
        // Both slots have changed places: nothing opens it until they are put back.
        let Ok(repository) = opened else {
            return verdict;
        };
        let errors = self.read(&repository, &mut verdict);
        verdict.all_readable = errors.is_empty();
        let report = self.lab.check(&repository).expect("check ends");
        verdict.found |= !report.damaged.is_empty();
        let fork = Arc::new(storage.fork());
        self.sort_out(case, &storage, &repository, &errors, &mut verdict);
        let storage = fork;
        if with_backup {
            verdict.cached_whole = self.next_backup(&storage, true, case, &mut verdict);
            verdict.backup_whole = Some(self.next_backup(&storage, false, case, &mut verdict));
        }
        verdict
    }

    fn try_secrets(&self, storage: &Arc<MemoryStorage>, verdict: &mut Verdict) {
        let opened: Vec<_> = (1..=3)
            .map(|number| self.lab.open_with(storage.clone(), number))
            .collect();
        verdict.slot_refused = opened.iter().any(Result::is_err);
        verdict.slot_same = opened.iter().all(|opened| {
            opened
                .as_ref()
                .is_ok_and(|r| self.lab.check(r).is_ok() || !r.can_read())
        });
    }

    /// Reads everything; gives the errors.
    fn read(
        &self,
        repository: &Repository,
        verdict: &mut Verdict,
    ) -> Vec<(Option<SnapshotId>, RepositoryError)> {
        let mut errors = Vec::new();
        let (snapshots, damaged) = repository.snapshots().expect("list");
        errors.extend(damaged.into_iter().map(|error| (None, error)));
        for stored in snapshots {
            let Some(picture) = self.pictures.get(&stored.id) else {
                verdict
                    .wrong
                    .push(format!("unknown snapshot {}", stored.id));
                continue;
            };
            match read_what_can_be(repository, &stored.snapshot) {
                Err(error) => errors.push((Some(stored.id), error)),
                Ok((read, failed)) => {
                    let differences = picture.differences(&read);
                    let unread = failed
                        .keys()
                        .filter(|key| !read.0.contains_key(*key))
                        .count();
                    let twins = |line: &&String| !(unread > 0 && line.contains("links differ"));
                    let wrong = differences
                        .iter()
                        .filter(|line| !line.ends_with(": gone"))
                        .filter(twins);
                    verdict.wrong.extend(wrong.cloned());
                    if differences
                        .iter()
                        .filter(|line| line.ends_with(": gone"))
                        .count()
                        != unread
                    {
                        verdict
                            .wrong
                            .push("names are missing in silence".to_owned());
                    }
                    errors.extend(failed.into_values().map(|error| (Some(stored.id), error)));
                }
            }
        }
        errors
    }

    /// Which of the errors are not the fault of the damaged object.
    fn sort_out(
        &self,
        case: &Case,
        storage: &Arc<MemoryStorage>,
        repository: &Repository,
        errors: &[(Option<SnapshotId>, RepositoryError)],
        verdict: &mut Verdict,
    ) {
        let mut culprits = vec![case.name];
        if let Way::Swap(other) = case.way {
            culprits.push(other);
        }
        if case.name.kind() == ObjectKind::Index {
            // Nothing is lost: the index can be made again.
            repository
                .rebuild_index(RepairOptions {
                    all: true,
                    read_data: false,
                })
                .expect("rebuild the index");
            let again = self.lab.open(storage.clone()).expect("open it again");
            let errors = self.read(&again, verdict);
            verdict.lost = errors.iter().map(|(_, error)| error.to_string()).collect();
            return;
        }
        let named = |error: &RepositoryError| {
            culprits
                .iter()
                .any(|name| error.to_string().contains(&name.to_string()))
        };
        let lost = errors.iter().filter(|(_, error)| !named(error));
        verdict.lost = lost.map(|(_, error)| error.to_string()).collect();
    }

    /// The next backup and what can be read of it; an error of the backup itself is clear enough.
    fn next_backup(
        &self,
        storage: &Arc<MemoryStorage>,
        with_cache: bool,
        case: &Case,
        verdict: &mut Verdict,
    ) -> bool {
        let storage = Arc::new(storage.fork());
        let Ok(repository) = self
            .lab
            .open(storage.clone())
            .or_else(|_| self.lab.open_with(storage.clone(), 2))
        else {
            return false;
        };
        let root = self.home.path().join("root");
        let own = tempfile::tempdir().unwrap();
        let mut options = options(&root);
        if with_cache {
            let cache = own.path().join("cache");
            std::fs::write(&cache, &self.cache).unwrap();
            options.cache = Some(cache);
        }
        let Ok(report) = self.lab.backup(&repository, &options) else {
            return false;
        };
        let ObjectName::Snapshot(newest) = self.newest else {
            return false;
        };
        match picture_of(&repository, &report.snapshot) {
            Ok(read) => {
                let differences = self.pictures[&newest].differences(&read);
                let lines = differences
                    .iter()
                    .map(|line| format!("next backup of {case:?}: {line}"));
                verdict.wrong.extend(lines);
                true
            }
            Err(_) => false,
        }
    }
}
