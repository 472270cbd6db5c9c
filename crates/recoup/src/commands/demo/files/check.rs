//! Compares the tree with the books: every path, byte for byte.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::fleet::{Fleet, ZONES, number_of};
use super::ledger::{Entry, Ledger, State};
use crate::exit::{Failure, Result};

/// Differences that are listed; the rest is counted.
pub(super) const LISTED_MAX: usize = 10;

/// What belongs beside files: path and content.
pub(super) type Beside = BTreeMap<String, Option<Vec<u8>>>;

/// What the comparison came to.
#[derive(Debug, Default, Clone)]
pub(super) struct Compared {
    /// Files that were read.
    pub(super) files: u64,
    /// Files that the job had touched last and that are not as they should be.
    pub(super) lost: u64,
    /// Files that the control plane had touched last, likewise.
    pub(super) later_lost: u64,
    /// Everything else that is there and should not be, or the other way round.
    pub(super) other: u64,
    /// The first differences, in words.
    pub(super) listed: Vec<String>,
}

impl Compared {
    pub(super) fn is_exact(&self) -> bool {
        self.lost + self.later_lost + self.other == 0
    }

    pub(super) fn note(&mut self, words: String) {
        self.other += 1;
        self.list(words);
    }

    fn list(&mut self, words: String) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(words);
        }
    }

    pub(super) fn add(&mut self, part: Self) {
        self.files += part.files;
        self.lost += part.lost;
        self.later_lost += part.later_lost;
        self.other += part.other;
        part.listed.into_iter().for_each(|words| self.list(words));
    }
}

/// Compares the whole tree, each zone by a thread of its own.
pub(super) fn compare(
    fleet: &Fleet,
    ledger: &Ledger,
    state: State,
    beside: &Beside,
) -> Result<Compared> {
    let parts = std::thread::scope(|scope| {
        let compare = |zone| {
            let walk = Walk {
                fleet,
                ledger,
                state,
                beside,
                compared: Compared::default(),
                seen: HashSet::new(),
                found_beside: 0,
            };
            scope.spawn(move || walk.zone(zone))
        };
        let threads: Vec<_> = ZONES.into_iter().map(compare).collect();
        let broke_off = |_| Err(std::io::Error::other("a thread of the demo broke off"));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(broke_off))
            .collect::<std::io::Result<Vec<_>>>()
    })
    .map_err(|error| Failure::io("read the tree again", &error))?;
    let mut compared = Compared::default();
    let mut seen = HashSet::new();
    let mut found_beside = 0;
    for (part, numbers, count) in parts {
        compared.add(part);
        seen.extend(numbers);
        found_beside += count;
    }
    for number in 0..ledger.capacity() {
        if !seen.contains(&number) && ledger.expected(fleet, number, state).is_some() {
            let words = format!("{}: missing", fleet.file_path(number));
            blame(&mut compared, &ledger.entry(number), words);
        }
    }
    for _ in found_beside..beside.len() {
        compared.note("something that was put beside is missing".to_owned());
    }
    names(fleet.root.as_path(), &ZONES, &mut compared)
        .map_err(|error| Failure::io("read the tree again", &error))?;
    Ok(compared)
}

/// Nothing but the zones is at the top.
fn names(root: &Path, known: &[&str], compared: &mut Compared) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name();
        if !known.iter().any(|known| *known == name) {
            compared.note(format!("{}: unknown", name.display()));
        }
    }
    Ok(())
}

fn blame(compared: &mut Compared, entry: &Entry, words: String) {
    match entry.is_damaged() {
        true => compared.lost += 1,
        false => compared.later_lost += 1,
    }
    compared.list(words);
}

/// The walk through one zone.
struct Walk<'a> {
    fleet: &'a Fleet,
    ledger: &'a Ledger,
    state: State,
    beside: &'a Beside,
    compared: Compared,
    seen: HashSet<u64>,
    found_beside: usize,
}

impl Walk<'_> {
    fn zone(mut self, zone: &str) -> std::io::Result<(Compared, HashSet<u64>, usize)> {
        let mut cells = HashMap::new();
        for entry in std::fs::read_dir(self.fleet.absolute(zone))? {
            let path = format!("{zone}/{}", entry?.file_name().display());
            let files = self.cell(&path)?;
            cells.insert(path, files);
        }
        for cell in 0..self.fleet.cells() {
            let path = self.fleet.cell_path(cell);
            if !path.starts_with(zone) {
                continue;
            }
            let expected = self.ledger.expects_cell(cell, self.state);
            match cells.remove(&path) {
                None if expected => self.compared.note(format!("{path}: missing")),
                // What is in a directory holds it; whether that belongs there is asked of each file.
                Some(0) if !expected => self.compared.note(format!(
                    "{path}: an empty directory that should not be there"
                )),
                _ => {}
            }
        }
        for path in cells.into_keys() {
            self.compared.note(format!("{path}: unknown"));
        }
        Ok((self.compared, self.seen, self.found_beside))
    }

    /// Compares what is in a directory; gives the number of its files.
    fn cell(&mut self, cell: &str) -> std::io::Result<u64> {
        let before = self.compared.files;
        for entry in std::fs::read_dir(self.fleet.absolute(cell))? {
            let path = format!("{cell}/{}", entry?.file_name().display());
            let bytes = std::fs::read(self.fleet.absolute(&path))?;
            self.compared.files += 1;
            self.file(&path, &bytes);
        }
        Ok(self.compared.files - before)
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        let known = |number: &u64| {
            *number < self.ledger.capacity() && self.fleet.file_path(*number) == path
        };
        if let Some(number) = number_of(Path::new(path)).filter(known) {
            self.seen.insert(number);
            let expected = self.ledger.expected(self.fleet, number, self.state);
            if expected.as_deref() != Some(bytes) {
                let words = match expected {
                    Some(_) => format!("{path}: other content than it should have"),
                    None => format!("{path}: should not be there"),
                };
                blame(&mut self.compared, &self.ledger.entry(number), words);
            }
            return;
        }
        match self.beside.get(path) {
            Some(expected) => {
                self.found_beside += 1;
                if expected.as_deref() != Some(bytes) {
                    let words = format!("{path}: put beside, but with other content");
                    self.compared.note(words);
                }
            }
            None => self.compared.note(format!("{path}: unknown")),
        }
    }
}
