//! `recoup watch` in the background, and the lines that it prints.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the first backup may take: a million keys, on a machine that may be busy.
const READY_MOST: Duration = Duration::from_secs(300);

/// A line, and when it came, in seconds since 1970.
pub(crate) type Line = (f64, Value);

/// It runs until this is stopped or dropped: a case that fails leaves nobody behind who watches on.
pub(crate) struct Watch {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    reader: Option<JoinHandle<()>>,
}

pub(crate) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

impl Watch {
    /// Starts `recoup watch` and waits until it is ready; what it complains of goes to a file.
    pub(crate) fn start(mut command: Command, complaints: &Path) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(complaints)?)
            .spawn()
            .context("start recoup watch")?;
        let output = child.stdout.take().context("recoup watch has no output")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let (Ok(value), Ok(mut lines)) = (serde_json::from_str(&line), written.lock()) {
                    lines.push((now(), value));
                }
            }
        });
        let watch = Self {
            child,
            lines,
            reader: Some(reader),
        };
        let begin = Instant::now();
        while watch.find(|(_, line)| line["type"] == "ready").is_none() {
            let ended = watch.reader.as_ref().is_none_or(JoinHandle::is_finished);
            if begin.elapsed() > READY_MOST || ended {
                let complaint = std::fs::read_to_string(complaints);
                bail!(
                    "recoup watch is not ready: {}",
                    complaint.unwrap_or_default()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(watch)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines
            .lock()
            .map_or_else(|_| Vec::new(), |lines| lines.clone())
    }

    /// The first line that is what was asked for.
    pub(crate) fn find(&self, is: impl Fn(&Line) -> bool) -> Option<Line> {
        let lines = self.lines.lock().ok()?;
        lines.iter().find(|line| is(line)).cloned()
    }

    /// Waits for such a line.
    pub(crate) fn wait_for(&self, most: Duration, is: impl Fn(&Line) -> bool) -> Result<Line> {
        let begin = Instant::now();
        loop {
            match self.find(&is) {
                Some(line) => return Ok(line),
                None if begin.elapsed() > most => {
                    bail!("recoup watch does not say within {most:?} what was expected")
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits until nothing new has been said for `quiet`, at most `most`.
    pub(crate) fn wait_quiet(&self, quiet: Duration, most: Duration) {
        let begin = Instant::now();
        let (mut seen, mut since) = (self.lines().len(), Instant::now());
        while since.elapsed() < quiet && begin.elapsed() < most {
            thread::sleep(Duration::from_millis(100));
            let lines = self.lines().len();
            if lines != seen {
                (seen, since) = (lines, Instant::now());
            }
        }
    }

    /// Ends it by SIGTERM; it must end well.
    pub(crate) fn stop(mut self) -> Result<Vec<Line>> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if !status.success() {
            bail!("recoup watch ended with {status}");
        }
        Ok(self.lines())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both do nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A watcher that is a script: it notes its process and runs `words`.
    fn start(folder: &Path, words: &str) -> Result<Watch> {
        let pid = folder.join("pid");
        let mut command = Command::new("sh");
        command.arg("-c");
        command.arg(format!("echo $$ >{}\n{words}", pid.display()));
        Watch::start(command, &folder.join("watch.txt"))
    }

    #[test]
    fn a_case_that_fails_leaves_no_watch_running() {
        let folder = std::env::temp_dir().join(format!("harness-watch-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let runs = || {
            let pid = fs::read_to_string(folder.join("pid")).unwrap();
            Path::new("/proc").join(pid.trim()).exists()
        };
        let ready = "echo '{\"type\":\"ready\"}'; exec sleep 600";
        let watch = start(&folder, ready).unwrap();
        assert!(runs());
        drop(watch);
        assert!(!runs());
        // One that ends well when it is asked to.
        let polite =
            "trap 'exit 0' TERM; echo '{\"type\":\"ready\"}'; while :; do sleep 0.05; done";
        let lines = start(&folder, polite).unwrap().stop().unwrap();
        assert_eq!(lines.len(), 1);
        // It is never ready, but goes on.
        assert!(start(&folder, "exec sleep 600 >&-").is_err());
        assert!(!runs());
        fs::remove_dir_all(&folder).unwrap();
    }
}
