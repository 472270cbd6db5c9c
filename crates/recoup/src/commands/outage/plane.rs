//! The control plane: load balancers that come, grow and go, and a ledger of its own of what it did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etcd::{Client, EtcdError};

use crate::exit::{Failure, Result};

/// Keys of one transaction: what etcd takes by default.
const BATCH: usize = 127;

/// Length of a value: that of a load balancer with a few targets.
const VALUE_BYTES: usize = 500;

/// Between two requests of customers: about a hundred a second.
const PAUSE: Duration = Duration::from_millis(9);

/// What stands in etcd, as far as the control plane knows.
type Ledger = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
pub(super) struct Plane {
    ledger: Arc<Mutex<Ledger>>,
}

/// The control plane at work.
pub(super) struct Working {
    stop: Arc<AtomicBool>,
    since: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), EtcdError>>,
}

/// What differs from the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Keys that are not there.
    pub(super) lost: u64,
    /// Keys with another value than was written last.
    pub(super) older: u64,
    /// Keys that the control plane had deleted.
    pub(super) extra: u64,
}

/// Random numbers without a crate: what is drawn does not matter, only that it is spread.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn key_of(number: u64) -> Vec<u8> {
    format!("/lb/lb-{number:07}").into_bytes()
}

fn value_of(number: u64, version: u64) -> Vec<u8> {
    let mut value =
        format!("{{\"id\": {number}, \"version\": {version}, \"targets\": [").into_bytes();
    let mut dice = Dice(number * 31 + version + 1);
    while value.len() < VALUE_BYTES - 20 {
        let (a, b) = (dice.below(256), dice.below(256));
        value.extend(format!("\"10.{}.{a}.{b}\", ", number % 200).bytes());
    }
    value.extend(b"\"end\"]}");
    value
}

impl Plane {
    /// Puts so many load balancers into etcd.
    pub(super) fn load(client: &Client, keys: u64) -> Result<Self> {
        let numbers: Vec<u64> = (0..keys).collect();
        let mut ledger = Ledger::new();
        for some in numbers.chunks(BATCH) {
            let pairs: Vec<_> = some
                .iter()
                .map(|&number| (key_of(number), value_of(number, 0)))
                .collect();
            let borrowed: Vec<_> = pairs
                .iter()
                .map(|(key, value)| (key.as_slice(), value.as_slice()))
                .collect();
            client.put_all(&borrowed)?;
            ledger.extend(pairs);
        }
        Ok(Self {
            ledger: Arc::new(Mutex::new(ledger)),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Customers begin to come.
    pub(super) fn start(&self, client: &Client) -> Working {
        let (stop, since) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, counted) = (Arc::clone(&stop), Arc::clone(&since));
        let (plane, client) = (self.clone(), client.clone());
        let thread = thread::spawn(move || {
            let mut dice = Dice(2012);
            let mut next = 9_000_000;
            let mut version = 1;
            while !told.load(Ordering::Relaxed) {
                let known = plane.ledger().len() as u64;
                let number = dice.below(known as usize) as u64;
                match dice.below(100) {
                    // A customer makes one.
                    0..20 => {
                        let (key, value) = (key_of(next), value_of(next, version));
                        client.put(&key, &value, 0)?;
                        plane.ledger().insert(key, value);
                        next += 1;
                    }
                    // A customer deletes one. Where it is not found the customer is told so.
                    20 => {
                        let key = key_of(number);
                        if client.delete(&key)?.1 {
                            plane.ledger().remove(&key);
                        }
                    }
                    // One grows or shrinks. That needs its state: without it, the request fails.
                    _ => {
                        let key = key_of(number);
                        if client.get(&key, None)?.is_some() {
                            let value = value_of(number, version);
                            client.put(&key, &value, 0)?;
                            plane.ledger().insert(key, value);
                        }
                    }
                }
                version += 1;
                counted.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        Working {
            stop,
            since,
            thread,
        }
    }

    /// The maintenance job: deletes so many keys, in no order, and tells nobody.
    pub(super) fn damage(&self, client: &Client, count: usize) -> Result<u64> {
        let mut keys: Vec<Vec<u8>> = self.ledger().keys().cloned().collect();
        let mut dice = Dice(1224);
        let mut lost = 0;
        for at in 0..count.min(keys.len()) {
            let other = at + dice.below(keys.len() - at);
            keys.swap(at, other);
            lost += u64::from(client.delete(&keys[at])?.1);
        }
        Ok(lost)
    }

    /// Reads everything and compares it with the ledger.
    pub(super) fn compare(&self, client: &Client) -> Result<Difference> {
        let ledger = self.ledger();
        let mut difference = Difference::default();
        let mut found = 0;
        for page in client.pages(b"/lb/", None) {
            for kv in page?.entries {
                match ledger.get(&kv.key) {
                    Some(value) => {
                        found += 1;
                        difference.older += u64::from(*value != kv.value);
                    }
                    None => difference.extra += 1,
                }
            }
        }
        difference.lost = ledger.len() as u64 - found;
        Ok(difference)
    }
}

impl Working {
    /// Customers stop coming; gives how many requests there were.
    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| Failure::failed("run the control plane: it panicked"))??;
        Ok(self.since.load(Ordering::Relaxed))
    }
}
