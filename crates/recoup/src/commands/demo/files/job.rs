//! The maintenance job that goes wrong: it deletes, damages, and logs what it touched, as jobs do.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use super::fleet::Fleet;
use super::ledger::{Damage, Ledger, left_by};
use crate::commands::demo::stage::dice::Dice;
use crate::exit::{Failure, Result};

/// Share of the fleet that is deleted, in thousandths: the 6.8 % of 24 December 2012, see
/// aws.amazon.com/message/680587.
const DELETED: u64 = 68;

/// Share that is damaged on top, in thousandths.
const DAMAGED: u64 = 5;

/// Part of the deletions that takes whole directories.
const WHOLE_CELLS: u64 = 4;

/// Files between two pauses, and how long those are: the job lasts about as long as it takes to notice
/// that it runs, so that others work in the same seconds.
const BETWEEN_PAUSES: u64 = 16;
const PAUSE: Duration = Duration::from_millis(2);

/// What the job did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Toll {
    pub(super) deleted: u64,
    pub(super) damaged: u64,
    pub(super) directories: u64,
}

/// The job at work. Its inventory is that of the start.
struct Job<'a> {
    fleet: &'a Fleet,
    ledger: &'a Ledger,
    log: String,
    toll: Toll,
}

/// Runs the job; its log is at `log` afterwards, one path in a line.
pub(super) fn run(fleet: &Fleet, ledger: &Ledger, log: &Path) -> Result<Toll> {
    let mut dice = Dice::new(fleet.seed, u64::MAX);
    let mut job = Job {
        fleet,
        ledger,
        log: String::new(),
        toll: Toll::default(),
    };
    let to_delete = fleet.size * DELETED / 1000;
    let to_damage = fleet.size * DAMAGED / 1000;
    let mut cells: Vec<u64> = (0..fleet.cells()).collect();
    dice.shuffle(&mut cells);
    for cell in cells {
        let size = fleet.first_of_cell(cell).count() as u64;
        if job.toll.deleted + size > (to_delete / WHOLE_CELLS).max(size) {
            break;
        }
        job.empty(cell)?;
    }
    let mut numbers: Vec<u64> = (0..fleet.size).collect();
    dice.shuffle(&mut numbers);
    for number in numbers {
        if job.toll.deleted < to_delete {
            job.delete(number)?;
        } else if job.toll.damaged < to_damage {
            let damage = match job.toll.damaged % 2 {
                0 => Damage::Truncated,
                _ => Damage::Overwritten,
            };
            job.damage(number, damage)?;
        }
    }
    std::fs::write(log, &job.log).map_err(|error| Failure::io("write the job's log", &error))?;
    Ok(job.toll)
}

impl Job<'_> {
    /// Deletes the files of a directory, and it.
    fn empty(&mut self, cell: u64) -> Result<()> {
        for number in self.fleet.first_of_cell(cell) {
            self.delete(number)?;
        }
        let path = self.fleet.cell_path(cell);
        let mut entry = self.ledger.cell(cell);
        match std::fs::remove_dir(self.fleet.absolute(&path)) {
            Ok(()) => {
                entry.removed = true;
                self.toll.directories += 1;
                self.note(&path);
                Ok(())
            }
            // Somebody made a load balancer there meanwhile.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) => Err(Failure::io(format!("remove {path}"), &error)),
        }
    }

    fn delete(&mut self, number: u64) -> Result<()> {
        let path = self.fleet.file_path(number);
        let mut entry = self.ledger.entry(number);
        match std::fs::remove_file(self.fleet.absolute(&path)) {
            Ok(()) => {
                entry.damaged(Damage::Deleted);
                self.toll.deleted += 1;
                self.note(&path);
                Ok(())
            }
            Err(error) => gone(&path, &error),
        }
    }

    fn damage(&mut self, number: u64, damage: Damage) -> Result<()> {
        let path = self.fleet.file_path(number);
        let mut entry = self.ledger.entry(number);
        let mut options = OpenOptions::new();
        options.write(true).truncate(true);
        let bytes = left_by(damage, self.fleet, number).unwrap_or_default();
        let opened = options.open(self.fleet.absolute(&path));
        match opened.and_then(|mut file| file.write_all(&bytes)) {
            Ok(()) => {
                entry.damaged(damage);
                self.toll.damaged += 1;
                self.note(&path);
                Ok(())
            }
            Err(error) => gone(&path, &error),
        }
    }

    fn note(&mut self, path: &str) {
        self.log.push_str(path);
        self.log.push('\n');
        if (self.toll.deleted + self.toll.damaged).is_multiple_of(BETWEEN_PAUSES) {
            std::thread::sleep(PAUSE);
        }
    }
}

/// The control plane, or the job itself, removed it before.
fn gone(path: &str, error: &std::io::Error) -> Result<()> {
    match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(Failure::io(format!("change {path}"), error)),
    }
}
