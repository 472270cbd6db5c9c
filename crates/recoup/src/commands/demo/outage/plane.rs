//! The control plane: load balancers that come, grow and go in etcd, and books of its own of what it did.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etcd::{Client, EtcdError};
use model::Cancel;

use super::books::Books;
use crate::commands::demo::stage::dice::Dice;
use crate::exit::{Failure, Result};

/// Under which all of it is kept.
pub(super) const PREFIX: &[u8] = b"/lb/";

/// Keys of one transaction: what etcd takes by default.
const BATCH: usize = 127;

/// Length of a value: that of a load balancer with some targets.
const VALUE_BYTES: usize = 500;

/// Between two requests of customers: about a hundred a second.
const PAUSE: Duration = Duration::from_millis(9);

/// Of 100 requests as many make a load balancer, and one deletes one; the others scale one.
const MAKE: u64 = 20;

/// Streams of numbers: of the requests, and of the job.
const REQUESTS: u64 = u64::MAX - 1;
const JOB: u64 = u64::MAX - 2;

pub(super) fn key_of(number: u64) -> Vec<u8> {
    [PREFIX, format!("lb-{number:07}").as_bytes()].concat()
}

pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    let name = key.strip_prefix(PREFIX)?.strip_prefix(b"lb-")?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// What is kept of a load balancer at a version.
pub(super) fn value_of(number: u64, version: u64) -> Vec<u8> {
    let mut value = format!("{{\"id\": {number}, \"version\": {version}, \"targets\": [");
    let mut dice = Dice::new(version, number);
    while value.len() < VALUE_BYTES - 20 {
        let (a, b) = (dice.below(256), dice.below(256));
        value.push_str(&format!("\"10.{}.{a}.{b}\", ", number % 200));
    }
    value.push_str("\"end\"]}");
    value.into_bytes()
}

/// The control plane, its state in etcd, and its books.
#[derive(Clone)]
pub(super) struct Plane {
    client: Client,
    books: Arc<Mutex<Books>>,
    counts: Arc<Counts>,
    seed: u64,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
}

/// What the customers have seen so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) requests: u64,
    /// Of these, refused: a load balancer that is in the books was not in etcd.
    pub(super) refused: u64,
}

/// Customers at the control plane's door. They leave when it is dropped.
pub(super) struct Working {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::result::Result<(), EtcdError>>>,
}

impl Plane {
    /// Puts so many load balancers into etcd.
    pub(super) fn load(client: &Client, keys: u64, seed: u64, cancel: &Cancel) -> Result<Self> {
        let mut books = Books::default();
        let numbers: Vec<u64> = (0..keys).collect();
        for some in numbers.chunks(BATCH) {
            if cancel.requested() {
                return Err(Failure::interrupted());
            }
            let pairs: Vec<_> = some.iter().map(|&n| (key_of(n), value_of(n, 0))).collect();
            let borrowed: Vec<(&[u8], &[u8])> = pairs
                .iter()
                .map(|(key, value)| (key.as_slice(), value.as_slice()))
                .collect();
            let revision = client.put_all(&borrowed)?;
            some.iter().for_each(|&n| books.wrote(n, 0, revision));
        }
        Ok(Self {
            client: client.clone(),
            books: Arc::new(Mutex::new(books)),
            counts: Arc::default(),
            seed,
        })
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counted(&self) -> Counted {
        Counted {
            requests: self.counts.requests.load(Ordering::Relaxed),
            refused: self.counts.refused.load(Ordering::Relaxed),
        }
    }

    /// Customers begin to come.
    pub(super) fn start(&self) -> Working {
        let stop = Arc::<AtomicBool>::default();
        let (told, plane) = (Arc::clone(&stop), self.clone());
        let thread = thread::spawn(move || {
            let mut dice = Dice::new(plane.seed, REQUESTS);
            let mut version = 1;
            while !told.load(Ordering::Relaxed) {
                plane.request(&mut dice, version)?;
                version += 1;
                plane.counts.requests.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        Working {
            stop,
            thread: Some(thread),
        }
    }

    fn request(&self, dice: &mut Dice, version: u64) -> std::result::Result<(), EtcdError> {
        let next = self.books().next();
        let roll = dice.below(100);
        if roll < MAKE {
            let revision = self
                .client
                .put(&key_of(next), &value_of(next, version), 0)?;
            self.books().wrote(next, version, revision);
            return Ok(());
        }
        let number = dice.below(next);
        if !self.books().has(number) {
            return Ok(());
        }
        let key = key_of(number);
        if roll == MAKE {
            match self.client.delete(&key)? {
                (revision, true) => self.books().removed(number, revision),
                (_, false) => self.refuse(),
            }
        } else if self.client.get(&key, None)?.is_some() {
            let revision = self.client.put(&key, &value_of(number, version), 0)?;
            self.books().wrote(number, version, revision);
        } else {
            self.refuse();
        }
        Ok(())
    }

    /// Without its state nothing can be done with a load balancer.
    fn refuse(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The maintenance job: deletes so many keys, in no order, and tells nobody. Gives how many there
    /// were, and the revision of the last.
    pub(super) fn damage(&self, count: u64, cancel: &Cancel) -> Result<(u64, i64)> {
        let mut numbers = self.books().numbers();
        Dice::new(self.seed, JOB).shuffle(&mut numbers);
        let (mut deleted, mut last) = (0, 0);
        for number in numbers {
            if deleted >= count {
                break;
            }
            if cancel.requested() {
                return Err(Failure::interrupted());
            }
            let (revision, was_there) = self.client.delete(&key_of(number))?;
            deleted += u64::from(was_there);
            last = revision;
        }
        Ok((deleted, last))
    }
}

impl Working {
    /// Customers stop coming; fails if the control plane did.
    pub(super) fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Err(_)) => Err(Failure::failed("run the control plane: it broke off")),
            Some(Ok(done)) => Ok(done?),
            None => Ok(()),
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // After a failure: that one is told of.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_numbers() {
        for number in [0, 7, 1_234_567, 10_000_000] {
            assert_eq!(number_of(&key_of(number)), Some(number));
        }
        assert_eq!(number_of(b"/lb/other"), None);
        let value = value_of(5, 3);
        assert!(value.len() >= VALUE_BYTES - 20 && value.len() < VALUE_BYTES + 20);
        assert_ne!(value, value_of(5, 4));
        assert!(serde_json::from_slice::<serde_json::Value>(&value).is_ok());
    }
}
