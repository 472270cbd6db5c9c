//! A folder with a repository and a home of its own, and Recoup at work there.

use super::run::{self, Sample, Step, call};
use super::tree;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Desk {
    pub(crate) folder: PathBuf,
    recoup: PathBuf,
}

impl Desk {
    /// Whatever the folder held is gone; the repository is made.
    pub(crate) fn open(folder: &Path, recoup: &Path) -> Result<Self> {
        tree::remove(folder)?;
        fs::create_dir_all(folder.join("home"))?;
        let desk = Self {
            folder: folder.canonicalize()?,
            recoup: recoup.to_owned(),
        };
        desk.say(&["init"])?;
        Ok(desk)
    }

    pub(crate) fn close(&self) -> Result<()> {
        tree::remove(&self.folder)
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    pub(crate) fn step(&self, arguments: &[&str]) -> Step {
        let home = self.folder.join("home");
        Step::new(&self.recoup)
            .arg("--repo")
            .arg(self.repository())
            .args(arguments)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_STATE_HOME", home.join("state"))
    }

    /// A command that is not measured; the last line that it prints.
    pub(crate) fn say(&self, arguments: &[&str]) -> Result<Value> {
        let output = call(&mut self.step(arguments).arg("--json").command())?;
        let text = String::from_utf8_lossy(&output).into_owned();
        let last = text.lines().last().unwrap_or("null");
        serde_json::from_str(last).context("read what recoup printed")
    }

    /// Runs `step`, with what was written before it out of the way.
    pub(crate) fn measure(&self, step: &Step) -> Result<Sample> {
        call(&mut Command::new("sync"))?;
        run::measure(step, &self.folder.join("complaints.txt"))
    }
}
