//! One history: load, watch, work, damage, work again, undo, compare, redo, compare.

use crate::Map;
use crate::gateway::{Gateway, text};
use crate::ledger::{Ledger, Op, merged};
use etcd::testing::Server;
use etcd::{Address, Client, Settings};
use model::{Cancel, PathKey, Silent, Timestamp};
use recoup_keyspace::{Event as Told, WatchOptions, watch};
use recoup_keyspace::{Keyspace, Options};
use repository::{MapReader, Repository, Stored};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use storage::MemoryStorage;
use testkit::Lab;
use undo::{ContentMerge, Event, Report, Who, Work};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) points: u64,
    pub(crate) blurred: u64,
    pub(crate) undone: u64,
    pub(crate) redone: u64,
    pub(crate) conflicts: u64,
    pub(crate) kills: u64,
    pub(crate) compactions: u64,
    pub(crate) restarts: u64,
    pub(crate) raced: u64,
}

pub(crate) struct History<'s> {
    seed: u64,
    state: u64,
    server: &'s mut Server,
    gateway: Gateway,
    prefix: Vec<u8>,
    ledger: Ledger,
    storage: Arc<MemoryStorage>,
    lab: Lab,
    unique: u64,
}

/// What a running watcher has told: revision of each point, and whether it is blurred.
type Points = Arc<Mutex<Vec<(i64, bool)>>>;

struct Watcher {
    cancel: Arc<Cancel>,
    points: Points,
    thread: thread::JoinHandle<Result<(), recoup_keyspace::KeyspaceError>>,
}

fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::new(now.as_secs() as i64, now.subsec_nanos())
}

impl<'s> History<'s> {
    pub(crate) fn new(seed: u64, server: &'s mut Server) -> Self {
        let port = server.endpoint().port;
        let lab = Lab::new(seed);
        let storage = Arc::new(MemoryStorage::new());
        lab.create(&*storage).unwrap();
        Self {
            seed,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            server,
            gateway: Gateway::new(port),
            prefix: format!("/h{seed}/").into_bytes(),
            ledger: Ledger::default(),
            storage,
            lab,
            unique: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn address(&self) -> Address {
        self.server.address().with_prefix(self.prefix.clone())
    }

    fn options(&self) -> Options {
        Options {
            source: self.address().to_string().into_bytes(),
            prefix: self.prefix.clone(),
            tags: Vec::new(),
            host: "lab".to_owned(),
            user: "ada".to_owned(),
            program: "recoup test".to_owned(),
            threads: 2,
        }
    }

    fn open(&self) -> Repository {
        self.lab.open(self.storage.clone()).unwrap()
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.random(24);
        let tail: Vec<u8> = match number % 6 {
            0 => format!("lb/lb-{number:03}").into_bytes(),
            1 => format!("lb-{number}").into_bytes(),
            2 => vec![0xff, number as u8, 0],
            3 => format!("a//{number}%").into_bytes(),
            4 => format!("lb/lb-{number:03}/part").into_bytes(),
            _ => format!("{number}").into_bytes(),
        };
        [self.prefix.as_slice(), &tail].concat()
    }

    fn value(&mut self) -> Vec<u8> {
        self.unique += 1;
        let mut value = format!("{{\"seed\": {}, \"n\": {}}}", self.seed, self.unique).into_bytes();
        match self.random(10) {
            0 => value.clear(),
            1 => value.resize(5000, b'x'),
            2 => value.extend([0, 0xff, 0x80]),
            3 => value.resize(120, b' '),
            _ => {}
        }
        value
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let revision = self.gateway.put(&key, &value).unwrap();
        self.note(revision, key, Some(value), false);
    }

    fn put_leased(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let lease = self
            .gateway
            .ask("/v3/lease/grant", &json!({"TTL": "3600"}))
            .unwrap();
        let question = json!({"key": text(&key), "value": text(&value), "lease": lease["ID"]});
        let answer = self.gateway.ask("/v3/kv/put", &question).unwrap();
        let revision = answer["header"]["revision"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        self.note(revision, key, Some(value), true);
    }

    fn delete(&mut self, key: Vec<u8>) {
        if let Some(revision) = self.gateway.delete(&key).unwrap() {
            self.note(revision, key, None, false);
        }
    }

    fn note(&mut self, revision: i64, key: Vec<u8>, new: Option<Vec<u8>>, leased: bool) {
        self.ledger.ops.push(Op {
            revision,
            key,
            new,
            leased,
        });
    }

    /// Some writes, as a control plane makes them.
    fn work(&mut self, count: u64, counts: &mut Counts) {
        for _ in 0..count {
            let key = self.key();
            match self.random(10) {
                0..3 => self.delete(key),
                3 => {
                    let value = self.value();
                    self.put_leased(key, value);
                }
                _ => {
                    let value = self.value();
                    self.put(key, value);
                }
            }
            counts.writes += 1;
        }
    }

    /// What a faulty job does: deletes many keys, or writes one value over them.
    fn damage(&mut self, counts: &mut Counts) {
        let keys: Vec<_> = self.live().into_keys().collect();
        for key in keys {
            match self.random(4) {
                0 => {}
                1 => self.put(key, b"reset".to_vec()),
                _ => self.delete(key),
            }
            counts.writes += 1;
        }
    }

    fn live(&mut self) -> Map {
        let prefix = self.prefix.clone();
        let mut all = self.gateway.range(0);
        all.retain(|key, _| key.starts_with(&prefix));
        all
    }

    fn now(&mut self) -> i64 {
        self.ledger
            .ops
            .iter()
            .map(|op| op.revision)
            .max()
            .unwrap_or(0)
    }

    /// Between any two steps something may happen to the server, or to the watcher.
    fn trouble(&mut self, watcher: &mut Option<Watcher>, counts: &mut Counts) {
        match self.random(6) {
            0 => {
                let revision = self.server_revision();
                let question = json!({"revision": revision.to_string(), "physical": true});
                self.gateway.ask("/v3/kv/compaction", &question).unwrap();
                counts.compactions += 1;
            }
            1 => {
                self.server.kill9().unwrap();
                self.server.restart().unwrap();
                self.gateway = Gateway::new(self.server.endpoint().port);
                counts.kills += 1;
            }
            2 => {
                if let Some(old) = watcher.take() {
                    counts.count(&old.end());
                    self.work(3, counts);
                    if self.random(2) == 0 {
                        let revision = self.server_revision();
                        let question = json!({"revision": revision.to_string()});
                        // Another history may have compacted as far already.
                        let _ = self.gateway.ask("/v3/kv/compaction", &question);
                    }
                    *watcher = Some(self.watcher());
                    counts.restarts += 1;
                }
            }
            _ => {}
        }
    }

    fn server_revision(&mut self) -> i64 {
        let question = json!({"key": text(b"x"), "count_only": true});
        let answer = self.gateway.ask("/v3/kv/range", &question).unwrap();
        answer["header"]["revision"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    fn watcher(&self) -> Watcher {
        let repository = self.open();
        let options = WatchOptions {
            gather: Duration::from_millis(20),
            ..WatchOptions::new(self.address(), Settings::default(), self.options())
        };
        let cancel = Arc::new(Cancel::default());
        let points: Points = Arc::default();
        let (stop, told) = (Arc::clone(&cancel), Arc::clone(&points));
        let thread = thread::spawn(move || {
            let mut each = |event: Told<'_>| match event {
                Told::Point {
                    revision, class, ..
                } => {
                    let blurred = class == model::point::Class::Blurred;
                    told.lock().unwrap().push((revision, blurred));
                }
                Told::Ready { revision, .. } => told.lock().unwrap().push((revision, false)),
                _ => {}
            };
            watch(&repository, &options, &clock, &Silent, &stop, &mut each)
        });
        Watcher {
            cancel,
            points,
            thread,
        }
    }

    pub(crate) fn run(mut self, counts: &mut Counts) {
        let amount = self.random(40) + 5;
        self.work(amount, counts);
        let mut watcher = Some(self.watcher());
        for _ in 0..3 {
            let amount = self.random(10);
            self.work(amount, counts);
            self.trouble(&mut watcher, counts);
        }
        // Whole points around the damage: each side is waited for.
        let first = self.key();
        let value = self.value();
        self.put(first, value);
        let before = self.now();
        watcher.as_ref().unwrap().wait(before, self.seed);
        self.damage(counts);
        let last = self.key();
        let value = self.value();
        self.put(last, value);
        let after = self.now();
        watcher.as_ref().unwrap().wait(after, self.seed);
        self.trouble(&mut watcher, counts);
        let amount = self.random(12);
        self.work(amount, counts);
        self.trouble(&mut watcher, counts);
        let end = self.now();
        watcher.as_ref().unwrap().wait(end, self.seed);
        counts.count(&watcher.unwrap().end());
        self.check_points();
        match self.random(3) {
            0 => self.race(before, after, counts),
            _ => self.quiet(before, after, counts),
        }
    }

    /// Every point is the state at its revision, as the ledger tells it.
    fn check_points(&self) {
        let repository = self.open();
        let timeline = repository.timeline("lab", &self.options().source).unwrap();
        let mut entries = Vec::new();
        timeline
            .each(0, |entry| {
                entries.push(entry);
                Ok(())
            })
            .unwrap();
        for entry in entries.iter().filter(|entry| entry.state().is_some()) {
            let stored = timeline.open(entry).unwrap();
            let revision = entry.revision().unwrap() as i64;
            assert_eq!(
                map_of(&repository, &stored),
                self.ledger.at(revision),
                "seed {}: point {} of revision {revision}",
                self.seed,
                entry.number
            );
        }
    }

    fn event(&self, repository: &Repository, before: i64, after: i64) -> Event {
        let source = self.options().source;
        let timeline = repository.timeline("lab", &source).unwrap();
        let state = |revision: i64| -> Stored {
            let entry = timeline.at_revision(revision as u64).unwrap().unwrap();
            timeline.open(&entry).unwrap()
        };
        let (before, after) = (state(before), state(after));
        Event::between(repository, &before, &after, &PathKey::root()).unwrap()
    }

    fn undo(&self, repository: &Repository, event: &Event) -> Report {
        let client = Client::connect(&self.address(), &Settings::default()).unwrap();
        let cancel = Cancel::default();
        let (options, monitor) = (self.options(), Silent);
        let ground = Keyspace::new(
            repository, &client, options, None, &clock, &monitor, &cancel,
        );
        let who = Who {
            host: "lab".to_owned(),
            user: "ada".to_owned(),
            program: "recoup test".to_owned(),
        };
        let work = Work {
            repository,
            ground: &ground,
            who,
            clock: &clock,
            monitor: &monitor,
        };
        let proposal = work.ground.propose(event, ContentMerge::Off).unwrap();
        work.run(event, &proposal).unwrap()
    }

    /// Nobody else writes: the result is exactly the oracle's, and the undo of it exactly what was there.
    fn quiet(&mut self, before: i64, after: i64, counts: &mut Counts) {
        let live = self.live();
        let leased = self.ledger.leased_at(before);
        let (b, a) = (self.ledger.at(before), self.ledger.at(after));
        let (expected, open) = merged(&b, &a, &live, &leased);
        let repository = self.open();
        let event = self.event(&repository, before, after);
        let report = self.undo(&repository, &event);
        let seed = self.seed;
        assert_eq!(self.live(), expected, "seed {seed}: after undo");
        let conflicts = report.open.conflicts.iter();
        let conflicts = conflicts.map(|it| etcd::keys::decode(&it.key).unwrap());
        assert_eq!(
            conflicts.collect::<std::collections::BTreeSet<_>>(),
            open,
            "seed {seed}: conflicts"
        );
        counts.undone += 1;
        counts.conflicts += open.len() as u64;
        let operations = repository.operations().unwrap().0;
        let mut found = operations.iter();
        let operation = found.find(|op| op.begun.number == report.number).unwrap();
        let event = Event::of_operation(&repository, operation).unwrap();
        let touched: std::collections::BTreeSet<_> = self.leased_live();
        self.undo(&repository, &event);
        let mut back = self.live();
        let mut was = live;
        // What had a lease before the undo is not made again by undoing it.
        back.retain(|key, _| !touched.contains(key));
        was.retain(|key, _| !touched.contains(key));
        assert_eq!(back, was, "seed {seed}: after undoing the undo");
        counts.redone += 1;
    }

    /// Keys that had a lease at the end of the history.
    fn leased_live(&mut self) -> std::collections::BTreeSet<Vec<u8>> {
        let end = self.now();
        self.ledger.leased_at(end)
    }

    /// Somebody writes while it is applied, and the server is killed: what they wrote is there.
    fn race(&mut self, before: i64, after: i64, counts: &mut Counts) {
        let (b, a) = (self.ledger.at(before), self.ledger.at(after));
        let leased = self.ledger.leased_at(before);
        let repository = self.open();
        let event = self.event(&repository, before, after);
        let mut plan = Vec::new();
        for _ in 0..30 {
            plan.push((self.key(), self.value()));
        }
        let port = self.server.endpoint().port;
        let writer = thread::spawn(move || {
            let mut gateway = Gateway::new(port);
            let mut done = Vec::new();
            for (key, value) in plan {
                done.push((gateway.put(&key, &value).unwrap(), key, value));
                thread::sleep(Duration::from_millis(1));
            }
            done
        });
        self.undo(&repository, &event);
        for (revision, key, value) in writer.join().unwrap() {
            self.note(revision, key, Some(value), false);
        }
        let live = self.live();
        let keys: std::collections::BTreeSet<_> = b.keys().chain(a.keys()).collect();
        for key in keys {
            let (b, a, l) = (b.get(key), a.get(key), live.get(key));
            let seed = self.seed;
            match self.ledger.last_after(key, after) {
                None if leased.contains(key) => assert_eq!(l, a, "seed {seed}: {key:?}"),
                None => assert_eq!(l, b, "seed {seed}: {key:?} was not brought back"),
                Some(op) => {
                    let theirs = op.new.as_ref();
                    let is_fine = l == theirs || (theirs == a && l == b);
                    assert!(is_fine, "seed {seed}: {key:?} was overwritten");
                }
            }
        }
        counts.raced += 1;
    }
}

impl Watcher {
    /// Waits until a point of at least this revision is durable.
    fn wait(&self, revision: i64, seed: u64) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let reached = self
                .points
                .lock()
                .unwrap()
                .iter()
                .any(|(at, _)| *at >= revision);
            if reached {
                return;
            }
            assert!(!self.thread.is_finished(), "seed {seed}: the watcher ended");
            assert!(Instant::now() < end, "seed {seed}: no point of {revision}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(self) -> Vec<(i64, bool)> {
        self.cancel.request();
        match self.thread.join().unwrap() {
            // Asked to stop before it had read everything: nothing was promised yet.
            Ok(()) | Err(recoup_keyspace::KeyspaceError::Cancelled) => {}
            Err(error) => panic!("the watcher failed: {error}"),
        }
        let points = self.points.lock().unwrap();
        points.clone()
    }
}

impl Counts {
    fn count(&mut self, points: &[(i64, bool)]) {
        self.points += points.len() as u64;
        self.blurred += points.iter().filter(|(_, blurred)| *blurred).count() as u64;
    }
}

fn map_of(repository: &Repository, stored: &Stored) -> Map {
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(stored.snapshot.root, &PathKey::root());
    let mut map = Map::new();
    while let Some((key, entry)) = entries.next().unwrap() {
        let value = repository.content(&entry).unwrap();
        map.insert(etcd::keys::decode(&key).unwrap(), value);
    }
    map
}
