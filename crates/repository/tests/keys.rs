//! Keys of repositories whose making was cut short.

use std::sync::Arc;

use codec::Secret;
use format::Role;
use recoup_repository::RepositoryError;
use recoup_repository::keys::{self, NewKey};
use storage::FaultyStorage;
use storage::MemoryStorage;
use testkit::Lab;

#[test]
fn a_label_that_would_make_a_slot_unreadable_is_refused() {
    let lab = Lab::new(1);
    let storage = Arc::new(MemoryStorage::new());
    lab.create(&*storage).unwrap();
    let repository = lab.open(storage.clone()).unwrap();
    let key = |label: String| NewKey {
        role: Role::WriteOnly,
        kind: "key-file".to_owned(),
        label,
        created: String::new(),
    };
    let add = |label| {
        let secret = Secret::Raw([9; 32].into());
        let key = key(label);
        keys::add_slot(
            &*storage,
            repository.keyset(),
            &secret,
            &key,
            repository.entropy(),
        )
    };
    let before = keys::list(&*storage).unwrap().0.len();
    let refused = add("x".repeat(64 << 10));
    assert!(matches!(refused, Err(RepositoryError::TooLong { .. })));
    add("x".repeat(32 << 10)).unwrap();
    let (listed, damaged) = keys::list(&*storage).unwrap();
    assert_eq!((listed.len(), damaged.len()), (before + 1, 0));
}

/// A crash between the first key and the config left a slot that the same password opens: one time in
/// two it was tried before the slot of the repository made afterwards, whose config then looked altered.
#[test]
fn a_slot_left_by_a_crash_does_not_stand_in_the_way() {
    for seed in 0..32 {
        let lab = Lab::new(seed);
        let crashed = FaultyStorage::new(MemoryStorage::new());
        crashed.crash_at(1 + seed % 2);
        lab.create(&crashed).unwrap_err();
        let storage = Arc::new(crashed.into_inner());
        lab.create(&*storage).unwrap();
        let repository = lab.open(storage.clone()).unwrap();
        assert_eq!(lab.check(&repository).unwrap().damaged, [], "seed {seed}");
        assert_eq!(recoup_repository::keys::list(&*storage).unwrap().0.len(), 2);
    }
}
