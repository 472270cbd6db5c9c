//! The program that is shown, run as a person would run it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::exit::{Exit, Failure, Result};

/// The first state of a million keys takes a minute on a slow disk.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// How long the watcher may take to end.
const END_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Protector {
    home: PathBuf,
    watcher: Child,
    lines: Receiver<Value>,
}

/// `recoup` with a home of its own in the scratch directory.
fn command(home: &Path) -> Result<Command> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::io("find the program that runs", &error))?;
    let mut command = Command::new(program);
    for (name, inner) in [
        ("HOME", ""),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
    ] {
        command.env(name, home.join(inner));
    }
    command.env("RECOUP_REPO", home.join("repository"));
    Ok(command)
}

impl Protector {
    /// Makes a repository and begins to watch.
    pub(super) fn start(address: &str, scratch: &Path) -> Result<Self> {
        let home = scratch.join("home");
        std::fs::create_dir_all(&home)
            .map_err(|error| Failure::io(format!("make {}", home.display()), &error))?;
        let failed = |error: std::io::Error| Failure::io("start recoup", &error);
        let mut command_init = command(&home)?;
        let made = command_init.args(["init", "--quiet"]).output();
        let made = made.map_err(failed)?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(Failure::failed(format!("make a repository: {why}")));
        }
        let mut watcher = command(&home)?
            .args(["watch", address, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (send, lines) = channel();
        if let Some(output) = watcher.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::Null);
                    if send.send(value).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self {
            home,
            watcher,
            lines,
        })
    }

    fn wait_for(
        &mut self,
        what: &str,
        within: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if is(&line) => return Ok(line),
                Ok(_) => {}
                Err(_) => {
                    let message = format!("see {what} of the watcher within {within:?}");
                    return Err(Failure::failed(message));
                }
            }
        }
    }

    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let is_ready = |line: &Value| line["type"] == "ready";
        self.wait_for("the first state", READY_WITHIN, is_ready)
            .map(drop)
    }

    /// Waits until the watcher sounds an alarm; gives the number of the incident.
    pub(super) fn wait_for_incident(&mut self, within: Duration) -> Result<String> {
        let is = |line: &Value| line["type"] == "incident" && line["level"] == "alarm";
        let line = self.wait_for("an incident", within, is)?;
        // The word of it goes on: what was deleted last belongs to it as well.
        thread::sleep(Duration::from_secs(3));
        let id = &line["id"];
        Ok(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    }

    /// Runs a command and gives what it printed.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let ran = command(&self.home)?.args(arguments).output();
        let ran = ran.map_err(|error| Failure::io("run recoup", &error))?;
        // Conflicts are no failure: later work stays.
        let code = ran.status.code().unwrap_or(-1);
        if code != 0 && code != Exit::Open as i32 {
            let why = String::from_utf8_lossy(&ran.stderr).into_owned();
            let shown = arguments.join(" ");
            return Err(Failure::failed(format!("run recoup {shown}: {why}")));
        }
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.map_while(Result::ok).collect())
    }

    /// Asks the watcher to end, and waits.
    pub(super) fn end(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.watcher);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let end = Instant::now() + END_WITHIN;
        while Instant::now() < end {
            let ended = self.watcher.try_wait();
            if ended
                .map_err(|error| Failure::io("wait for the watcher", &error))?
                .is_some()
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Protector {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to do.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}

/// A number of the summary of a command.
pub(super) fn field(lines: &[Value], name: &str) -> u64 {
    let summary = lines.iter().rev().find(|line| line["type"] == "summary");
    summary.and_then(|line| line[name].as_u64()).unwrap_or(0)
}
