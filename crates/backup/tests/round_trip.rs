//! What is backed up is what is read back, in every odd kind, through versions and the change cache.

use std::sync::Arc;

use storage::MemoryStorage;
use testkit::Lab;
use testkit::Picture;
use testkit::Tree;
use testkit::build;
use testkit::mutate;
use testkit::options;
use testkit::picture_of;

#[test]
fn every_version_comes_back_whole() {
    for seed in 0..4 {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        std::fs::create_dir(&root).unwrap();
        build(&root, &Tree::medium(seed)).unwrap();
        let storage = Arc::new(MemoryStorage::new());
        let lab = Lab::new(seed);
        lab.create(&*storage).unwrap();
        let mut options = options(&root);
        options.threads = 2;
        options.cache = (seed % 2 == 0).then(|| home.path().join("cache"));
        let mut versions = Vec::new();
        for version in 0..4 {
            let repository = lab.open(storage.clone()).unwrap();
            let report = lab.backup(&repository, &options).unwrap();
            assert_eq!(report.problems, []);
            versions.push((report.snapshot, Picture::take(&root).unwrap()));
            for (snapshot, live) in &versions {
                live.assert_same(&picture_of(&repository, snapshot).unwrap(), "a version");
            }
            mutate(&root, seed * 10 + version).unwrap();
        }
        let repository = lab.open(storage.clone()).unwrap();
        let checked = lab.check(&repository).unwrap();
        assert_eq!((checked.damaged, checked.unindexed), (vec![], vec![]));
    }
}

#[test]
fn equal_seeds_give_equal_trees() {
    let [one, two] = [0, 1].map(|_| {
        let root = tempfile::tempdir().unwrap();
        build(root.path(), &Tree::small(9)).unwrap();
        Picture::take(root.path()).unwrap()
    });
    one.assert_same(&two, "two trees of one seed");
}

/// It was stored as empty, and the backup said that all was well.
#[test]
fn a_file_of_the_kernel_that_says_it_is_empty_is_read() {
    let path = std::path::Path::new("/proc/sys/kernel/ostype");
    let storage = Arc::new(MemoryStorage::new());
    let lab = Lab::new(1);
    lab.create(&*storage).unwrap();
    let repository = lab.open(storage).unwrap();
    let report = lab.backup(&repository, &options(path)).unwrap();
    assert_eq!(
        report.snapshot.totals.bytes,
        std::fs::read(path).unwrap().len() as u64
    );
}
