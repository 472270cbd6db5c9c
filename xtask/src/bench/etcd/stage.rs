//! The etcd that is measured, the load on it, and the folders of those who work with it.

use super::super::desk::Desk;
use super::super::run::{Sample, Step, call};
use super::super::tree;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Of a second: what `/proc` counts in. It is 100 on every Linux that we know.
const TICKS: f64 = 100.0;

pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) server: Server,
    pub(super) keys: u64,
    recoup: PathBuf,
    load: PathBuf,
}

/// An etcd that ends when this is dropped.
pub(super) struct Server {
    child: Child,
    pid: u32,
    /// `etcd://HOST:PORT`.
    pub(super) address: String,
}

impl Server {
    /// Starts one on the data of a folder, if there are any, and waits until it answers.
    pub(super) fn start(load: &Path, folder: &Path) -> Result<Self> {
        let mut child = Command::new(load)
            .arg("serve")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the load generator")?;
        let output = child.stdout.take().context("it has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, pid] = words[..] else {
            bail!("etcd does not start: {}", child.wait()?);
        };
        Ok(Self {
            pid: pid.parse()?,
            address: address.to_owned(),
            child,
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        self.address.trim_start_matches("etcd://")
    }

    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input ends, and with it the server; nobody is left to be told.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Stage {
    /// An etcd with so many keys in an empty folder.
    pub(super) fn open(folder: &Path, recoup: PathBuf, load: PathBuf, keys: u64) -> Result<Self> {
        tree::remove(folder)?;
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let server = Server::start(&load, &folder.join("etcd"))?;
        let stage = Self {
            folder,
            server,
            keys,
            recoup,
            load,
        };
        stage.fill((0, keys), 1, 0)?;
        Ok(stage)
    }

    pub(super) fn close(self) -> Result<()> {
        drop(self.server);
        tree::remove(&self.folder)
    }

    /// A repository of its own.
    pub(super) fn desk(&self, name: &str) -> Result<Desk> {
        Desk::open(&self.folder.join(name), &self.recoup)
    }

    /// A second etcd, on what is in a folder.
    pub(super) fn serve(&self, name: &str) -> Result<Server> {
        Server::start(&self.load, &self.folder.join(name))
    }

    pub(super) fn count(&self, server: &Server) -> Result<u64> {
        let output = call(&mut self.load("count", server, &[]).command())?;
        Ok(String::from_utf8(output)?.trim().parse()?)
    }

    pub(super) fn load(&self, word: &str, server: &Server, numbers: &[u64]) -> Step {
        let numbers = numbers.iter().map(u64::to_string);
        Step::new(&self.load)
            .args([word, &server.address])
            .args(numbers)
    }

    /// Every so manieth key from one number up to another gets the value of a version.
    pub(super) fn fill(&self, (from, to): (u64, u64), step: u64, version: u64) -> Result<()> {
        let numbers = [from, to, step, version];
        call(&mut self.filling("/lb/lb-", numbers).command()).map(drop)
    }

    /// Puts in batches: numbers from and up to, steps, version.
    pub(super) fn filling(&self, prefix: &str, numbers: [u64; 4]) -> Step {
        let words = ["fill", &self.server.address, prefix];
        let numbers = numbers.iter().map(u64::to_string);
        Step::new(&self.load).args(words).args(numbers)
    }

    pub(super) fn save(&self, file: &Path) -> Step {
        etcdctl(&["--endpoints", self.server.endpoint(), "snapshot", "save"]).arg(file)
    }

    /// Runs a step; also says what it cost etcd.
    pub(super) fn measure(&self, desk: &Desk, step: &Step) -> Result<(Sample, f64)> {
        let before = self.server.cpu_seconds()?;
        let sample = desk.measure(step)?;
        Ok((sample, self.server.cpu_seconds()? - before))
    }
}

pub(super) fn etcdctl(arguments: &[&str]) -> Step {
    Step::new("etcdctl").env("ETCDCTL_API", "3").args(arguments)
}

/// What a process has used so far.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // User and system time: the 14th and 15th field, counted from the process id.
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// The most memory that a process has had so far.
pub(super) fn peak_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: u64 = kibibytes.context("the system names no peak")?.parse()?;
    Ok(kibibytes * 1024)
}
