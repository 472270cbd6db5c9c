//! Logs: numbers without gaps whoever writes, and what is gone, altered or swapped is told.

use std::sync::Arc;

use codec::Secret;
use format::Role;
use model::operation::{Amounts, Begun, Ended, OperationKind, Outcome};
use model::{Cancel, Plan, Silent, Timestamp};
use recoup_repository::{CheckOptions, NewKey, Packer, Repository, RepositoryError, keys};
use storage::{MemoryStorage, ObjectKind, ObjectName, Storage};
use testkit::SeededEntropy;

const WRITERS: usize = 4;
const RECORDS: usize = 25;

fn new_repository() -> (MemoryStorage, Repository) {
    let storage = MemoryStorage::new();
    let entropy = Arc::new(SeededEntropy::new(1));
    let key = NewKey {
        role: Role::Full,
        kind: "key-file".into(),
        label: String::new(),
        created: String::new(),
    };
    let secret = Secret::Raw([7; 32].into());
    let created = Timestamp::default();
    let (keyset, _) = keys::create(&storage, &[(secret, key)], created, &*entropy).unwrap();
    let repository = Repository::with_keyset(Arc::new(storage.clone()), keyset, entropy).unwrap();
    (storage, repository)
}

fn append(repository: &Repository, of: &[u8], body: &[u8]) -> u64 {
    let log = repository.id_key().log_id(of);
    let body = body.to_vec();
    repository
        .log_append(log, Timestamp::default(), 9, |_| Ok(body.clone()))
        .unwrap()
}

#[test]
fn racing_writers_leave_one_chain() {
    let (_, repository) = new_repository();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let repository = &repository;
            scope.spawn(move || {
                for _ in 0..RECORDS {
                    append(repository, b"race", &[writer as u8]);
                }
            });
        }
    });
    let log = repository.id_key().log_id(b"race");
    let (records, wrong) = repository.log(log).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(records.len(), WRITERS * RECORDS);
    for (at, pair) in records.windows(2).enumerate() {
        assert_eq!(pair[0].number, at as u64 + 1);
        assert_eq!(pair[1].record.previous, Some(pair[0].hash));
    }
    println!("{} records of {WRITERS} writers, one chain", records.len());
}

#[test]
fn what_is_gone_or_altered_is_told() {
    let (storage, repository) = new_repository();
    for body in 0..5u8 {
        append(&repository, b"points", &[body]);
    }
    let log = repository.id_key().log_id(b"points");
    let name = |number| ObjectName::Log(log, number);
    let whole = storage.objects();
    let wrong = |storage: &MemoryStorage| {
        let keyset = keys::unlock(storage, &Secret::Raw([7; 32].into()))
            .unwrap()
            .0;
        let entropy = Arc::new(SeededEntropy::new(2));
        let reader = Repository::with_keyset(Arc::new(storage.clone()), keyset, entropy).unwrap();
        let (records, wrong) = reader.log(log).unwrap();
        let report = reader.check(&CheckOptions::default(), &Silent, &Cancel::default());
        (records.len(), wrong.len(), report.unwrap().damaged.len())
    };
    assert_eq!(wrong(&storage), (5, 0, 0));
    storage.delete(&name(3));
    assert_eq!(wrong(&storage), (4, 1, 1), "a gap");
    let bytes = whole[&name(4)].clone();
    let swapped = MemoryStorage::from_objects(whole.clone());
    swapped.set(name(3), bytes);
    assert_eq!(wrong(&swapped), (4, 1, 1), "a record in another\'s place");
    let flipped = MemoryStorage::from_objects(whole);
    let mut bytes = flipped.read(&name(2)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    flipped.set(name(2), bytes);
    assert_eq!(wrong(&flipped), (4, 1, 1), "a flipped bit");
}

#[test]
fn operations_are_numbered_and_ended() {
    let (storage, repository) = new_repository();
    let (plan, _) = repository
        .write(&Silent, |session| {
            let mut packer = Packer::map(session);
            let listed = repository.put_plan(&mut packer, &Plan::default())?;
            packer.finish()?;
            Ok::<_, RepositoryError>(listed)
        })
        .unwrap();
    assert_eq!(plan.hash, repository.plan_hash(&Plan::default()));
    let begun = Begun {
        number: 0,
        kind: OperationKind::Undo,
        host: "h".into(),
        user: "u".into(),
        source: b"/s".to_vec(),
        about: "all".into(),
        before: None,
        after: None,
        of: None,
        incident: None,
        safety: None,
        plan: Some(plan.clone()),
        planned: Amounts::default(),
        work: Vec::new(),
        program: "p".into(),
    };
    for number in 1..4 {
        assert_eq!(
            repository
                .begin_operation(&begun, Timestamp::default())
                .unwrap(),
            number
        );
    }
    let ended = Ended {
        number: 2,
        outcome: Outcome::Done,
        amounts: Amounts::default(),
        open: None,
        left: None,
        left_is_whole: true,
        quarantine: Vec::new(),
    };
    repository
        .end_operation(&ended, Timestamp::default())
        .unwrap();
    let (operations, wrong) = repository.operations().unwrap();
    assert!(wrong.is_empty());
    let ends: Vec<bool> = operations.iter().map(|op| op.ended.is_some()).collect();
    assert_eq!(ends, [false, true, false]);
    assert_eq!(repository.plan(&plan).unwrap(), Plan::default());
    // A record that can't be read does not have its number given away.
    let (last, _) = storage.list(ObjectKind::Log).unwrap()[2];
    storage.set(last, vec![0; 3000]);
    assert_eq!(
        repository
            .begin_operation(&begun, Timestamp::default())
            .unwrap(),
        4
    );
}
