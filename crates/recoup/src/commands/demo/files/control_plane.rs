//! The control plane: threads that make, scale and remove load balancers all the time.
//!
//! It works as control planes do: it reads a state, checks it, writes the next one beside and renames it
//! into place. A state that is missing or garbage is logged as an error and passed over. It knows
//! nothing of Recoup.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::fleet::{self, Fleet};
use super::ledger::Ledger;
use crate::commands::demo::stage::dice::Dice;
use crate::exit::{Failure, Result};

const THREADS: u64 = 2;

/// Between two actions of a thread: some hundreds a second, which leaves the machine to the rest.
const PAUSE: Duration = Duration::from_millis(2);

/// Of 100 actions as many scale, and as many make a load balancer; the others remove one.
const SCALE: u64 = 70;
const MAKE: u64 = 16;

/// Of this many owners whose load balancer is not found, one makes it again at once.
const RETURN: u64 = 2;

/// What it has counted so far.
#[derive(Debug, Default)]
struct Counts {
    changes: AtomicU64,
    errors: AtomicU64,
    made_again: AtomicU64,
}

/// The same, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// Load balancers made, scaled, removed, made again.
    pub(super) changes: u64,
    /// States that were missing or garbage.
    pub(super) errors: u64,
    /// Of these, made again by their owners.
    pub(super) made_again: u64,
}

#[derive(Debug)]
struct Shared {
    fleet: Fleet,
    ledger: Arc<Ledger>,
    temporary: PathBuf,
    counts: Counts,
    stop: AtomicBool,
    owners_return: AtomicBool,
    /// Why a thread broke off.
    failure: Mutex<Option<String>>,
}

/// The control plane at work. Stops when dropped.
#[derive(Debug)]
pub(super) struct ControlPlane {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl ControlPlane {
    pub(super) fn start(fleet: &Fleet, ledger: &Arc<Ledger>, temporary: &Path) -> Self {
        let shared = Arc::new(Shared {
            fleet: fleet.clone(),
            ledger: Arc::clone(ledger),
            temporary: temporary.to_owned(),
            counts: Counts::default(),
            stop: AtomicBool::new(false),
            owners_return: AtomicBool::new(false),
            failure: Mutex::default(),
        });
        let threads = (0..THREADS)
            .map(|thread| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || Worker::new(&shared, thread).run())
            })
            .collect();
        Self { shared, threads }
    }

    pub(super) fn counted(&self) -> Counted {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        Counted {
            changes: get(&counts.changes),
            errors: get(&counts.errors),
            made_again: get(&counts.made_again),
        }
    }

    /// From now on some owners who miss their load balancer make it again, under the same name.
    pub(super) fn owners_return(&self) {
        self.shared.owners_return.store(true, Ordering::Relaxed);
    }

    /// Waits for the last action to end; fails if one did.
    pub(super) fn stop(mut self) -> Result<Counted> {
        self.halt();
        let failure = self.shared.failure.lock();
        match failure.unwrap_or_else(PoisonError::into_inner).take() {
            Some(why) => Err(Failure::failed(format!("run the control plane: {why}"))),
            None => Ok(self.counted()),
        }
    }

    fn halt(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.fail("a thread broke off");
            }
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Shared {
    fn fail(&self, why: &str) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| why.to_owned());
    }
}

/// What reading a state came to.
enum Found {
    Good,
    Missing,
    Garbage,
}

/// One thread, with the load balancers that it looks after.
struct Worker<'a> {
    shared: &'a Shared,
    dice: Dice,
    mine: Vec<u64>,
    made_again: HashSet<u64>,
    next: u64,
    temporary: PathBuf,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, thread: u64) -> Self {
        let size = shared.fleet.size;
        Self {
            shared,
            dice: Dice::new(shared.fleet.seed, u64::MAX - 1 - thread),
            mine: (thread..size).step_by(THREADS as usize).collect(),
            made_again: HashSet::new(),
            next: size + thread,
            temporary: shared.temporary.join(format!("{thread}.json")),
        }
    }

    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.act() {
                return self.shared.fail(&error.to_string());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn act(&mut self) -> std::io::Result<()> {
        let roll = self.dice.below(100);
        if (SCALE..SCALE + MAKE).contains(&roll) || self.mine.is_empty() {
            return self.make();
        }
        let at = self.dice.below(self.mine.len() as u64) as usize;
        let number = self.mine[at];
        if (0..SCALE).contains(&roll) {
            return self.scale(number);
        }
        // Whoever has just made theirs again does not remove it.
        if !self.made_again.contains(&number) && self.remove(number)? {
            self.mine.swap_remove(at);
        }
        Ok(())
    }

    /// Gives a load balancer its next state.
    fn scale(&mut self, number: u64) -> std::io::Result<()> {
        let mut entry = self.shared.ledger.entry(number);
        let path = self.path(number);
        let found = look(&path, number)?;
        let counts = &self.shared.counts;
        if !matches!(found, Found::Good) {
            counts.errors.fetch_add(1, Ordering::Relaxed);
            let returns = self.shared.owners_return.load(Ordering::Relaxed);
            if !returns || self.dice.below(RETURN) > 0 {
                return Ok(());
            }
        }
        self.prepare(number, entry.next_revision())?;
        let is_new = matches!(found, Found::Missing);
        let placed = match is_new {
            true => self.place_new(number)?,
            false => {
                rustix::fs::rename(&self.temporary, &path)?;
                true
            }
        };
        if placed {
            entry.wrote();
            counts.changes.fetch_add(1, Ordering::Relaxed);
            if !matches!(found, Found::Good) {
                counts.made_again.fetch_add(1, Ordering::Relaxed);
                self.made_again.insert(number);
            }
        }
        Ok(())
    }

    fn make(&mut self) -> std::io::Result<()> {
        let number = self.next;
        if number >= self.shared.ledger.capacity() {
            return Ok(());
        }
        let mut entry = self.shared.ledger.entry(number);
        self.prepare(number, entry.next_revision())?;
        if self.place_new(number)? {
            entry.wrote();
            self.shared.counts.changes.fetch_add(1, Ordering::Relaxed);
        }
        drop(entry);
        self.mine.push(number);
        self.next += THREADS;
        Ok(())
    }

    /// `true` if it was there and is no more.
    fn remove(&self, number: u64) -> std::io::Result<bool> {
        let mut entry = self.shared.ledger.entry(number);
        let path = self.path(number);
        let counts = &self.shared.counts;
        if !matches!(look(&path, number)?, Found::Good) {
            counts.errors.fetch_add(1, Ordering::Relaxed);
            return Ok(false);
        }
        std::fs::remove_file(&path)?;
        entry.removed();
        counts.changes.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn path(&self, number: u64) -> PathBuf {
        let fleet = &self.shared.fleet;
        fleet.absolute(&fleet.file_path(number))
    }

    fn prepare(&self, number: u64, revision: u32) -> std::io::Result<()> {
        std::fs::write(&self.temporary, self.shared.fleet.state(number, revision))
    }

    /// Renames a new state into place; `false` if somebody put one there in the same moment. Names are
    /// synced by nobody here: the demo outlives no crash.
    fn place_new(&self, number: u64) -> std::io::Result<bool> {
        let fleet = &self.shared.fleet;
        let cell = fleet.cell(number);
        let mut entry = self.shared.ledger.cell(cell);
        match std::fs::create_dir(fleet.absolute(&fleet.cell_path(cell))) {
            Ok(()) => entry.made_again = true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let (from, to) = (&self.temporary, self.path(number));
        match rustix::fs::renameat_with(CWD, from, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Reads a state as the control plane does. One that is of another load balancer is garbage.
fn look(path: &Path, number: u64) -> std::io::Result<Found> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let state: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let is_ours = state.is_some_and(|state| state["name"] == fleet::name(number).as_str());
    Ok(if is_ours { Found::Good } else { Found::Garbage })
}
