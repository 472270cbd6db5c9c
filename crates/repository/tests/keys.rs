//! Keys of repositories whose making was cut short.

use std::sync::Arc;

use storage::FaultyStorage;
use storage::MemoryStorage;
use testkit::Lab;

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
