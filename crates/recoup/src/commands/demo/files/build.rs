//! Builds the tree.

use super::fleet::{Fleet, ZONES};
use crate::exit::{Failure, Result};

/// What was built.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Built {
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) bytes: u64,
}

/// Writes the state of every load balancer of the start, each zone by a thread of its own.
pub(super) fn build(fleet: &Fleet) -> Result<Built> {
    let zones = ZONES.len() as u64;
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..zones)
            .map(|zone| scope.spawn(move || build_zone(fleet, zone)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(panicked())))
            .collect::<Result<Vec<Built>>>()
    })?;
    let mut built = Built::default();
    for part in parts {
        built.files += part.files;
        built.directories += part.directories;
        built.bytes += part.bytes;
    }
    Ok(built)
}

fn panicked() -> Failure {
    Failure::failed("build the tree: a thread of the demo broke off")
}

fn build_zone(fleet: &Fleet, zone: u64) -> Result<Built> {
    let mut built = Built::default();
    for cell in (zone..fleet.cells()).step_by(ZONES.len()) {
        let directory = fleet.absolute(&fleet.cell_path(cell));
        std::fs::create_dir_all(&directory)
            .map_err(|error| Failure::io(format!("create {}", directory.display()), &error))?;
        built.directories += 1;
        for number in fleet.first_of_cell(cell) {
            let state = fleet.state(number, 0);
            let path = fleet.absolute(&fleet.file_path(number));
            std::fs::write(&path, &state)
                .map_err(|error| Failure::io(format!("write {}", path.display()), &error))?;
            built.files += 1;
            built.bytes += state.len() as u64;
        }
    }
    Ok(built)
}
