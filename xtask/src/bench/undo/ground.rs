//! Where the trees and repositories of one part lie, and Recoup there.

use super::super::desk::Desk;
use super::super::random::Random;
use super::super::run::Sample;
use super::Row;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Ground {
    pub(super) desk: Desk,
    pub(super) tree: PathBuf,
}

/// Files in one directory, as in the trees of many small files that people have.
const SHELF: u64 = 100;

impl Ground {
    pub(super) fn open(folder: &Path, recoup: &Path) -> Result<Self> {
        let desk = Desk::open(folder, recoup)?;
        let tree = desk.folder.join("tree");
        Ok(Self { desk, tree })
    }

    /// `count` files of `bytes` bytes that no compressor makes smaller and no two of which are alike.
    pub(super) fn fill(&self, count: u64, bytes: usize) -> Result<()> {
        let mut random = Random::new(2012);
        let mut content = vec![0; bytes];
        for number in 0..count {
            let file = self.file(number);
            if number % SHELF == 0 {
                fs::create_dir_all(file.parent().context("a file without a folder")?)?;
            }
            random.fill(&mut content);
            fs::write(file, &content)?;
        }
        Ok(())
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        let shelf = number / SHELF;
        let folder = format!("{:03}/{:02}", shelf / SHELF, shelf % SHELF);
        self.tree
            .join(folder)
            .join(format!("state-{:02}.bin", number % SHELF))
    }

    /// A snapshot; its name.
    pub(super) fn backup(&self) -> Result<String> {
        let tree = self.tree.display().to_string();
        let summary = self.desk.say(&["backup", &tree])?;
        Ok(summary["snapshot"]
            .as_str()
            .context("no snapshot was made")?
            .to_owned())
    }

    pub(super) fn note(row: &mut Row, sample: Sample) {
        eprintln!("{}: {:.2} s", row.what, sample.wall_seconds);
        row.seconds.push(sample.wall_seconds);
        row.memory_bytes = row.memory_bytes.max(sample.memory_bytes);
    }
}
