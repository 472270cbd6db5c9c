//! Where the trees and repositories of one part lie, and Recoup there.

use super::super::random::Random;
use super::super::run::{self, Sample, Step, call};
use super::super::tree;
use super::Row;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct Ground {
    pub(super) folder: PathBuf,
    pub(super) tree: PathBuf,
    recoup: PathBuf,
}

/// Files in one directory, as in the trees of many small files that people have.
const SHELF: u64 = 100;

impl Ground {
    pub(super) fn open(folder: &Path, recoup: &Path) -> Result<Self> {
        tree::remove(folder)?;
        fs::create_dir_all(folder.join("home"))?;
        let folder = folder.canonicalize()?;
        let ground = Self {
            tree: folder.join("tree"),
            folder,
            recoup: recoup.to_owned(),
        };
        ground.say(&["init"])?;
        Ok(ground)
    }

    pub(super) fn close(&self) -> Result<()> {
        tree::remove(&self.folder)
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

    pub(super) fn step(&self, arguments: &[&str]) -> Step {
        let home = self.folder.join("home");
        Step::new(&self.recoup)
            .arg("--repo")
            .arg(self.folder.join("repository"))
            .args(arguments)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_STATE_HOME", home.join("state"))
    }

    /// A command that is not measured; the last line that it prints.
    pub(super) fn say(&self, arguments: &[&str]) -> Result<Value> {
        let step = self.step(arguments);
        let mut command = Command::new(&step.program);
        command.args(&step.arguments).arg("--json");
        let output = call(command.envs(step.environment))?;
        let text = String::from_utf8_lossy(&output).into_owned();
        let last = text.lines().last().unwrap_or("null");
        serde_json::from_str(last).context("read what recoup printed")
    }

    /// A snapshot; its name.
    pub(super) fn backup(&self) -> Result<String> {
        let tree = self.tree.display().to_string();
        let summary = self.say(&["backup", &tree])?;
        Ok(summary["snapshot"]
            .as_str()
            .context("no snapshot was made")?
            .to_owned())
    }

    /// Runs `step`, with what was written before it out of the way.
    pub(super) fn measure(&self, step: &Step) -> Result<Sample> {
        call(&mut Command::new("sync"))?;
        run::measure(step, &self.folder.join("complaints.txt"))
    }

    pub(super) fn note(row: &mut Row, sample: Sample) {
        eprintln!("{}: {:.2} s", row.what, sample.wall_seconds);
        row.seconds.push(sample.wall_seconds);
        row.memory_bytes = row.memory_bytes.max(sample.memory_bytes);
    }
}
