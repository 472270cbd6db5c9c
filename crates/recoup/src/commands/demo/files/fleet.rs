//! The fleet: where the state of each load balancer is kept, and what is in it.

use std::path::{Path, PathBuf};

use crate::commands::demo::stage::dice::Dice;

/// Load balancers of one cell, which is one directory.
const PER_CELL: u64 = 100;

pub(super) const ZONES: [&str; 4] = ["zone-a", "zone-b", "zone-c", "zone-d"];

/// A fleet. Load balancers are numbered; those below `size` are there from the start.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) root: PathBuf,
    pub(super) size: u64,
    pub(super) seed: u64,
}

impl Fleet {
    pub(super) fn cells(&self) -> u64 {
        self.size.div_ceil(PER_CELL)
    }

    /// The cell of a load balancer. Those that are made later are spread over all cells.
    pub(super) fn cell(&self, number: u64) -> u64 {
        match number < self.size {
            true => number / PER_CELL,
            false => Dice::new(self.seed, number).below(self.cells()),
        }
    }

    /// The load balancers that a cell has from the start.
    pub(super) fn first_of_cell(&self, cell: u64) -> std::ops::Range<u64> {
        cell * PER_CELL..((cell + 1) * PER_CELL).min(self.size)
    }

    /// The directory of a cell, relative to the root.
    pub(super) fn cell_path(&self, cell: u64) -> String {
        let zone = ZONES[(cell % ZONES.len() as u64) as usize];
        format!("{zone}/cell-{cell:04}")
    }

    /// The file of a load balancer, relative to the root.
    pub(super) fn file_path(&self, number: u64) -> String {
        let cell = self.cell_path(self.cell(number));
        format!("{cell}/{}.json", name(number))
    }

    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// What the file of a load balancer holds at a revision: 300 to 500 bytes.
    pub(super) fn state(&self, number: u64, revision: u32) -> Vec<u8> {
        let mut dice = Dice::new(self.seed ^ u64::from(revision), number);
        let cell = self.cell_path(self.cell(number));
        let targets: Vec<String> = (0..2 + dice.below(2))
            .map(|_| {
                let (net, host) = (dice.below(256), 1 + dice.below(254));
                let (weight, healthy) = (1 + dice.below(9), dice.below(20) > 0);
                format!(
                    r#"{{"host":"10.0.{net}.{host}","port":8080,"weight":{weight},"healthy":{healthy}}}"#
                )
            })
            .collect();
        let (certificate, interval) = (dice.next() as u32, 5 + dice.below(6) * 5);
        format!(
            r#"{{
  "name": "{}",
  "cell": "{cell}",
  "revision": {revision},
  "listeners": [{{"port":443,"protocol":"HTTPS","certificate":"c-{certificate:08x}"}}],
  "targets": [{}],
  "health": {{"path":"/status","interval":{interval},"threshold":3}}
}}
"#,
            name(number),
            targets.join(",")
        )
        .into_bytes()
    }
}

/// What a load balancer is called.
pub(super) fn name(number: u64) -> String {
    format!("lb-{number:06}")
}

/// The load balancer that a file is of: `lb-000042.json`, or `lb-000042.recoup-1.json` beside it.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (digits, _) = name.strip_prefix("lb-")?.split_once('.')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_json_of_the_promised_size_and_differ_by_revision() {
        let fleet = Fleet {
            root: PathBuf::new(),
            size: 1050,
            seed: 7,
        };
        assert_eq!(fleet.cells(), 11);
        assert_eq!(fleet.first_of_cell(10), 1000..1050);
        for number in 0..2000 {
            let state = fleet.state(number, 3);
            assert!((300..500).contains(&state.len()), "{}", state.len());
            let parsed: serde_json::Value = serde_json::from_slice(&state).unwrap();
            assert_eq!(parsed["revision"], 3);
            assert_eq!(state, fleet.state(number, 3));
            assert_ne!(state, fleet.state(number, 4));
            assert_eq!(number_of(Path::new(&fleet.file_path(number))), Some(number));
            assert!(fleet.cell(number) < fleet.cells());
        }
    }
}
