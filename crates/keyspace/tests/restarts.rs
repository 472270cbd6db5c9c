//! What a watcher goes on from: after a deletion that is too long for one record, with a damaged log, and
//! where another store stands at the address.

use std::collections::BTreeMap;
use std::sync::Arc;

use etcd::testing::{Server, ServerOptions, StartError};
use etcd::{Applier, Client, Expect, Lease, Settings, Write};
use model::point::Class;
use model::{Cancel, PathKey, Silent, Timestamp};
use recoup_keyspace::{Event, Options, WatchOptions, watch};
use repository::{MapReader, Repository};
use storage::{MemoryStorage, ObjectName, Storage};
use testkit::Lab;

const HOST: &str = "lab";
const SOURCE: &[u8] = b"etcd://store/";

/// More than fits in one record of 4 MiB.
const MANY: usize = 40_000;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

struct Bench {
    storage: Arc<MemoryStorage>,
    lab: Lab,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let (storage, lab) = (Arc::new(MemoryStorage::new()), Lab::new(seed));
        lab.create(&*storage).unwrap();
        Self { storage, lab }
    }

    fn open(&self) -> Repository {
        self.lab.open(self.storage.clone()).unwrap()
    }

    /// Watches until `each` says that it is enough.
    fn watch(&self, server: &Server, each: &mut dyn FnMut(&Event<'_>) -> bool) {
        let keyspace = Options {
            source: SOURCE.to_vec(),
            prefix: b"/".to_vec(),
            tags: Vec::new(),
            host: HOST.to_owned(),
            user: "ada".to_owned(),
            program: "recoup test".to_owned(),
            threads: 2,
        };
        let address = server.address().with_prefix(b"/".to_vec());
        let options = WatchOptions::new(address, Settings::default(), keyspace);
        let clock = || Timestamp::new(1_000_000, 0);
        let cancel = Cancel::default();
        let repository = self.open();
        watch(
            &repository,
            &options,
            &clock,
            &Silent,
            &cancel,
            &mut |event| {
                if each(&event) {
                    cancel.request();
                }
            },
        )
        .unwrap();
    }

    /// What every state of the timeline that names a revision holds.
    fn states(&self) -> Vec<(u64, Map)> {
        let repository = self.open();
        let timeline = repository.timeline(HOST, SOURCE).unwrap();
        let mut entries = Vec::new();
        timeline
            .each(0, |entry| {
                entries.extend(entry.revision().map(|revision| (revision, entry)));
                Ok(())
            })
            .unwrap();
        let readable = entries
            .iter()
            .filter_map(|(at, entry)| Some((*at, timeline.open(entry).ok()?)));
        readable
            .map(|(revision, stored)| (revision, map_of(&repository, stored.snapshot.root)))
            .collect()
    }

    fn last(&self) -> Map {
        self.states().pop().unwrap().1
    }
}

fn map_of(repository: &Repository, root: Option<model::BlobId>) -> Map {
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(root, &PathKey::root());
    let mut map = Map::new();
    while let Some((key, entry)) = entries.next().unwrap() {
        let raw = etcd::keys::decode(&key).unwrap();
        map.insert(raw, repository.content(&entry).unwrap());
    }
    map
}

fn put(server: &Server, pairs: &[(String, &str)]) {
    let client = Client::connect(&server.address(), &Settings::default()).unwrap();
    let write = |(key, value): &(String, &str)| Write {
        key: key.clone().into_bytes(),
        new: Some(value.as_bytes().to_vec()),
        expect: Expect::Absent,
        lease: Lease::None,
    };
    let writes: Vec<Write> = pairs.iter().map(write).collect();
    let applied = Applier::new(&client, None).apply(&writes, &Cancel::default(), &mut |_, _| {});
    assert!(applied.outcomes.iter().all(etcd::Outcome::is_success));
}

fn live(server: &Server) -> Map {
    let client = Client::connect(&server.address(), &Settings::default()).unwrap();
    let pages = client.pages(b"/", None);
    pages
        .flat_map(|page| page.unwrap().entries)
        .map(|kv| (kv.key, kv.value))
        .collect()
}

fn start(directory: &tempfile::TempDir) -> Option<Server> {
    match Server::start(directory.path(), &ServerOptions::default()) {
        Ok(server) => Some(server),
        Err(StartError::NotInstalled) => {
            println!("SKIP: {}", StartError::NotInstalled);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn is_ready(event: &Event<'_>) -> bool {
    matches!(event, Event::Ready { .. })
}

#[test]
fn a_state_that_names_a_revision_is_that_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = start(&directory) else {
        return;
    };
    let bench = Bench::new(1);
    let pairs: Vec<_> = (0..MANY).map(|at| (format!("/lb/{at:06}"), "on")).collect();
    put(&server, &pairs);
    bench.watch(&server, &mut is_ready);
    let client = Client::connect(&server.address(), &Settings::default()).unwrap();
    let (deleted_at, deleted) = client.delete_prefix(b"/lb/").unwrap();
    assert_eq!(deleted, MANY as u64);
    let mut told = Vec::new();
    bench.watch(&server, &mut |event| {
        if let Event::Point { class, changes, .. } = event {
            told.push((*class, *changes));
        }
        !told.is_empty()
    });
    assert_eq!(told, [(Class::Instant, MANY as u64)]);
    let states = bench.states();
    for (revision, map) in &states {
        let whole = if *revision < deleted_at as u64 {
            MANY
        } else {
            0
        };
        assert_eq!(map.len(), whole, "at revision {revision}");
    }
    let after = states.iter().filter(|(at, _)| *at == deleted_at as u64);
    println!(
        "{} states, {} of them after the deletion",
        states.len(),
        after.count()
    );
    assert!(states.last().unwrap().1.is_empty());
}

#[test]
fn behind_a_damaged_record_everything_is_read_anew() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = start(&directory) else {
        return;
    };
    let bench = Bench::new(2);
    put(&server, &[("/a".to_owned(), "1")]);
    bench.watch(&server, &mut is_ready);
    put(&server, &[("/b".to_owned(), "2")]);
    let mut points = 0;
    bench.watch(&server, &mut |event| {
        if matches!(event, Event::Point { .. }) {
            points += 1;
            if points == 1 {
                put(&server, &[("/c".to_owned(), "3")]);
            }
        }
        points == 2
    });
    let repository = bench.open();
    let log = repository
        .id_key()
        .log_id(&format::timeline::log_of(HOST, SOURCE));
    let last = repository.timeline(HOST, SOURCE).unwrap().numbers().len() as u64;
    let name = ObjectName::Log(log, last - 1);
    let mut bytes = bench.storage.read(&name).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    bench.storage.set(name, bytes);
    bench.watch(&server, &mut is_ready);
    assert!(bench.last() == live(&server), "not the live store");
}

#[test]
fn another_store_at_the_address_is_read_anew() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (Some(one), Some(other)) = (start(&directories[0]), start(&directories[1])) else {
        return;
    };
    for ends_with_a_point in [false, true] {
        let bench = Bench::new(3);
        put(&one, &[(format!("/here/{ends_with_a_point}"), "1")]);
        bench.watch(&one, &mut is_ready);
        if ends_with_a_point {
            put(&one, &[("/later".to_owned(), "2")]);
            bench.watch(&one, &mut |event| matches!(event, Event::Point { .. }));
        }
        // Its revisions are beyond those that were seen of the one.
        let pairs: Vec<_> = (0..300)
            .map(|at| (format!("/there/{ends_with_a_point}/{at}"), "1"))
            .collect();
        put(&other, &pairs);
        bench.watch(&other, &mut is_ready);
        assert!(bench.last() == live(&other), "not the other store");
        // And the same store again is gone on from.
        let mut points = 0;
        bench.watch(&other, &mut |event| {
            points += u64::from(matches!(event, Event::Point { .. }));
            is_ready(event)
        });
        assert_eq!(points, 0);
        assert!(bench.last() == live(&other), "not the other store");
    }
}
